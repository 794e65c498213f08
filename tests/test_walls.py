"""The walls of the house, held by reading the imports and dvc.yaml."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parent.parent
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted((ROOT / "pipeline").rglob("*.py"))
}
# What the accelerator is and can, an epoch in one call and fused kernels are asked of the backend itself
BACKENDS = {"pipeline.training.convolution": {"tensorflow"}, "pipeline.training.epochs": {"jax", "tensorflow"},
            "pipeline.training.fused": {"tensorflow"}, "pipeline.training.hardware": {"jax", "tensorflow"}}
STAGES = YAML(typ="safe", pure=True).load(ROOT / "dvc.yaml")["stages"]


@cache
def imports(module: str) -> frozenset[str]:
    """Every module that a module's source imports, inside functions too; pipeline's own are named in full."""
    found = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names if f"{node.module}.{alias.name}" in MODULES}
    return frozenset(found)


def foreign(module: str) -> set[str]:
    """The top-level names of the other packages that a module imports."""
    return {name.split(".")[0] for name in imports(module)} - {"pipeline"}


@cache
def closure(module: str) -> frozenset[str]:
    """The pipeline modules that importing and running this one can reach, itself included."""
    reached, waiting = set(), [module]
    while waiting:
        name = waiting.pop()
        if name in reached:
            continue
        reached.add(name)
        waiting += [other for other in imports(name) if other in MODULES]
        if name == "pipeline.models":
            waiting += [other for other in MODULES if other.startswith("pipeline.models.")]
    return frozenset(reached - {"pipeline"})


def test_only_tracking_imports_mlflow():
    assert [name for name in MODULES if "mlflow" in foreign(name)] == ["pipeline.tracking"]


def test_only_params_reads_params_yaml():
    """run_all names the file too: it changes the line that chooses the data set, as bytes."""
    named = {name for name, path in MODULES.items() if '"params.yaml"' in path.read_text(encoding="utf-8")}
    assert named <= {"pipeline.params", "pipeline.run_all"}
    assert "yaml" not in foreign("pipeline.run_all") | foreign("pipeline.cli")


def test_the_tests_do_not_ask_what_a_user_has_set():
    tests = {file.name: file.read_text(encoding="utf-8") for file in Path(__file__).parent.glob("*.py")}
    assert {name for name in tests if 'ROOT / "params.yaml"' in tests[name]} <= {"test_params.py", "test_walls.py"}


def test_training_needs_keras_and_numpy_alone():
    import sys

    rooms = [name for name in MODULES if name.startswith(("pipeline.models", "pipeline.training"))]
    for name in frozenset().union(*map(closure, rooms)):
        extra = foreign(name) - {"keras", "numpy"} - set(sys.stdlib_module_names)
        assert extra <= BACKENDS.get(name, set()), f"{name} imports {extra}"


def test_the_demo_needs_neither_tensorflow_nor_mlflow():
    for module in (name for name in MODULES if name.startswith(("pipeline.demo", "pipeline.web"))):
        for name in closure(module):
            used = foreign(name) & {"tensorflow", "keras", "mlflow", "tf2onnx", "pandas", "sklearn", "matplotlib"}
            assert not used, f"{module} reaches {name}, which imports {used}"


def test_predicting_needs_no_tensorflow_either():
    used = set().union(*(foreign(name) for name in closure("pipeline.predict.main")))
    assert not used & {"tensorflow", "keras", "mlflow", "tf2onnx", "pandas", "sklearn"}


def test_modules_can_be_read_at_one_sitting_and_are_named_for_what_they_hold():
    for name, path in MODULES.items():
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 260, f"{name} is long: make it two rooms"
        assert not re.search(r"utils|helpers|common|manager|\bbase\b", name)


def test_no_pickles():
    for name, path in MODULES.items():
        text = path.read_text(encoding="utf-8")
        assert not foreign(name) & {"pickle", "joblib", "cloudpickle", "dill"}, name
        assert "allow_pickle=True" not in text and "safe_mode=False" not in text, name


@pytest.mark.parametrize("stage", STAGES)
def test_dvc_lists_every_module_that_a_stage_imports(stage):
    """DVC does not look into imports; a module that is missing here would leave a stale result standing."""
    module = re.search(r"python -m (\S+)", STAGES[stage]["cmd"]).group(1)
    needed = {MODULES[name].relative_to(ROOT).as_posix() for name in closure(module)}
    listed = {dep for dep in STAGES[stage]["deps"] if dep.startswith("pipeline/") and dep.endswith(".py")}
    folders = [dep for dep in STAGES[stage]["deps"] if dep.startswith("pipeline/") and not Path(dep).suffix]
    covered = {path for path in needed if any(path.startswith(f"{folder}/") for folder in folders)}
    assert listed == needed - covered


def test_every_stage_is_a_module_of_its_name():
    for stage in STAGES:
        assert f"pipeline.{stage}" in MODULES
