"""What evaluate writes beside the report: the few numbers that DVC's tables compare."""

import toy_models

from pipeline.evaluate import measure
from pipeline.evaluate.__main__ import scores
from pipeline.params import params


def test_dvc_s_metric_is_six_numbers_of_the_report_under_short_names(tmp_path):
    """More, or longer names, and `dvc exp show` needs more than a hundred columns."""
    bundle, faces = toy_models.bundle(tmp_path / "bundle", off=9), toy_models.faces("sample")
    figures, _ = measure.evaluate(bundle, faces, params.load(toy_models.PARAMS).evaluate)
    found = scores(figures)
    assert list(found) == ["pub", "pub_flip", "pub_f1", "priv", "priv_flip", "priv_f1"]
    assert found["pub"] == round(figures["PublicTest"]["single"]["accuracy"], 4)
    assert found["pub_flip"] == round(figures["PublicTest"]["flip"]["accuracy"], 4)
    assert found["priv_f1"] == round(figures["PrivateTest"]["single"]["macro_f1"], 4)
    assert all(0 < value < 1 for value in found.values())
