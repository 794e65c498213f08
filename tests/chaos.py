"""``make chaos``: what kill -9, and the same command at the same time, do to every command that writes.

On drawn faces, in projects of its own. A *kill*: a command is killed with its whole process group at a random moment,
then runs again. A *pair*: the command runs twice at once. What is there then is compared with what an undisturbed run
leaves. The trials so far are kept in build/chaos.jsonl, so that the program itself can be interrupted;
reports/chaos.md counts them.

Processes are forked from one that has imported the libraries: a trial costs what the command does, not the imports.
"""

import argparse
import hashlib
import json
import multiprocessing
import os
import random
import re
import shutil
import signal
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

import toy_models

ROOT = Path(__file__).parent.parent
# For the process that the others are forked from: this tree's pipeline, whatever is installed
sys.path.insert(0, str(ROOT))
TRIALS, PAGE = ROOT / "build/chaos.jsonl", ROOT / "reports/chaos.md"
# Imported once, by the process that the others are forked from
PRELOADED = ("tensorflow", "keras", "mlflow", "optuna", "great_expectations", "matplotlib.figure", "sklearn", "pandas",
             "onnx", "onnxruntime", "cv2", "tf2onnx", "pipeline.cli")
# What differs between two undisturbed runs: when, how fast, under which number in MLflow, and what hashes these
VOLATILE = {"finished", "minutes", "milliseconds", "seconds", "run_id", "time", "bundle", "files", "members"}
# What there is so many of: a file, and names with numbers in it
COUNTS = (
    ("mlflow.db", "select 'MLflow: finished runs of kind ' || value, count(*) from runs join tags using (run_uuid) "
                  "where status = 'FINISHED' and key = 'kind' group by value"),
    ("mlflow.db", "select 'MLflow: models', count(*) from logged_models where status = 2"),
    ("mlflow.db", "select 'MLflow: versions of ' || name, count(*) from model_versions group by name"),
    ("mlflow.db", "select 'MLflow: the ' || alias || ' of ' || name, version from registered_model_aliases"),
    (".studies/*.db", "select 'study: finished trials', count(*) from trials where state in ('COMPLETE', 'PRUNED')"),
)
# And what there must be none of
WRONG = (
    ("mlflow.db", "select 'runs RUNNING in MLflow', count(*) from runs where status = 'RUNNING'"),
    ("mlflow.db", "select 'models half logged in MLflow', count(*) from logged_models where status != 2"),
    (".studies/*.db", "select 'trials RUNNING in the study', count(*) from trials where state = 'RUNNING'"),
)
# What the second of two processes says, in one line, where it does not wait for the first
ANOTHER = ": another process "
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
    Command("validate", ("validate",), ("data/sample/*.csv", "data/sample/copies.*", "reports/sample/validation.json")),
    Command("balance", ("balance",), ("data/sample/balanced/*", "reports/sample/*.png")),
    Command("tune", ("tune",), ("reports/sample/best_params.yaml", "reports/sample/trials.csv")),
    Command("tune, two workers", ("tune",), ("reports/sample/best_params.yaml",), twins=2),
    Command("train", ("train",), ("data/sample/bundle/*", "reports/sample/history.csv")),
    Command("evaluate", ("evaluate",), ("data/sample/scores.json", "reports/sample/metrics.json",
                                        "reports/sample/predictions.csv", "reports/sample/*.png",
                                        "reports/sample/results/*")),
    Command("promote", ("ferpipe", "promote"), ("reports/sample/promotions.jsonl", "reports/sample/champion-7/*.csv",
                                                "reports/sample/champion-7/*.png")),
    Command("import-run", ("ferpipe", "import-run", "out"), ("data/sample/imported/*/*", "reports/sample/results/*")),
    Command("quantise", ("ferpipe", "quantise", "data/sample/bundle"), ("data/sample/quantised/*/*",
                                                                        "reports/sample/results/*")),
    Command("ensemble", ("ferpipe", "ensemble", "data/sample/bundle", "member"), ("data/sample/ensembles/*/*",
                                                                                  "reports/sample/results/*")),
)


