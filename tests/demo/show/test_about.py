"""What the panel says about the model."""

import shutil

from pipeline.bundle import bundle as bundles
from pipeline.demo.show.about import about


def test_the_panel_names_the_promoted_version_and_its_accuracy(model, tmp_path):
    folder = shutil.copytree(model, tmp_path / "champion")
    bundle = bundles.Bundle.load(folder)
    assert about(bundle) == (f"model {bundle.id}",)
    (folder / "promotion.json").write_text(
        '{"name": "fer2013-7", "version": 3, "PublicTest": 0.6654, "protocol": "published"}')
    assert about(bundle) == (f"fer2013-7 version 3, {bundle.id}", "PublicTest accuracy 66.5%", "published protocol")
    (folder / "promotion.json").write_text('{"name": "fer2013-7", "version": 3, "PublicTest": 0.6, "corrupted": 0.545}')
    assert about(bundle)[1:] == ("PublicTest accuracy 60.0%", "54.5% on corrupted faces")
