"""A detector by its name."""

from pathlib import Path

from pipeline.demo.see.detector import Detector, HaarDetector
from pipeline.system.failure import Failure


def open_detector(name: str, file: Path | None, share: float) -> Detector:
    """A detector by name.

    Args:
        name: ``haar`` or ``yunet``.
        file: YuNet's network.
        share: for Haar, the box's side as a share of FER-2013's crop (``Bundle.crop_margin``).

    Raises Failure when YuNet's file is missing or no such network, or a file is given for Haar.
    """
    if name == "yunet":
        from pipeline.demo.see.yunet import YuNetDetector

        if file is None:
            raise Failure("--detector yunet needs its network: --detector-model FILE (face_detection_yunet_*.onnx of "
                          "OpenCV's model zoo)")
        return YuNetDetector(file)
    if file is not None:
        raise Failure(f"{file}: --detector-model is for --detector yunet; leave it out or add that")
    return HaarDetector(share)
