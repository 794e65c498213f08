"""FER-2013 as published: its classes, how many images of each a split has, and what may be called FER-2013."""

import re

EMOTIONS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
# In their order (Goodfellow et al. 2013, arXiv 1307.0414)
COUNTS = {
    "Training": (3995, 436, 4097, 7215, 4830, 3171, 4965),
    "PublicTest": (467, 56, 496, 895, 653, 415, 607),
    "PrivateTest": (491, 55, 528, 879, 594, 416, 626),
}
IMAGES = 35_887
# FER-2013 with some damage has at most this share of images too few or too many; anything else is other data
DAMAGE = 0.1
# What a part of it is called, such as fer2013_sample.csv, and how its pictures are
_CLAIM, _PICTURE = re.compile(r"fer[-_ ]?2013|icml_face_data"), re.compile(r"(Training|PublicTest|PrivateTest)_[^/]+")


def may_be(images: float, name: str) -> bool:
    """Whether this many images under a file's or folder's name may be FER-2013: whole, damaged, or a part of it that
    is named after it."""
    return near(images) or (0 < images < IMAGES and _CLAIM.search(name.casefold()) is not None)


def named_like_its_pictures(name: str) -> bool:
    """Whether a picture has a name as in FER-2013's folder edition, which says the split."""
    return _PICTURE.fullmatch(name) is not None


def near(images: float) -> bool:
    """Whether this many images may be FER-2013, whole or damaged; what is damaged is for validation to say."""
    return abs(images - IMAGES) <= DAMAGE * IMAGES
