"""Stage download: the faces as published, from data/external/, Kaggle, a URL or a path; or drawn ones."""

import hashlib
import http.client
import re
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import replace
from pathlib import Path

import numpy as np

from pipeline.download import kaggle
from pipeline.download.external import EXTERNAL, Contents, check_is_fer2013, find_named, find_votes, look_into
from pipeline.download.named import read_named
from pipeline.download.read import read_edition
from pipeline.download.splits import NAME_IT
from pipeline.faces import fer2013
from pipeline.faces.faces import EMOTIONS, Faces
from pipeline.faces.manifest import Manifest
from pipeline.faces.votes import with_votes
from pipeline.params.params import Download
from pipeline.system.failure import Failure

TIMEOUT = 30.0  # seconds without a byte
BLOCK = 2**18
# FER-2013 has 0.3 GB unpacked. Bytes a second that a server sends at least, on average after the first minute
MOST_BYTES, SLOWEST, MINUTE = 2 * 2**30, 2000, 60.0


def download(settings: Download, dataset: str, external: Path = EXTERNAL) -> Faces:
    """Get the faces of ``dataset`` from where ``settings`` says.

    Args:
        settings: The download block of params.yaml; ``source`` is auto, kaggle, url or a path.
        dataset: fer2013, sample for drawn faces, or the name of another data set in ``external``.
        external: The folder that a person puts FER-2013 and other data sets into.

    Returns:
        Faces sorted by split and id, with seven classes or those of the other data set, and a manifest that says which
        edition they are.

    Raises:
        Failure: It cannot be fetched, is damaged, or is not FER-2013.
    """
    seven: Manifest = {"classes": list(EMOTIONS), "class_set": "7"}
    if dataset == "sample":
        from pipeline.download.drawn.sample import draw_faces

        faces = draw_faces(settings.sample_faces, settings.sample_seed)
        manifest: Manifest = {"edition": "drawn", "source": "pipeline/download/drawn", "seed": settings.sample_seed,
                              "splits_from": "drawn", "notes": [], **faces.manifest}
    elif dataset == "fer2013":
        faces = _fer2013(settings, external)
        manifest = faces.manifest
    else:
        faces = read_named(find_named(dataset, external), settings.validation_share, settings.split_seed)
        manifest = faces.manifest
    return replace(faces, manifest={"dataset": dataset, **seven, **manifest, "protocol": "published"})


def _fer2013(settings: Download, external: Path) -> Faces:
    source, share, notes, contents = settings.source, settings.validation_share, [], Contents()
    if source == "auto":
        contents = look_into(external)
        contents.check_names()
        editions = contents.editions
        if len(editions) > 1:
            notes.append(f"took {editions[0].name}, the first of {', '.join(path.name for path in editions)}")
            print(f"download: {external}: {notes[-1]}", file=sys.stderr)
        source = str(editions[0]) if editions else "kaggle"
    if source == "kaggle":
        folder = _from_kaggle(contents)
        faces = read_edition(folder, share)
        if faces.manifest["contents_sha256"] != kaggle.CONTENTS:
            raise Failure(f"{folder}: not the contents that Kaggle published as {kaggle.HANDLE}; delete this "
                          "folder and run again")
        named: Manifest = {"edition": "kaggle", "source": kaggle.HANDLE}
    elif source == "url":
        faces, named = _from_url(settings), {"edition": "url"}
    else:
        path = Path(source).expanduser()
        check_is_fer2013(path)
        faces, named = read_edition(path, share), {}
    if faces.manifest["contents_sha256"] == kaggle.CONTENTS:
        notes.append(f"contents as published on Kaggle, {kaggle.HANDLE}")
    faces = replace(faces, manifest={**faces.manifest, **named, "notes": notes + faces.manifest["notes"]})
    if not fer2013.may_be(len(faces), faces.manifest["source"]):
        raise Failure(f"{faces.manifest['source']}: not FER-2013, which has {fer2013.IMAGES:,} images, but "
                      f"{len(faces):,} images; {NAME_IT}")
    if fer2013.near(len(faces)) and len(faces) != fer2013.IMAGES:
        notes = [f"{len(faces):,} images, FER-2013 has {fer2013.IMAGES:,}: {_missing(faces)}"]
        faces = replace(faces, manifest={**faces.manifest, "notes": notes + faces.manifest["notes"]})
    votes = find_votes(external)
    return faces if votes is None else with_votes(faces, votes)


