"""Intervals cover what they say, and say what they count: the images of one seed, or the seeds."""

import numpy as np
import pytest

from pipeline.evaluate.intervals import bootstrap, difference, holm, mcnemar, over_seeds, paired, student, wilson

SIMULATIONS = 20_000


def test_wilsons_interval_covers_the_true_share_as_often_as_it_says():
    """One model, other images: of n = 3,589 as in both tests, and of a class of 56."""
    rng = np.random.default_rng(2)
    for images, share in ((3589, 0.735), (56, 0.55)):
        hits, counts = np.unique(rng.binomial(images, share, SIMULATIONS), return_counts=True)
        intervals = [wilson(int(number), images) for number in hits]
        covered = sum(count for count, interval in zip(counts, intervals, strict=True)
                      if interval.low <= share <= interval.high)
        assert 0.94 <= covered / SIMULATIONS <= 0.96


def test_of_one_seed_the_images_count_and_none_of_56_is_no_certainty():
    alone = over_seeds([0.61], 1000)
    assert alone == wilson(610, 1000)
    assert alone.mean == 0.61 and 0.028 < alone.mean - alone.low < 0.032
    none = wilson(0, 56)
    assert none.low == pytest.approx(0) and 0.05 < none.high < 0.08


@pytest.mark.parametrize("count", [2, 3, 4])
def test_the_seeds_interval_covers_the_expected_accuracy_as_often_as_it_says(count):
    """On one test set whose images differ in difficulty and are the same for all seeds, whose right answers differ: no
    variance of other images comes on top, or the interval would be too wide."""
    rng = np.random.default_rng(3)
    difficulty = rng.beta(3, 1, 3589)
    expected, spread = difficulty.mean(), (difficulty * (1 - difficulty)).sum() ** 0.5 / 3589
    # The sum of 3,589 independent answers of these probabilities is normal to the fourth digit
    covered = too_wide = 0
    for seeds in rng.normal(expected, spread, (SIMULATIONS // 4, count)):
        interval = student(list(seeds))
        covered += interval.low <= expected <= interval.high
        images = 1.96 * (expected * (1 - expected) / 3589) ** 0.5
        too_wide += abs(interval.mean - expected) <= ((interval.high - interval.mean) ** 2 + images**2) ** 0.5
    assert 0.94 <= covered / (SIMULATIONS // 4) <= 0.96
    assert too_wide / (SIMULATIONS // 4) > 0.97


def test_of_several_seeds_their_spread_counts_and_two_tell_little():
    apart = over_seeds([0.2, 0.8], 1000)
    assert apart.mean == 0.5
    # Student's t with one degree of freedom
    assert apart.low == pytest.approx(0.5 - 12.7062 * 0.3, abs=1e-3)
    close = over_seeds([0.6, 0.61, 0.62], 1000)
    assert close.high - close.mean == pytest.approx(4.3027 * 0.01 / 3**0.5, abs=1e-5)
    assert over_seeds([0.598, 0.61, 0.622], 1000).high > close.high


def test_the_bootstrap_covers_a_figure_that_is_no_share_as_often_as_it_says():
    """The mean over images of a share each, as of twenty corruptions: exponential here, whose mean is 1."""
    rng = np.random.default_rng(4)
    covered = 0
    for _ in range(200):
        values = rng.exponential(1, 300)
        low, high = bootstrap(lambda rows, values=values: values[rows].mean(), 300)
        covered += low <= 1 <= high
    assert 0.9 <= covered / 200 <= 0.99
    again = [bootstrap(lambda rows: [values[rows].min(), values[rows].max()], 300) for _ in range(2)]
    assert np.array_equal(*again) and again[0][0].shape == (2,), "seeded, and of several figures at once"


def test_one_seed_has_no_spread():
    with pytest.raises(ValueError, match="expected at least two"):
        student([0.65])


def test_a_difference_has_the_usual_interval_where_the_usual_one_holds():
    gain = difference(wilson(6500, 10000), wilson(6000, 10000))
    half = 1.96 * (0.65 * 0.35 / 1e4 + 0.6 * 0.4 / 1e4) ** 0.5
    assert gain.mean == pytest.approx(0.05)
    assert (gain.low, gain.high) == pytest.approx((0.05 - half, 0.05 + half), abs=2e-4)


def test_a_difference_of_small_shares_is_newcombes():
    """His example (a) of 56/70 less 48/80: method 10, which is Wilson's without continuity correction."""
    gain = difference(wilson(56, 70), wilson(48, 80))
    assert (gain.low, gain.high) == pytest.approx((0.0524, 0.3339), abs=1e-4)


def test_a_paired_difference_covers_the_true_one_as_often_as_it_says():
    """Two models that agree on most images, on a test and on a class of 56; equal ones are rarely called different."""
    rng = np.random.default_rng(4)
    for images, gained, lost in ((3589, 0.08, 0.065), (56, 0.1, 0.05)):
        cells = rng.multinomial(images, [gained, lost, 1 - gained - lost], SIMULATIONS)
        pairs, counts = np.unique(cells[:, :2], axis=0, return_counts=True)
        intervals = [paired(int(more), int(less), images) for more, less in pairs]
        covered = sum(count for count, interval in zip(counts, intervals, strict=True)
                      if interval.low <= gained - lost <= interval.high)
        assert 0.94 <= covered / SIMULATIONS <= 0.975
    wrong = sum(mcnemar(int(more), 250 - int(more)) < 0.05 for more in rng.binomial(250, 0.5, SIMULATIONS // 10))
    assert 0.035 <= wrong / (SIMULATIONS // 10) <= 0.06


def test_a_paired_interval_is_narrower_than_that_of_two_tests():
    """The same accuracies; how often the two differ on an image is what counts."""
    apart = difference(wilson(740, 1000), wilson(700, 1000))
    close, far = paired(60, 20, 1000), paired(190, 150, 1000)
    assert close.mean == far.mean == pytest.approx(apart.mean)
    assert close.high - close.low < far.high - far.low < apart.high - apart.low
    assert (close.low, close.high) == pytest.approx((0.0224, 0.0574), abs=2e-4)


def test_mcnemars_test_asks_the_images_that_tell_two_models_apart():
    assert mcnemar(0, 0) == mcnemar(7, 7) == 1.0
    # exact: 2 * (1 + 8) / 2**8, less the probability of what was seen
    assert mcnemar(1, 7) == mcnemar(7, 1) == pytest.approx((2 * 9 - 8) / 2**8)
    assert mcnemar(100, 60) < 0.01 < 0.2 < mcnemar(82, 78)


def test_of_many_tests_the_smallest_p_counts_for_all_of_them():
    assert holm([0.04, 0.01, 0.5]) == pytest.approx([0.08, 0.03, 0.5])
    assert holm([0.03, 0.02]) == [0.04, 0.04]