KILL, PAIR = "kill", "pair"


@dataclass(frozen=True)
class Trial:
    """One kill, or one pair.

    Attributes:
        moment: of the kill, or when the second of a pair began, as a share of an undisturbed run's time.
        hit: whether the command was still running then.
        problems: what was wrong afterwards.
    """

    command: str
    kind: str
    number: int
    moment: float
    hit: bool
    problems: tuple[str, ...]


def main(argv: list[str] | None = None) -> None:
    """Kill every command, run it twice at once, and write reports/chaos.md; exit code 1 where anything was lost."""
    parser = argparse.ArgumentParser("make chaos", description=main.__doc__)
    parser.add_argument("commands", nargs="*", metavar="COMMAND", help=", ".join(command.name for command in COMMANDS))
    parser.add_argument("--kills", type=int, default=20, help="of each command; default: 20")
    parser.add_argument("--pairs", type=int, default=5, help="of each command; default: 5")
    parser.add_argument("--fresh", action="store_true", help="forget the trials so far")
    options = parser.parse_args(argv)
    if unknown := set(options.commands) - {command.name for command in COMMANDS}:
        parser.error(f"there is no {', '.join(sorted(unknown))}")
    if options.fresh:
        TRIALS.unlink(missing_ok=True)
    trials = recorded()
    done = {(trial.command, trial.kind, trial.number) for trial in trials}
    with Laboratory(ROOT / "build/chaos") as laboratory:
        for command in COMMANDS:
            if options.commands and command.name not in options.commands:
                continue
            kinds = {KILL: options.kills, PAIR: options.pairs if command.twins == 1 else 0}
            for kind, number in ((kind, number) for kind, count in kinds.items() for number in range(count)):
                if (command.name, kind, number) in done:
                    continue
                laboratory.reach(command)
                trial = laboratory.kill(command, number) if kind == KILL else laboratory.pair(command, number)
                trials.append(trial)
                keep(trial)
                print(f"{command.name}, {kind} {number + 1} of {kinds[kind]} at {trial.moment:.0%}: "
                      f"{'; '.join(trial.problems) or 'as undisturbed'}", flush=True)
    PAGE.write_text(page(trials), encoding="utf-8")
    print(f"chaos: {PAGE.relative_to(ROOT)}")
    if any(trial.problems for trial in trials):
        sys.exit(1)


