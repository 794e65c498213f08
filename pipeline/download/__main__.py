"""``python -m pipeline.download``."""

import argparse

from pipeline.system import failure


def main(argv: list[str] | None = None) -> None:
    """Load params.yaml, get the faces, save them to data/DATASET/faces."""
    from pipeline.download.sources import download
    from pipeline.faces.datasets import BUILT_IN
    from pipeline.faces.faces import SPLITS
    from pipeline.params import params as parameters

    argparse.ArgumentParser("python -m pipeline.download", description=main.__doc__).parse_args(argv)
    params = parameters.load()
    faces = download(params.download, params.dataset)
    faces.save(params.data / "faces")
    counts = ", ".join(f"{int((faces.splits == split).sum()):,} {split}" for split in SPLITS)
    if params.dataset not in BUILT_IN:
        for note in [f"classes {', '.join(faces.classes)}", *faces.manifest["notes"]]:
            print(f"download: {note}")
    print(f"download: {params.dataset}, {faces.manifest['edition']} ({faces.manifest['source']}): {counts}")


if __name__ == "__main__":
    failure.run(main, "download")
