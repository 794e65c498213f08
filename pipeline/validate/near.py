"""Near copies: two images of one photograph that differ in more than nothing, such as another crop, size or quality.

Two steps, in 32 seconds of CPU time for the 35,887 images of FER-2013 (an AMD EPYC; 10 of them are the kernel's, for
1.1 GB of memory), so within a minute. Every pair of images is *proposed* or not by one matrix product of small
descriptors, also with one of the two mirrored; a pair that is proposed is *confirmed* by the normalised
cross-correlation of its details at every shift of up to four pixels (Lewis 1995, Fast normalized cross-correlation,
Vision Interface).
"""

import os
from collections.abc import Iterator

import numpy as np

from pipeline.faces.copies import Copies, Pairs
from pipeline.faces.corruptions import gaussian
from pipeline.faces.faces import SIZE, Faces

# Descriptors are images of 16 x 16 pixels
SIDE = 16
# Their directions are whitened, but those of less variance than this (of unit vectors) are not blown up: noise
RIDGE = 0.01
# Images whose weight the mean and the covariance have from the start, so that they mean something for ten images too
PRIOR = 256
# Correlation of two descriptors from which a pair is looked at: in FER-2013 1 pair in some 10,000 is. From .55 on it
# would be fewer still, and 3 % of the confirmed pairs would be missed
PROPOSED = 0.5
# Cross-correlation from which a pair counts as a copy, and one of an image and a mirror image: in FER-2013 between the
# two humps that the values have. Mirror images need more, as there are as many that are alike by chance and far fewer
# true ones
CONFIRMED, CONFIRMED_MIRRORED = 0.68, 0.75
# Shifts that are tried, in pixels, each way
REACH = 4
# Details are what a Gaussian blur of so many pixels takes away
DETAIL = 3.0
# Below this standard deviation, in gray levels, an image shows nothing, and a window no details
FLAT = 2.0
# Images whose descriptors are multiplied at a time, pairs that are confirmed at a time
BLOCK, PAIRS = 1024, 2048


def near_copies(faces: Faces) -> Copies:
    """Every pair of images that are near copies of each other, in whichever splits; exact duplicates are no pairs.

    Takes time in proportion to the square of the number of different images, and to the number of proposed pairs, and
    memory in proportion to the number of images.
    """
    images = np.ascontiguousarray(faces.images)
    _, rows, codes = np.unique([image.tobytes() for image in images], return_index=True, return_inverse=True)
    distinct = images[rows]
    found = [confirmed(distinct, *pairs) for pairs in _proposed(distinct)]
    columns = [np.concatenate(column) for column in zip(*found, strict=True)] if found else [np.empty(0)] * 4
    return Copies.of(faces, Pairs(*columns).best(), codes)


