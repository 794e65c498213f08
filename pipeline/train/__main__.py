"""``python -m pipeline.train``."""

from pipeline.system import failure


def main() -> None:
    """Train with params.yaml's recipe and the values that the search found better."""
    from pipeline.faces.faces import Faces
    from pipeline.params import params
    from pipeline.params.extra_labels import without_missing
    from pipeline.params.resolved import best
    from pipeline.train.fitting import train

    untuned = params.load()
    tuned = best(untuned)
    faces = Faces.load(untuned.data / "balanced")
    train(without_missing(untuned.override(tuned), faces.manifest), faces, tuned)


if __name__ == "__main__":
    failure.run_stage(main, "train")
