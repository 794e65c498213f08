"""A bundle's ONNX as a model that MLflow lists, registers and serves (``served``)."""

from pathlib import Path

from pipeline.bundle.bundle import Bundle

# What runs in MLflow's server
SERVED = Path(__file__).with_name("served.py")


def model_of(client, run_id: str, bundle: Bundle) -> str | None:
    """The id of the bundle's model among a run's outputs; None where it has none."""
    run = client.get_run(run_id)
    for output in run.outputs.model_outputs if run.outputs else []:
        model = client.get_logged_model(output.model_id)
        # a model whose logging was interrupted is not ready
        if model.tags.get("bundle") == bundle.id and model.status == "READY":
            return model.model_id
    return None


def log(client, run_id: str, bundle: Bundle) -> str:
    """Log the bundle as an output of the run; returns the model's id."""
    import mlflow.pyfunc
    import numpy as np
    from mlflow.models import Model, ModelSignature
    from mlflow.types import Schema, TensorSpec

    single = np.dtype("float32")
    signature = ModelSignature(Schema([TensorSpec(single, (-1, 48, 48, 1), "image")]),
                               Schema([TensorSpec(single, (-1, len(bundle.classes)), "probabilities")]))
    # pyfunc.log_model would take the run and the experiment that happen to be active
    run = client.get_run(run_id)
    experiment = run.info.experiment_id
    # a run makes one model: this one takes the place of what an interrupted call logged, whole or by half
    begun = client.search_logged_models([experiment], f"source_run_id = '{run_id}'", max_results=1)
    made = begun[0] if begun else client.create_logged_model(experiment, "model", run_id)
    # MLflow refuses the same output of a run twice
    linked = made.model_id in [output.model_id for output in run.outputs.model_outputs] if run.outputs else False
    Model.log(None, mlflow.pyfunc, name="model", model_id=made.model_id, run_id=None if linked else run_id,
              signature=signature,
              python_model=str(SERVED), artifacts={"onnx": str(bundle.folder / "model.onnx")},
              input_example={"image": np.full((1, 48, 48, 1), 128, single)},
              pip_requirements=["mlflow", "numpy", "onnxruntime"])
    # last: only now it is this bundle's
    client.set_logged_model_tags(made.model_id, {"bundle": bundle.id})
    return made.model_id
