"""`mlflow models serve` on a registered champion, with the request that the demo's README documents."""

import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import toy_models

from pipeline.demo.web import invocation
from pipeline.download.drawn import clip
from pipeline.params.params import Evaluate, Promote
from pipeline.promote import challenge
from pipeline.system.failure import Failure

ROOT = Path(__file__).parents[3]
SETTINGS = SimpleNamespace(promote=Promote(min_gain=0.0, confidence=0.9, min_class_recall=0.2), seed=1,
                           evaluate=Evaluate(confidence=0.95, corrupted_bytes=0))


def test_a_pictures_faces_become_a_request(tmp_path, capsys):
    cv2.imwrite(str(tmp_path / "two.png"), next(clip.frames(1, 1)))
    cv2.imwrite(str(tmp_path / "wall.png"), np.full((99, 99, 3), 99, "uint8"))
    invocation.main([str(tmp_path / "two.png"), str(tmp_path / "wall.png")])
    images = np.array(json.loads(capsys.readouterr().out)["inputs"]["image"])
    assert images.shape == (2, 48, 48, 1) and 0 <= images.min() < images.max() <= 255
    with pytest.raises(Failure, match=r"wall\.png: no face"):
        invocation.main([str(tmp_path / "wall.png")])


@pytest.mark.slow
def test_mlflow_serves_the_champion_and_says_what_the_bundle_says(project, capsys):
    bundle = toy_models.bundle(project / "data/sample/bundle")
    challenge.promote(SETTINGS, bundle, toy_models.faces("sample"))
    capsys.readouterr()
    cv2.imwrite("two.png", next(clip.frames(1, 1)))
    invocation.main(["two.png"])
    request = capsys.readouterr().out
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    # The documented command, with another model, another port and this Python
    readme = (ROOT / "pipeline/demo/README.md").read_text(encoding="utf-8")
    command = re.search(r"^mlflow (models serve .*)$", readme, re.M).group(1)
    command = command.replace("fer2013-7", "sample-7").replace("5001", str(port))
    # MLflow starts `uvicorn` by its name: the environment has to be active
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "MLFLOW_TRACKING_URI": "sqlite:///mlflow.db",
                   "MLFLOW_DISABLE_TELEMETRY": "true"}
    with open("log.txt", "w") as log:
        server = subprocess.Popen([sys.executable, "-m", "mlflow", *command.split()], env=environment, stdout=log,
                                  stderr=log)
    try:
        end = time.monotonic() + 240
        while not _answers(port):
            assert server.poll() is None and time.monotonic() < end, Path("log.txt").read_text()
            time.sleep(0.3)
        posted = urllib.request.Request(f"http://127.0.0.1:{port}/invocations", request.encode(),
                                        {"Content-Type": "application/json"})
        with urllib.request.urlopen(posted) as answer:
            served = json.load(answer)
        divided = json.dumps({"inputs": {"image": (np.array(json.loads(request)["inputs"]["image"]) / 255).tolist()}})
        posted.data = divided.encode()
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(posted)
        assert refused.value.code == 400
        assert "whole numbers from 0 to 255" in json.load(refused.value)["message"]
    finally:
        server.terminate()
        server.wait(20)
    images = np.array(json.loads(request)["inputs"]["image"], "uint8")[..., 0]
    assert np.array(served["predictions"]["probabilities"]) == pytest.approx(bundle.predict(images), abs=1e-5)


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/ping") as answer:
            return answer.status == 200
    except (urllib.error.URLError, ConnectionError):
        return False
