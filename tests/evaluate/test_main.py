"""What evaluate writes beside the report: the few numbers that DVC's tables compare."""

from pipeline.evaluate.measure import scores


def test_dvc_s_metric_is_six_numbers_of_the_report_under_short_names():
    """More, or longer names, and `dvc exp show` needs more than a hundred columns."""
    figures = {split: {view: {"accuracy": start + shift, "macro_f1": start - 0.1, "n": 3589, "loss": 1.0}
                       for view, shift in (("single", 0.0), ("flip", 0.012345))}
               for split, start in (("PublicTest", 0.6), ("PrivateTest", 0.7), ("test", 0.65), ("Training", 0.9))}
    assert scores(figures) == {"pub": 0.6, "pub_flip": 0.6123, "pub_f1": 0.5,
                               "priv": 0.7, "priv_flip": 0.7123, "priv_f1": 0.6}
