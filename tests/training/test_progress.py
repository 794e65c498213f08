"""How a run's counters move: the best epoch, early stopping, the plateau rule."""

from pipeline.training.progress import Progress


def settings(**more) -> dict:
    return {"early_stopping": 0, "schedule": "constant", "plateau_patience": 2, **more}


def after(rows, **more) -> Progress:
    progress = Progress()
    for number, (accuracy, loss, *stage) in enumerate(rows, 1):
        row = {"epoch": number, "val_accuracy": accuracy, "val_loss": loss, **({"stage": stage[0]} if stage else {})}
        progress.add(row, settings(**more))
    return progress


def test_the_first_of_equally_good_epochs_is_the_best():
    progress = after([(0.3, 1), (0.5, 1), (0.5, 1), (0.4, 1)])
    assert (progress.epoch, progress.best_epoch, progress.best_accuracy, progress.stalled) == (4, 2, 0.5, 2)
    assert len(progress.history) == 4 and not progress.stopped


def test_early_stopping_ends_a_run_after_so_many_epochs_without_a_better_one():
    assert not after([(0.5, 1), (0.4, 1)], early_stopping=2).stopped
    assert after([(0.5, 1), (0.4, 1), (0.5, 1)], early_stopping=2).stopped
    assert not after([(0.5, 1), (0.4, 1), (0.6, 1)], early_stopping=2).stopped


def test_the_rate_falls_when_the_loss_has_not_for_its_patience_and_the_count_begins_anew():
    plateau = settings(schedule="plateau")
    progress = after([(0.5, 1.0), (0.5, 1.1)], schedule="plateau")
    assert not progress.rate_is_due(plateau)
    progress.add({"epoch": 3, "val_accuracy": 0.5, "val_loss": 1.0 + 1e-9}, plateau)
    assert progress.rate_is_due(plateau) and progress.plateau == 0
    assert not progress.rate_is_due(plateau)
    assert after([(0.5, 1.0), (0.5, 1.1), (0.5, 0.9)], schedule="plateau").plateau == 0
    assert not after([(0.5, 1.0), (0.5, 1.1), (0.5, 1.1)]).rate_is_due(settings()), "the schedule is constant"


def test_a_stage_s_losses_count_for_themselves():
    assert after([(0.5, 1.0, 1), (0.5, 2.0, 2)], schedule="plateau").plateau == 0
    assert after([(0.5, 1.0, 1), (0.5, 2.0, 2), (0.5, 2.1, 2)], schedule="plateau").plateau == 1
