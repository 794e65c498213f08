"""The stage ``demo``: the champion on a clip of drawn people, without a screen."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from pipeline.bundle.bundle import Bundle
from pipeline.demo.output import open_output
from pipeline.demo.see.detector import BlazeFace
from pipeline.demo.see.watcher import Watcher
from pipeline.demo.show.about import about
from pipeline.demo.show.annotate import Annotator, Tally
from pipeline.params import params as parameters
from pipeline.system import failure
from pipeline.system.failure import Failure
from pipeline.system.project import CHAMPION

REPORTS = Path("reports")
# The seed of the clip's people, with expressions that are easy to tell: the clip is an example, not a measurement
SCENE = 110


def demo(bundle: Bundle, frames: Iterable[np.ndarray], fps: float, outs: list[Path]) -> Tally:
    """Write the annotated clip, or by the suffix its best picture, to each of ``outs``. Returns the counts.

    Args:
        frames: uint8 BGR ``(H, W, 3)``, ``fps`` a second.

    Raises Failure when no face is detected in any frame; then nothing is written.
    """
    tally = Tally()
    watcher = Watcher(BlazeFace(), bundle)
    annotator = Annotator(watcher.see, bundle.classes, tally, about=about(bundle))
    outputs = [open_output(path, fps) for path in outs]
    try:
        for index, frame in enumerate(frames):
            annotated = annotator.add(frame, index / fps)
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
    """Write reports/demo.webm and demo.png: the champion on the drawn clip that params.yaml's demo block describes."""
    from tqdm import tqdm

    from pipeline.download.drawn import clip

    params = parameters.load()
    fps = params.demo.frames_per_second
    frames = clip.frames(params.demo.seconds, fps, seed=SCENE)
    bar = tqdm(frames, total=round(params.demo.seconds * fps), unit="frame", disable=None, leave=False)
    tally = demo(Bundle.load(CHAMPION), bar, fps, [REPORTS / "demo.webm", REPORTS / "demo.png"])
    print(tally.summary())


if __name__ == "__main__":
    failure.run_stage(main, "demo.stage")
