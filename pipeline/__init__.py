"""From raw FER-2013 images to a promoted model on a webcam; a folder per stage."""

import sys

# Python's name for the program while it imports the package of `python -m pipeline.STAGE`, and only then
if sys.argv[:1] == ["-m"]:
    from pipeline.system.hook import install

    install()
