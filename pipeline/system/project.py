"""Where the project is."""

import os
from pathlib import Path

# The committed champion, that of fer2013-7, from the project's folder
CHAMPION = Path("data/champion")


def root() -> Path:
    """The project's folder; DVC's temporary experiments name the parent repository, where the ledger is kept."""
    return Path(os.environ.get("DVC_ROOT", "."))


def champion_folder() -> Path:
    """Where the committed champion lies, that of fer2013-7."""
    return root() / CHAMPION
