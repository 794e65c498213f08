"""Occlusion maps: they point at what a network looks at, and are its own."""

from itertools import combinations

import numpy as np
import pytest

from pipeline.demo.see import occlusion as maps
from pipeline.demo.see.classifier import classify
from pipeline.demo.see.occlusion import occluded, occlusion, over_cells, part_at


class Network:
    """Two layers on the means of 8x8 blocks: an activation for each of H filters, and a score for each class."""

    crop_margin = 0.97

    def __init__(self, filters: np.ndarray, scores: np.ndarray):
        self.filters, self.scores, self.calls = filters, scores, []
        self.classes = tuple(f"class{index}" for index in range(scores.shape[1]))

    def predict(self, images):
        self.calls.append(len(images))
        blocks = images.reshape(-1, 6, 8, 6, 8).mean(axis=(2, 4)).reshape(-1, 36) / 255
        logits = np.maximum(blocks @ self.filters, 0) @ self.scores
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        return (powers / powers.sum(axis=1, keepdims=True)).astype("float32")

    def calibrated(self, probabilities):
        return probabilities


def looking_at(row: int, column: int, gain=6.0) -> Network:
    """A network whose class 1 is the more probable the brighter this block of 8x8 pixels is."""
    filters = np.zeros((36, 1))
    filters[6 * row + column] = 1
    return Network(filters, np.array([[0.0, gain]]))


def random_network(seed: int) -> Network:
    rng = np.random.default_rng(seed)
    return Network(rng.normal(0, 1, (36, 16)), rng.normal(0, 1, (16, 7)))


@pytest.mark.parametrize("row, column", [(1, 1), (2, 4), (4, 2), (5, 5)])
def test_a_map_points_at_the_place_that_matters(row, column):
    crop = np.full((48, 48), 40, "uint8")
    crop[8 * row : 8 * row + 8, 8 * column : 8 * column + 8] = 250
    result = occlusion(looking_at(row, column), crop, 1, flip=False)
    top, left = np.unravel_index(result.grid.argmax(), result.grid.shape)
    assert top // 2 == row and left // 2 == column, "the block is 2x2 cells"
    assert result.shares.max() == 1
    far = np.ones((12, 12), bool)
    far[max(0, 2 * row - 3) : 2 * row + 5, max(0, 2 * column - 3) : 2 * column + 5] = False
    assert np.abs(result.grid[far]).max() < 1e-4 < result.grid.max(), "no other place has a part in it"
    against = occlusion(looking_at(row, column), crop, 0, flip=False)
    assert against.grid == pytest.approx(-result.grid, abs=1e-4), "what speaks for one of two speaks against the other"


def test_a_map_changes_with_the_weights():
    """The sanity check of Adebayo et al. 2018, arXiv 1810.03292: an edge detector's picture would stay the same."""
    rng = np.random.default_rng(0)
    crops = rng.integers(0, 256, (4, 6, 6), "uint8").repeat(8, axis=1).repeat(8, axis=2)

    def ranks(network: Network, crop: np.ndarray) -> np.ndarray:
        return occlusion(network, crop, 0).grid.ravel().argsort().argsort()

    for crop in crops:
        assert np.array_equal(ranks(random_network(1), crop), ranks(random_network(1), crop))
        alike = [np.corrcoef(ranks(random_network(one), crop), ranks(random_network(other), crop))[0, 1]
                 for one, other in combinations(range(1, 7), 2)]
        assert abs(np.mean(alike)) < 0.25 and np.mean(np.abs(alike)) < 0.6, "Spearman's, over 15 pairs of networks"


def test_its_probabilities_are_the_models_own_in_one_call():
    network, crop = random_network(3), np.random.default_rng(1).integers(0, 256, (48, 48), "uint8")
    result = occlusion(network, crop, 2)
    assert network.calls == [202], "both views of the crop and of its hundred patches together"
    assert result.probability == pytest.approx(float(classify(network, crop[None])[0, 2]))
    answers = classify(network, occluded(crop))[:, 2]
    assert result.hidden == pytest.approx(float(answers.min()))
    assert result.part == part_at(*divmod(int(answers.argmin()), maps.PLACES))
    network.calls.clear()
    assert occlusion(network, crop, 2, flip=False).probability == pytest.approx(
        float(classify(network, crop[None], flip=False)[0, 2]))
    assert network.calls[0] == 101


def test_every_pixel_is_hidden_and_what_is_not_stays():
    crop = np.random.default_rng(2).integers(0, 256, (48, 48), "uint8")
    hidden = occluded(crop)
    assert hidden.shape == (100, 48, 48) and hidden.dtype == np.uint8
    assert (hidden != crop).any(axis=0).mean() > 0.95
    for index in (0, 9, 57, 99):
        top, left = (4 * place for place in divmod(index, 10))
        outside = np.ones((48, 48), bool)
        outside[top : top + 12, left : left + 12] = False
        assert np.array_equal(hidden[index][outside], crop[outside])
        inside = hidden[index][~outside].reshape(12, 12).astype(int)
        assert np.abs(np.diff(inside, axis=0)).max() < 40, "blurred"


def test_a_cell_is_the_mean_over_the_patches_that_hide_it():
    drops = np.arange(100.0).reshape(10, 10)
    cells = over_cells(drops)
    assert cells[0, 0] == 0 and cells[11, 11] == 99
    assert cells[5, 6] == pytest.approx(drops[3:6, 4:7].mean())


def test_a_face_that_no_part_decides_has_a_pale_map_and_says_so():
    crop = np.full((48, 48), 128, "uint8")
    crop[16:24, 16:24] = 250
    result = occlusion(looking_at(2, 2, gain=0.2), crop, 1)
    assert 0 < result.shares.max() < 0.3
    assert result.says(("no", "yes")) == "yes whichever part is hidden"
    crop = np.full((48, 48), 10, "uint8")
    crop[32:40, 16:24] = 250
    clear = occlusion(looking_at(4, 2), crop, 1, flip=False)
    assert clear.says(("no", "yes")) == f"yes {clear.hidden:.0%} with the mouth hidden"


def test_the_parts_are_where_fer2013_has_them():
    parts = [[part_at(row, column) for column in range(10)] for row in range(10)]
    assert parts[0][4] == "forehead" and parts[3][2] == parts[3][7] == "eyes" and parts[3][0] == "side of the head"
    assert parts[5][4] == "nose" and parts[6][1] == "cheek" and parts[7][4] == parts[8][5] == "mouth"
    assert parts[9][4] == "chin"
