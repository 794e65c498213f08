"""``ferpipe tune-worker``: one more process for a study."""

import argparse

from pipeline.system.failure import Failure, did_you_mean
from pipeline.tune.budget import Budget
from pipeline.tune.storage import Address


def main(argv: list[str] | None = None) -> None:
    """Join a study and run trials until it is complete; as many workers as you like, on this machine or, with
    OPTUNA_STORAGE, on any that has the balanced faces (dvc pull) and the same params.yaml. The stage tune, which prints
    the study's name, is a worker too, and alone writes the reports."""
    parser = argparse.ArgumentParser("ferpipe tune-worker", description=main.__doc__)
    parser.add_argument("study", metavar="STUDY", help="its name, such as camera-0123456789ab")
    options = parser.parse_args(argv)
    from pipeline.faces.faces import Faces
    from pipeline.params import params as parameters
    from pipeline.params.extra_labels import without_missing
    from pipeline.tune import search as searches
    from pipeline.tune import storage as studies
    from pipeline.tune import work
    from pipeline.tune.report.facts import LIMITS

    params = parameters.load()
    where = studies.address(params.dataset)
    studies.check_shared(where)
    faces = Faces.load(params.data / "balanced")
    search = searches.prepare(without_missing(params, faces.manifest, quiet=True), faces)
    storage = studies.open_storage(where)
    with studies.in_one_line(where):
        if search.name != options.study:
            raise Failure(_differs(storage, where, search, options.study))
        study = work.opened(search, storage, where)

        def limits() -> Budget:
            known = study.user_attrs.get(LIMITS)
            return Budget(**known) if known else search.limits

        if not limits().trials:
            raise Failure("params.yaml: tune.trials is 0: there is nothing to do")
        counted = work.work(search, study, where, limits)
    print(f"tune: study {search.name} is complete, {len(counted)} trials; `dvc repro tune` writes the reports")


def _differs(storage, where: Address, search, expected: str) -> str:
    """What to say to a worker whose study is another one than it was to join."""
    import optuna

    from pipeline.tune.work import PARTS

    names = optuna.get_all_study_names(storage)
    if expected not in names:
        return (f"there is no study {expected} at {where}{did_you_mean(expected, names)}; this worker's space, recipe "
                f"and data make it {search.name}")
    theirs = optuna.load_study(study_name=expected, storage=storage).user_attrs.get(PARTS, {})
    others = [name for name, part in search.parts.items() if theirs.get(name) != part]
    return (f"this worker would search {search.name}, expected {expected}: another {' and '.join(others)}; take that "
            "study's commit and params.yaml, and `dvc pull`")
