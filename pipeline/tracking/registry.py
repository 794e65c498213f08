"""The model registry: which bundle is which version of a registered model, and which version is the champion."""

import shutil
from pathlib import Path

from pipeline.bundle.bundle import Bundle
from pipeline.faces.protocols import phrase
from pipeline.system.failure import Failure
from pipeline.tracking.mlflow_server import in_one_line
from pipeline.tracking.promotions import DESCRIPTION, PROMOTED, PromotionRecord
from pipeline.tracking.runs import Run, connect


@in_one_line()
def register(name: str, bundle: Bundle, run_id: str) -> str:
    """The version of the registered model that is this bundle; created, with its run's model, if there is none."""
    client = connect()
    for version in client.search_model_versions(f"name='{name}'"):
        if version.tags.get("bundle") == bundle.id:
            return str(version.version)
    if not client.search_registered_models(f"name='{name}'"):
        client.create_registered_model(name)
    model_id = Run(client, run_id).model(bundle)
    tags = {key: str(getattr(bundle.provenance, key)) for key in ("recipe", "seed", "protocol", "edition")}
    created = client.create_model_version(name, f"models:/{model_id}", run_id, {**tags, "bundle": bundle.id},
                                          description=_description(bundle), model_id=model_id)
    return str(created.version)


def _description(bundle: Bundle) -> str:
    """A version in a sentence, for a person who looks through the registry."""
    made = bundle.provenance
    int8 = ", in int8" if made.quantised else ""
    size = (bundle.folder / "model.onnx").stat().st_size / 1e6
    return (f"{made.recipe}, seed {made.seed}{int8}: trained on {made.dataset} ({made.edition}), "
            f"{phrase(made.protocol)}, {made.epochs_run} epochs on {made.hardware}; {size:.1f} MB, bundle {bundle.id}")


@in_one_line()
def decide(record: PromotionRecord, version: str) -> None:
    """A promotion's outcome in the registry: the version's tag ``decision``, and the aliases.

    A refused or proposed version keeps ``@challenger`` until the next one takes it; a promoted one leaves it for
    ``@champion``.

    Args:
        version: of the challenger; a registry that was made again has other numbers than the record.
    """
    client = connect()
    client.set_model_version_tag(record.model, version, "decision", decision(record))
    if record.decision == PROMOTED:
        alias(record.model, "champion", version)
        if str(client.get_registered_model(record.model).aliases.get("challenger", "")) == version:
            client.delete_registered_model_alias(record.model, "challenger")


def decision(record: PromotionRecord) -> str:
    """``refused: -7.55 points, PublicTest 64.31 %``."""
    gain = "the first model" if record.gain is None else f"{100 * record.gain:+.2f} points"
    accuracy = record.public.challenger
    return f"{record.decision}: {gain}" + ("" if accuracy is None else f", PublicTest {100 * accuracy:.2f} %")


@in_one_line()
def alias(name: str, label: str, version: str) -> None:
    """Point ``champion`` or ``challenger`` at a version."""
    connect().set_registered_model_alias(name, label, version)


@in_one_line()
def champion(name: str) -> tuple[str, str] | None:
    """Version and bundle id of the champion, if there is one."""
    client = connect()
    for model in client.search_registered_models(f"name='{name}'"):
        version = model.aliases.get("champion")
        if version is not None:
            bundle = client.get_model_version(name, str(version)).tags.get("bundle")
            if bundle is None:
                raise Failure(f"{name} version {version}: has @champion but no tag `bundle`, so `ferpipe promote` did "
                              "not register it; take the alias from it in `make ui`")
            return str(version), bundle
    return None


@in_one_line()
def describe(name: str, version: str, card: Path) -> None:
    """Give a version the short form of its card as its description, and its run the whole card.

    Args:
        card: the card's folder, with ``promotions.DESCRIPTION`` in it.
    """
    client = connect()
    client.update_model_version(name, version, (card / DESCRIPTION).read_text(encoding="utf-8"))
    Run(client, client.get_model_version(name, version).run_id).files([card], "card")


@in_one_line()
def download_bundle(name: str, version: str, folder: Path) -> Bundle:
    """Fetch a version's bundle from its run's artefacts into ``folder``/bundle."""
    run_id = connect().get_model_version(name, version).run_id
    try:
        return _fetch(run_id, folder)
    except (OSError, Failure) as error:
        raise Failure(f"{name} version {version}: the files of run {run_id} are gone ({error}); restore mlruns/, or "
                      "take the alias from the version in `make ui`") from error


def download_of_run(run_id: str, folder: Path) -> Bundle:
    """Fetch the bundle that a run made from its artefacts into ``folder``/bundle."""
    try:
        return _fetch(run_id, folder)
    except (OSError, Failure) as error:
        raise Failure(f"run {run_id}: no bundle of it here or in MLflow ({error}); name a bundle's folder") from error


def _fetch(run_id: str, folder: Path) -> Bundle:
    client = connect()
    shutil.rmtree(folder / "bundle", ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    with in_one_line():
        return Bundle.load(Path(client.download_artifacts(run_id, "bundle", str(folder))))