def _proposed(images: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Pairs that may be copies, a block at a time: the first ones, the second ones, whether the first is mirrored."""
    small, shows = _small(images)
    index = np.flatnonzero(shows)
    plain, mirrored = _descriptors(small[shows])
    for start in range(0, len(index), BLOCK):
        block = slice(start, start + BLOCK)
        firsts, seconds, flipped = [], [], []
        # the pair of a and b mirrored is that of a mirrored and b, so that half of all pairs is enough for both
        for flip, descriptors in ((False, plain), (True, mirrored)):
            correlation = descriptors[block] @ plain[start:].T
            first, second = np.divmod(np.flatnonzero(correlation.ravel() > PROPOSED), correlation.shape[1])
            later = second > first
            firsts.append(index[first[later] + start])
            seconds.append(index[second[later] + start])
            flipped.append(np.full(later.sum(), flip))
        yield np.concatenate(firsts), np.concatenate(seconds), np.concatenate(flipped)


def _small(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """float32 ``(N, 16, 16)`` of unit length and without their means, and bool ``(N,)``: whether they show anything."""
    cell = SIZE // SIDE
    small = images.reshape(-1, SIDE, cell, SIDE, cell).mean(axis=(2, 4), dtype="float32")
    small -= small.mean(axis=(1, 2), keepdims=True)
    lengths = np.sqrt(np.einsum("nij,nij->n", small, small))
    return small / np.maximum(lengths, 1e-6)[:, None, None], lengths > FLAT * SIDE


def _descriptors(small: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """float32 ``(N, 256)`` twice, of the images and of their mirror images: whitened, of unit length.

    Any two faces correlate, as faces have their eyes in one place. Whitening takes that away: what is left over are the
    directions in which faces differ, all with nearly the same weight (Kessy et al. 2018, The American Statistician 72).
    """
    both = [view.reshape(len(small), -1) for view in (small, small[:, :, ::-1])]
    count = 2 * len(small)
    mean = (both[0].sum(axis=0) + both[1].sum(axis=0)) / (count + PRIOR)
    second = both[0].T @ both[0] + both[1].T @ both[1] + PRIOR * np.eye(SIDE**2, dtype="float32") / SIDE**2
    values, directions = np.linalg.eigh(second / (count + PRIOR) - np.outer(mean, mean))
    whitening = (directions / np.sqrt(np.maximum(values, 0) + RIDGE)).astype("float32")
    plain, mirrored = ((view - mean) @ whitening for view in both)
    return _unit(plain), _unit(mirrored)


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)


def confirmed(images: np.ndarray, first: np.ndarray, second: np.ndarray, mirrored: np.ndarray) -> Pairs:
    """Those of the proposed pairs that are copies, with their cross-correlation.

    It is the larger one of two: the middle of the first image, 40 x 40 pixels, looked for in the second one, and the
    other way round.
    """
    used, positions = np.unique(np.concatenate([first, second]), return_inverse=True)
    spectra = _Spectra(images[used])
    a, b = positions[: len(first)], positions[len(first) :]
    correlation = np.zeros(len(first), "float32")
    for start in range(0, len(first), PAIRS):
        part = slice(start, start + PAIRS)
        correlation[part] = np.maximum(spectra.correlation(a[part], b[part], mirrored[part]),
                                       spectra.correlation(b[part], a[part], mirrored[part]))
    copies = correlation >= np.where(mirrored, CONFIRMED_MIRRORED, CONFIRMED)
    return Pairs(first[copies], second[copies], correlation[copies], mirrored[copies])


class _Spectra:
    """The Fourier transforms of images' details, and of their middles as templates, plain and mirrored."""

    def __init__(self, images: np.ndarray):
        from scipy import fft

        self._fft, self._threads = fft, os.cpu_count()
        blur = gaussian(DETAIL, SIZE)
        details = images.astype("float32")
        details -= blur @ details @ blur.T
        middle = details[:, REACH:-REACH, REACH:-REACH]
        middle = middle - middle.mean(axis=(1, 2), keepdims=True)
        side = SIZE - 2 * REACH
        floor = FLAT * side
        middle /= np.maximum(np.sqrt(np.einsum("nij,nij->n", middle, middle)), floor)[:, None, None]
        # of every window of the middle's size: the root of the sum of squares about its mean
        sums, squares = (_windows(array.astype("float64"), side) for array in (details, details**2))
        self._lengths = np.maximum(np.sqrt(np.maximum(squares - sums**2 / side**2, 0)), floor).astype("float32")
        self._whole = self._transformed(details)
        self._middles = {flip: self._transformed(view).conj()
                         for flip, view in ((False, middle), (True, middle[:, :, ::-1]))}

    def _transformed(self, images: np.ndarray) -> np.ndarray:
        """A shift of the middle by up to 2 REACH pixels stays inside SIZE, so that nothing wraps around."""
        return self._fft.rfft2(images, (SIZE, SIZE), workers=self._threads)

    def correlation(self, first: np.ndarray, second: np.ndarray, mirrored: np.ndarray) -> np.ndarray:
        """float32 ``(P,)``: the largest cross-correlation of the first ones' middles with the second ones."""
        templates = np.where(mirrored[:, None, None], self._middles[True][first], self._middles[False][first])
        shifts = 2 * REACH + 1
        products = self._fft.irfft2(templates * self._whole[second], (SIZE, SIZE), workers=self._threads)
        return (products[:, :shifts, :shifts] / self._lengths[second]).max(axis=(1, 2), initial=0)


def _windows(images: np.ndarray, side: int) -> np.ndarray:
    """The sum over every window of ``side`` x ``side`` pixels."""
    total = np.pad(images.cumsum(axis=1).cumsum(axis=2), ((0, 0), (1, 0), (1, 0)))
    return total[:, side:, side:] - total[:, :-side, side:] - total[:, side:, :-side] + total[:, :-side, :-side]
