"""A registered version says what it is and what was decided about it."""

import pytest
import toy_models

from pipeline.tracking import entering, promotions, registry, runs


def registered(project, off=0.0):
    bundle = toy_models.bundle(project / f"off{off}", off=off)
    return bundle, entering.register("sample-7", bundle)


def decided(bundle, version, decision, **changes):
    """A challenge of this version and its outcome, as promote goes about it."""
    registry.alias("sample-7", "challenger", version)
    record = toy_models.promotion("sample-7", bundle.id, decision=decision, **changes)
    registry.decide(record, version)


def aliases():
    """By version, as MLflow shows them."""
    found = {}
    for alias, version in runs.connect().get_registered_model("sample-7").aliases.items():
        found.setdefault(str(version), set()).add(alias)
    return found


def test_a_version_has_a_description_that_calls_its_protocol_as_people_do(project):
    bundle, version = registered(project)
    described = runs.connect().get_model_version("sample-7", version).description
    assert described == (f"toy, seed 3: trained on sample (drawn), published protocol, 2 epochs on toy, 1 cores; "
                         f"{(bundle.folder / 'model.onnx').stat().st_size / 1e6:.1f} MB, bundle {bundle.id}")
    other = toy_models.bundle(project / "other", protocol="leak-free")
    version = entering.register("sample-7", other)
    assert "(drawn), protocol without exact copies, 2 epochs" in runs.connect().get_model_version(
        "sample-7", version).description


@pytest.mark.parametrize(("decision", "gain", "public", "expected"), [
    ("refused", -0.0755, 0.6431, "refused: -7.55 points, PublicTest 64.31 %"),
    ("promoted", 0.0123, 0.7, "promoted: +1.23 points, PublicTest 70.00 %"),
    ("promoted", None, 0.5, "promoted: the first model, PublicTest 50.00 %"),
])
def test_the_decision_is_a_tag_of_the_version(project, decision, gain, public, expected):
    bundle, version = registered(project)
    decided(bundle, version, decision, gain=gain,
            **{promotions.PUBLIC: {"n": 280, "challenger": public, "champion": None}})
    assert runs.connect().get_model_version("sample-7", version).tags["decision"] == expected


def test_a_refused_version_is_the_challenger_until_the_next_one_comes_and_a_champion_is_none(project):
    decided(*registered(project), "promoted")
    assert aliases() == {"1": {"champion"}}
    decided(*registered(project, 4), "refused", gain=-0.1)
    assert aliases() == {"1": {"champion"}, "2": {"challenger"}}
    decided(*registered(project, 8), "refused", gain=-0.2)
    assert aliases() == {"1": {"champion"}, "3": {"challenger"}}
    decided(*registered(project, 9), "promoted", gain=0.2)
    assert aliases() == {"4": {"champion"}}


def test_a_promoted_version_that_challenges_no_more_leaves_the_label_to_the_one_that_does(project):
    """Two processes: the second registers its challenger while the first still measures."""
    (first, one), (_, two) = registered(project), registered(project, 4)
    registry.alias("sample-7", "challenger", two)
    registry.decide(toy_models.promotion("sample-7", first.id), one)
    assert aliases() == {"1": {"champion"}, "2": {"challenger"}}
