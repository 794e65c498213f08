"""Where the project is, and the model that serves when none is named."""

import os
from pathlib import Path

from pipeline.system.atomic import put_back

# The committed champion, that of fer2013-7, from the project's folder
CHAMPION = Path("data/champion")
# Its copy in an installed package; in an editable installation, the checkout's
INSTALLED = (Path(__file__).parents[1] / "demo" / "champion", Path(__file__).parents[2] / CHAMPION)


def root() -> Path:
    """The project's folder; DVC's temporary experiments name the parent repository, where the ledger is kept."""
    return Path(os.environ.get("DVC_ROOT", "."))


def champion_folder() -> Path:
    """The folder of the committed champion, that of fer2013-7; an interrupted promotion's is put back first."""
    folder = root() / CHAMPION
    put_back(folder)
    return folder


def model_folder(named: str | os.PathLike[str] | None = None) -> Path:
    """The bundle that serves: the one that is named, else the project's champion, else the one that was installed.

    Where none of them exists, the project's, so that a message names the folder where one is expected.
    """
    if named is not None:
        return Path(named)
    folders = [champion_folder(), *INSTALLED]
    return next((folder for folder in folders if (folder / "bundle.json").is_file()), folders[0])
