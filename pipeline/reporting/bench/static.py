"""``ferpipe bench-static``: how fast the static page is in the Chromium of this machine, and how much it downloads."""

import argparse
import contextlib
import gzip
import http.server
import json
import os
import shutil
import statistics
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from pipeline.reporting.bench.demo import DRAWN_SECONDS, FPS, SIZE
from pipeline.system import processor
from pipeline.system.atomic import atomic_file
from pipeline.system.failure import Failure
from pipeline.system.project import CHAMPION, model_folder

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
# With fewer frames, the figures are too uncertain for a report
FRAMES, STARTS, PAGE = 300, 3, Path("reports/bench-static.md")
# Files that are fetched after the first answer, or by nobody but the service worker
LATER = {"short.bin", "service-worker.js", "LICENSE-networks-and-kernels.txt", "emoji/LICENSE"}
# Frames before the clock starts
WARM = 60
# Seconds until a browser that does not answer is given up
PATIENCE = 180
# Frames that are on their way at a time: as the camera of the page has it, and as many as keep both workers busy
FLIGHTS = (1, 3)
# The browser itself takes a while to start, which is not the page's
WAITING = """<!doctype html><script>setTimeout(() => location.replace("bench.html"), 2000)</script>"""
# The page without its buttons. Frames go there and back, so that no two in a row are equal
HARNESS = """<!doctype html><meta charset="utf-8"><link rel="modulepreload" href="engine.js">
<link rel="preload" href="about.json" as="fetch" crossorigin>
<link rel="preload" href="kernels.wasm" as="fetch" crossorigin>
<script type="module">
import { open } from "./engine.js";
const { frames, people, flights, warm } = await (await fetch("bench.json")).json();
const load = async (name) => createImageBitmap(await (await fetch(name)).blob());
const report = (figures) => fetch("/figures", { method: "POST", body: JSON.stringify(figures) });
try {
  const [engine, first] = await Promise.all([open(), load(`bench/${people[0]}-0.jpg`)]);
  let seconds = 0;
  const see = (bitmap) => engine.frame(bitmap, bitmap.width, bitmap.height, seconds += 1 / 60);
  await see(first);
  const figures = { first: performance.now(), rates: [] };
  for (const count of frames.count ? people : []) {
    const names = Array.from({ length: frames.drawn }, (_, at) => `bench/${count}-${at}.jpg`);
    const bitmaps = await Promise.all(names.map(load));
    const run = async (length, flight) => {
      let at = 0;
      const lane = async () => {
        while (at < length) {
          const step = at++ % (2 * bitmaps.length - 2);
          await see(bitmaps[Math.min(step, 2 * bitmaps.length - 2 - step)]);
        }
      };
      const start = performance.now();
      await Promise.all(Array.from({ length: flight }, lane));
      return 1000 * length / (performance.now() - start);
    };
    for (const flight of flights) {
      await run(warm, flight);
      figures.rates.push({ people: count, flight, rate: await run(frames.count, flight) });
    }
  }
  await report(figures);
} catch (error) {
  await report({ error: String(error.stack ?? error) });
}
</script>"""


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves a folder, and keeps what the browser reports."""

    protocol_version = "HTTP/1.1"

    def __init__(self, *args, figures: list[dict], reported: threading.Event, **kwargs):
        self.figures, self.reported = figures, reported
        super().__init__(*args, **kwargs)

    def do_POST(self) -> None:
        self.figures.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(204)
        self.end_headers()
        self.reported.set()

    def log_message(self, *_) -> None:
        pass


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, request, client_address) -> None:
        """A browser that ends closes its connections."""


def measured(site: Path, program: str) -> dict:
    """What ``HARNESS``, which is in the site as bench.html, finds in a browser that was never there before."""
    figures: list[dict] = []
    reported = threading.Event()
    handler = partial(Handler, directory=str(site), figures=figures, reported=reported)
    flags = ["--headless=new", "--disable-gpu", "--no-first-run", "--disable-background-networking",
             "--disable-component-update", "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1"]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        flags.append("--no-sandbox")  # which root cannot have
    with Server(("127.0.0.1", 0), handler) as server, tempfile.TemporaryDirectory(
            ignore_cleanup_errors=True) as profile:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        browser = subprocess.Popen([program, *flags, f"--user-data-dir={profile}",
                                    f"http://127.0.0.1:{server.server_port}/waiting.html"],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            reported.wait(PATIENCE)
        finally:
            browser.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                browser.wait(10)
            browser.kill()
            server.shutdown()
    if not figures or "error" in figures[0]:
        raise Failure(f"the static page does not run in {program}: {(figures or [{}])[0].get('error', 'no answer')}")
    return figures[0]


def prepare(site: Path, frames: int) -> None:
    """Put the harness and the drawn frames into a site."""
    import cv2

    from pipeline.download.drawn import clip

    (site / "bench").mkdir()
    drawn = 0
    for people in (1, 4):
        for drawn, frame in enumerate(clip.frames(DRAWN_SECONDS, FPS, SIZE, people=people), 1):
            cv2.imwrite(str(site / f"bench/{people}-{drawn - 1}.jpg"), frame)
    (site / "waiting.html").write_text(WAITING, encoding="utf-8")
    (site / "bench.html").write_text(HARNESS, encoding="utf-8")
    _tell(site, drawn, frames)


def _tell(site: Path, drawn: int, frames: int) -> None:
    (site / "bench.json").write_text(json.dumps({"frames": {"drawn": drawn, "count": frames}, "people": [1, 4],
                                                 "flights": FLIGHTS, "warm": WARM}), encoding="utf-8")


def downloads(site: Path) -> Iterator[tuple[str, int]]:
    """The files that are needed until the first answer, with their bytes under gzip -9."""
    for file in sorted(site.rglob("*")):
        name = file.relative_to(site).as_posix()
        if file.is_file() and name not in LATER:
            yield name, len(gzip.compress(file.read_bytes(), 9))


def main(argv: list[str] | None = None) -> None:
    """Frames a second from memory, milliseconds to the first answer, and megabytes to download, of the static page."""
    parser = argparse.ArgumentParser("ferpipe bench-static", description=main.__doc__)
    parser.add_argument("--frames", metavar="N", type=int, default=FRAMES,
                        help=f"frames per measurement (default: {FRAMES}); fewer are printed only")
    parser.add_argument("--model", metavar="DIR", type=Path, default=model_folder(),
                        help=f"a model bundle (default: {CHAMPION.as_posix()} here, else the one that was installed)")
    args = parser.parse_args(argv)
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        raise Failure(f"no Chromium is installed: there is none of {', '.join(PROGRAMS)}")

    from pipeline.bundle.bundle import Bundle
    from pipeline.demo.web import build

    bundle = Bundle.load(args.model)
    with tempfile.TemporaryDirectory() as folder:
        site = Path(folder)
        build.fill(site, bundle, build.fetch(build.NPM))
        sizes = dict(downloads(site))
        prepare(site, args.frames)
        figures = measured(site, program)
        _tell(site, 0, 0)
        first = statistics.median([figures["first"], *(measured(site, program)["first"] for _ in range(STARTS - 1))])
    text = table(figures["rates"], first, sizes)
    print(text)
    if args.frames >= FRAMES:
        version = subprocess.run([program, "--version"], capture_output=True, text=True).stdout.strip()
        with atomic_file(PAGE) as new:
            new.write_text(page(text, version, bundle.id, args.frames), encoding="utf-8")
        print(f"bench-static: {PAGE}")


def table(rates: list[dict], first: float, sizes: dict[str, int]) -> str:
    """The figures: ``first`` in milliseconds, ``sizes`` in bytes by file."""
    largest = ("kernels.wasm", "full.bin", "model.bin")
    parts = [f"{name} {sizes[name] / 1e6:.2f}" for name in largest]
    rest = sum(size for name, size in sizes.items() if name not in largest)
    return "\n".join([
        "| faces | frames on their way | frames a second |", "|---:|---:|---:|",
        *(f"| {row['people']} | {row['flight']} | {row['rate']:.1f} |" for row in rates), "",
        f"From the start of loading to the first answer: {first / 1000:.2f} s, median of {STARTS} new browsers.",
        f"Until then {sum(sizes.values()) / 1e6:.2f} MB come, compressed: {', '.join(parts)}, "
        f"the rest {rest / 1e6:.2f}."])


def page(text: str, browser: str, model: str, frames: int) -> str:
    """bench-static.md."""
    return f"""# The static page's speed

{processor.describe()}; {browser}, without a graphics processor;
model {model}; {frames} drawn frames at {SIZE[0]}x{SIZE[1]} from memory, each unlike the one before.

{text}

A camera's next frame is sent when the last one is answered. With more on their way, as from a program, the next faces
are found while the last ones are classified. A frame of a quick stream classifies two faces at most, those first that
were not for the longest time. Generated by `make bench-static`.
"""
