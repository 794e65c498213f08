"""``make chaos``: what kill -9 does to every command that writes.

On drawn faces, in copies of this working tree: a command is killed with its whole process group at a random moment,
the same command runs again, and what it then leaves is compared with what an undisturbed run left. The trials so far
are kept in build/chaos.jsonl, so that the program itself can be interrupted; reports/chaos.md counts them.

Processes are forked from one that has imported the libraries: a trial costs what the command does, not the imports.
"""

import argparse
import hashlib
import json
import multiprocessing
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

import toy_models

ROOT = Path(__file__).parent.parent
TRIALS, PAGE = ROOT / "build/chaos.jsonl", ROOT / "reports/chaos.md"
# Imported once, by the process that the others are forked from
PRELOADED = ("tensorflow", "keras", "mlflow", "optuna", "great_expectations", "matplotlib.figure", "sklearn", "pandas",
             "onnx", "onnxruntime", "cv2", "tf2onnx", "pipeline.cli")
# What differs between two undisturbed runs: when, how fast, and under which number in MLflow
VOLATILE = {"finished", "minutes", "milliseconds", "seconds", "run_id", "time", "created", "source_run", "pool"}
# No command on toy data takes longer, on the slowest machine
LIMIT = 300


@dataclass(frozen=True)
class Command:
    """A command and what it leaves.

    Attributes:
        name: in the report.
        argv: ``ferpipe ...``, or a stage's name; it runs on what the commands above it left.
        leaves: patterns of the files that must be as after an undisturbed run, but for ``VOLATILE`` values.
        twins: how many processes run it at once; one of them is killed.
    """

    name: str
    argv: tuple[str, ...]
    leaves: tuple[str, ...]
    twins: int = 1


COMMANDS = (
    Command("download", ("download",), ("data/sample/faces/*",)),
    Command("validate", ("validate",), ("data/sample/statistics.csv", "reports/sample/validation.json")),
    Command("balance", ("balance",), ("data/sample/balanced/*", "reports/sample/*.png")),
    Command("tune", ("tune",), ("reports/sample/best_params.yaml", "reports/sample/trials.csv")),
    Command("tune, two workers", ("tune",), ("reports/sample/best_params.yaml",), twins=2),
    Command("train", ("train",), ("data/sample/bundle/*", "reports/sample/history.csv")),
    Command("evaluate", ("evaluate",), ("data/sample/scores.json", "reports/sample/metrics.json",
                                        "reports/sample/predictions.csv", "reports/sample/results/*")),
    Command("promote", ("ferpipe", "promote"), ("reports/sample/promotions.jsonl",)),
    Command("import-run", ("ferpipe", "import-run", "out"), ("reports/sample/results/*",)),
    Command("quantise", ("ferpipe", "quantise", "data/sample/bundle"), ("reports/sample/results/*",)),
    Command("ensemble", ("ferpipe", "ensemble", "data/sample/bundle", "member"), ("reports/sample/results/*",)),
)


@dataclass(frozen=True)
class Trial:
    """One kill: after which share of the undisturbed run's time, whether it hit, and what was wrong afterwards."""

    command: str
    number: int
    moment: float
    killed: bool
    problems: tuple[str, ...]


def main(argv: list[str] | None = None) -> None:
    """Kill every command so many times and write reports/chaos.md; exit code 1 where anything was lost."""
    parser = argparse.ArgumentParser("make chaos", description=main.__doc__)
    parser.add_argument("commands", nargs="*", metavar="COMMAND", help=", ".join(command.name for command in COMMANDS))
    parser.add_argument("--kills", type=int, default=20, help="of each command; default: 20")
    parser.add_argument("--fresh", action="store_true", help="forget the trials so far")
    options = parser.parse_args(argv)
    if options.fresh:
        TRIALS.unlink(missing_ok=True)
    chosen = [command for command in COMMANDS if not options.commands or command.name in options.commands]
    trials = recorded()
    with Laboratory(ROOT / "build/chaos") as laboratory:
        for command in COMMANDS[: COMMANDS.index(chosen[-1]) + 1]:
            done = {trial.number for trial in trials if trial.command == command.name}
            missing = [number for number in range(options.kills) if number not in done and command in chosen]
            laboratory.prepare(command, bool(missing))
            for number in missing:
                trial = laboratory.trial(command, number)
                trials.append(trial)
                keep(trial)
                print(f"{command.name}, kill {number + 1} of {options.kills} at {trial.moment:.0%}: "
                      f"{'; '.join(trial.problems) or 'as undisturbed'}", flush=True)
    PAGE.write_text(page(trials), encoding="utf-8")
    print(f"chaos: {PAGE.relative_to(ROOT)}")
    if any(trial.problems for trial in trials):
        sys.exit(1)


