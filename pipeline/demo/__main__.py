"""``python -m pipeline.demo``: the same as ``ferpipe demo``."""

from pipeline.demo.main import main
from pipeline.system import failure

if __name__ == "__main__":
    failure.run(main, "demo")
