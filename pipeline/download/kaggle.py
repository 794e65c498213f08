"""FER-2013 from Kaggle, through kagglehub; public data needs no account."""

import contextlib
import os
import threading
from pathlib import Path

from pipeline.system.failure import Failure

PAGE = "https://www.kaggle.com/datasets/msambare/fer2013"
HANDLE = "msambare/fer2013/versions/1"
# contents_digest (pipeline/download/pictures.py) of what Kaggle publishes under this handle, in whatever packing
CONTENTS = "ba23a043626a58bb104f5bf743f2127d5207f5adb6ab67f91f0f995381fa8f1e"


def kaggle_cached() -> bool:
    """Whether kagglehub holds the whole data set already, so that no network is needed."""
    cache = Path(os.environ.get("KAGGLEHUB_CACHE") or Path.home() / ".cache" / "kagglehub")
    owner, name, _, version = HANDLE.split("/")
    folder = cache / "datasets" / owner / name
    return (folder / "versions" / version).is_dir() and (folder / f"{version}.complete").exists()


def kaggle_reachable(seconds: float = 5.0) -> bool:
    """Whether Kaggle answers within that time, all in all; never raises.

    A name server that does not answer blocks without a limit, hence a thread that may be left behind.
    """
    answers: list[bool] = []

    def ask() -> None:
        with contextlib.suppress(Exception):
            _ask(seconds)
            answers.append(True)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(seconds)
    return bool(answers)


def _ask(seconds: float) -> None:
    """Return when the server that kagglehub asks answers, through the proxy where one is set; raise otherwise."""
    import urllib.error
    import urllib.request

    question = urllib.request.Request("https://api.kaggle.com/", method="HEAD")
    with contextlib.suppress(urllib.error.HTTPError):  # an answer all the same
        urllib.request.urlopen(question, timeout=seconds).close()


def fetch() -> Path:
    """The folder with train/ and test/, from kagglehub's cache or from Kaggle. Raises Failure in one line."""
    if not kaggle_cached() and not kaggle_reachable():
        raise Failure(f"Kaggle cannot be reached; get the data from {PAGE} on another machine, "
                      "then `make run FER2013=PATH`, or `make run DATASET=sample`, which needs none")
    try:
        import kagglehub

        return Path(kagglehub.dataset_download(HANDLE))
    except Exception as error:
        raise Failure(f"Kaggle: {HANDLE} could not be had ({type(error).__name__}: {error}); try again, or get it from "
                      f"{PAGE} and `make run FER2013=PATH`, or `make run DATASET=sample`") from error
