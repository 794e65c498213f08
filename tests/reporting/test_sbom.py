"""The bill of materials names every package of the lock, its hashes and its licence."""

import importlib.metadata
import json
from pathlib import Path

import pytest

from pipeline.reporting import sbom
from pipeline.system.failure import Failure

LOCK = f"""numpy=={importlib.metadata.version("numpy")} \\
    --hash=sha256:{"0" * 64} \\
    --hash=sha256:{"1" * 64}
    # via ferpipe
no-such-package-anywhere==1.0 ; sys_platform == 'win32' \\
    --hash=sha256:{"2" * 64}
"""


def test_licences_come_from_the_installed_package_in_any_of_its_forms(monkeypatch):
    from email.message import Message

    def metadata(**fields):
        message = Message()
        for name, values in fields.items():
            for value in values:
                message[name.replace("_", "-")] = value
        monkeypatch.setattr(importlib.metadata, "metadata", lambda name: message)
        return sbom.licences("it")

    osi = "License :: OSI Approved"
    assert metadata(License_Expression=["MIT OR Apache-2.0"], Classifier=[f"{osi} :: MIT License"]) == [
        {"expression": "MIT OR Apache-2.0"}]
    assert metadata(Classifier=[osi, f"{osi} :: MIT License", "Typing :: Typed"]) == [
        {"license": {"name": "MIT License"}}]
    assert metadata(License=["BSD 3-Clause\nCopyright (c)"]) == [{"license": {"name": "BSD 3-Clause"}}]
    assert metadata() == []


def test_the_bill_names_packages_hashes_and_licences_and_no_address(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Failure, match=r"requirements\.lock: missing"):
        sbom.main([])
    Path("requirements.lock").write_text(LOCK)
    Path("pyproject.toml").write_text('[project]\nname = "toy"\nversion = "1.2"\n')
    sbom.main([])
    text = Path("build/sbom.json").read_text()
    content = json.loads(text)
    assert content["bomFormat"] == "CycloneDX" and content["metadata"]["component"]["version"] == "1.2"
    numpy, other = sorted(content["components"], key=lambda component: component["name"], reverse=True)
    assert (numpy["name"], numpy["version"]) == ("numpy", importlib.metadata.version("numpy"))
    assert [entry["value"][:10] for entry in numpy["properties"]] == ["SHA-256:00", "SHA-256:11"]
    assert numpy["licenses"] == sbom.licences("numpy") != []
    assert other["name"] == "no-such-package-anywhere" and "licenses" not in other
    assert "/simple" not in text
    assert "2 packages; without a licence, not installed here or silent about it: no-such-package" in (
        capsys.readouterr().out)
    before = text
    sbom.main([])
    assert Path("build/sbom.json").read_text() == before, "the same lock, the same bill"
