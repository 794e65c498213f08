"""The machine as the backend describes it: which devices share a batch, and whether they multiply bfloat16."""

import os
import platform
import subprocess
import sys
from types import SimpleNamespace

import pytest

from pipeline.training import hardware


@pytest.mark.parametrize(("devices", "batch", "shared"), [(2, 128, 2), (3, 128, 2), (6, 128, 4), (5, 7, 1), (1, 64, 1)])
def test_as_many_devices_share_a_batch_as_can_have_equal_parts(monkeypatch, devices, batch, shared):
    chosen = []
    distribution = SimpleNamespace(
        list_devices=lambda *_: [f"gpu:{index}" for index in range(devices)], set_distribution=chosen.append,
        DataParallel=lambda devices: devices)
    monkeypatch.setattr(hardware, "keras", SimpleNamespace(
        backend=SimpleNamespace(backend=lambda: "jax"), distribution=distribution))
    assert hardware.share_devices(batch) == shared
    assert [len(group) for group in chosen] == ([shared] if shared > 1 else [])


@pytest.mark.parametrize(("platform", "capability", "native"), [
    ("gpu", "9.0", True), ("gpu", "8.0", True), ("gpu", "7.5", False), ("gpu", "gfx942", False), ("tpu", None, True)])
def test_bfloat16_is_for_devices_that_have_it(monkeypatch, platform, capability, native):
    import jax

    monkeypatch.setattr(hardware.keras.backend, "backend", lambda: "jax")
    monkeypatch.setattr(hardware, "_accelerators", lambda: ["one"])
    device = SimpleNamespace(platform=platform, **({} if capability is None else {"compute_capability": capability}))
    monkeypatch.setattr(jax, "devices", lambda: [device])
    assert hardware.precision("auto") == ("bfloat16" if native else "float32")
    assert hardware.precision("float32") == "float32"


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="TensorFlow has its own choice elsewhere")
@pytest.mark.parametrize(("before", "after"), [(None, "1"), ("0", "0")])
def test_tensorflow_uses_onednn_unless_the_environment_says_no(before, after):
    environment = {key: value for key, value in os.environ.items() if key != "TF_ENABLE_ONEDNN_OPTS"}
    if before:
        environment["TF_ENABLE_ONEDNN_OPTS"] = before
    printed = subprocess.run(
        [sys.executable, "-c", "import os\nfrom pipeline.training.importing import quiet\n"
         "with quiet(): print(os.environ['TF_ENABLE_ONEDNN_OPTS'])"],
        env=environment, capture_output=True, text=True, check=True)
    assert printed.stdout.strip() == after