def _missing(faces: Faces) -> str:
    """What a damaged FER-2013 lacks or has too much of: ``2 happy are missing``."""
    expected = np.sum([*fer2013.COUNTS.values()], axis=0)
    differences = np.bincount(faces.labels, minlength=len(expected)) - expected
    return ", ".join(f"{abs(difference):,} {name} {'too many' if difference > 0 else 'missing'}"
                     for name, difference in zip(EMOTIONS, differences, strict=True) if difference)


def _from_kaggle(contents: Contents) -> Path:
    """Kaggle's folder; where it cannot be had, the Failure also names the other data that is here."""
    try:
        return kaggle.fetch()
    except Failure as failure:
        here = "".join(f", or `make run DATASET={name}`, which is in {EXTERNAL.as_posix()}/" for name in contents.named)
        raise Failure(f"{failure}{here}") from failure


def _from_url(settings: Download) -> Faces:
    """Stream the file to a temporary folder, compare its sha256, read it."""
    if not settings.url or not settings.sha256:
        raise Failure("params.yaml: download: source: url needs download.url and download.sha256, the file's sha256")
    try:
        parts = urllib.parse.urlsplit(settings.url)
    except ValueError as error:
        raise Failure(f"params.yaml: download.url: {settings.url}: no address ({error}); correct it") from error
    if parts.scheme not in ("https", "http", "file"):
        raise Failure(f"params.yaml: download.url: {settings.url}: expected https://, http:// or file://")
    # such as %2e%2e, %00 and 300 letters are no names of files
    name = re.sub(r"[^\w. -]", "_", Path(urllib.parse.unquote(parts.path)).name).strip(". ")[-100:] or "download"
    with tempfile.TemporaryDirectory(prefix="ferpipe-") as folder:
        file = Path(folder) / name
        sha256 = _fetch(settings.url, file)
        if sha256 != settings.sha256.lower():
            raise Failure(f"{settings.url}: sha256 {sha256}, but download.sha256 in params.yaml is {settings.sha256}; "
                          "another file is at that address now: do not use it, or correct download.sha256")
        faces = read_edition(file, settings.validation_share)
    notes = [f"{faces.manifest['edition']} from {parts.hostname or 'a local file'}", *faces.manifest["notes"]]
    return replace(faces, manifest={**faces.manifest, "source_sha256": sha256, "notes": notes})


def _fetch(url: str, file: Path) -> str:
    """Write the file at ``url`` to ``file`` and return its sha256."""
    from tqdm import tqdm

    sha = hashlib.sha256()
    try:
        answer = urllib.request.urlopen(url, timeout=TIMEOUT)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Failure(f"{url}: cannot be fetched ({error}); look at address and network, then try again") from error
    declared = answer.headers.get("Content-Length") or ""
    total = int(declared) if re.fullmatch(r"\d{1,15}", declared) else 0
    done, begun = 0, time.monotonic()
    with answer, open(file, "wb") as out, tqdm(total=total or None, desc=f"fetching {file.name}", unit="B",
                                               unit_scale=True, leave=False, disable=None) as bar:
        while True:
            try:
                # whatever has arrived: a slow server would let `read` wait for the whole block
                block = answer.read1(BLOCK)
            except (OSError, http.client.HTTPException) as error:
                raise Failure(f"{url}: broke off after {done} bytes ({error}); try again") from error
            if not block:
                break
            done += len(block)
            seconds = time.monotonic() - begun
            if done > MOST_BYTES:
                raise Failure(f"{url}: more than {MOST_BYTES / 2**30:.0f} GB, which FER-2013 has not; correct "
                              "download.url in params.yaml")
            if seconds > MINUTE and done < SLOWEST * seconds:
                raise Failure(f"{url}: {done:,} bytes in {seconds:.0f} seconds are too slow; try again later")
            sha.update(block)
            out.write(block)
            bar.update(len(block))
    if done < total:
        raise Failure(f"{url}: broke off after {done} of {total} bytes; try again")
    return sha.hexdigest()
