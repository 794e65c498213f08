"""Draws the page's example pictures: ``python -m pipeline.demo.web.examples``. No photograph of anybody is in them."""

from pathlib import Path

import cv2
import numpy as np

PAGE = Path(__file__).parent / "page"
SIDE = 480  # of a portrait, in pixels
# The persons are chosen so that the champion reads their expressions; (expression, seed of the person)
PORTRAITS = {"happy": ("happy", 6), "surprise": ("surprise", 3)}
GROUP = (("sad", 5), ("happy", 8), ("angry", 1))


def pictures() -> dict[str, np.ndarray]:
    """The examples by their file's name, uint8 BGR ``(H, W, 3)``."""
    from pipeline.download.drawn.sample import draw_portrait

    drawn = {f"example-{name}.jpg": draw_portrait(expression, SIDE, seed)
             for name, (expression, seed) in PORTRAITS.items()}
    drawn["example-three.jpg"] = _group()
    return drawn


def _group() -> np.ndarray:
    """Three people side by side in front of one wall."""
    from pipeline.download.drawn.canvas import Canvas
    from pipeline.download.drawn.expression import FULL
    from pipeline.download.drawn.head import Head, Pose
    from pipeline.download.drawn.paint import paint
    from pipeline.download.drawn.person import Look
    from pipeline.download.drawn.sample import backdrop

    width, height = 2 * SIDE, round(1.2 * SIDE)
    image = backdrop(width, height, np.random.default_rng(5))
    for number, (expression, seed) in enumerate(GROUP):
        pose = Pose(width * (2 * number + 1) / 6, height * (0.5, 0.44, 0.5)[number], width * 0.115)
        paint(Head(Canvas(image), Look.drawn(np.random.default_rng(seed)), FULL[expression], pose))
    return np.clip(image + 0.5, 0, 255).astype("uint8")


def main() -> None:
    """Write the pictures into the page's folder."""
    for name, picture in pictures().items():
        cv2.imwrite(str(PAGE / name), picture, [cv2.IMWRITE_JPEG_QUALITY, 82])
        print(f"written: {PAGE / name}, {(PAGE / name).stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
