"""A project in which every command that writes runs once undisturbed, and, in copies, disturbed: killed, twice at once,
with a full disk, with folders that cannot be written. Then it runs again, and what is there is compared."""

import random
import re
import shutil
import sqlite3
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import toy_models
from aftermath import contents, differences, files, left_behind
from processes import Running, start
from ruamel.yaml import YAML

from pipeline.faces.faces import Faces

# What the second of two processes says, in one line, where it does not wait for the first
ANOTHER = ": another process "
# Of a mounted project; its disk is made full by mounting it again with less
ROOM = 1 << 30
# What cannot be written, one after the other
FOLDERS = ("data", "reports", "mlruns", ".")


@dataclass(frozen=True)
class Command:
    """A command and what it leaves.

    Attributes:
        name: in the report.
        argv: ``ferpipe ...``, or a stage's name; it runs on what the commands above it left.
        leaves: patterns of the files that must be as after an undisturbed run, but for ``VOLATILE`` values.
        twins: how many processes run it at once, one of which is killed; where it is more than one, it is the command
            before it.
    """

    name: str
    argv: tuple[str, ...]
    leaves: tuple[str, ...]
    twins: int = 1


_FOUND = ("reports/fer2013/best_params.yaml", "reports/fer2013/trials.csv")
_LEDGER = "reports/results/*"
_CHAMPION = ("reports/promotions.jsonl", "reports/champion/*.csv", "reports/champion/*.png", "data/champion/*")
COMMANDS = (
    Command("download", ("download",), ("data/sample/faces/*",)),
    Command("validate", ("validate",), ("data/fer2013/*.csv", "data/fer2013/copies.*",
                                        "reports/fer2013/validation.json")),
    Command("balance", ("balance",), ("data/fer2013/balanced/*", "reports/fer2013/*.png")),
    Command("tune", ("tune",), _FOUND),
    Command("tune, two workers", ("tune",), _FOUND, twins=2),
    Command("train", ("train",), ("data/fer2013/bundle/*", "reports/fer2013/history.csv")),
    Command("evaluate", ("evaluate",), ("data/fer2013/scores.json", "reports/fer2013/metrics.json",
                                        "reports/fer2013/predictions.csv", "reports/fer2013/*.png", _LEDGER)),
    Command("promote", ("ferpipe", "promote"), _CHAMPION),
    Command("import-run", ("ferpipe", "import-run", "out"), ("data/fer2013/imported/*/*", _LEDGER)),
    Command("quantise", ("ferpipe", "quantise", "data/fer2013/bundle"), ("data/fer2013/quantised/*/*", _LEDGER)),
    Command("promote, over a champion", ("ferpipe", "promote", "challenger"), _CHAMPION),
    Command("demo", ("demo.stage",), ("reports/demo.*",)),
    Command("ensemble", ("ferpipe", "ensemble", "data/fer2013/bundle", "member"), ("data/fer2013/ensembles/*/*",
                                                                                   _LEDGER)),
)
# Copies of models under a name that does not depend on their ids: for the command the copy, of the only one in a folder
COPIES = {"promote, over a champion": ("challenger", "quantised"), "ensemble": ("member", "imported")}


KILL, PAIR, FULL, READ_ONLY = "kill", "pair", "full disk", "read-only"


@dataclass(frozen=True)
class Trial:
    """One disturbance.

    Attributes:
        moment: of a kill, or when the second of a pair began, as a share of an undisturbed run's processor time.
        hit: whether it met a command that was still running, or that needed the space.
        problems: what was wrong afterwards.
    """

    command: str
    kind: str
    number: int
    moment: float
    hit: bool
    problems: tuple[str, ...]


@dataclass(frozen=True)
class Undisturbed:
    """A command's run that nothing disturbed.

    Attributes:
        before: the project before it.
        earlier: what it leaves, as it was before.
        expected: the same afterwards.
        seconds: of processor time that it took.
        bytes: of the disk that it took.
        epochs: that it trained.
    """

    before: Path
    earlier: dict[str, str]
    expected: dict[str, str]
    seconds: float
    bytes: int
    epochs: int


