"""``python -m pipeline.demo``: the same as ``ferpipe demo``."""

from pipeline import failure
from pipeline.demo.main import main

if __name__ == "__main__":
    failure.run(main, "demo")
