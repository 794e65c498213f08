"""The walls of the house, held by reading the imports and dvc.yaml."""

import ast
import re
import sys
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[1]
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted((ROOT / "pipeline").rglob("*.py"))
}
# The accelerator's features, an epoch in one call and fused kernels need the backend itself
BACKENDS = {"pipeline.training.convolution": {"tensorflow"}, "pipeline.training.epochs": {"jax", "tensorflow"},
            "pipeline.training.fused": {"tensorflow"}, "pipeline.training.hardware": {"jax", "tensorflow"},
            "pipeline.training.keras_internals": {"tensorflow"}, "pipeline.training.towers": {"tensorflow"}}
STAGES = YAML(typ="safe", pure=True).load(ROOT / "dvc.yaml")["stages"]
# They decide no result, so that dvc.yaml leaves them out
EXEMPT = ("system", "tracking")
# The rooms that only the command line and they themselves may enter
UPPER = ("cli", "run", "experiments", "reporting")


@cache
def imports(module: str) -> frozenset[str]:
    """Every module that a module's source imports, inside functions too; pipeline's own are named in full."""
    found = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            modules = {f"{node.module}.{alias.name}" for alias in node.names} & MODULES.keys()
            found |= modules
            if len(modules) < len(node.names):
                found.add(node.module)
    if module == "pipeline.training.models":
        # It imports a family by its name
        found |= {name for name in MODULES if name.startswith("pipeline.training.models.")}
    return frozenset(found)


def room(module: str) -> str:
    """The folder or file of ``pipeline/`` that a module is in."""
    return [*module.split("."), ""][1]


def foreign(module: str) -> set[str]:
    """The top-level names of the other packages that a module imports."""
    return {name.split(".")[0] for name in imports(module)} - {"pipeline"}


@cache
def closure(module: str, without: tuple[str, ...] = ()) -> frozenset[str]:
    """The pipeline modules that importing and running this one can reach, itself included, but for these rooms."""
    reached, waiting = set(), [module]
    while waiting:
        name = waiting.pop()
        if name in reached or room(name) in without:
            continue
        reached.add(name)
        waiting += [other for other in imports(name) if other in MODULES]
    return frozenset(reached - {"pipeline"})


def test_no_module_imports_itself_in_a_circle():
    family = "pipeline.training.models"
    graph = {name: {other for other in imports(name) & MODULES.keys() - {name}
                    if not (name == family and other.startswith(f"{family}."))} for name in MODULES}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"import cycle: {' -> '.join(error.args[1])}")


def test_no_room_imports_itself_in_a_circle():
    graph: dict[str, set[str]] = {}
    for name in MODULES:
        rooms = {room(other) for other in imports(name) & MODULES.keys()} - {room(name), ""}
        graph.setdefault(room(name), set()).update(rooms)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"rooms in a circle: {' -> '.join(error.args[1])}")


def test_the_first_folder_that_a_reader_opens_is_small():
    entries = [path for path in (ROOT / "pipeline").iterdir()
               if path.name not in ("__init__.py", "__pycache__", "README.md", "py.typed")]
    assert len(entries) <= 21
    flat = {path.stem for path in entries if path.suffix == ".py"}
    assert flat - set(STAGES) <= {"cli", "run", "install"}


def test_nobody_imports_what_stands_above_it():
    for name in MODULES:
        for other in imports(name) & MODULES.keys():
            assert not other.endswith(".__main__"), f"{name} imports {other}"
            if room(other) in UPPER:
                allowed = {"run": {"cli"}, "experiments": {"experiments", "reporting"}, "reporting": {"reporting"}}
                assert room(other) in allowed.get(room(name), set()), f"{name} imports {other}"


def test_system_knows_nothing_of_the_project():
    for name in MODULES:
        if room(name) == "system":
            assert {room(other) for other in imports(name) & MODULES.keys()} <= {"system", ""}, name


def test_only_tracking_imports_mlflow():
    assert {room(name) for name in MODULES if "mlflow" in foreign(name)} == {"tracking"}


def test_onnx_runtime_has_one_door_which_makes_it_silent():
    # MLflow copies this one beside a model, where nothing of the project is at hand
    alone = "pipeline.tracking.served"
    assert {name for name in MODULES if "onnxruntime" in foreign(name)} == {"pipeline.bundle.runtime", alone}
    source = MODULES[alone].read_text(encoding="utf-8")
    assert source.index('os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")') < source.index("import onnxruntime")


def test_only_params_reads_params_yaml_and_recipes():
    """run names the file too: it changes the line that chooses the data set, as bytes."""
    named = {room(name) for name, path in MODULES.items() if '"params.yaml"' in path.read_text(encoding="utf-8")}
    assert named <= {"params", "run"}
    assert "yaml" not in foreign("pipeline.run") | foreign("pipeline.cli")


def test_importing_sets_no_environment_variable():
    """At a module's top level, that is: what a command or a stage needs, it sets when it runs."""
    for name, path in MODULES.items():
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if not isinstance(node, ast.FunctionDef | ast.ClassDef | ast.If):
                assert "os.environ" not in ast.unparse(node) or ".get(" in ast.unparse(node), f"{name}:{node.lineno}"


def test_the_tests_do_not_ask_what_a_user_has_set():
    tests = {file.name: file.read_text(encoding="utf-8") for file in Path(__file__).parent.rglob("*.py")}
    assert {name for name in tests if 'ROOT / "params.yaml"' in tests[name]} <= {"test_params.py", "test_walls.py"}


def test_training_needs_keras_and_numpy_alone():
    rooms = [name for name in MODULES if room(name) == "training"]
    for name in frozenset().union(*map(closure, rooms)):
        assert room(name) in ("training", "faces", "system"), name
        extra = foreign(name) - {"keras", "numpy"} - set(sys.stdlib_module_names)
        assert extra <= BACKENDS.get(name, set()), f"{name} imports {extra}"


def test_the_demo_needs_neither_tensorflow_nor_mlflow():
    heavy = {"tensorflow", "keras", "mlflow", "tf2onnx", "pandas", "sklearn", "matplotlib"}
    for module in (name for name in MODULES if room(name) == "demo"):
        for name in closure(module):
            assert room(name) not in ("tracking", "training"), f"{module} reaches {name}"
            # A diagram of a video's emotions is drawn only where it is asked for
            allowed = {"matplotlib"} if module.startswith("pipeline.demo.predict") else set()
            used = foreign(name) & heavy - allowed
            assert not used, f"{module} reaches {name}, which imports {used}"


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
def test_dvc_lists_the_code_of_every_stage(stage):
    """DVC does not look into imports; a folder that is missing here would leave a stale result standing, one too many
    would run the stage again for nothing."""
    module = re.search(r"python -m (\S+)", STAGES[stage]["cmd"]).group(1)
    start = module if module in MODULES and MODULES[module].name != "__init__.py" else f"{module}.__main__"
    needed = {MODULES[name].relative_to(ROOT) for name in closure(start, EXEMPT)}
    listed = {Path(dep) for dep in STAGES[stage]["deps"] if dep.startswith("pipeline/") and "recipes" not in dep}
    unlisted = {path for path in needed if path.name != "__init__.py" and not {path, *path.parents} & listed}
    assert not unlisted
    assert not {dep for dep in listed if not any(dep in (path, *path.parents) for path in needed)}


def test_every_stage_is_a_room_of_its_name():
    for stage in STAGES:
        assert f"pipeline.{stage}" in MODULES
