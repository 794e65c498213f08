"""An ensemble's bundle: one ONNX file merged from its members' graphs, and a provenance summed up from theirs."""

import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.bundle.bundle import Bundle
from pipeline.bundle.sealing import PARITY, fit_temperature, seal, write_history
from pipeline.experiments.ensemble.members import mapping
from pipeline.experiments.ensemble.weighting import TINY, combine
from pipeline.faces.faces import Faces
from pipeline.system.atomic import atomic_folder
from pipeline.system.failure import Failure
from pipeline.tracking import ledger
from pipeline.training.losses import cross_entropy


def merge(files: list[Path], weights: np.ndarray, path: Path, mappings: list[np.ndarray | None]) -> None:
    """Write one ONNX file whose probabilities are the members', weighted ``(K, C)`` and normalised; see
    ``members.mapping`` for those of members with more classes.

    Raises Failure where the members' files need different versions of ONNX's operators.
    """
    import onnx
    from onnx import TensorProto, compose, helper, numpy_helper

    members = [onnx.load(file) for file in files]
    versions = [{one.domain: one.version for one in member.opset_import} for member in members]
    for file, other in zip(files, versions, strict=True):
        if any(versions[0].get(domain, number) != number for domain, number in other.items()):
            raise Failure(f"{file}: made with ONNX operators {other}, {files[0]} with {versions[0]}; export one again")
    nodes, values, outputs = [], [], []
    for place, (member, row) in enumerate(zip(members, weights, strict=True)):
        graph = compose.add_prefix(member, f"m{place}_", rename_inputs=False).graph
        nodes += graph.node
        answer = f"m{place}_probabilities"
        if (more := mappings[place]) is not None:
            nodes.append(helper.make_node("MatMul", [answer, f"c{place}"], [f"merged{place}"]))
            values.append(numpy_helper.from_array(more, f"c{place}"))
            answer = f"merged{place}"
        nodes.append(helper.make_node("Mul", [answer, f"w{place}"], [f"weighted{place}"]))
        values += [*graph.initializer, numpy_helper.from_array(row[None].astype("float32"), f"w{place}")]
        outputs.append(f"weighted{place}")
    values += [numpy_helper.from_array(np.array(TINY, "float32"), "tiny"),
               numpy_helper.from_array(np.array([1], "int64"), "axis")]
    nodes += [
        helper.make_node("Sum", [*outputs, "tiny"], ["summed"]),
        helper.make_node("ReduceSum", ["summed", "axis"], ["total"], keepdims=1),
        helper.make_node("Div", ["summed", "total"], ["probabilities"]),
    ]
    graph = helper.make_graph(
        nodes, "ensemble", [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 48, 48, 1])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", weights.shape[1]])], values,
    )
    operators = [helper.make_opsetid(*one) for one in {name: number for version in versions
                                                       for name, number in version.items()}.items()]
    model = helper.make_model(graph, opset_imports=operators, ir_version=max(one.ir_version for one in members))
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())


def write(folder: Path, members: list[Bundle], weights: np.ndarray, public: Faces, opinions: np.ndarray,
          provenance: dict[str, Any]) -> Bundle:
    """Make the ensemble's bundle; it has no Keras file.

    Args:
        weights: ``(K, C)``, see ``weighting``.
        public: PublicTest in the ensemble's classes, which the temperature is fitted on.
        opinions: the members' probabilities on it, ``(K, N, C)``.

    Raises Failure when the merged file answers otherwise than the members' weighted mean, by more than 1e-4.
    """
    expected = combine(opinions, weights).astype("float32")
    meta = {**members[0].meta, "classes": list(public.classes), "class_set": public.manifest["class_set"]}
    with atomic_folder(folder) as new:
        merge([member.folder / "model.onnx" for member in members], weights, new / "model.onnx",
              [mapping(member, meta["class_set"]) for member in members])
        some = Bundle(new, meta, "draft").predict(public.images[:256])
        difference = float(np.abs(some - expected[:256]).max())
        if not difference <= PARITY:
            raise Failure(f"{folder}: the merged ONNX file and the members' mean differ by {difference:.1e} (at most "
                          f"{PARITY:.0e}); not written")
        write_history(new / "history.csv", history(expected, public.labels))
        seal(new, {**meta, "temperature": fit_temperature(expected, public.labels),
                   "provenance": {**provenance, "parity": difference}})
    return Bundle.load(folder)


def history(probabilities: np.ndarray, labels: np.ndarray) -> list[dict]:
    """The curves of a model that nobody trained: one point, so that whoever reads curves can read these."""
    return [{"epoch": 1, "val_accuracy": float((probabilities.argmax(axis=1) == labels).mean()),
             "val_loss": cross_entropy(np.log(np.maximum(probabilities, 1e-12)), labels)}]


def provenance(members: list[Bundle], class_set: str, config: dict[str, Any]) -> dict[str, Any]:
    """What the ensemble's bundle and the ledger say of how it came about; its costs are the members' together."""
    facts = [member.provenance for member in members]

    def all_of(name: str) -> list[str]:
        return sorted({str(one[name]) for one in facts if name in one})

    digests = all_of("data_digest")
    return {
        **{name: facts[0][name] for name in ("dataset", "edition", "source_digest")},
        # members may have been trained on faces balanced in different ways
        "data_digest": digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest(),
        "protocol": "leak-free" if all_of("protocol") == ["leak-free"] else "published",
        "class_set": class_set,
        "recipe": ledger.ENSEMBLE,
        "config": config,
        "seed": config["seed"],
        **{name: sum(one[name] for one in facts) for name in ("epochs_run", "epochs_asked")},
        "best_epoch": 1,
        "seconds": round(sum(one["seconds"] for one in facts), 1),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        **{name: " and ".join(all_of(name)) for name in ("hardware", "backend", "precision")},
        "parameters": sum(one["parameters"] for one in facts),
        **({"weights": " and ".join(all_of("weights"))} if all_of("weights") else {}),
        "tuned": {},
    }