class Laboratory:
    """A copy of the project with toy parameters, in which the commands run one after the other; each one's trials run
    in copies of the state before it."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.state, self.copy = folder / "state", folder / "copy"
        self.seconds, self.expected = 0.0, {}

    def __enter__(self) -> "Laboratory":
        shutil.rmtree(self.folder, ignore_errors=True)
        self.state.mkdir(parents=True)
        listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True,
                                text=True, check=True).stdout
        for name in listed.splitlines():
            if (ROOT / name).is_file() and not name.startswith(("tests/", "reports/results/")):
                (self.state / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(ROOT / name, self.state / name)
        toy_models.small_run(self.state)
        return self

    def __exit__(self, *error) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def prepare(self, command: Command, trials: bool) -> None:
        """Run the command undisturbed in the state; ``trials`` get a copy of the state before that."""
        before = self.folder / "before"
        shutil.rmtree(before, ignore_errors=True)
        if command.name == "import-run":
            self._train_elsewhere()
        if command.name == "ensemble":
            shutil.copytree(next((self.state / "data/sample/imported").iterdir()), self.state / "member")
        if trials:
            shutil.copytree(self.state, before)
        begun = time.monotonic()
        problem = end(start(command.argv, self.state))
        self.seconds = time.monotonic() - begun
        if problem:
            raise SystemExit(f"chaos: {command.name} fails undisturbed: {problem}")
        self.expected = contents(self.state, command.leaves)

    def _train_elsewhere(self) -> None:
        """A run for import-run, in the folder ``out``."""
        config = subprocess.run([sys.executable, "-m", "pipeline.cli", "resolve", "--seed", "2"], cwd=self.state,
                                capture_output=True, text=True, check=True).stdout
        (self.state / "config.json").write_text(config, encoding="utf-8")
        subprocess.run([sys.executable, "-m", "pipeline.training", "config.json", "data/sample/balanced", "out"],
                       cwd=self.state, check=True, capture_output=True)

    def trial(self, command: Command, number: int) -> Trial:
        """Kill the command at a random moment, run it again, and look at what there is."""
        shutil.rmtree(self.copy, ignore_errors=True)
        shutil.copytree(self.folder / "before", self.copy)
        moment = random.Random(f"{command.name} {number}").uniform(0, 1.05)
        processes = [start(command.argv, self.copy) for _ in range(command.twins)]
        processes[0].join(moment * self.seconds * command.twins)
        killed = processes[0].is_alive()
        if killed:
            os.killpg(processes[0].pid, signal.SIGKILL)
        problems = [problem for process in processes[killed:] if (problem := end(process))]
        processes[0].join()
        if problem := end(start(command.argv, self.copy)):
            problems.append(f"the same command again: {problem}")
        else:
            problems += differences(self.expected, contents(self.copy, command.leaves))
            problems += left_behind(self.copy)
        return Trial(command.name, number, round(moment, 3), killed, tuple(problems))


def start(argv: tuple[str, ...], folder: Path) -> multiprocessing.Process:
    """The command in a process of its own that leads a process group."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(PRELOADED))
    process = context.Process(target=_run, args=(argv, str(folder)))
    process.start()
    return process


def _run(argv: tuple[str, ...], folder: str) -> None:
    os.setsid()
    os.chdir(folder)
    sys.path.insert(0, folder)
    with open(f"out-{os.getpid()}.log", "w", buffering=1) as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
        from pipeline import cli

        if argv[0] == "ferpipe":
            cli.main(list(argv[1:]))
        else:
            import runpy

            sys.argv = [argv[0]]
            runpy.run_module(f"pipeline.{argv[0]}", run_name="__main__", alter_sys=True)


def end(process: multiprocessing.Process) -> str:
    """Wait for a command; what it said where it did not end well, else nothing."""
    process.join(LIMIT)
    if process.is_alive():
        os.killpg(process.pid, signal.SIGKILL)
        return f"not over after {LIMIT} seconds"
    return "" if process.exitcode == 0 else f"exit code {process.exitcode}"


