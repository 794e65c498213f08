"""FER+ votes find their faces, by name or by the row of the CSV edition, and travel with them."""

import numpy as np
import pytest

from pipeline.download.external import find_votes
from pipeline.faces.faces import Faces
from pipeline.faces.votes import COLUMNS, shares, with_votes
from pipeline.system.failure import Failure


def faces(ids, splits_from="file names"):
    count = len(ids)
    return Faces(np.arange(count * 48 * 48, dtype="uint8").reshape(count, 48, 48), np.array(ids),
                 np.array(["Training"] * count), np.zeros(count, "int64"),
                 {"splits_from": splits_from, "source": "toy", "dataset": "fer2013"})


def write(path, head, rows):
    lines = [",".join((*head, *COLUMNS))] + [",".join(map(str, row)) for row in rows]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_by_name(tmp_path):
    file = write(tmp_path / "ferplus_votes.csv", ("image", "row"),
                 [("Training_2", 0, *range(10)), ("Training_1", 1, *[1] * 10)])
    found = with_votes(faces(["Training_1", "Training_2", "Training_3"]), file)
    assert found.votes.tolist() == [[1] * 10, list(range(10)), [0] * 10]
    assert found.manifest["votes"]["faces"] == 2 and find_votes(tmp_path) == file


def test_by_row_for_the_csv_edition_and_kaggle_s_folder_alone(tmp_path):
    ids = ["Training_000002", "Training_000000"]
    rows = [("Training", f"fer{row:07d}.png", *[row + 1] * 10) for row in range(3)]
    file = write(tmp_path / "fer2013new.csv", ("Usage", "Image name"), rows)
    assert with_votes(faces(ids, "Usage"), file).votes[:, 0].tolist() == [3, 1]
    with pytest.raises(Failure, match="rows of FER-2013's CSV edition"):
        with_votes(faces(ids), file)
    # as Kaggle names the CSV edition's rows 2 and 0, and a face that it does not have
    named = faces(["Training_64048399", "Training_1426440", "Training_1"])
    found = with_votes(named, file)
    assert found.votes[:, 0].tolist() == [3, 1, 0]
    same = write(tmp_path / "ferplus_votes.csv", ("image", "row"), [(named.ids[0], 2, *[3] * 10),
                                                                     (named.ids[1], 0, *[1] * 10)])
    assert with_votes(named, same).manifest["votes"]["sha256"] == found.manifest["votes"]["sha256"], "the same votes"
    other = write(tmp_path / "ferplus_votes.csv", ("image", "row"), [(name, 0, *[3] * 10) for name in named.ids])
    assert with_votes(named, other).manifest["votes"]["sha256"] != found.manifest["votes"]["sha256"]


def test_they_travel_and_leave_the_digest_alone(tmp_path):
    file = write(tmp_path / "ferplus_votes.csv", ("image", "row"), [("Training_1", 0, *[3] * 10)])
    plain = faces(["Training_1"])
    found = with_votes(plain, file)
    assert found.digest() == plain.digest()
    found.save(tmp_path / "faces")
    back = Faces.load(tmp_path / "faces")
    np.testing.assert_array_equal(back.take(np.array([0])).votes, found.votes)


def test_shares_leave_out_the_unknown():
    votes = np.array([[4, 6, 0, 0, 0, 0, 0, 0, 5, 9], [0] * 10], "uint8")
    np.testing.assert_allclose(shares(votes), [[0.4, 0.6, 0, 0, 0, 0, 0, 0], [0] * 8], rtol=1e-6)


@pytest.mark.parametrize("text, says", [
    ("a,b\n1,2\n", "not the votes"),
    (",".join(("image", *COLUMNS)) + "\nother" + ",1" * 10 + "\n", "has votes of only 0"),
    (",".join(("image", *COLUMNS)) + "\nTraining_1" + ",x" * 10, "line 2: a vote that is no whole number"),
])
def test_another_file_is_one_line(tmp_path, text, says):
    file = tmp_path / "ferplus_votes.csv"
    file.write_text(text)
    with pytest.raises(Failure, match=says):
        with_votes(faces(["Training_1", "Training_2"]), file)
