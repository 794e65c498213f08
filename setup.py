"""The packages of the wheel; everything else is in pyproject.toml, which cannot list these."""

import gzip
import os
import tarfile
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.sdist import sdist


class Reproducible(sdist):
    """A source distribution that is the same from everybody, where SOURCE_DATE_EPOCH gives its time; wheels are by
    themselves."""

    def make_archive(self, base_name, format, root_dir=None, base_dir=None, owner=None, group=None):
        epoch = os.environ.get("SOURCE_DATE_EPOCH")
        if epoch is None or format != "gztar":
            return super().make_archive(base_name, format, root_dir, base_dir, owner, group)

        def plain(member):
            member.mtime, member.uid, member.gid, member.uname, member.gname = int(epoch), 0, 0, "", ""
            member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
            return member

        with (open(f"{base_name}.tar.gz", "wb") as file,
              gzip.GzipFile("", "wb", fileobj=file, mtime=int(epoch)) as packed,
              tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive):
            for path in [Path(base_dir), *sorted(Path(base_dir).rglob("*"))]:
                archive.add(path, path.as_posix(), recursive=False, filter=plain)
        return f"{base_name}.tar.gz"


packages = [*find_packages(include=["pipeline", "pipeline.*"], exclude=["pipeline.ferpipe"]), "ferpipe"]
# A clone whose champion was deleted installs too
if Path("data/champion/bundle.json").exists():
    packages.append("pipeline.demo.champion")
setup(packages=packages, cmdclass={"sdist": Reproducible})
