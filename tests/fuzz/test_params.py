"""Whatever is in params.yaml, in a recipe or after --set: parameters in their bounds, or one line, soon."""

import os
from pathlib import Path

import pytest
from damage import ODD, altered, damaged, readable
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from pipeline.params import overrides, params, recipe, resolved
from pipeline.system.failure import Failure

PARAMS = Path(__file__).parents[1] / "params.yaml"
TREE = YAML(typ="safe", pure=True).load(PARAMS)
BOMB = "\n".join(["a0: &a0 [x, x, x, x, x, x, x, x, x, x]",
                  *(f"a{level}: &a{level} [{', '.join(10 * [f'*a{level - 1}'])}]" for level in range(1, 12))])
HOSTILE = [
    BOMB, BOMB.replace("a11: ", "recipe: "), "[" * 400, "{a: " * 400, "seed: " + "1" * 5000, "seed: 0x" + "f" * 5000,
    "seed: 1" + "0" * 4000 + ".0", "seed: 1e999999999", "seed: 9:99:99:99", "? [a]\n: b", "a: &a [*a]", "a: *nothing",
    "!!python/object/apply:os.system ['true']", "!!binary x", "!!timestamp 9999-99-99", "seed: 2024-13-45", "\x00",
    "\ufeff", "%YAML 9.9\n---\nseed: 1", "--- 1\n--- 2", "a: 1\na: 2", "<<: [1]", "<<: {a: 1}", "- 1", "\t",
    "seed: .inf", "seed: .nan", "a: " + "x" * 1_000_000, "\n" * 1_000_000, "#" * 1_000_000, "&" * 1000, "*" * 1000,
    "!" * 1000, "'" * 1001, "|" * 10,
]


def dumped(tree) -> str:
    import io

    stream = io.StringIO()
    try:
        YAML(typ="safe", pure=True).dump(tree, stream)
    except Exception:  # what cannot be written cannot be read
        return ""
    return stream.getvalue()


def load(folder: Path, content: bytes):
    path = folder / "params.yaml"
    path.write_bytes(content)
    loaded = readable(lambda: params.load(path))
    if loaded is not None:
        loaded.model_dump(by_alias=True, mode="json")
    return loaded


def test_what_is_whole_is_read(tmp_path):
    assert load(tmp_path, PARAMS.read_bytes()) is not None


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: repr(text[:20]))
def test_hostile_yaml_is_one_line_and_soon(tmp_path, text):
    load(tmp_path, text.encode("utf-8", "surrogatepass"))
    load(tmp_path, PARAMS.read_bytes() + b"\n" + text.encode("utf-8", "surrogatepass"))
    readable(lambda: recipe.read(tmp_path / "params.yaml"))
    if len(text) < 10_000:  # longer ones are not taken by a shell
        readable(lambda: overrides.values_of([f"train.epochs={text}"]))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes in folders")
def test_a_pipe_is_no_file_of_parameters(tmp_path):
    os.mkfifo(tmp_path / "params.yaml")
    with pytest.raises(Failure, match="expected a file of parameters"):
        params.load(tmp_path / "params.yaml")


@given(damaged(PARAMS.read_bytes()) | altered(TREE).map(dumped).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_params(tmp_path_factory, content):
    load(tmp_path_factory.mktemp("project"), content)


@given(st.sampled_from(("train.epochs", "seed", "model.width", "balance.without", "train", "nothing", "", "..", "a.b")),
       st.text(max_size=20) | st.sampled_from([repr(value) for value in ODD]))
def test_overrides(path, text):
    values = readable(lambda: overrides.values_of([f"{path}={text}"]))
    if values is not None:
        base = params.load(PARAMS)
        readable(lambda: base.override(values))


@given(damaged(b"recipe: compact\ntake:\n  train.epochs: 3\n  model.width: 0.5\n"))
def test_what_a_search_left(tmp_path_factory, content):
    folder = tmp_path_factory.mktemp("project")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        base = params.load(PARAMS)
        (folder / base.reports).mkdir(parents=True)
        (folder / base.reports / "best_params.yaml").write_bytes(content)
        found = readable(lambda: resolved.best(base))
        if found:
            readable(lambda: base.override(found))
