"""The explanation of one face over the API: the map of its crop."""

import cv2
import numpy as np
import pytest
from toy_faces import face_frame

from pipeline.bundle.bundle import Bundle
from pipeline.demo.see.boxes import Box
from pipeline.demo.see.crop import crops
from pipeline.demo.see.occlusion import occlusion
from pipeline.demo.web.bounds import Bounds
from pipeline.demo.web.explaining import FARTHEST, asked, explain
from pipeline.demo.web.picture import Refused
from pipeline.faces.faces import EMOTIONS

QUERY = {"x": "210", "y": "130", "width": "180", "height": "180", "emotion": "sad"}


@pytest.mark.parametrize("whole, margin", [(False, 0.97), (True, 1.0)])
@pytest.mark.parametrize("roll", [0.0, 35.0])
def test_the_answer_is_the_map_of_the_crop(model, whole, margin, roll):
    bundle, frame = Bundle.load(model), face_frame()
    box, label = asked({**QUERY, "roll": str(roll)}, EMOTIONS)
    assert (box, label) == (Box(210, 130, 180, 180, roll), EMOTIONS.index("sad"))
    answer = explain(bundle, Bounds(), cv2.imencode(".png", frame)[1].tobytes(), box, label, whole)
    expected = occlusion(bundle, crops(frame, [box], margin)[0], label)
    assert np.abs(expected.grid).max() > 0.005
    assert np.array(answer.pop("log_odds")) == pytest.approx(expected.grid, abs=6e-4)
    near = {name: pytest.approx(getattr(expected, name), abs=6e-5) for name in ("probability", "hidden")}
    assert answer == {"model": bundle.id, "emotion": "sad", "part": expected.part, "says": expected.says(EMOTIONS),
                      **near}


def test_the_largest_box_takes_no_more_memory_than_a_picture_may():
    box, _ = asked({**QUERY, "width": str(FARTHEST), "height": str(FARTHEST), "roll": "45"}, EMOTIONS)
    assert (1.5 * box.width / 0.97) ** 2 < 2 * Bounds().pixels
    with pytest.raises(Refused, match="width is a number from 1 to 4096"):
        asked({**QUERY, "width": str(FARTHEST + 1)}, EMOTIONS)
