"""What reading a damaged file raises."""

import csv
import lzma
import struct
import tarfile
import zipfile
import zlib

# Inside zip, gzip, tar, npz and CSV alike. ValueError: also a name that is not in the encoding that a zip says.
# RuntimeError: also brackets in brackets without end. MemoryError: also an array that calls itself larger than any
# machine
DAMAGE = (OSError, EOFError, ValueError, RuntimeError, NotImplementedError, OverflowError, MemoryError, struct.error,
          zlib.error, lzma.LZMAError, zipfile.BadZipFile, tarfile.TarError, csv.Error)
