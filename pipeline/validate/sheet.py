"""copies.html: near copies side by side, for a person to judge. It holds pictures of the data set and stays out of git.
"""

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pipeline.faces.copies import Copies, Pairs
from pipeline.faces.faces import Faces

# Pairs on the page, drawn at random of those in two splits and of those inside one; those of lowest correlation come
# first
ACROSS, INSIDE = 400, 100


class Picture(NamedTuple):
    """A pair on the page: a PNG of both images as a data URI, and what is written below it, a line each."""

    source: str
    lines: Sequence[str]


def page(faces: Faces, copies: Copies) -> str:
    """The page; the same faces give the same bytes."""
    pairs = copies.pairs(faces)
    across = faces.splits[pairs.first] != faces.splits[pairs.second]
    sections: dict[str, list[Picture]] = {}
    about: list[str] = []
    for rows, most, where in ((np.flatnonzero(across), ACROSS, "in two different splits"),
                              (np.flatnonzero(~across), INSIDE, "in one split")):
        drawn = np.random.default_rng(0).permutation(rows)[:most]
        drawn = drawn[np.argsort(pairs.correlation[drawn], kind="stable")]
        sections[f"Images {where}: {len(drawn):,} of {len(rows):,} pairs"] = [
            _picture(faces, pairs, pair) for pair in drawn.tolist()]
        about.append(f"{len(rows):,} pairs of images {where}")
    return contact_sheet("Near copies", f"{' and '.join(about)} of {faces.manifest.get('dataset')} are near copies. "
                         "Here are some of each, drawn at random, those of the lowest correlation first.", sections)


def _picture(faces: Faces, pairs: Pairs, pair: int) -> Picture:
    """Both images of a pair, one mirrored where it is a mirror image."""
    first, second = int(pairs.first[pair]), int(pairs.second[pair])
    left = faces.images[first]
    names = [f"{faces.ids[row]}, {faces.classes[faces.labels[row]]}" for row in (first, second)]
    return Picture(data_uri(np.hstack([left[:, ::-1] if pairs.mirrored[pair] else left, faces.images[second]])), (
        f"{pairs.correlation[pair]:.2f}{', the left one mirrored' if pairs.mirrored[pair] else ''}", *names))


def contact_sheet(title: str, about: str, sections: dict[str, list[Picture]]) -> str:
    """A self-contained page with pictures under headings."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True,
                              lstrip_blocks=True, undefined=StrictUndefined, keep_trailing_newline=True)
    return environment.get_template("sheet.html.jinja").render(title=title, about=about, sections=sections)


def data_uri(image: np.ndarray) -> str:
    """A gray image, uint8 ``(H, W)``, as a PNG inside of a page."""
    import cv2

    return "data:image/png;base64," + base64.b64encode(cv2.imencode(".png", image)[1].tobytes()).decode()
