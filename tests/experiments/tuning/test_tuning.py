"""What the search is worth: the same CPU time for every arm, judged on images that no choice has seen."""

import shutil
import time
from types import SimpleNamespace

import numpy as np
import pytest
import toy_models

import pipeline.training
from pipeline.experiments.tuning import arm, evidence, main, page, workers
from pipeline.experiments.tuning.plan import ARMS, VALUES
from pipeline.system.failure import Failure
from pipeline.tune import storage

# CPU seconds of an epoch
EPOCH = 5.0


class Net:
    """Always sees class 0."""

    def count_params(self):
        return 10

    def predict_on_batch(self, images):
        return np.eye(7)[np.zeros(len(images), int)]


class Loop:
    """In place of pipeline.training.loop, under a clock that only its epochs move.

    Attributes:
        fits: the config, the faces and the epochs of every training.
        accuracy: of a learning rate.
        interrupt: after how many epochs, all trainings together, Ctrl-C comes.
        diverges: a training of so many epochs or more.
    """

    class Diverged(Failure):
        pass

    def __init__(self):
        self.fits, self.seconds, self.epochs = [], 0.0, 0
        self.accuracy = lambda rate: 0.6 - abs(rate - 0.01)
        self.interrupt = self.diverges = None

    def build_net(self, config):
        return Net()

    def predict(self, net, images):
        return net.predict_on_batch(images)

    def fit_faces(self, config, faces, on_epoch, checkpoint=None):
        wanted, state = config["train"]["epochs"], None if checkpoint is None else checkpoint / "epoch"
        first = 1 + (int(state.read_text()) if state is not None and state.exists() else 0)
        self.fits.append((config, faces, wanted + 1 - first))
        accuracy = self.accuracy(config["train"]["learning_rate"])
        for epoch in range(first, wanted + 1):
            if self.diverges and wanted >= self.diverges:
                raise self.Diverged("training: the loss is nan")
            self.seconds += EPOCH
            self.epochs += 1
            if self.epochs == self.interrupt:
                raise KeyboardInterrupt
            if state is not None:
                state.write_text(str(epoch))
            on_epoch({"epoch": epoch, "val_accuracy": accuracy * epoch / wanted})
        return SimpleNamespace(net=Net(), history=[{"val_accuracy": accuracy}], best_epoch=wanted)


@pytest.fixture
def loop(monkeypatch):
    made = Loop()
    monkeypatch.setattr(pipeline.training, "loop", made, raising=False)
    monkeypatch.setattr(time, "process_time", lambda: made.seconds)
    return made


@pytest.fixture
def fer2013(project, loop):
    """A project whose FER-2013 is toy faces without votes."""
    shutil.copy(toy_models.PARAMS, project)
    faces = toy_models.faces("fer2013", per_class=8)
    faces.manifest.update(protocol="published", class_set="7")
    faces.save(project / "data/fer2013/faces")
    return project


def run(name, minutes=2.0, repeat=1):
    """The row of an arm's repeat."""
    rows = []
    arm.run(name, repeat, minutes, "fer2013", rows.append)
    return rows[0]


def trials(loop):
    """The learning rates of the trials, without what was trained at length."""
    return [config["train"]["learning_rate"] for config, _, _ in loop.fits if config["train"]["epochs"] == 4]


def test_an_arm_spends_its_budget_half_on_trials_and_the_rest_on_their_best_values(fer2013, loop):
    loop.accuracy = lambda rate: rate
    row = run("random", minutes=2.0)
    assert row["trials"] >= 3 and float(row["search"]) * 60 >= 60 > float(row["search"]) * 60 - 4 * EPOCH
    assert float(row["search"]) + float(row["length"]) == pytest.approx(2.0, abs=EPOCH / 60)
    config, _, epochs = loop.fits[-1]
    assert row["epochs"] == epochs == int((120 - 60 * float(row["search"])) / EPOCH)
    assert config["train"]["learning_rate"] == max(trials(loop)), "the best trial's"


def test_without_a_search_all_of_it_but_one_trial_buys_epochs_of_the_recipe(fer2013, loop):
    row = run("recipe", minutes=2.0)
    assert (row["trials"], row["slot"], row["epochs"], row["search"], row["length"]) == (1, 0, 20, "0.33", "1.67")
    assert {config["train"]["learning_rate"] for config, _, _ in loop.fits} == {0.003}


