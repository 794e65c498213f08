"""FER-2013 as published: its classes, how many images of each a split has, and what may be called FER-2013."""

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


def near(images: float) -> bool:
    """Whether this many images may be FER-2013, whole or damaged; what is damaged is for validation to say."""
    return abs(images - IMAGES) <= DAMAGE * IMAGES