def contents(folder: Path, patterns: tuple[str, ...]) -> dict[str, str]:
    """What the files hold, by a digest: JSON, line by line where it is that, without what no two runs share."""
    found = {}
    for pattern in patterns:
        for path in sorted(folder.glob(pattern)):
            found[_name(path.relative_to(folder))] = hashlib.sha256(_lasting(path)).hexdigest()
    return found


def _name(path: Path) -> str:
    """A ledger's file carries its bundle's id, which the time of the training is a part of."""
    return str(path.with_name(path.name.rpartition("-")[0])) if path.parent.name == "results" else str(path)


def _lasting(path: Path) -> bytes:
    if path.suffix not in (".json", ".jsonl", ".npz", ".keras"):
        return path.read_bytes()
    if path.suffix in (".npz", ".keras"):
        import zipfile

        # a zip has times of its own
        with zipfile.ZipFile(path) as archive:
            return b"".join(archive.read(name) for name in archive.namelist() if name != "metadata.json")
    rows = path.read_text(encoding="utf-8").splitlines() if path.suffix == ".jsonl" else [path.read_text("utf-8")]
    return json.dumps([_without(json.loads(row)) for row in rows], sort_keys=True).encode()


def _without(tree):
    """A tree without volatile values: ids of bundles change with them."""
    if isinstance(tree, dict):
        return {key: _without(value) for key, value in tree.items() if key not in VOLATILE | {"bundle", "files", "id"}}
    return [_without(value) for value in tree] if isinstance(tree, list) else tree


def differences(expected: dict[str, str], actual: dict[str, str]) -> list[str]:
    """Files that are missing, too many, or hold something else."""
    return [f"{name}: {'missing' if name not in actual else 'not expected' if name not in expected else 'differs'}"
            for name in sorted(expected.keys() | actual.keys()) if expected.get(name) != actual.get(name)]


def left_behind(folder: Path) -> list[str]:
    """What must not be there once a command has ended well: temporary files, runs that nobody runs, two champions."""
    problems = [f"left behind: {path.relative_to(folder)}" for path in folder.rglob(".*.new*")]
    problems += [f"left behind: {path.relative_to(folder)}" for path in folder.rglob(".*.old")]
    if (folder / "mlflow.db").exists():
        with closing(sqlite3.connect(folder / "mlflow.db")) as database:
            running, = database.execute("select count(*) from runs where status = 'RUNNING'").fetchone()
            champions = database.execute("select name, count(*) from registered_model_aliases where alias = 'champion' "
                                         "group by name").fetchall()
        problems += [f"{running} runs RUNNING in MLflow"] if running else []
        problems += [f"{count} champions of {name}" for name, count in champions if count != 1]
    for path in (folder / ".studies").glob("*.db"):
        with closing(sqlite3.connect(path)) as database:
            running, = database.execute("select count(*) from trials where state = 'RUNNING'").fetchone()
        problems += [f"{running} trials RUNNING in the study"] if running else []
    return problems


def recorded() -> list[Trial]:
    """The trials so far."""
    rows = TRIALS.read_text(encoding="utf-8").splitlines() if TRIALS.exists() else []
    return [Trial(**{**json.loads(row), "problems": tuple(json.loads(row)["problems"])}) for row in rows]


def keep(trial: Trial) -> None:
    """Add a trial to those so far."""
    TRIALS.parent.mkdir(exist_ok=True)
    with TRIALS.open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(trial)) + "\n")


def page(trials: list[Trial]) -> str:
    """reports/chaos.md."""
    rows = []
    for command in COMMANDS:
        own = [trial for trial in trials if trial.command == command.name]
        if own:
            bad = [trial for trial in own if trial.problems]
            rows.append(f"| {command.name} | {len(own)} | {sum(trial.killed for trial in own)} | "
                        f"{len(own) - len(bad)} | {'<br>'.join(sorted({trial.problems[0] for trial in bad}))} |")
    return "\n".join((
        "# Chaos", "",
        "Every command that writes, on drawn faces: killed with `kill -9` (its whole process group) at a random",
        "moment of its run, then called again. *As undisturbed*: the second call ends well, its files hold what an",
        "undisturbed run leaves (weights, curves, ONNX files and tables bit for bit; times and ids aside), no",
        "temporary file is left, nothing is RUNNING in MLflow or in the study, and every model has one champion.",
        "*Hit*: the command was still running. With two workers one is killed. Generated by `make chaos`.",
        "",
        "| command | kills | hit | as undisturbed | else |", "|---|---|---|---|---|", *rows, ""))


if __name__ == "__main__":
    main()
