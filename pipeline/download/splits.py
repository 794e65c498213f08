"""The splits of a data set by the names that people give their folders and tables."""

import re
from functools import lru_cache

# What to do with data that is not FER-2013
NAME_IT = ("give it a name of its own: put it into data/external/NAME/ and say `make run DATASET=NAME` or `dvc exp run "
           "-S dataset=NAME` (data/external/README.md)")
_SPLITS = {"Training": "train|training", "PublicTest": "val|valid|validation|validate|dev|publictest",
           "PrivateTest": "test|testing|privatetest"}
# train_set, Test images, val-labels, FER2013Train
_PATTERNS = {split: re.compile(rf"(?:fer2013)?(?:{names})(?:set|data|images|faces|labels)?")
             for split, names in _SPLITS.items()}


@lru_cache(maxsize=4096)
def split_of(name: str) -> str:
    """The split that a folder's or table's name means, whatever its case, blanks, hyphens and dots; empty if none."""
    plain = re.sub(r"[^a-z0-9]", "", name.casefold())
    return next((split for split, pattern in _PATTERNS.items() if pattern.fullmatch(plain)), "")
