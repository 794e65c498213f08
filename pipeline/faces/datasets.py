"""What a data set may be called: its name is a folder in data/ and in reports/, and begins its registered models'."""

import re

# FER-2013, and the faces that the project draws
BUILT_IN = ("fer2013", "sample")
NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
# Folders of data/ and reports/ that are there already, and words that people call the parts of a data set
RESERVED = {"archive", "external", "champion", "teacher", "results", "replications", "proposal", "trust", "tuning",
            "data", "reports", "faces", "images", "train", "training", "val", "valid", "validation", "dev", "test",
            "testing"}


def problem(name: str) -> str:
    """Why a data set cannot have this name and what to do, in one line; empty where it can."""
    if name in RESERVED:
        return (f"{name!r} is reserved, it names a part of the project or of a data set; rename the folder in "
                "data/external/, for instance to my-faces")
    if not NAME.fullmatch(name):
        return (f"{name!r} is no name of a data set; expected {', '.join(BUILT_IN)}, or a folder in data/external/ "
                "whose name has small letters, digits, - and _ alone, such as my-faces")
    return ""
