"""``python -m pipeline.balance``."""

from pipeline.balance.strategies import prepared
from pipeline.faces.faces import Faces
from pipeline.params import params
from pipeline.system import failure


def main() -> None:
    """Balance what download brought by params.yaml's balance block; write the faces and two pictures."""
    from pipeline.balance import charts

    mine = params.load()
    balanced = prepared(mine, Faces.load(mine.data / "faces"))
    charts.counts(mine.reports / "balance.png", balanced)
    charts.augmentation(mine.reports / "augmentation.png", mine)
    balanced.save(mine.data / "balanced")
    facts = balanced.manifest
    before, after = (sum(facts[key]["Training"].values()) for key in ("counts_before", "counts"))
    print(f"balance: {facts['strategy']}, {facts['protocol']} protocol: {before:,} -> {after:,} Training images, "
          f"{facts['leaks_dropped']:,} dropped as leaks, {facts['left_out']:,} of all splits in no class; "
          f"{mine.data / 'balanced'}")


if __name__ == "__main__":
    failure.run(main, "balance")
