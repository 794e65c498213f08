"""Intervals cover what they say, and say what they count: the images of one seed, or the seeds."""

import numpy as np
import pytest

from pipeline.evaluate.intervals import difference, over_seeds, student, wilson


def test_wilsons_interval_covers_the_true_share_as_often_as_it_says():
    rng = np.random.default_rng(2)
    covered = 0
    for hits in rng.binomial(800, 0.65, 2000):
        interval = wilson(int(hits), 800)
        covered += interval.low <= 0.65 <= interval.high
    assert 0.935 <= covered / 2000 <= 0.965


def test_of_one_seed_the_images_count_and_none_of_56_is_no_certainty():
    alone = over_seeds([0.61], 1000)
    assert alone == wilson(610, 1000)
    assert alone.mean == 0.61 and 0.028 < alone.mean - alone.low < 0.032
    none = wilson(0, 56)
    assert none.low == pytest.approx(0) and 0.05 < none.high < 0.08


def test_the_seeds_interval_covers_the_expected_accuracy_as_often_as_it_says():
    """On one test set, whose images all seeds share: no variance of other images comes on top."""
    rng = np.random.default_rng(3)
    covered = 0
    for seeds in rng.normal(0.7, 0.004, (2000, 3)):
        interval = student(list(seeds))
        covered += interval.low <= 0.7 <= interval.high
    assert 0.935 <= covered / 2000 <= 0.965


def test_of_several_seeds_their_spread_counts_and_two_tell_little():
    apart = over_seeds([0.2, 0.8], 1000)
    assert apart.mean == 0.5
    # Student's t with one degree of freedom
    assert apart.low == pytest.approx(0.5 - 12.7062 * 0.3, abs=1e-3)
    close = over_seeds([0.6, 0.61, 0.62], 1000)
    assert close.high - close.mean == pytest.approx(4.3027 * 0.01 / 3**0.5, abs=1e-5)
    assert over_seeds([0.598, 0.61, 0.622], 1000).high > close.high


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
