"""A detector by its name."""

from pathlib import Path

from pipeline.demo.see.detector import Detector, HaarDetector
from pipeline.system.failure import Failure


def open_detector(name: str, file: Path | None, share: float) -> Detector:
    """A detector by name.

    Args:
        file: YuNet's network.
        share: Haar's box as a share of FER-2013's crop, as the model's bundle says; YuNet has its own.
    """
    if name == "yunet":
        from pipeline.demo.see.yunet import YuNetDetector

        if file is None:
            raise Failure("--detector yunet needs its network: --detector-model FILE (face_detection_yunet_*.onnx of "
                          "OpenCV's model zoo)")
        return YuNetDetector(file)
    if file is not None:
        raise Failure(f"{file}: a detector's network is used by --detector yunet alone")
    return HaarDetector(share)
