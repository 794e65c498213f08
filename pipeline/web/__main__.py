"""``python -m pipeline.web``: the same as ``ferpipe web``."""

from pipeline import failure
from pipeline.web.main import main

if __name__ == "__main__":
    failure.run(main, "web")
