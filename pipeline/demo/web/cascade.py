"""OpenCV's cascade file as plain JSON for the detector in the browser."""

from pathlib import Path
from xml.etree import ElementTree

import cv2.data

CASCADE = Path(cv2.data.haarcascades) / "haarcascade_frontalface_alt2.xml"


def cascade(path: Path = CASCADE) -> dict:
    """``{size, stages: [{threshold, trees: [[nodes, leaves]]}], features: [[[x, y, width, height, weight]]]}``.

    A node is ``[left, right, feature, threshold]``; a child of 0 or less is the negated index of a leaf.
    """
    root = ElementTree.parse(path).getroot()[0]
    stages = [{"threshold": float(_text(stage, "stageThreshold")),
               "trees": [[_nodes(_text(tree, "internalNodes")), list(map(float, _text(tree, "leafValues").split()))]
                         for tree in stage.findall("weakClassifiers/_")]}
              for stage in root.findall("stages/_")]
    features = [[[*map(int, (numbers := (rect.text or "").split())[:4]), float(numbers[4])]
                 for rect in feature.findall("rects/_")] for feature in root.findall("features/_")]
    return {"size": int(_text(root, "width")), "stages": stages, "features": features}


def licence(path: Path = CASCADE) -> str:
    """The licence in the comment at the file's top."""
    text = path.read_text(encoding="utf-8")
    return text[text.index("<!--") + 4 : text.index("-->")].strip() + "\n"


def _text(element: ElementTree.Element, name: str) -> str:
    return (element.findtext(name) or "").strip()


def _nodes(text: str) -> list[list[float]]:
    numbers = text.split()
    return [[*map(int, numbers[start : start + 3]), float(numbers[start + 3])] for start in range(0, len(numbers), 4)]