def test_no_choice_sees_the_held_out_half_and_nobody_private_test(fer2013, loop):
    rows = {(name, repeat): run(name, repeat=repeat) for name, repeat in (("tpe", 1), ("recipe", 1), ("recipe", 2))}
    public = {f"face{number}" for number in range(56, 112)}
    halves = {}
    for config, faces, _ in loop.fits:
        assert set(faces.splits) == {"Training", "PublicTest"}
        seen = set(faces.split("PublicTest").ids)
        assert seen < public and len(seen) == 28
        assert halves.setdefault(config["seed"], seen) == seen, "the same for all arms of a repeat"
    assert halves[1] != halves[2]
    labels = dict(zip((f"face{number}" for number in range(168)), np.tile(np.repeat(np.arange(7), 8), 3), strict=True))
    for (_, repeat), row in rows.items():
        held_out = sum(labels[name] == 0 for name in public - halves[repeat])
        assert row["held_out"] == f"{held_out}/28" and row["chosen"] == f"{8 - held_out}/28"


def test_a_random_search_learns_nothing_and_begins_like_the_other(fer2013, loop):
    drawn = {}
    for name in ("tpe", "random"):
        for target in (0.0005, 0.02):
            loop.fits, loop.accuracy = [], lambda rate, target=target: 0.6 - abs(rate - target)
            # Seven trials; another budget is another study
            run(name, minutes=4.2 if target < 0.01 else 4.25)
            drawn[name, target] = trials(loop)[:7]
    assert drawn["random", 0.0005] == drawn["random", 0.02]
    assert drawn["tpe", 0.0005] != drawn["tpe", 0.02]
    assert drawn["tpe", 0.0005][:4] == drawn["random", 0.0005][:4]


@pytest.mark.parametrize("epochs", [7, 20])
def test_interrupted_it_goes_on_from_the_last_trial_or_epoch_and_ends_with_the_same_row(fer2013, loop, epochs):
    calm = run("tpe")
    shutil.rmtree(fer2013 / ".studies")
    trained = len(loop.fits)
    loop.fits, loop.epochs, loop.interrupt = [], 0, epochs
    with pytest.raises(KeyboardInterrupt):
        run("tpe")
    before = len(loop.fits)
    assert run("tpe") == calm
    assert len(loop.fits) == trained + 1 and before < trained + 1, "one training alone was run again"
    if epochs == 20:
        assert loop.fits[-1][2] < calm["epochs"], "from its last epoch"


def test_a_network_whose_loss_runs_away_at_length_gets_nothing_right(fer2013, loop):
    loop.diverges = 5
    row = run("recipe")
    assert row["held_out"] == "0/28" and row["best_epoch"] == 0


def test_the_command_runs_what_the_figures_lack_and_a_try_leaves_none(fer2013, loop, monkeypatch, capsys):
    main.main(["--arms", "recipe", "--repeats", "1", "--minutes", "2"])
    assert main.rows_of("fer2013") == [] and not (fer2013 / "reports/tuning.md").exists()
    monkeypatch.setattr(main, "MINUTES", 2.0)
    main.main(["--arms", "tpe", "recipe", "--repeats", "1", "--minutes", "2"])
    count = len(loop.fits)
    main.main(["--repeats", "1", "--minutes", "2"])
    assert [(row["arm"], row["repeat"]) for row in main.rows_of("fer2013")] == [
        ("tpe", "1"), ("recipe", "1"), ("random", "1")]
    assert all(config["train"]["epochs"] != 20 for config, _, _ in loop.fits[count:]), "the recipe's arm was there"
    text = (fer2013 / "reports/tuning.md").read_text()
    assert "**Not run yet**: search by TPE (repeats 2, 3)" in text and (fer2013 / "reports/tuning.png").is_file()
    assert "repeat 1: is in reports" in capsys.readouterr().out


def row(name, repeat, held_out, chosen=1200):
    return {"arm": name, "repeat": str(repeat), "minutes": "40", "trials": "20", "pruned": "5", "search": "20.5",
            "slot": "3", "epochs": "60", "best_epoch": "58", "length": "19.4", "chosen": f"{chosen}/1794",
            "held_out": f"{held_out}/1795", "values": "train.votes 0.4", "study": "s", "machine": "toy, 2 cores"}


def rows(**hits):
    return [row(name, repeat, held_out) for name, all_hits in hits.items()
            for repeat, held_out in enumerate(all_hits, 1)]


def test_the_page_shows_what_a_search_saw_also_where_its_study_is_not_at_hand(fer2013, loop):
    loop.accuracy = lambda rate: rate
    main.log(run("tpe", minutes=6.0), main.reports("fer2013") / "tuning.csv", main.COLUMNS)
    main.write_page("fer2013")
    text = (fer2013 / "reports/tuning.md").read_text()
    for name in ("history", "importances", "slices", "parallel"):
        assert f"![{name}](tuning/{name}.png)" in text and (fer2013 / f"reports/tuning/{name}.png").is_file()
    shutil.rmtree(fer2013 / ".studies")
    main.write_page("fer2013")
    assert (fer2013 / "reports/tuning.md").read_text() == text


