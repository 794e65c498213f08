"""``ferpipe quantise``: the int8 bundle enters as a trained one does, once, and promotion takes it."""

import pytest
import toy_models

from pipeline.experiments import quantise
from pipeline.params.params import Evaluate, Promote
from pipeline.params.recipe import Quantise
from pipeline.promote import challenge
from pipeline.tracking import ledger, promotions, runs, shelves

SETTINGS = Quantise(faces=64, max_loss=0.1)
EVALUATION = Evaluate(confidence=0.95, corrupted_bytes=0)


@pytest.mark.slow
def test_an_int8_bundle_is_recorded_once_and_can_be_promoted(project):
    from types import SimpleNamespace

    from pipeline.bundle.writing import write

    faces = toy_models.patterned()
    provenance = toy_models.bundle(project / "toy").provenance.as_json()
    public = faces.split("PublicTest")
    bundle = write(project / "data/sample/bundle", toy_models.fitted(faces), classes=faces.classes, class_set="7",
                   provenance=provenance, history=toy_models.HISTORY, validation=(public.images, public.labels))
    small = quantise.quantise(bundle, faces, SETTINGS, EVALUATION).bundle
    assert small.folder == project.__class__("data/sample/quantised") / small.id
    assert quantise.quantise(bundle, faces, SETTINGS, EVALUATION).bundle.id == small.id
    entry, = ledger.entries("sample")
    assert entry.bundle == small.id and entry.quantised.bundle == bundle.id
    assert entry.onnx_bytes == small.provenance.quantised.bytes.int8
    assert small.run_id != bundle.run_id and runs.exists(small.run_id), "a run of its own"
    assert small.id in shelves.bundles("test")
    gates = Promote(min_gain=0.0, confidence=0.9, min_class_recall=0.2)
    challenge.promote(SimpleNamespace(promote=gates, seed=1, evaluate=EVALUATION), small, faces)
    assert promotions.champions("sample") == {"sample-7": small.id}