class Laboratory:
    """A project with toy parameters, in which the commands run one after the other; each one's trials run in copies of
    what was there before it.

    Attributes:
        expected: what the command that was reached last leaves undisturbed.
        seconds: how long that takes.
    """

    def __init__(self, folder: Path):
        self.folder, self.state, self.before = folder, folder / "state", folder / "before"
        self.seconds, self.expected = 0.0, dict[str, str]()
        self._reached: list[Command] = []

    def __enter__(self) -> "Laboratory":
        shutil.rmtree(self.folder, ignore_errors=True)
        self.state.mkdir(parents=True)
        toy_models.small_run(self.state)
        # the first process waits for the imports
        end(start(("ferpipe", "--help"), self.state))
        return self

    def __exit__(self, *error) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def reach(self, command: Command) -> None:
        """Run the commands up to this one undisturbed, those that have not run yet."""
        while command not in self._reached:
            following = COMMANDS[len(self._reached)]
            self._prepare(following)
            self._reached.append(following)

    def _prepare(self, command: Command) -> None:
        if command.name == "import-run":
            self._must(("ferpipe", "resolve", "--seed", "2"), stdout="config.json")
            self._must(("training", "config.json", "data/sample/balanced", "out"))
        if command.name == "ensemble":
            shutil.copytree(next((self.state / "data/sample/imported").glob("[!.]*")), self.state / "member")
        shutil.rmtree(self.before, ignore_errors=True)
        shutil.copytree(self.state, self.before)
        begun = time.monotonic()
        self._must(command.argv)
        self.seconds, self.expected = time.monotonic() - begun, contents(self.state, command.leaves)

    def _must(self, argv: tuple[str, ...], stdout: str = "") -> None:
        if problem := end(start(argv, self.state, stdout)):
            raise SystemExit(f"chaos: {' '.join(argv)} fails undisturbed: {problem}")

    def copy(self) -> Path:
        """A new copy of what was there before the command that was reached last."""
        copy = self.folder / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        return shutil.copytree(self.before, copy)

    def kill(self, command: Command, number: int) -> Trial:
        """Kill the command at a random moment, run it again, and look at what there is."""
        copy, moment = self.copy(), random.Random(f"{command.name} {number}").random()
        processes = [start(command.argv, copy) for _ in range(command.twins)]
        processes[0].join(moment * self.seconds * command.twins)
        hit = processes[0].is_alive()
        if hit:
            os.killpg(processes[0].pid, signal.SIGKILL)
        problems = [problem for process in processes[hit:] if (problem := end(process))]
        processes[0].join()
        if problem := end(start(command.argv, copy)):
            problems.append(f"the same command again: {problem}")
        problems += differences(self.expected, contents(copy, command.leaves))
        return Trial(command.name, KILL, number, round(moment, 3), hit, (*problems, *left_behind(copy)))

    def pair(self, command: Command, number: int) -> Trial:
        """Run the command twice at once, the second a random while later, and look at what there is."""
        copy, moment = self.copy(), random.Random(f"{command.name} {number}").uniform(0, 0.3) if number else 0.0
        first = start(command.argv, copy)
        first.join(moment * self.seconds)
        hit, second = first.is_alive(), start(command.argv, copy)
        problems = [problem for process in (first, second) if (problem := end(process)) and ANOTHER not in problem]
        problems += differences(self.expected, contents(copy, command.leaves))
        return Trial(command.name, PAIR, number, round(moment, 3), hit, (*problems, *left_behind(copy)))


