"""``ferpipe rebuild-mlflow``: fill an empty MLflow from what is in git and at hand, the ledger and the bundles."""

import argparse

from pipeline.bundle.bundle import Bundle
from pipeline.system import project
from pipeline.system.address import shown
from pipeline.tracking import entering, ledger, promotions, restoring, runs, shelves


def rebuild() -> int:
    """A run for every ledger entry, a version for every champion; what the server has already stays as it is.

    Returns how many entries the ledger has.
    """
    at_hand = shelves.bundles("rebuild-mlflow")
    count = 0
    champions = {}
    for dataset in ledger.datasets():
        for entry in ledger.entries(dataset):
            restoring.restore(entry, at_hand.get(entry.bundle), {"ledger": entry.filename})
            count += 1
        champions.update(promotions.champions(dataset))
    if (project.champion_folder() / "bundle.json").exists():
        champions[promotions.IN_GIT] = Bundle.load(project.champion_folder()).id
    for name, bundle_id in champions.items():
        if bundle_id in at_hand:
            entering.register_champion(name, at_hand[bundle_id])
        else:
            print(f"rebuild-mlflow: the champion of {name}, {bundle_id}, is not at hand; the registry gets no champion")
    return count


def main(argv: list[str] | None = None) -> None:
    """Fill an empty MLflow from the ledger and the bundles at hand; safe to run again."""
    argparse.ArgumentParser("ferpipe rebuild-mlflow", description=main.__doc__).parse_args(argv)
    count = rebuild()
    print(f"rebuild-mlflow: the {count} models of the ledger are runs at {shown(runs.uri())}")