@pytest.mark.parametrize("winner", ARMS)
def test_whichever_wins_is_said(winner):
    made = rows(**{name: [1100, 1102, 1101] if name == winner else [1000, 1003, 1001] for name in ARMS})
    others = [name for name in ARMS if name != winner]
    text = evidence.verdict(made)
    assert text.startswith(f"On the held-out images: {ARMS[winner].title} 61.34 %, ")
    sure, close = text.split("**Too close to tell**")
    assert f"**More than chance**: {ARMS[winner].title} against" in sure
    assert all(f"{ARMS[winner].title} against {ARMS[name].title} +5.5" in sure for name in others)
    assert f"{ARMS[others[0]].title} against {ARMS[others[1]].title} +0.00 points" in close


def test_a_difference_is_that_of_the_pairs_with_student_s_interval_over_the_repeats():
    made = rows(tpe=[1100, 1050, 1000], random=[1090, 1045, 985], recipe=[1, 2, 3])
    gain = evidence.gain(made, "tpe", "random", "held_out")
    # The mean of 10, 5 and 15 images and their standard error times 4.303, t's quantile with two degrees of freedom
    half = 4.3027 * 5 / 3**0.5
    images = [1795 * end for end in (gain.mean, gain.low, gain.high)]
    assert images == pytest.approx([10, 10 - half, 10 + half], abs=0.01)
    assert "**Too close to tell**: search by TPE against random search" in evidence.verdict(made)


def test_the_page_has_every_figure_with_its_interval_and_what_was_not_run():
    made = rows(tpe=[1100, 1050], recipe=[1000])
    text = page.page(made, [], votes=True)
    whole = 100 * (1100 + 1050) / 2 / 1795
    assert f"| search by TPE | 1, 2 | 20, 20 | 5, 5 | 20.5, 20.5 | 60, 60 | 19.4, 19.4 | {whole:.2f} [" in text
    assert "| random search | not run yet |" in text
    assert "**Not run yet**: search by TPE (repeat 3); random search (repeats 1, 2, 3); the recipe's own" in text
    assert "from [tuning.csv](tuning.csv) and" in text and "`tuning-workers.csv`" in text
    assert "with the FER+ votes" in text and all(f"`{path}`" in text for path in VALUES["tune"]["space"])
    assert "| 1 | train.votes 0.4 | 58 of 60 |" in text


def test_the_scaling_is_told_beside_the_cores_that_it_was_taken_on(project, capsys):
    made = {("sqlite", 1): 26.5, ("sqlite", 2): 50.0, ("PostgreSQL", 4): 90.0}
    measured = [{"storage": name, "workers": count, "trials": workers.TRIALS, "waits": "2", "computes": "0.1",
                 "seconds": "90.0", "per_minute": str(rate), "cores": 2,
                 "load": "3.4" if count == 4 else "0.2"} for (name, count), rate in made.items()]
    for new in (*measured, {**measured[0], "per_minute": "25.0"}):
        main.log(new, main.reports("fer2013") / "tuning-workers.csv", main.WORKERS)
    main.main(["--page", "--dataset", "fer2013"])
    text = (project / "reports/tuning.md").read_text()
    assert "| sqlite | 1 | 25.0 | 1.00 |" in text and "26.5" not in text, "the last measurement counts"
    assert "| sqlite | 2 | 50.0 | 2.00 |" in text and "| PostgreSQL | 4 | 90.0 |  |" in text
    assert "Taken on 2 cores, which cannot show more" in text
    assert "The machine's load average before each was at most 3.4." in text
    assert (project / "reports/tuning-workers.png").is_file()


def test_a_page_without_any_figure_is_refused(project):
    with pytest.raises(Failure, match=r"has no figures of it; run it without --page"):
        main.main(["--page", "--dataset", "fer2013"])


@pytest.mark.slow
def test_two_workers_share_a_study_of_cheap_trials_and_leave_nothing(project, database, monkeypatch):
    shutil.copy(toy_models.PARAMS, project)
    file = project / "kept.db"
    monkeypatch.setenv("PYTHONPATH", str(toy_models.ROOT))
    monkeypatch.setenv(storage.STORAGE, f"sqlite:///{file.as_posix()}")
    measured = workers.measured(2, 3, "fer2013")
    assert (measured["storage"], measured["trials"]) == ("sqlite", 3)
    # Two of three trials at a time, each of 2 s
    assert float(measured["seconds"]) >= 4
    assert float(measured["per_minute"]) == pytest.approx(180 / float(measured["seconds"]), rel=0.02)
    assert not file.exists() and not (project / ".studies").exists()