def start(argv: tuple[str, ...], folder: Path, stdout: str = "") -> multiprocessing.Process:
    """The command in a process of its own that leads a process group; what it prints goes to out-PID.log there."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(PRELOADED))
    process = context.Process(target=_run, args=(argv, str(folder), stdout))
    process.folder = folder
    process.start()
    return process


def _run(argv: tuple[str, ...], folder: str, stdout: str) -> None:
    os.setsid()
    os.chdir(folder)
    # what a command leaves in the folder for temporary files is looked at, too
    scratch = Path(folder, "tmp")
    scratch.mkdir(exist_ok=True)
    tempfile.tempdir = os.environ["TMPDIR"] = str(scratch)
    with open(f"out-{os.getpid()}.log", "w", buffering=1) as log, open(stdout or os.devnull, "w") as output:
        os.dup2(output.fileno() if stdout else log.fileno(), 1)
        os.dup2(log.fileno(), 2)
        from pipeline import cli

        if argv[0] == "ferpipe":
            cli.main(list(argv[1:]))
        else:
            import runpy

            sys.argv = list(argv)
            runpy.run_module(f"pipeline.{argv[0]}", run_name="__main__", alter_sys=True)


def end(process: multiprocessing.Process) -> str:
    """Wait for a command; what it said where it did not end well, else nothing."""
    process.join(LIMIT)
    if process.is_alive():
        os.killpg(process.pid, signal.SIGKILL)
        return f"not over after {LIMIT} seconds"
    if process.exitcode == 0:
        return ""
    lines = (process.folder / f"out-{process.pid}.log").read_text(encoding="utf-8").splitlines()
    trace = "a traceback, " if any(line.startswith("Traceback") for line in lines) else ""
    return f"exit code {process.exitcode}, {trace}{lines[-1] if lines else 'no word'}"


def contents(folder: Path, patterns: tuple[str, ...]) -> dict[str, str]:
    """What the files hold, by a digest: JSON, line by line where it is that, without what no two runs share. And how
    many finished runs, models, versions and trials MLflow and the study have."""
    found: dict[str, list[str]] = {}
    for path in (path for pattern in patterns for path in sorted(folder.glob(pattern))):
        # a bundle's id, which the time of the training is a part of, is in names
        name = re.sub(r"\b[0-9a-f]{12}\b", "ID", path.relative_to(folder).as_posix())
        found.setdefault(name, []).append(hashlib.sha256(_lasting(path)).hexdigest())
    return {name: " ".join(sorted(digests)) for name, digests in found.items()} | {
        name: str(count) for name, count in _rows(folder, COUNTS)}


def _rows(folder: Path, queries: tuple[tuple[str, str], ...]) -> Iterator[tuple[str, int]]:
    for file, query in queries:
        for path in folder.glob(file):
            with closing(sqlite3.connect(path)) as database:
                yield from database.execute(query)


def _lasting(path: Path) -> bytes:
    if path.suffix in (".npz", ".keras"):
        import zipfile

        # a zip has times of its own, and Keras numbers what layers share by addresses in memory
        with zipfile.ZipFile(path) as archive:
            return b"".join(re.sub(rb'"shared_object_id": \d+', b"", archive.read(name))
                            for name in archive.namelist() if name != "metadata.json")
    if path.name == "history.csv":
        # the last column is how long it took
        return b"\n".join(line.rpartition(b",")[0] for line in path.read_bytes().splitlines())
    if path.suffix not in (".json", ".jsonl"):
        return path.read_bytes()
    rows = path.read_text(encoding="utf-8").splitlines() if path.suffix == ".jsonl" else [path.read_text("utf-8")]
    return json.dumps([_without(json.loads(row)) for row in rows], sort_keys=True).encode()


def _without(tree):
    """A tree without volatile values."""
    if isinstance(tree, dict):
        return {key: _without(value) for key, value in tree.items() if key not in VOLATILE}
    return [_without(value) for value in tree] if isinstance(tree, list) else tree


def differences(expected: dict[str, str], actual: dict[str, str]) -> list[str]:
    """Files and counts that are missing, too many, or another."""
    return [f"{name}: {'missing' if name not in actual else 'not expected' if name not in expected else 'differs'}"
            for name in sorted(expected.keys() | actual.keys()) if expected.get(name) != actual.get(name)]


def left_behind(folder: Path) -> list[str]:
    """What must not be there once a command has ended well: temporary files, what nobody runs, two champions."""
    problems = [f"left behind: {path.relative_to(folder)}" for pattern in (".*.new*", ".*.old", ".new-*", "tmp/*")
                for path in folder.rglob(pattern)]
    problems += [f"left behind: {path.relative_to(folder)}" for path in folder.glob(".checkpoints/*")]
    return problems + [f"{name}: {count}" for name, count in _rows(folder, WRONG) if count]


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
    rows: dict[str, list[str]] = {KILL: [], PAIR: []}
    for command in COMMANDS:
        for kind, table in rows.items():
            own = [trial for trial in trials if (trial.command, trial.kind) == (command.name, kind)]
            if own:
                bad = [trial for trial in own if trial.problems]
                table.append(f"| {command.name} | {len(own)} | {sum(trial.hit for trial in own)} | "
                             f"{len(own) - len(bad)} | {'<br>'.join(sorted({trial.problems[0] for trial in bad}))} |")
    return "\n".join((
        "# Chaos", "",
        "Every command that writes, on drawn faces, killed with `kill -9` (its whole process group) at a random",
        "moment of its run, then called again. *As undisturbed*: the second call ends well; its files hold what an",
        "undisturbed run leaves, bit for bit (networks, curves, ONNX files, tables, charts) but for times and ids;",
        "MLflow and the study have as many finished runs, models, versions and trials, and nothing that is RUNNING",
        "or half logged; no temporary file is left, and the same version is champion. *Hit*: the command was still",
        "running. Of two workers one is killed. Generated by `make chaos`.",
        "",
        "| command | kills | hit | as undisturbed | else |", "|---|---|---|---|---|", *rows[KILL],
        "",
        "Two processes of the same command at once, the second up to a third of a run later. *As undisturbed*: both",
        "end well, or one says in one line that another is at it; what is there then is as after one.",
        "",
        "| command | pairs | at once | as undisturbed | else |", "|---|---|---|---|---|", *rows[PAIR], ""))


if __name__ == "__main__":
    main()
