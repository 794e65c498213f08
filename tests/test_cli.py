"""The command ferpipe and the main job: what is chosen, what is said, what is written."""

import importlib.util
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import toy_models

from pipeline import cli, run
from pipeline.download import choice
from pipeline.system import completion, failure
from pipeline.system.failure import Failure
from pipeline.tracking import ui

ROOT = Path(__file__).parents[1]


def never() -> bool:
    raise AssertionError("the network was asked although something else decides")


def test_help_lists_every_command_and_imports_nothing_heavy():
    program = (
        "import sys; from pipeline.cli import main; main(['--help']);"
        "heavy = {'numpy', 'pydantic', 'dvc', 'mlflow', 'keras', 'cv2'};"
        "print('heavy:', {name.split('.')[0] for name in sys.modules} & heavy)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "heavy: set()" in done.stdout
    assert all(f"\n  {name} " in done.stdout for name in cli.COMMANDS)


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_has_its_module_with_a_main(name):
    spec = importlib.util.find_spec(f"pipeline.{cli.COMMANDS[name][0]}")
    assert spec is not None and spec.origin is not None
    assert "\ndef main(argv: list[str] | None = None)" in Path(spec.origin).read_text(encoding="utf-8")


def test_an_unknown_command_gets_one_line_and_exit_code_2(capsys):
    with pytest.raises(SystemExit) as end:
        cli.main(["trian"])
    error = capsys.readouterr().err
    assert end.value.code == 2 and error.count("\n") == 1 and "'trian'" in error and "promote" in error
    with pytest.raises(SystemExit):
        cli.main(["promot"])
    assert "there is no command 'promot' (did you mean promote?)" in capsys.readouterr().err


@pytest.mark.parametrize("module", ["pipeline.train", "pipeline.download", "pipeline.cli"])
def test_a_python_without_the_packages_gets_one_line_that_says_to_activate_the_environment(module, tmp_path):
    """-S leaves the installed packages out, as a Python outside .venv has none of them."""
    arguments = ["run"] if module == "pipeline.cli" else []
    done = subprocess.run([sys.executable, "-S", "-m", module, *arguments], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert "activate .venv first" in done.stderr and "Traceback" not in done.stderr


def test_a_module_of_the_project_that_is_missing_stays_a_traceback(monkeypatch):
    def fail():
        raise ModuleNotFoundError("no module", name="pipeline.nothing")

    with pytest.raises(ModuleNotFoundError):
        failure.run(fail, "stage")


def test_the_tab_key_completes_commands_options_and_recipes_in_bash(tmp_path):
    if os.name == "nt" or not shutil.which("bash"):
        pytest.skip("bash is missing: apt install bash")
    parsers = {}
    for name in ("params", "promote", "run"):
        parsers[name] = completion.parser_of(cli.load(name)), cli.COMMANDS[name][1]
    script = completion.script("ferpipe", {**parsers, "results": (None, "a table")}, "bash",
                               {"RECIPE": ["compact"], "DATASET": ["fer2013", "sample"]})
    (tmp_path / "ferpipe").write_text(script)
    program = """source ./ferpipe
    complete_at_end() {
      COMP_WORDS=("$@"); COMP_CWORD=$(( $# - 1 )); COMPREPLY=(); _shtab_ferpipe; echo "${COMPREPLY[@]}"
    }
    complete_at_end ferpipe pro; complete_at_end ferpipe res; complete_at_end ferpipe run --dat
    complete_at_end ferpipe params comp; complete_at_end ferpipe run --dataset s"""
    done = subprocess.run(["bash", "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["promote", "results", "--dataset", "compact", "sample"]


@pytest.mark.parametrize("name", [name for name in cli.COMMANDS if name != cli.COMPLETION])
def test_every_command_reads_its_options_first_so_that_help_and_the_tab_key_run_nothing(name):
    assert completion.parser_of(cli.load(name)) is not None


@pytest.mark.parametrize("stage", ["download", "validate", "balance", "tune", "train", "evaluate", "demo.stage"])
def test_the_help_of_a_stage_runs_nothing(stage, tmp_path):
    done = subprocess.run([sys.executable, "-m", f"pipeline.{stage}", "--help"], cwd=tmp_path, capture_output=True,
                          text=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.returncode == 0 and done.stdout.startswith(f"usage: python -m pipeline.{stage} [-h]"), done.stderr
    assert not any(tmp_path.iterdir())


def test_a_failing_command_gets_one_line_and_exit_code_1(monkeypatch):
    def fail(argv):
        raise Failure(f"archive.zip: truncated {argv}")

    monkeypatch.setattr(run, "main", fail)
    monkeypatch.setattr(sys, "argv", ["ferpipe"])
    for key in cli.ENVIRONMENT:
        monkeypatch.setenv(key, "kept")
    with pytest.raises(SystemExit) as end:
        cli.main(["run", "--dataset", "sample"])
    assert end.value.code == "ferpipe run: archive.zip: truncated ['--dataset', 'sample']"


@pytest.mark.parametrize(
    ("state", "dataset", "word"),
    [
        ({"requested": "sample", "given": True, "external": True, "faces": True}, "sample", "DATASET=sample"),
        ({"requested": "fer2013"}, "fer2013", "DATASET=fer2013"),
        ({"given": True, "external": True}, "fer2013", "FER2013=PATH"),
        ({"external": True, "faces": True}, "fer2013", "data/external/"),
        ({"faces": True}, "fer2013", "earlier run"),
        ({"cached": True}, "fer2013", "kagglehub's cache"),
    ],
)
def test_what_a_person_says_or_has_decides_without_the_network(state, dataset, word):
    known = {"requested": None, "given": False, "external": False, "faces": False, "cached": False, **state}
    chosen, why = run.choose(**known, reachable=never)
    assert chosen == dataset and word in why


@pytest.mark.parametrize(("online", "dataset"), [(True, "fer2013"), (False, "sample")])
def test_with_nothing_at_hand_kaggle_decides(online, dataset):
    chosen, why = run.choose(None, given=False, external=False, faces=False, cached=False,
                                 reachable=lambda: online)
    assert chosen == dataset and "Kaggle" in why


@pytest.mark.parametrize("dataset", ["fer2013", "sample"])
def test_the_plan_names_the_data_the_reason_every_stage_and_the_other_choice(dataset, monkeypatch):
    monkeypatch.setenv("MAKELEVEL", "1")
    page = run.plan(dataset, "it is so")
    assert "because it is so" in page and run.minutes_left(dataset) in page
    assert all(stage in page for stage in run.STAGES)
    assert ("12 to 25 more where a trial" in page) == (dataset == "fer2013")
    assert {"fer2013": "make run DATASET=sample", "sample": "make run FER2013=PATH"}[dataset] in page
    monkeypatch.delenv("MAKELEVEL")
    assert "ferpipe run --" in run.plan(dataset, "it is so")


@pytest.fixture
def moods(tmp_path, monkeypatch):
    """A folder with a data set of one's own, 72 pictures, none of which is read here."""
    monkeypatch.chdir(tmp_path)
    for name in ("bored", "tired"):
        (tmp_path / "data/external/my-moods/train" / name).mkdir(parents=True)
        for number in range(36):
            (tmp_path / "data/external/my-moods/train" / name / f"{number}.png").touch()
    choice.images_in.cache_clear()
    return tmp_path


def test_the_plan_counts_a_data_set_of_one_s_own_and_tells_its_time_by_that(moods, monkeypatch):
    page = run.plan("my-moods", "DATASET=my-moods was given")
    assert page.startswith("Data:  my-moods (72 pictures in data/external/my-moods), because DATASET=my-moods")
    assert run.minutes_left("my-moods") == run.minutes_left("sample"), "few pictures take as long as the sample's"
    monkeypatch.setattr(run, "images_in", lambda dataset: 35_887)
    assert run.minutes_left("my-moods") == run.minutes_left("fer2013")


def test_a_data_set_of_one_s_own_is_run_by_its_name(project, moods, monkeypatch, capsys):
    monkeypatch.setattr(run, "summary", lambda dataset, seconds: dataset)
    run.main(["--dataset", "my-moods"])
    assert capsys.readouterr().out.endswith("my-moods\n") and len(project) == 3
    assert "\ndataset: my-moods\n" in Path("params.yaml").read_text()
    run.main(["--dataset", "sample"])
    assert "\ndataset: sample\n" in Path("params.yaml").read_text(), "the whole name was replaced"


@pytest.mark.parametrize(("name", "said"), [
    ("my-mods", r"my-mods: missing, .*did you mean my-moods\?"), ("champion", "'champion' is reserved"),
    ("My Moods", "'My Moods' is no name of a data set")])
def test_a_data_set_that_does_not_exist_stops_before_anything_changes(project, moods, name, said):
    before = Path("params.yaml").read_text()
    with pytest.raises(Failure, match=said):
        run.main(["--dataset", name])
    assert not project and Path("params.yaml").read_text() == before


def test_other_data_is_not_announced_as_fer2013_but_asked_for(project, moods, monkeypatch):
    monkeypatch.delenv("MAKELEVEL", raising=False)
    with pytest.raises(Failure, match="has my-moods and no FER-2013; say which data: `ferpipe run --dataset my-moods`"):
        run.main([])
    (moods / "data/external/my-moods").rename(moods / "data/external/My Moods")
    with pytest.raises(Failure, match="My Moods: not FER-2013, which has 35,887 images, but 72 pictures; give it a na"):
        run.main([])
    assert not project


def test_with_fer2013_at_hand_other_data_waits_for_its_name(project, moods, monkeypatch, capsys):
    Path("data/fer2013/faces").mkdir(parents=True)
    monkeypatch.setattr(run, "summary", lambda dataset, seconds: dataset)
    run.main([])
    assert capsys.readouterr().out.endswith("fer2013\n")


@pytest.mark.parametrize("line", [b"dataset: fer2013  # of the two", b'dataset:   "fer2013"', b"dataset: fer2013\r"])
def test_the_choice_changes_one_word_of_params_and_no_other_byte(tmp_path, line):
    path = tmp_path / "params.yaml"
    around = b"# dataset: of faces\n%s\nrecipe: compact  # not dataset: fer2013\n  dataset: fer2013\n"
    path.write_bytes(around % line)
    assert run.set_dataset("sample", path)
    assert path.read_bytes() == around % line.replace(b'"', b"").replace(b"fer2013", b"sample")
    assert not run.set_dataset("sample", path)
    assert list(tmp_path.iterdir()) == [path]


def test_params_without_the_line_get_one_clear_line(tmp_path):
    (tmp_path / "params.yaml").write_bytes(b"recipe: compact\n")
    with pytest.raises(Failure, match="dataset: sample"):
        run.set_dataset("sample", tmp_path / "params.yaml")


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project's folder without network, with every subprocess recorded instead of run."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".git").mkdir()
    shutil.copy(toy_models.PARAMS, tmp_path)
    view = {"accuracy": 0.912, "interval": [0.88, 0.94], "n": 1234}
    Path("reports/sample").mkdir(parents=True)
    metrics = {split: {"single": view, "flip": view} for split in ("PublicTest", "PrivateTest")}
    facts = {"dataset": "sample", "edition": "drawn", "protocol": "leak-free", "recipe": "compact", "seed": 4,
             "bundle": "0123456789ab", "class_set": "7"}
    Path("reports/sample/metrics.json").write_text(json.dumps({**facts, **metrics}))
    monkeypatch.setattr(run, "kaggle_reachable", lambda seconds: False)
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path / "kagglehub"))
    calls = []
    monkeypatch.setattr(run, "call", lambda *arguments, dataset=None: calls.append(arguments))
    return calls


def test_the_main_job_says_its_plan_runs_the_stages_in_order_and_sums_up(project, capsys):
    run.main([])
    said = capsys.readouterr().out
    assert project == [("dvc", "repro", "evaluate"), ("pipeline.promote",), ("dvc", "repro", "demo")]
    assert said.index("sample (about 1,000 drawn faces)") < said.index("What happens") < said.index("Done in")
    assert "compact, seed 4, on sample (drawn), protocol without exact copies: bundle 0123456789ab\n" in said
    assert said.count("91.2 %  [88.0, 94.0]  n = 1,234") == 4
    assert "\ndataset: sample\n" in Path("params.yaml").read_text()


def challenge(bundle: str, decision: str, gain: float | None, probability: float | None, *reasons: str, **more) -> dict:
    """A promotion's record, as the ledger keeps it."""
    return {"model": "fer2013-7", "decision": decision, "reasons": list(reasons), "gain": gain,
            "probability": probability, "gates": {"min_gain": 0.0, "confidence": 0.9},
            "challenger": {"bundle": bundle, "recipe": "edge", "seed": 3}, "PublicTest": {"challenger": 0.7186}, **more}


@pytest.mark.parametrize(("record", "said"), [
    (challenge("b" * 12, "refused", -0.0731, 0.0, "gain -7.31 points on PublicTest"),
     "did not become the champion of fer2013-7: 7.31 points below the champion on PublicTest"),
    (challenge("b" * 12, "refused", 0.0031, 0.71, "gain +0.31 points on PublicTest"),
     "0.31 points above the champion on PublicTest, but the gain is real with probability 0.71 only, 0.90 is required"),
    (challenge("b" * 12, "refused", 0.02, 0.99, "recall of fear is 0.150, the floor is 0.200"),
     "did not become the champion of fer2013-7: recall of fear is 0.150, the floor is 0.200"),
    (challenge("b" * 12, "promoted", 0.02, 0.99, "gain +2.00 points on PublicTest"),
     "it is the champion of fer2013-7"),
    (challenge("b" * 12, "refused", 0.02, 0.99, "gain +2.00 points on PublicTest", "gain -1.00 points on corrupted",
               corrupted_gain=-0.01, gates={"min_gain": 0.0, "confidence": 0.9, "max_loss": 0.005}),
     ": 2.00 points above the champion on PublicTest; 1.00 points below the champion on corrupted faces"),
    (challenge("b" * 12, "refused", -0.02, 0.0, "gain -2.00 points on PublicTest", corrupted_gain=0.03),
     "more than 0.00 above are required; 3.00 points above the champion on corrupted faces"),
    (challenge("b" * 12, "refused", -0.02, 0.0, "gain -2.00 points on PublicTest", corrupted_gain=None),
     "2.00 points below the champion on PublicTest, more than 0.00 above are required"),
])
def test_the_run_ends_with_whether_the_model_became_champion_and_what_it_lacked(record, said):
    earlier = challenge("a" * 12, "promoted", None, None, "the first model, every class above the floor")
    assert said in run.verdict("fer2013-7", "b" * 12, [earlier, record])


def test_a_champion_that_was_beaten_since_is_none_any_more():
    earlier, later = (challenge(name * 12, "promoted", 0.02, 0.99, "gain +2.00 points") for name in "ab")
    assert "is the champion" not in run.verdict("fer2013-7", "a" * 12, [earlier, later])
    assert "no challenge is on record" in run.verdict("fer2013-7", "c" * 12, [earlier])


def test_the_run_ends_with_what_the_demo_shows_and_how_to_show_the_trained_model(project, monkeypatch, capsys):
    monkeypatch.delenv("MAKELEVEL", raising=False)
    record = toy_models.promotion("fer2013-7", "a" * 12, reasons=["the first model"])
    challenger = record.challenger.model_copy(update={"recipe": "edge"})
    public = record.public.model_copy(update={"challenger": 0.7186})
    record = record.model_copy(update={"challenger": challenger, "public": public})
    Path("reports/promotions.jsonl").write_text(record.to_line())
    run.main([])
    said = capsys.readouterr().out
    assert "ferpipe demo shows the champion of fer2013-7: edge, seed 3, 71.9 % on PublicTest\n" in said
    assert "ferpipe demo --model data/sample/bundle shows what was trained now\n" in said


def test_without_network_a_complete_download_of_kaggle_is_taken(project, monkeypatch, tmp_path, capsys):
    kept = tmp_path / "kagglehub/datasets/msambare/fer2013"
    (kept / "versions/1").mkdir(parents=True)
    (kept / "1.complete").touch()
    monkeypatch.setattr(run, "summary", lambda dataset, seconds: dataset)
    run.main([])
    assert capsys.readouterr().out.endswith("fer2013\n")


def test_a_path_given_by_hand_is_placed_first(project, monkeypatch, tmp_path, capsys):
    placed = []
    monkeypatch.setattr(run, "add_edition", lambda *arguments: placed.append(arguments))
    monkeypatch.setattr(run, "summary", lambda dataset, seconds: dataset)
    run.main(["--fer2013", "some archive.zip"])
    assert placed == [(Path("some archive.zip"), run.EXTERNAL)]
    assert capsys.readouterr().out.endswith("fer2013\n")


def test_every_stage_that_begins_is_followed_by_the_time_that_is_left(capsys, tmp_path, monkeypatch):
    for stage, expected in (("tune", "4 of 8, about 41 min left"), ("train", "5 of 8, about 28 min left")):
        assert run.with_time_left(f"Running stage '{stage}':\n", "fer2013") == f"Running stage {stage}, {expected}\n"
    assert run.with_time_left("Running stage 'demo':\n", "sample").endswith("8 of 8, less than a minute left\n")
    for line in ("Stage 'tune' didn't change, skipping\n", "epoch 1\n", "Running stage 'other':\n"):
        assert run.with_time_left(line, "sample") == line
    monkeypatch.chdir(tmp_path)
    Path("dvc_like.py").write_text("""print("Running stage 'train':"); print("epoch 1")""")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    run.call("dvc_like", dataset="sample")
    assert capsys.readouterr().out == "Running stage train, 5 of 8, less than a minute left\nepoch 1\n"


def test_the_first_failing_stage_ends_the_job_with_its_exit_code(capfd):
    with pytest.raises(SystemExit) as end:
        run.call("pipeline.no_such_stage")
    assert end.value.code == 1
    assert "stopped at `pipeline.no_such_stage`" in capfd.readouterr().err.splitlines()[-1]


def test_a_stage_that_failed_under_dvc_says_how_the_previous_outputs_come_back(monkeypatch, capsys):
    monkeypatch.setattr(subprocess, "Popen", lambda *arguments, **more: SimpleNamespace(stdout=None, wait=lambda: 255))
    with pytest.raises(SystemExit) as end:
        run.call("dvc", "repro", "evaluate")
    (line,) = capsys.readouterr().err.splitlines()
    assert end.value.code == 255
    assert "`dvc repro evaluate`" in line and "`dvc checkout`" in line and "`git checkout reports`" in line


def test_stages_find_this_python_first_and_keep_what_the_person_has_set(monkeypatch):
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "0")
    monkeypatch.delenv("DVC_NO_ANALYTICS", raising=False)
    found = run.environment()
    assert found["PATH"].startswith(str(Path(sys.executable).parent))
    assert (found["TF_CPP_MIN_LOG_LEVEL"], found["DVC_NO_ANALYTICS"]) == ("0", "true")


def test_without_git_dvc_is_told_so_and_with_git_nothing_is_written(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".git").mkdir()
    run.allow_missing_git()
    assert not Path(".dvc").exists()
    (tmp_path / ".git").rmdir()
    run.allow_missing_git()
    assert "no_scm = true" in Path(".dvc/config.local").read_text()
    assert "No git repository" in capsys.readouterr().out


def test_a_taken_port_gets_one_clear_line_and_a_tracking_server_is_named(monkeypatch, capsys):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr(subprocess, "Popen", lambda *arguments, **more: pytest.fail("MLflow was started"))
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        with pytest.raises(Failure, match=f"port {port} is taken"):
            ui.main(["--port", port])
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    ui.main([])
    assert "open http://127.0.0.1:9" in capsys.readouterr().out


def test_the_pages_of_the_training_runs_are_named(monkeypatch):
    experiments = [SimpleNamespace(name=name, experiment_id=number) for name, number in
                   (("Default", "0"), ("fer2013-7", "3"))]
    monkeypatch.setattr(ui.runs, "connect", lambda: SimpleNamespace(search_experiments=lambda order_by: experiments))
    page = ui.addresses(5001)
    assert page == ("Training runs of fer2013-7: "
                    "http://127.0.0.1:5001/#/experiments/3/runs?workflowType=machine_learning")
    del experiments[1]
    assert "no training runs yet" in ui.addresses(5001)


@pytest.mark.parametrize("line", ["{", "[]", "null", "3", "{}", '{"model": "../x"}', "[" * 9999])
def test_a_broken_record_of_promotions_is_one_line(project, line):
    Path("reports/promotions.jsonl").write_text(toy_models.promotion("fer2013-7", "a" * 12).to_line() + line + "\n")
    with pytest.raises(Failure, match=r"promotions\.jsonl, line 2: not the record of a promotion \(.*restore it"):
        run.promotions("fer2013")


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX's")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 0)])
def test_a_signal_ends_mlflow_and_the_server_that_it_has_started(tmp_path, number, code):
    server = "import os, time; open('server', 'w').write(str(os.getpid())); time.sleep(60)"
    child = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {server!r}])"
    program = f"import os, sys; from pipeline.tracking.ui import run_until_stopped as run; " \
              f"sys.exit(run(dict(os.environ), [sys.executable, '-c', {child!r}]))"
    process = subprocess.Popen([sys.executable, "-c", program], cwd=tmp_path,
                               env={**os.environ, "PYTHONPATH": str(ROOT)})
    while not (tmp_path / "server").exists() or not (tmp_path / "server").read_text():
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(number)
    assert process.wait(20) == code
    for _ in range(100):
        try:
            os.kill(int((tmp_path / "server").read_text()), 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    pytest.fail("the server still runs")
