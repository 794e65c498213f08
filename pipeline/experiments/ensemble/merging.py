"""An ensemble's bundle: one ONNX file merged from its members' graphs, and a provenance summed up from theirs."""

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.bundle.bundle import Bundle, onnx_session, probabilities
from pipeline.bundle.manifest import Provenance
from pipeline.bundle.sealing import PARITY, fit_temperature, seal, write_history
from pipeline.experiments.ensemble.members import mapping
from pipeline.experiments.ensemble.weighting import TINY, combine
from pipeline.faces import protocols
from pipeline.faces.faces import Faces
from pipeline.system.atomic import atomic_folder
from pipeline.system.failure import Failure
from pipeline.tracking import ledger
from pipeline.training.losses import cross_entropy


def merge(files: list[Path], weights: np.ndarray, path: Path, mappings: list[np.ndarray | None]) -> None:
    """Write one ONNX file whose probabilities are the members', weighted ``(K, C)`` and normalised.

    The members' graphs are side by side in it and read the one ``image``: every name inside gets its member's number
    as a prefix, because node names of different networks collide. Each graph is followed by a ``MatMul`` with its
    mapping, where it has more classes (``members.mapping``), and a ``Mul`` with its weights; then comes the sum,
    divided by its own sum over the classes.

    Raises Failure where the members' files need different versions of ONNX's operators.
    """
    import onnx
    from onnx import TensorProto, compose, helper, numpy_helper

    members = [onnx.load(file) for file in files]
    versions = [{opset.domain: opset.version for opset in member.opset_import} for member in members]
    for file, other in zip(files, versions, strict=True):
        if any(versions[0].get(domain, number) != number for domain, number in other.items()):
            raise Failure(f"{file}: made with ONNX operators {other}, {files[0]} with {versions[0]}; export one again")
    nodes, values, outputs = [], [], []
    for index, (member, row) in enumerate(zip(members, weights, strict=True)):
        graph = compose.add_prefix(member, f"m{index}_", rename_inputs=False).graph
        nodes += graph.node
        answer = f"m{index}_probabilities"
        if (mapped := mappings[index]) is not None:
            nodes.append(helper.make_node("MatMul", [answer, f"c{index}"], [f"merged{index}"]))
            values.append(numpy_helper.from_array(mapped, f"c{index}"))
            answer = f"merged{index}"
        nodes.append(helper.make_node("Mul", [answer, f"w{index}"], [f"weighted{index}"]))
        values += [*graph.initializer, numpy_helper.from_array(row[None].astype("float32"), f"w{index}")]
        outputs.append(f"weighted{index}")
    # TINY as in ``weighting.combine``: members that all give a face no chance must not lead to 0 / 0
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
    # int8 members need a domain of ONNX Runtime's own that float members lack
    operators = {domain: number for version in versions for domain, number in version.items()}
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid(*opset) for opset in operators.items()],
                              ir_version=max(member.ir_version for member in members))
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())


def write(folder: Path, members: list[Bundle], weights: np.ndarray, public: Faces, predictions: np.ndarray,
          provenance: Provenance) -> Bundle:
    """Make the ensemble's bundle; it has no Keras file.

    Args:
        weights: ``(K, C)``, see ``weighting``.
        public: PublicTest in the ensemble's classes, which the temperature is fitted on.
        predictions: the members' probabilities on it, ``(K, N, C)``.

    Raises Failure when the merged file differs from the members' weighted mean by more than 1e-4.
    """
    expected = combine(predictions, weights).astype("float32")
    class_set = public.manifest["class_set"]
    with atomic_folder(folder) as new:
        merge([member.folder / "model.onnx" for member in members], weights, new / "model.onnx",
              [mapping(member, class_set) for member in members])
        answers = probabilities(onnx_session(new / "model.onnx"), public.images[:256], len(public.classes))
        difference = float(np.abs(answers - expected[:256]).max())
        if not difference <= PARITY:
            raise Failure(f"{folder}: the merged ONNX file and the members' mean differ by {difference:.1e} (at most "
                          f"{PARITY:.0e}); not written")
        write_history(new / "history.csv", history(expected, public.labels))
        seal(new, {
            **dict(members[0].manifest),
            "classes": public.classes,
            "class_set": class_set,
            "temperature": fit_temperature(expected, public.labels),
            "provenance": provenance.model_copy(update={"parity": difference}),
        })
    return Bundle.load(folder)


def history(answers: np.ndarray, labels: np.ndarray) -> list[dict[str, float]]:
    """The curves of a model that was not trained: one point, so that what reads curves can read these."""
    return [{"epoch": 1, "val_accuracy": float((answers.argmax(axis=1) == labels).mean()),
             "val_loss": cross_entropy(np.log(np.maximum(answers, 1e-12)), labels)}]


def provenance(members: list[Bundle], class_set: str, config: dict[str, Any]) -> Provenance:
    """The ensemble's provenance; parameters, epochs and seconds are the members' together."""
    trainings = [member.provenance for member in members]

    def all_of(values: Iterable[str | None]) -> str:
        return " and ".join(sorted({value for value in values if value}))

    first = trainings[0]
    digests = sorted({training.data_digest for training in trainings})
    weights = all_of(training.weights for training in trainings)
    return Provenance.model_validate({
        "dataset": first.dataset,
        "edition": first.edition,
        "source_digest": first.source_digest,
        # members may have been trained on faces balanced in different ways
        "data_digest": digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest(),
        "protocol": protocols.of_all({training.protocol for training in trainings}),
        "class_set": class_set,
        "recipe": ledger.ENSEMBLE,
        "config": config,
        "seed": config["seed"],
        "epochs_run": sum(training.epochs_run for training in trainings),
        "epochs_asked": sum(training.epochs_asked for training in trainings),
        "best_epoch": 1,
        "seconds": round(sum(training.seconds for training in trainings), 1),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "hardware": all_of(training.hardware for training in trainings),
        "backend": all_of(training.backend for training in trainings),
        "precision": all_of(training.precision for training in trainings),
        "parameters": sum(training.parameters for training in trainings),
        **({"weights": weights} if weights else {}),
        "tuned": {},
    })
