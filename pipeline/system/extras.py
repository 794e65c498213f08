"""What the base installation leaves out, and which of pyproject.toml's extras brings it."""

import importlib.util
from collections.abc import Callable

from pipeline.system.failure import Failure

# In every installation: a Python without it lacks ferpipe as a whole, not one of its extras
BASE = "onnxruntime"
# extra: the names under which its packages are imported here
EXTRAS = {
    "plots": ("matplotlib",),
    "static": ("onnx",),
    "pipeline": ("ai_edge_litert", "aiohttp", "dvc", "great_expectations", "jinja2", "kagglehub", "keras",
                 "markdown_it", "mlflow", "optuna", "optuna_dashboard", "pandas", "psutil", "ruamel", "scipy", "shtab",
                 "sklearn", "sqlalchemy", "tensorflow", "tf2onnx"),
    "team": ("dvc_s3", "psycopg2"),
    "cluster": ("ray",),
    "dev": ("jax", "jsonschema"),
}


def extra_of(module: str) -> str | None:
    """The extra that brings a module, which is named as in an import; None where it is in no extra."""
    package = module.partition(".")[0]
    return next((extra for extra, packages in EXTRAS.items() if package in packages), None)


def installed(package: str) -> bool:
    """Whether a package can be imported; it is not imported for that."""
    return importlib.util.find_spec(package) is not None


def missing(module: str) -> Failure:
    """What to raise for a module of an extra that is not installed."""
    return Failure(f"this needs the extra {extra_of(module)!r}, but {module.partition('.')[0]} is not installed: "
                   f"pip install '.[{extra_of(module)}]' in the project's folder (make installs everything)")


def checked(main: Callable[[], None]) -> Callable[[], None]:
    """``main``, which raises a Failure instead where it imports a package of an extra that is not installed.

    Any other missing module stays a ModuleNotFoundError, as does every one in a Python without ferpipe's packages.
    """
    def lacks_extra(module: str) -> bool:
        return extra_of(module) is not None and not installed(module.partition(".")[0]) and installed(BASE)

    def call() -> None:
        try:
            main()
        except ModuleNotFoundError as error:
            if error.name is None or not lacks_extra(error.name):
                raise
            raise missing(error.name) from error
    return call
