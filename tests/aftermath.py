"""What a command has left in a project: files by what lasts of them, records by number, what must not be there."""

import hashlib
import json
import re
import sqlite3
import zipfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import toy_faces

# What differs between two undisturbed runs: when, how fast, under which number in MLflow, and what hashes these
VOLATILE = {"finished", "minutes", "milliseconds", "seconds", "run_id", "time", "bundle", "files", "members"}
# What there is so many of: a file, and names with numbers in it
COUNTS = (
    ("mlflow.db", "select 'MLflow: finished runs of kind ' || value, count(*) from runs join tags using (run_uuid) "
                  "where status = 'FINISHED' and key = 'kind' group by value"),
    ("mlflow.db", "select 'MLflow: models', count(*) from logged_models where status = 2 and "
                  "lifecycle_stage = 'active'"),
    ("mlflow.db", "select 'MLflow: versions of ' || name, count(*) from model_versions group by name"),
    ("mlflow.db", "select 'MLflow: the ' || alias || ' of ' || name, version from registered_model_aliases"),
    (".studies/*.db", "select 'study: finished trials', count(*) from trials where state in ('COMPLETE', 'PRUNED')"),
)
# And what there must be none of
WRONG = (
    ("mlflow.db", "select 'runs RUNNING in MLflow', count(*) from runs where status = 'RUNNING'"),
    ("mlflow.db", "select 'models half logged in MLflow', count(*) from logged_models where status != 2 and "
                  "lifecycle_stage = 'active'"),
    (".studies/*.db", "select 'trials RUNNING in the study', count(*) from trials where state = 'RUNNING'"),
)


def contents(folder: Path, patterns: tuple[str, ...]) -> dict[str, str]:
    """``files``, and how many finished runs, models, versions and trials MLflow and the study have."""
    return files(folder, patterns) | {name: str(count) for name, count in _rows(folder, COUNTS)}


def files(folder: Path, patterns: tuple[str, ...]) -> dict[str, str]:
    """What the files hold, by a digest: JSON, line by line where it is that, without what no two runs share."""
    found: dict[str, list[str]] = {}
    for path in (path for pattern in patterns for path in sorted(folder.glob(pattern))):
        # a bundle's id, which the time of the training is a part of, is in names
        name = re.sub(r"\b[0-9a-f]{12}\b", "ID", path.relative_to(folder).as_posix())
        try:
            digest = hashlib.sha256(_lasting(path)).hexdigest()
        except (ValueError, zipfile.BadZipFile) as error:
            digest = f"unreadable: {error}"
        found.setdefault(name, []).append(digest)
    return {name: " ".join(sorted(digests)) for name, digests in found.items()}


def _rows(folder: Path, queries: tuple[tuple[str, str], ...]) -> Iterator[tuple[str, int]]:
    for file, query in queries:
        for path in folder.glob(file):
            with closing(sqlite3.connect(path)) as database:
                yield from database.execute(query)


def _lasting(path: Path) -> bytes:
    if path.suffix in (".npz", ".keras"):
        # a zip has times of its own, and Keras numbers what layers share by addresses in memory
        with zipfile.ZipFile(path) as archive:
            return b"".join(re.sub(rb'"shared_object_id": \d+', b"", archive.read(name))
                            for name in archive.namelist() if name != "metadata.json")
    if path.suffix == ".webm":
        # a video has a random number of its own
        return b"".join(hashlib.sha256(frame).digest() for frame in toy_faces.frames_of(path))
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
    """What must not be there once a command has ended well: temporary files, processes, what nobody runs."""
    problems = [f"left behind: {path.relative_to(folder)}" for pattern in (".*.new*", ".*.old", ".new-*", "tmp/*")
                for path in folder.rglob(pattern)]
    problems += [f"left behind: {path.relative_to(folder)}" for path in folder.glob(".checkpoints/*")]
    problems += [f"left running: {' '.join(cmdline)[:200]}" for cmdline in _running_in(folder)]
    return problems + [f"{name}: {count}" for name, count in _rows(folder, WRONG) if count]


def _running_in(folder: Path) -> Iterator[list[str]]:
    """The command lines of the processes that have this folder, or one in it, as their own."""
    for process in psutil.process_iter(["cwd", "cmdline"]):
        if process.info["cwd"] and Path(process.info["cwd"]).is_relative_to(folder.resolve()):
            yield process.info["cmdline"]
