"""``ferpipe promote``: the trained model challenges the champion, on PublicTest, now, with evidence.

A command, not a stage: DVC skips the side effects of cached stages. Running it twice changes nothing the second time.
"""

import json
import shutil
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from pipeline.bundle.bundle import LEFT_OUT, PROMOTION, Bundle, check_faces
from pipeline.faces.faces import Faces
from pipeline.params.params import Params
from pipeline.promote.decision import MOST_BYTES, RESAMPLES, Decision, decide
from pipeline.system.atomic import atomic_folder
from pipeline.system.project import champion_folder
from pipeline.tracking import ledger, promotions, registry
from pipeline.tracking.entering import enter
from pipeline.tracking.promotions import IN_GIT


@dataclass(frozen=True)
class Score:
    """A bundle on PublicTest: right or wrong on each image, and its recalls."""

    bundle: Bundle
    correct: np.ndarray
    recalls: dict[str, float]

    def about(self) -> dict:
        facts = self.bundle.provenance
        return {"bundle": self.bundle.id, "run_id": self.bundle.run_id,
                **{name: facts[name] for name in ("recipe", "seed", "protocol", "edition")}}


def score(bundle: Bundle, faces: Faces) -> Score:
    """Single view, on faces as they came (seven labels)."""
    public = faces.with_classes(bundle.class_set).split("PublicTest")
    correct = bundle.predict(public.images).argmax(axis=1) == public.labels
    recalls = {name: float(correct[public.labels == place].mean()) if (public.labels == place).any() else 0.0
               for place, name in enumerate(bundle.classes)}
    return Score(bundle, correct, recalls)


def promote(params: Params, challenger: Bundle, faces: Faces) -> dict | None:
    """Let a bundle challenge the champion of its registered model; returns the line, None if it is the champion.

    Args:
        faces: as they came, with seven labels.
    """
    check_faces(challenger.provenance, faces.manifest, challenger.folder)
    dataset = challenger.provenance["dataset"]
    name = f"{dataset}-{challenger.class_set}"
    with tempfile.TemporaryDirectory() as place:
        champion = _champion(name, Path(place))
        if champion is not None and champion.id == challenger.id:
            print(f"promote: {challenger.id} is already champion of {name}; nothing changes")
            return None
        old = score(champion, faces) if champion else None
    new = score(challenger, faces)
    version = enter(name, challenger)
    registry.alias(name, "challenger", version)
    decision = decide(new.correct, old.correct if old else None, new.recalls, params.promote, params.seed,
                      _weight(challenger) if name == IN_GIT else None, _lighter(challenger))
    line = _line(name, version, new, old, decision, params, faces)
    if decision.promote and name == IN_GIT:
        with atomic_folder(champion_folder()) as folder:
            copy(challenger, folder)
            caption = {"name": name, "version": int(version), "PublicTest": round(float(new.correct.mean()), 6),
                       **{fact: challenger.provenance[fact] for fact in ("protocol", "edition")}}
            (folder / PROMOTION).write_text(json.dumps(caption) + "\n", encoding="utf-8")
            promotions.append(dataset, line)
    else:
        promotions.append(dataset, line)
    if decision.promote:
        registry.alias(name, "champion", version)
    print(f"promote: {promotions.describe(line)}")
    return line


def _private(score: Score | None) -> dict:
    """A bundle's single view figures on PrivateTest as evaluate, which alone opens it, wrote them in the ledger."""
    line = ledger.recorded(score.bundle) if score else None
    return line["figures"].get("PrivateTest", {}).get("single", {}) if line else {}


def _champion(name: str, place: Path) -> Bundle | None:
    """The champion: of fer2013-7 the committed one, which the registry then learns of; else what the alias names."""
    known = registry.champion(name)
    if name == IN_GIT and (champion_folder() / "bundle.json").exists():
        bundle = Bundle.load(champion_folder())
        if known is None or known[1] != bundle.id:
            registry.alias(name, "champion", enter(name, bundle))
        return bundle
    return registry.download_bundle(name, known[0], place) if known else None


def _served(bundle: Bundle) -> list[str]:
    return [name for name in ("bundle.json", *bundle.meta["files"]) if name not in LEFT_OUT]


def copy(bundle: Bundle, folder: Path) -> None:
    """Copy what serves of a bundle into an empty folder."""
    for name in _served(bundle):
        shutil.copyfile(bundle.folder / name, folder / name)
    Bundle.load(folder)


def _weight(bundle: Bundle) -> int:
    return sum((bundle.folder / name).stat().st_size for name in _served(bundle))


def _lighter(bundle: Bundle) -> str:
    """What helps where a bundle is too heavy for git."""
    if bundle.provenance["recipe"] == ledger.ENSEMBLE:
        place = f"data/{bundle.provenance['dataset']}/ensembles/{bundle.id}"
        return f"the committed champion stays small; show the ensemble with `ferpipe demo --model {place}`"
    return "train a smaller network (model.width in params.yaml)"


def _line(name: str, version: str, new: Score, old: Score | None, decision: Decision, params: Params,
          faces: Faces) -> dict:
    recalls = {label: round(recall, 6) for label, recall in new.recalls.items()}
    private = {"challenger": _private(new), "champion": _private(old)}
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "model": name,
        "decision": promotions.PROMOTED if decision.promote else promotions.REFUSED,
        "reasons": list(decision.reasons),
        "gain": None if decision.gain is None else round(decision.gain, 6),
        "probability": decision.probability,
        "gates": {**params.promote.model_dump(), "resamples": RESAMPLES, "seed": params.seed,
                  "most_bytes": MOST_BYTES if name == IN_GIT else None},
        "challenger": {**new.about(), "version": version, "recalls": recalls},
        "champion": old.about() if old else None,
        promotions.PUBLIC: {"n": len(new.correct), "challenger": round(float(new.correct.mean()), 6),
                            "champion": round(float(old.correct.mean()), 6) if old else None},
        promotions.PRIVATE: {"n": private["challenger"].get("n", private["champion"].get("n")),
                             **{role: one.get("accuracy") for role, one in private.items()}},
        "faces": {"edition": faces.manifest["edition"], "digest": faces.manifest["digest"]},
    }
