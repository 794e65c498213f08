"""The stage ``demo``: the champion on a clip that the project draws itself, without a screen."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from pipeline.bundle.bundle import Bundle
from pipeline.demo.output import open_output
from pipeline.demo.see.detector import HaarDetector
from pipeline.demo.see.watcher import Watcher
from pipeline.demo.show.about import about
from pipeline.demo.show.annotate import Annotator, Tally
from pipeline.params import params
from pipeline.system import failure
from pipeline.system.failure import Failure
from pipeline.system.project import CHAMPION

REPORTS = Path("reports")
# People whose expressions are easy to tell: the clip is for looking at, not for measuring
SCENE = 110


def demo(bundle: Bundle, frames: Iterable[np.ndarray], fps: float, outs: list[Path]) -> Tally:
    """Write the annotated clip (or, by the name's ending, its best picture) to each of ``outs``.

    Raises Failure when no face is found in any frame.
    """
    tally = Tally()
    watcher = Watcher(HaarDetector(bundle.crop_margin), bundle)
    annotator = Annotator(watcher.see, bundle.classes, tally, about=about(bundle))
    outputs = [open_output(path, fps) for path in outs]
    try:
        for place, frame in enumerate(frames):
            annotated = annotator.add(frame, place / fps)
            for output in outputs:
                output.add(annotated)
        if not tally.with_faces:
            raise Failure("demo: the detector finds no face in the drawn clip; see pipeline/download/drawn/clip.py")
    except BaseException:
        for output in outputs:
            output.discard()
        raise
    for output in outputs:
        output.finish()
    return tally


def main() -> None:
    from tqdm import tqdm

    from pipeline.download.drawn import clip

    p = params.load()
    fps = p.demo.frames_per_second
    frames = clip.frames(p.demo.seconds, fps, seed=SCENE)
    bar = tqdm(frames, total=round(p.demo.seconds * fps), unit="frame", disable=None, leave=False)
    tally = demo(Bundle.load(CHAMPION), bar, fps, [REPORTS / "demo.webm", REPORTS / "demo.png"])
    print(tally.summary())


if __name__ == "__main__":
    failure.run(main, "demo")
