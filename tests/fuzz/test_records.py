"""Whatever is in a record's file: it is one and can be used, or one line says why not."""

import json
import shutil
from pathlib import Path

import pytest
import toy_models
from damage import broken_json, damaged, readable
from hypothesis import given

from pipeline.bundle.bundle import Bundle
from pipeline.demo.show.about import about
from pipeline.demo.web.bounds import Bounds
from pipeline.demo.web.facts import facts
from pipeline.experiments import import_run
from pipeline.reporting import figures
from pipeline.system.failure import Failure
from pipeline.tracking import ledger, promotions
from pipeline.tracking.entry import Entry
from pipeline.tracking.promotions import PromotionRecord

FIXTURES = Path(__file__).parents[1] / "tracking" / "fixtures"
ENTRY = json.loads((FIXTURES / "hour-7-published-seed1-e9355145b2d0.json").read_text(encoding="utf-8"))
ENTRY["history"] = ENTRY["history"][:2]
BUNDLE = json.loads((FIXTURES / "bundle.json").read_text(encoding="utf-8"))
PROMOTION = json.loads((FIXTURES / "promotions.jsonl").read_text(encoding="utf-8").splitlines()[1])
RUN = {name: BUNDLE["provenance"][name] for name in (
    "dataset", "edition", "protocol", "class_set", "data_digest", "source_digest", "recipe", "config", "seed",
    "epochs_run", "epochs_asked", "best_epoch", "seconds", "finished", "hardware", "backend", "precision")}
CAPTION = {"name": "fer2013-7", "version": 3, "PublicTest": 0.6654, "corrupted": 0.5, "protocol": "published",
           "edition": "kaggle"}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundle") / "model"
    toy_models.bundle(folder)
    (folder / "model.keras").unlink()
    return folder


@given(broken_json(ENTRY))
def test_a_ledger_entry(text):
    entry = readable(lambda: Entry.read(text, "entry.json", "a ledger entry", "restore it"))
    if entry is not None:
        assert Path(entry.filename).name == entry.filename and len(entry.filename) < 500
        json.dumps(entry.as_json())
        figures.title(entry)


@given(broken_json(PROMOTION))
def test_the_record_of_a_promotion(text):
    record = readable(lambda: PromotionRecord.read(text, "promotions.jsonl, line 1", "a promotion", "restore it"))
    if record is not None:
        assert promotions.describe(record) and len(record.to_line().splitlines()) == 1 and record.pair


@given(broken_json(BUNDLE))
def test_a_bundle_s_description(bundle, text):
    folder = bundle.parent / "described"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(bundle, folder)
    (folder / "bundle.json").write_bytes(text)
    readable(lambda: Bundle.load(folder))


@given(broken_json(json.loads(json.dumps({"whole": 1}))))
def test_a_bundle_s_description_that_has_nothing_of_one(bundle, text):
    folder = bundle.parent / "nothing"
    folder.mkdir(exist_ok=True)
    (folder / "bundle.json").write_bytes(text)
    with pytest.raises(Failure):
        Bundle.load(folder)


@given(broken_json(CAPTION))
def test_a_champion_s_caption(bundle, text):
    (bundle / "promotion.json").write_bytes(text)
    shown = readable(lambda: (facts(opened := Bundle.load(bundle), Bounds()), about(opened)))
    if shown is not None:
        json.dumps(shown[0], allow_nan=False).encode()


@given(broken_json(RUN), broken_json([{"epoch": 1, "loss": 2.0}, {"epoch": 2, "loss": 1.5}]))
def test_a_training_on_another_machine(tmp_path_factory, run, history):
    out = tmp_path_factory.mktemp("out")
    for name, content in (("run.json", run), ("history.json", history), ("net.keras", b"PK")):
        (out / name).write_bytes(content)
    remote = readable(lambda: import_run.read(out))
    if remote is not None:
        assert remote.history and len(remote.trained.dataset) <= 100


@given(damaged((FIXTURES / "promotions.jsonl").read_bytes()))
def test_the_file_of_promotions(tmp_path_factory, text):
    folder = tmp_path_factory.mktemp("project")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DVC_ROOT", str(folder))
        path = promotions.file("fer2013")
        path.parent.mkdir(parents=True)
        path.write_bytes(text)
        before = readable(lambda: promotions.records("fer2013"))
        if before is not None:
            promotions.append("fer2013", toy_models.promotion("other-7", "abc"))
            assert len(promotions.records("fer2013")) == len(before) + 1


@given(damaged(b""))
def test_predictions_that_are_none(tmp_path_factory, content):
    check_predictions(tmp_path_factory, content)


def check_predictions(tmp_path_factory, content: bytes) -> None:
    folder = tmp_path_factory.mktemp("project")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DVC_ROOT", str(folder))
        entry = Entry.model_validate(ENTRY)
        path = ledger.path_of(entry).with_suffix(".npz")
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
        answer = readable(lambda: ledger.probabilities(entry))
        if answer is not None:
            assert all(array.shape[1] == len(entry.classes) for array in answer.values())


def predictions() -> bytes:
    import io

    import numpy as np

    file = io.BytesIO()
    np.savez_compressed(file, PublicTest=np.full((5, 7), 1 / 7, "float16"), PrivateTest=np.zeros((3, 7), "float16"))
    return file.getvalue()


@given(damaged(predictions()))
def test_damaged_predictions(tmp_path_factory, content):
    check_predictions(tmp_path_factory, content)
