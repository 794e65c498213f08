"""A study ends by trials, by hours, or because nothing more comes of it; and what it may begin with."""

import pytest
import toy_models
from toy_study import by_slot, trial

from pipeline.params import params
from pipeline.tune import declared, pruning, warm
from pipeline.tune.budget import Budget, extent
from pipeline.tune.front import front
from pipeline.tune.slots import CPU
from pipeline.tune.warm import Older

HOUR = 3600.0


def ends(done, begun=None, **limits):
    budget = Budget(**{"trials": 10, "hours": 0.0, "flat": 0, "images": 3589, **limits})
    found = extent(by_slot(done), len(done) if begun is None else begun, budget)
    return found.slots, found.reason


def test_trials_alone_end_a_study_without_other_limits():
    assert ends([trial(slot, 0.5) for slot in range(8)]) == (10, "")


def test_the_hours_are_those_of_all_workers_together():
    trials = [trial(slot, 0.5, seconds=HOUR / 2) for slot in range(4)]
    assert ends(trials, hours=2.5) == (10, "")
    slots, reason = ends(trials, hours=1.5)
    assert slots == 4 and reason == "1.5 hours of training, 1.5 were allowed"


def test_cpu_time_ends_a_study_however_long_a_busy_machine_took():
    trials = [trial(slot, 0.5, seconds=9 * HOUR) for slot in range(3)]
    for made in trials:
        made.set_user_attr(CPU, 90.0)
    assert ends(trials, cpu_seconds=300.0) == (10, "")
    assert ends(trials, cpu_seconds=240.0) == (3, "4.5 CPU-minutes of training, 4 were allowed")


def test_the_same_trials_end_the_study_at_the_same_slot_whoever_ran_them():
    trials = [trial(slot, 0.5, seconds=HOUR) for slot in (3, 0, 2, 1)]
    assert ends(trials, begun=3, hours=3)[0] == 3, "what had begun by then counts, and nothing after it"
    assert ends(trials, begun=6, hours=3)[0] == 6, "slots that others have taken by then end"
    del trials[1]
    assert ends(trials, begun=4, hours=1) == (10, ""), "slot 0 is still to come: nothing can be said yet"


def test_a_study_is_flat_when_its_last_trials_raised_the_best_by_less_than_the_images_can_show():
    rising = [trial(slot, 0.5 + slot / 100) for slot in range(8)]
    assert ends(rising, flat=3) == (10, "")
    flat = [*rising, *(trial(slot, 0.57 + slot / 10_000) for slot in range(8, 10))]
    assert ends(flat, trials=20, flat=3) == (20, "")
    slots, reason = ends([*flat, trial(10, 0.4)], trials=20, flat=3)
    assert (slots, reason) == (11, "flat: the last 3 trials raised the best accuracy by 0.09 points")
    assert ends([*flat, trial(10, 0.4)], trials=20, flat=3, images=100_000_000)[1] == "", "on so many that is a gain"


def test_pruned_trials_count_as_such_that_brought_nothing():
    trials = [trial(0, 0.5), *(trial(slot, state="PRUNED", epochs={1: 0.9}) for slot in range(1, 4))]
    assert ends(trials, flat=3)[0] == 4
    assert ends(trials[:3], flat=3) == (10, "")
    assert ends(trials, trials=4, flat=3) == (4, ""), "all that were allowed: nothing ended early"


def test_the_pruner_goes_by_the_length_of_the_schedule():
    import optuna

    assert isinstance(pruning.pruner(7), optuna.pruners.MedianPruner)
    assert isinstance(pruning.pruner(8), optuna.pruners.SuccessiveHalvingPruner)
    assert "median" in pruning.rule(7) and "after epochs 3, 6, 12, 24" in pruning.rule(28)


@pytest.mark.parametrize("epochs", [8, 28])
def test_halving_lets_the_better_half_go_on_and_cuts_the_rest_before_the_end(epochs):
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(direction="maximize", pruner=pruning.pruner(epochs))
    ran = []
    for quality in (5, 1, 4, 2, 3, 6, 0, 7):
        running = study.ask()
        for epoch in range(1, epochs + 1):
            running.report(quality / 10 + epoch / 1000, epoch)
            if running.should_prune():
                break
        study.tell(running, quality / 10)
        ran.append((quality, epoch))
    by_quality = dict(ran)
    assert by_quality[7] == by_quality[5] == epochs, "the best of all, and the first, which nothing is better than"
    assert by_quality[0] == max(1, epochs // 8), "the worst goes at the first rung"
    assert sum(epoch for _, epoch in ran) < 0.75 * epochs * len(ran)


def test_why_a_trial_was_cut_short_is_its_rank_at_that_epoch():
    trials = [trial(0, 0.5, epochs={1: 0.4}), trial(1, 0.6, epochs={1: 0.5}), trial(2, 0.6, epochs={2: 0.5}),
              trial(3, state="RUNNING", epochs={1: 0.3}), trial(4, state="FAIL", epochs={1: 0.9})]
    assert pruning.reason(trials, 3, 1, 0.3) == "epoch 1: 30.00 %, rank 3 of the 3 trials that came so far"


SPACE = {"train.learning_rate": {"low": 0.001, "high": 0.05, "log": True}}


def first_values(*studies, most=3):
    space = declared.space_of(params.load(toy_models.PARAMS).override({"tune.space": SPACE}))
    own = space.baseline["train.learning_rate"]
    older = [Older(f"s{index}", [trial(number, accuracy, learning_rate=rate or own) for number, (rate, accuracy)
                                 in enumerate(study)]) for index, study in enumerate(studies)]
    return [values["train.learning_rate"] for values in warm.first_values(older, space, most)]


def test_a_study_begins_with_the_best_of_older_ones_in_turn():
    newest, oldest = [(None, 0.5), (0.01, 0.6), (0.02, 0.7)], [(None, 0.1), (0.03, 0.3), (0.004, 0.2)]
    assert first_values(newest, oldest) == [0.02, 0.03, 0.01]
    assert first_values(newest, oldest, most=9) == [0.02, 0.03, 0.01, 0.004]
    assert first_values(newest, oldest, most=0) == []


def test_only_what_was_better_than_the_recipe_and_lies_in_this_space_begins_a_study():
    assert first_values([(None, 0.5), (0.01, 0.4), (0.09, 0.9), (0.02, 0.6)]) == [0.02]
    assert first_values([(None, 0.5), (0.02, 0.6), (0.02, 0.7)]) == [0.02], "once"


def test_the_front_has_what_nothing_else_beats_in_both():
    trials = [trial(0, 0.6, milliseconds=1.0), trial(1, 0.5, milliseconds=0.5), trial(2, 0.5, milliseconds=0.9),
              trial(3, 0.58, milliseconds=1.2), trial(4, 0.7, milliseconds=3.0), trial(5, 0.7, milliseconds=3.0),
              trial(6, state="PRUNED")]
    assert [point.number for point in front(trials)] == [1, 0, 4]


@pytest.mark.slow
def test_the_time_of_a_face_is_measured_on_the_exported_model():
    from pipeline.training import models
    from pipeline.tune.front import milliseconds

    small, large = (milliseconds(models.build("compact", classes=7, width=width, depth=depth))
                    for width, depth in ((8, 1), (64, 3)))
    assert 0 < small < large
