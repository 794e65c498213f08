"""copies.html: near copies side by side, for a person to judge. It holds pictures of the data set and stays out of git.
"""

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pipeline.faces.copies import Copies
from pipeline.faces.faces import Faces

# Pairs on the page, drawn at random of those that are in two splits; those of lowest correlation come first
PAIRS = 400


class Picture(NamedTuple):
    """A pair on the page: a PNG of both images as a data URI, and what is written below it, a line each."""

    source: str
    lines: Sequence[str]


def page(faces: Faces, copies: Copies) -> str:
    """The page; the same faces give the same bytes."""
    pairs = copies.pairs(faces)
    across = np.flatnonzero(faces.splits[pairs.first] != faces.splits[pairs.second])
    drawn = np.random.default_rng(0).permutation(across)[:PAIRS]
    drawn = drawn[np.argsort(pairs.correlation[drawn], kind="stable")]
    pictures = []
    for pair in drawn.tolist():
        first, second = faces.images[pairs.first[pair]], faces.images[pairs.second[pair]]
        shown = np.hstack([first[:, ::-1] if pairs.mirrored[pair] else first, second])
        names = [f"{faces.ids[row]}, {faces.classes[faces.labels[row]]}"
                 for row in (pairs.first[pair], pairs.second[pair])]
        pictures.append(Picture(data_uri(shown), (
            f"{pairs.correlation[pair]:.2f}{', the left one mirrored' if pairs.mirrored[pair] else ''}", *names)))
    about = (f"{len(across):,} pairs of images in two different splits of {faces.manifest.get('dataset')} are near "
             f"copies. Here are {len(pictures):,} of them, drawn at random, those of the lowest correlation first.")
    return contact_sheet("Near copies", about, {"": pictures})


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
