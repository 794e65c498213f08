"""``python -m pipeline.balance``."""

from pipeline.system import failure


def main() -> None:
    """Balance download's faces by params.yaml's balance block; write the faces and two pictures."""
    from pipeline.balance import charts
    from pipeline.balance.strategies import prepared
    from pipeline.faces.faces import Faces
    from pipeline.faces.protocols import phrase
    from pipeline.params import params as parameters

    params = parameters.load()
    faces = Faces.load(params.data / "faces")
    balanced = prepared(params, faces)
    charts.counts(params.reports / "balance.png", balanced)
    charts.augmentation(params.reports / "augmentation.png", params)
    balanced.save(params.data / "balanced")
    manifest = balanced.manifest
    before, after = (sum(manifest[key]["Training"].values()) for key in ("counts_before", "counts"))
    print(f"balance: {manifest['strategy']}, {phrase(manifest['protocol'])}: {before:,} -> {after:,} Training images, "
          f"{manifest['leaks_dropped']:,} dropped as copies of test images, {manifest['left_out']:,} of all splits in "
          f"no class; {params.data / 'balanced'}")


if __name__ == "__main__":
    failure.run_stage(main, "balance")
