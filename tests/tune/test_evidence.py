"""What a search takes is really better: studies in which no trial is, simulated."""

import numpy as np
import pytest

from pipeline.tune import evidence

IMAGES, STUDIES, CONFIDENCE = 1200, 300, 0.9


class World:
    """Trials that differ from the recipe by ``gains`` in accuracy; numbers from 1, the recipe is 0.

    An image has a difficulty, which all runs share; beyond it a run's answers are random, and a run as a whole is
    better or worse by its seed. Short runs are less accurate and scatter more than long ones.
    """

    def __init__(self, seed, gains, short=0.008, long=0.002):
        self.rng, self.gains = np.random.default_rng(seed), np.array([0.0, *gains])
        self.short, self.long = short, long
        self.difficulty = self.rng.beta(1.2, 0.68, IMAGES)

    def run(self, shift, scatter):
        chance = self.difficulty + shift + self.rng.normal(0, scatter)
        return self.rng.random(IMAGES) < chance

    def study(self, finalists):
        """The trial that is taken, and the one that the rule of old would take: the best of the short runs, if it gains
        1.3 standard errors of the difference between two accuracies."""
        short = [self.run(gain - 0.12, self.short).mean() for gain in self.gains]
        order = 1 + np.argsort(short[1:])[::-1]
        best = max(short[1:])
        old = best - short[0] > 1.3 * np.sqrt(sum(share * (1 - share) / IMAGES for share in (best, short[0])))
        long = {int(trial): self.run(self.gains[trial], self.long) for trial in order[:finalists]}
        judged = evidence.judged(self.run(0, self.long), long, len(self.gains) - 1, CONFIDENCE, seed=1)
        return evidence.taken(judged), order[0] if old else None


def shares(gains, finalists, **noise):
    """How often a trial is taken, and how often by the rule of old."""
    found = [World(seed, gains, **noise).study(finalists) for seed in range(STUDIES)]
    return tuple(sum(trial is not None for trial in by_rule) / STUDIES for by_rule in zip(*found, strict=True))


@pytest.mark.parametrize(("trials", "finalists"), [(5, 1), (5, 2), (20, 2)])
def test_a_search_that_has_found_nothing_better_rarely_takes_anything(trials, finalists):
    false, by_old_rule = shares([0] * trials, finalists)
    assert false <= 1 - CONFIDENCE
    assert by_old_rule > 2 * (1 - CONFIDENCE), "the best of several short runs looks better than it is"


def test_it_does_not_even_where_every_trial_is_a_finalist():
    """The hardest case: the best of all full-length runs is chosen on the images that the evidence is from."""
    false, _ = shares([0] * 5, 5)
    assert false <= 1 - CONFIDENCE


def test_trials_that_are_worse_are_not_taken_either():
    assert shares([-0.02] * 5, 5)[0] <= (1 - CONFIDENCE) / 5


def test_a_gain_that_is_large_enough_to_matter_is_taken():
    worlds = [World(seed, [0, 0.08, 0, 0, 0]).study(2)[0] for seed in range(50)]
    assert sum(trial == 2 for trial in worlds) >= 45


def test_the_evidence_has_to_be_stronger_where_more_trials_were_tried():
    rng = np.random.default_rng(1)
    recipe = rng.random(IMAGES) < 0.6
    better = recipe.copy()
    better[np.flatnonzero(~recipe)[:60]] = True
    better[np.flatnonzero(recipe)[:36]] = False  # 60 images gained, 36 lost: z = 2.4
    few, many = (evidence.judged(recipe, {3: better}, trials, CONFIDENCE, 1)[0] for trials in (2, 200))
    assert few.real and not many.real
    assert few.gain == many.gain == pytest.approx(24 / IMAGES)
    assert (few.needed, many.needed) == (pytest.approx(0.95), pytest.approx(0.9995))


def test_the_most_accurate_of_those_that_are_real_is_taken():
    recipe = np.arange(1000) < 500
    good, best = np.arange(1000) < 560, np.arange(1000) < 600
    judged = evidence.judged(recipe, {1: good, 2: best, 3: recipe}, 3, CONFIDENCE, 1)
    assert [row.trial for row in judged] == [2, 1, 3] and evidence.taken(judged) == 2
    assert not judged[-1].real and evidence.taken(judged[-1:]) is None


@pytest.mark.parametrize(("finalist", "stopped"), [
    ([0.6] * 4, None),                        # before half of the schedule
    ([0.6] * 5, 5),
    ([0.6] * 7, 7),
    ([0.7] * 3 + [0.69] * 3, None),           # less than could be shown on 400 images
    ([0.2] * 5 + [0.7] * 2, None),            # the last fifth of the schedule counts
    ([0.6] * 10, None),                       # nothing is saved any more
])
def test_a_finalist_is_stopped_where_it_is_clearly_behind_at_half_of_the_schedule_or_later(finalist, stopped):
    found = evidence.behind([0.7] * 10, finalist, epochs=10, images=400)
    assert (found and found.epoch) == stopped
    if found:
        assert (found.accuracy, found.deficit) == (pytest.approx(0.6), pytest.approx(0.1))


def test_a_recipe_that_ended_early_stops_no_finalist():
    assert evidence.behind([0.7] * 5, [0.6] * 6, epochs=10, images=400) is None


def test_a_stopped_finalist_is_not_taken_and_stands_below_those_that_were_trained_to_their_end():
    recipe = np.arange(1000) < 500
    judged = evidence.judged(recipe, {1: evidence.Behind(8, 0.6, 0.01), 2: np.arange(1000) < 490}, 2, CONFIDENCE, 1)
    assert [(row.trial, row.stopped, row.real) for row in judged] == [(2, None, False), (1, 8, False)]
