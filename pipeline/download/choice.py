"""Which data set `make run` takes, and how it is called and how large it is for a person."""

from collections.abc import Callable
from functools import lru_cache

from pipeline.download.external import EXTERNAL, Contents, find_named
from pipeline.download.labelled import pictures_among
from pipeline.download.named import DEPTH
from pipeline.download.packing import open_entries
from pipeline.faces import datasets, fer2013
from pipeline.system.failure import Failure


def choose(
    requested: str | None, *, given: bool, external: bool, faces: bool, cached: bool, reachable: Callable[[], bool]
) -> tuple[str, str]:
    """The dataset and why. ``reachable``, whether Kaggle can be reached, is called only where nothing else decides."""
    if requested:
        return requested, f"DATASET={requested} was given"
    if given:
        return "fer2013", "FER2013=PATH was given"
    if external:
        return "fer2013", f"it is in {EXTERNAL.as_posix()}/"
    if faces:
        return "fer2013", "an earlier run left it in data/fer2013/"
    if cached:
        return "fer2013", "Kaggle's download of it is complete in kagglehub's cache"
    if reachable():
        return "fer2013", "Kaggle can be reached (a download of 60 MB, no account needed)"
    return "sample", f"FER-2013 is not in {EXTERNAL.as_posix()}/ and Kaggle cannot be reached"


def check_request(name: str) -> None:
    """Raise Failure for a data set that does not exist, or that cannot be called so."""
    if reason := datasets.problem(name):
        raise Failure(f"DATASET={name}: {reason}")
    if name not in datasets.BUILT_IN:
        find_named(name)


def check_undecided(contents: Contents, faces: bool, command: str) -> None:
    """Raise Failure, which asks, where data/external/ has other data than FER-2013 and nobody said what to take.

    Args:
        faces: whether FER-2013 is at hand elsewhere; data that has a name may then stay in data/external/.
        command: that takes a data set, up to its name.
    """
    contents.check_names()
    if contents.named and not contents.editions and not faces:
        names = sorted(contents.named)
        raise Failure(f"{EXTERNAL.as_posix()}/ has {' and '.join(names)} and no FER-2013; say which data: "
                      f"{' or '.join(f'`{command}{name}`' for name in (*names, *datasets.BUILT_IN))}")


def title(dataset: str) -> str:
    """A data set as the plan calls it."""
    built_in = {"sample": "sample (about 1,000 drawn faces)",
                "fer2013": f"FER-2013 ({fer2013.IMAGES:,} photographs)"}
    return built_in.get(dataset) or f"{dataset} ({images_in(dataset):,} pictures in {find_named(dataset).as_posix()})"


@lru_cache
def images_in(dataset: str) -> int:
    """How many pictures there are of a data set in data/external/; tables of pixels count as none."""
    with open_entries(find_named(dataset), DEPTH) as entries:
        return len(pictures_among(entries))