class Laboratory:
    """The project and its copies. Trials may run at the same time, and the commands' in any order."""

    def __init__(self, folder: Path):
        self.folder = folder.absolute()
        self.state = self.folder / "state"
        self._runs: dict[str, Undisturbed] = {}
        self._reaching = threading.Lock()

    def __enter__(self) -> "Laboratory":
        shutil.rmtree(self.folder, ignore_errors=True)
        (self.state / "tmp").mkdir(parents=True)
        toy_models.small_run(self.state)
        _make_smaller(self.state / "params.yaml")
        return self

    def __exit__(self, *error) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def reach(self, command: Command) -> Undisturbed:
        """Run the commands up to this one undisturbed, those that have not run yet."""
        with self._reaching:
            while command.name not in self._runs:
                following = COMMANDS[len(self._runs)]
                self._runs[following.name] = self._undisturbed(following)
            return self._runs[command.name]

    def _undisturbed(self, command: Command) -> Undisturbed:
        if command.twins > 1:
            # the command before, from the same state
            return next(reversed(self._runs.values()))
        if command.name == "validate":
            _call_fer2013(self.state)
        if command.name == "import-run":
            self._must(("ferpipe", "resolve", "--seed", "2"), stdout="config.json")
            self._must(("training", "config.json", "data/fer2013/balanced", "out"))
        if command.name in COPIES:
            name, shelf = COPIES[command.name]
            shutil.copytree(next((self.state / "data/fer2013" / shelf).glob("[!.]*")), self.state / name)
        before = shutil.copytree(self.state, self.folder / f"before {command.name}")
        running, seconds = self._must(command.argv)
        return Undisturbed(before, contents(before, command.leaves), contents(self.state, command.leaves), seconds,
                           _size(self.state) - _size(before), _epochs(running.log))

    def _must(self, argv: tuple[str, ...], stdout: str = "") -> tuple[Running, float]:
        running = start(argv, self.state, stdout)
        seconds = running.run()
        if problem := running.end():
            raise SystemExit(f"chaos: {' '.join(argv)} fails undisturbed: {problem}")
        return running, seconds

    @contextmanager
    def _copy(self, command: Command, mounted: bool = False) -> Iterator[Path]:
        """A copy of what was there before the command; ``mounted`` on a disk of its own."""
        with tempfile.TemporaryDirectory(dir=self.folder, prefix="copy-", ignore_cleanup_errors=True) as folder:
            copy = Path(folder, "project")
            copy.mkdir()
            if mounted:
                mount("-t", "tmpfs", "-o", f"size={ROOM}", "tmpfs", copy)
            try:
                shutil.copytree(self.reach(command).before, copy, dirs_exist_ok=True)
                _move_records(copy / "mlflow.db", self.state, copy)
                yield copy
            finally:
                if mounted:
                    subprocess.run(["umount", "--lazy", copy], check=True)

    def _afterwards(self, command: Command, copy: Path, again: bool = True) -> Iterator[str]:
        """What is wrong once the command has run again, or without that where it has already ended well: train would
        train once more."""
        if again and (problem := start(command.argv, copy).end()):
            yield f"the same command again: {problem}"
        yield from differences(self.reach(command).expected, contents(copy, command.leaves))
        yield from left_behind(copy)

    def kill(self, command: Command, number: int) -> Trial:
        """Kill the command at a random moment."""
        moment = random.Random(f"{command.name} {number}").random()
        with self._copy(command) as copy:
            processes = [start(command.argv, copy) for _ in range(command.twins)]
            processes[0].run(moment * self.reach(command).seconds)
            hit = processes[0].alive
            if hit:
                processes.pop(0).kill()
            problems = [problem for running in processes if (problem := running.end())]
            problems += self._afterwards(command, copy, again=hit)
        return Trial(command.name, KILL, number, round(moment, 3), hit, tuple(problems))

    def pair(self, command: Command, number: int) -> Trial:
        """Run the command twice at once, the second a random while later, the first time at the same moment."""
        moment = random.Random(f"{command.name} {number}").uniform(0, 0.3) if number else 0.0
        with self._copy(command) as copy:
            first = start(command.argv, copy)
            first.run(moment * self.reach(command).seconds)
            hit, second = first.alive, start(command.argv, copy)
            problems = [problem for running in (first, second) if (problem := running.end()) and ANOTHER not in problem]
            problems += differences(self.reach(command).expected, contents(copy, command.leaves))
            problems += left_behind(copy)
        return Trial(command.name, PAIR, number, round(moment, 3), hit, tuple(problems))

    def full(self, command: Command, number: int) -> Trial:
        """Run the command on a disk that lacks the more, the less of the space that it needs; then with enough."""
        moments = sorted(random.Random(f"{command.name} {number}").random() for _ in range(3))
        problems: list[str] = []
        with self._copy(command, mounted=True) as copy:
            hits = []
            for moment in moments:
                room = _used(copy) + int(moment * self.reach(command).bytes)
                mount("-o", f"remount,size={room}", copy)
                hits.append(self._refused(command, copy, f"{room:,} bytes", problems))
                if not hits[-1]:
                    break
            mount("-o", f"remount,size={ROOM}", copy)
            problems += self._afterwards(command, copy, again=hits[-1])
        return Trial(command.name, FULL, number, round(moments[0], 3), any(hits), tuple(problems))

    def read_only(self, command: Command, number: int) -> Trial:
        """Run the command while it cannot write to one folder after the other; then while it can."""
        problems: list[str] = []
        hit = False
        with self._copy(command) as copy:
            for name in FOLDERS:
                folder = copy / name
                folder.mkdir(exist_ok=True)
                mount("--bind", folder, folder)
                try:
                    mount("-o", "remount,ro,bind", folder)
                    hit = self._refused(command, copy, f"{name} read-only", problems) or hit
                finally:
                    subprocess.run(["umount", "--lazy", folder], check=True)
            problems += self._afterwards(command, copy)
            epochs = sum(map(_epochs, copy.parent.glob("out-*.log")))
            if epochs != self.reach(command).epochs:
                problems.append(f"{epochs} epochs were trained, expected {self.reach(command).epochs}")
        return Trial(command.name, READ_ONLY, number, 0.0, hit, tuple(problems))

    def _refused(self, command: Command, copy: Path, condition: str, problems: list[str]) -> bool:
        """Run the command where it may fail: in one line, and nothing is half-written then. Returns whether it did."""
        running = start(command.argv, copy)
        problem = running.end()
        if problem and not running.in_one_line:
            problems.append(f"{condition}: {problem}")
        undisturbed = self.reach(command)
        problems += [f"{condition}: {name}: half-written" for name, digest in files(copy, command.leaves).items()
                     if digest not in (undisturbed.earlier.get(name), undisturbed.expected.get(name))]
        return bool(problem)


