"""``make sbom``: the lock's packages as a software bill of materials in CycloneDX, with their licences."""

import argparse
import importlib.metadata
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from pipeline.system.atomic import atomic_file
from pipeline.system.failure import Failure, run

LOCK, OUT = Path("requirements.lock"), Path("build/sbom.json")


def licences(name: str) -> list[dict[str, Any]]:
    """A package's licences as CycloneDX has them, by what the installed one says of itself; empty where none is.

    The SPDX expression (PEP 639), else the classifiers, else the first line of the field that they replaced.
    """
    try:
        metadata: Any = importlib.metadata.metadata(name)
    except importlib.metadata.PackageNotFoundError:
        return []
    if expression := metadata.get("License-Expression"):
        return [{"expression": expression}]
    named = [classifier.rpartition(" :: ")[2] for classifier in metadata.get_all("Classifier") or []
             if classifier.startswith("License :: ") and classifier.count(" :: ") > 1]
    first = (metadata.get("License") or "").strip().partition("\n")[0][:100]
    return [{"license": {"name": text}} for text in named or ([first] if first else [])]


def bill(lock: Path) -> dict[str, Any]:
    """The bill of a lock's packages: name, version and hashes, and licences where this Python has the package.

    Raises Failure where the lock is missing or cannot be read.
    """
    if not lock.is_file():
        raise Failure(f"{lock}: missing; run in the project's folder, or make it with `make lock`")
    done = subprocess.run([sys.executable, "-m", "cyclonedx_py", "requirements", str(lock), "--pyproject",
                           "pyproject.toml", "--output-reproducible", "--no-validate", "--output-format", "JSON"],
                          capture_output=True, text=True, encoding="utf-8", check=False)
    if done.returncode:
        raise Failure(f"{lock}: no bill of materials of it ({(done.stderr.strip().splitlines() or ['?'])[-1]}); `make` "
                      "installs what it takes")
    content = json.loads(done.stdout)
    for component in content["components"]:
        # a description that repeats the lock's line, and an address that the lock does not name
        component.pop("description", None)
        hashes = [hash for reference in component.pop("externalReferences", []) for hash in reference.get("hashes", [])]
        component["properties"] = [{"name": "hash", "value": f"{hash['alg']}:{hash['content']}"} for hash in hashes]
        if found := licences(component["name"]):
            component["licenses"] = found
    return content


def main(argv: list[str] | None = None) -> None:
    """Write the bill of materials of requirements.lock, and say what has no licence."""
    parser = argparse.ArgumentParser("make sbom", description=main.__doc__)
    parser.add_argument("--out", type=Path, default=OUT, help=f"default: {OUT.as_posix()}")
    options = parser.parse_args(argv)
    content = bill(LOCK)
    with atomic_file(options.out) as new:
        new.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    without = [component["name"] for component in content["components"] if "licenses" not in component]
    silent = f"; without a licence, not installed here or silent about it: {', '.join(without)}" if without else ""
    print(f"sbom: {options.out}, {len(content['components'])} packages{silent}")


if __name__ == "__main__":
    run(main, "sbom")
