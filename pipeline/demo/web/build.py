"""The command ``ferpipe web-static``: the page as static files; detector and model run in the browser."""

import argparse
import gzip
import hashlib
import json
import shutil
import subprocess
from pathlib import Path

from pipeline.system.atomic import atomic_folder
from pipeline.system.failure import Failure
from pipeline.system.project import CHAMPION, model_folder

HERE = Path(__file__).parent
PAGE, BROWSER = HERE / "page", HERE / "browser"
OUT, NPM = Path("build/web-static"), Path("build/npm")
# The package with the networks' kernels, and the one file of it that is needed
RUNTIME, KERNELS = "@tensorflow/tfjs-backend-wasm", "dist/tfjs-backend-wasm-simd.wasm"
# What the browser fetches at once, before it knows that it needs it
EARLY = {"engine.js": "modulepreload", "about.json": "preload", "kernels.wasm": "preload"}
# Files of the page that need the server; the static site has its own in their place
SERVED = ("engine.js",)
# With this the browser itself refuses to load from or send to anywhere else
POLICY = ("default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; img-src 'self' blob: data:; "
          "media-src 'self' blob:; worker-src 'self'; base-uri 'none'; form-action 'none'")


def main(argv: list[str] | None = None) -> None:
    """Build the site. Raises Failure when npm or the model is missing or a package cannot be fetched."""
    parser = argparse.ArgumentParser("ferpipe web-static", description="Build the page as a static site whose detector "
                                                                       "and model run in the browser; needs npm.")
    parser.add_argument("--out", metavar="DIR", type=Path, default=OUT, help=f"default: {OUT.as_posix()}")
    parser.add_argument("--model", metavar="DIR", type=Path, default=model_folder(),
                        help=f"a model bundle (default: {CHAMPION.as_posix()} here, else the one that was installed)")
    args = parser.parse_args(argv)
    if args.out.exists() and not (args.out / "about.json").exists() and any(args.out.iterdir()):
        raise Failure(f"{args.out}: holds something else; give a new folder after --out")

    from pipeline.bundle.bundle import Bundle

    bundle = Bundle.load(args.model)
    packages = fetch(NPM)
    with atomic_folder(args.out) as new:
        fill(new, bundle, packages)
    size = sum(file.stat().st_size for file in args.out.rglob("*") if file.is_file())
    print(f"written: {args.out.as_posix()}, {size / 1e6:.1f} MB, for any web server. To look at it here:\n"
          f"python -m http.server --bind 127.0.0.1 --directory {args.out.as_posix()} 8001")


def fetch(folder: Path) -> Path:
    """``node_modules`` with exactly the packages of package-lock.json; npm fetches them when they are missing."""
    lock = json.loads((BROWSER / "package-lock.json").read_text(encoding="utf-8"))
    installed = folder / "node_modules" / RUNTIME / "package.json"
    version = lock["packages"][f"node_modules/{RUNTIME}"]["version"]
    if installed.exists() and json.loads(installed.read_text(encoding="utf-8"))["version"] == version:
        return folder / "node_modules"
    npm = shutil.which("npm")
    if npm is None:
        raise Failure(f"npm is not installed; it comes with Node.js and fetches {RUNTIME} for the browser")
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copyfile(BROWSER / name, folder / name)
    print(f"npm fetches {RUNTIME} {version} ...", flush=True)
    command = [npm, "ci", "--ignore-scripts", "--legacy-peer-deps", "--no-audit", "--no-fund", "--loglevel=error"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()] or ["no reason given"]
        raise Failure(f"npm cannot fetch {RUNTIME} ({lines[0]}); is there a network?")
    return folder / "node_modules"


def fill(folder: Path, bundle, packages: Path) -> None:
    """Copy and write the site's files into an empty folder.

    Raises Failure when the browser's kernels cannot run the bundle's network.
    """
    from pipeline.demo.see.blazeface.network import FOLDER, FULL, SHORT
    from pipeline.demo.show.view import EMOJI
    from pipeline.demo.web.bounds import Bounds
    from pipeline.demo.web.facts import facts, finder
    from pipeline.demo.web.network.convert import convert

    for name, file in (("model", bundle.folder / "model.onnx"), ("full", FOLDER / FULL.file),
                       ("short", FOLDER / SHORT.file)):
        (folder / f"{name}.bin").write_bytes(gzip.compress(convert(file), 9, mtime=0))
    shutil.copyfile(packages / RUNTIME / KERNELS, folder / "kernels.wasm")
    shutil.copyfile(FOLDER / "LICENSE", folder / "LICENSE-networks-and-kernels.txt")
    for file in [*PAGE.iterdir(), *BROWSER.glob("*.js")]:
        if file.parent == BROWSER or file.name not in SERVED:
            shutil.copyfile(file, folder / file.name)
    page, early = folder / "index.html", ""
    for name, kind in EARLY.items():
        early += f'\n<link rel="{kind}" href="{name}"{" as=fetch crossorigin" if kind == "preload" else ""}>'
    policy = f'<meta charset="utf-8">\n<meta http-equiv="Content-Security-Policy" content="{POLICY}">{early}'
    page.write_text(page.read_text(encoding="utf-8").replace('<meta charset="utf-8">', policy), encoding="utf-8")
    shutil.copytree(EMOJI, folder / "emoji")
    about = {**facts(bundle, Bounds()), "finder": finder()}
    (folder / "about.json").write_text(json.dumps(about), encoding="utf-8")
    _offline(folder)


def _offline(folder: Path) -> None:
    """Tell the service worker which files there are, and a version that changes with any of them."""
    worker = folder / "service-worker.js"
    files = sorted(file for file in folder.rglob("*") if file.is_file() and file != worker)
    digest = hashlib.sha256(b"".join(hashlib.sha256(file.read_bytes()).digest() for file in files))
    names = ["./", *(file.relative_to(folder).as_posix() for file in files)]
    head = f'const VERSION = "{digest.hexdigest()[:16]}";\nconst FILES = {json.dumps(names)};\n'
    worker.write_text(head + worker.read_text(encoding="utf-8"), encoding="utf-8")