def mount(*arguments: object) -> None:
    """Call mount. Raises CalledProcessError where this user may not."""
    subprocess.run(["mount", *map(str, arguments)], check=True, capture_output=True)


def may_mount(folder: Path) -> bool:
    """Whether this user may mount a disk of its own there."""
    try:
        mount("-t", "tmpfs", "-o", "size=1m", "tmpfs", folder)
    except (OSError, subprocess.CalledProcessError):
        return False
    subprocess.run(["umount", folder], check=True)
    return True


def _move_records(database: Path, old: Path, new: Path) -> None:
    """MLflow's database has the artefacts' whole paths, which are those of the project that was copied."""
    if database.exists():
        with closing(sqlite3.connect(database)) as records:
            for table, column in (("experiments", "artifact_location"), ("runs", "artifact_uri"),
                                  ("logged_models", "artifact_location"), ("model_versions", "storage_location")):
                records.execute(f"update {table} set {column} = replace({column}, ?, ?)", (old.as_uri(), new.as_uri()))
            records.commit()


def _epochs(log: Path) -> int:
    """How many epochs a command has trained."""
    return len(re.findall(r"^epoch +\d+ of ", log.read_text(encoding="utf-8"), re.M))


def _size(folder: Path) -> int:
    """What the files in a folder take of a disk with pages of 4 kB."""
    return sum(-(-path.stat().st_size // 4096) * 4096 for path in folder.rglob("*"))


def _used(folder: Path) -> int:
    """What is used of a disk."""
    return shutil.disk_usage(folder).used


def _call_fer2013(project: Path) -> None:
    """From here on the drawn faces are called FER-2013, because its champion is the one that is kept in git."""
    params = project / "params.yaml"
    params.write_text(params.read_text(encoding="utf-8").replace("dataset: sample", "dataset: fer2013"), "utf-8")
    faces = Faces.load(project / "data/sample/faces")
    replace(faces, manifest={**faces.manifest, "dataset": "fer2013"}).save(project / "data/fer2013/faces")


def _make_smaller(file: Path) -> None:
    """A network, a search and a clip that cost little more than what TensorFlow needs to begin. Any model is promoted:
    what is tried here is that nothing is lost."""
    yaml = YAML()
    tree = yaml.load(file)
    tree["demo"]["seconds"] = 1
    tree["promote"].update(min_gain=-1.0, max_loss=1.0)
    tree["model"]["stages"] = 1
    tree["tune"].update(trials=2, space={"train.learning_rate": {"low": 0.001, "high": 0.01, "log": True}})
    yaml.dump(tree, file)
