"""What reading a damaged file raises."""

import csv
import lzma
import struct
import tarfile
import tokenize
import zipfile
import zlib

# Inside zip, gzip, tar, npz and CSV alike. ValueError: also a name that is not in the encoding that a zip says.
# RuntimeError: also brackets in brackets without end. MemoryError: also an array that calls itself larger than any
# machine. The last two: NumPy reads an array's header as Python's source where it is an odd one
DAMAGE = (OSError, EOFError, ValueError, RuntimeError, NotImplementedError, OverflowError, MemoryError, struct.error,
          zlib.error, lzma.LZMAError, zipfile.BadZipFile, tarfile.TarError, csv.Error, SyntaxError,
          tokenize.TokenError)
