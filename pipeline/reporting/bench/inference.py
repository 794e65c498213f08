"""``ferpipe bench``: how fast, how soon ready, how large a model is under every runtime, beside S1's network.

What it prints for 1,000 calls or more it also writes to reports/bench.md and bench.json.
"""

import argparse
import json
import platform
import tempfile
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import cast

import numpy as np

from pipeline.bundle.bundle import Bundle
from pipeline.reporting.bench.timing import BATCHES, Row, measure
from pipeline.system import processor
from pipeline.system.atomic import atomic_file
from pipeline.system.failure import Failure
from pipeline.system.project import CHAMPION
from pipeline.tracking import ledger
from pipeline.training.config import NetConfig
from pipeline.training.importing import quiet

# With fewer, a p95 is too uncertain for a report
CALLS = 1000
GOAL = 1.0
PACKAGES = ("numpy", "keras", "tensorflow", "onnxruntime", "ai-edge-litert")
S1: NetConfig = {"seed": 1, "classes": [""] * 7, "model": {"name": "cas"}}


def contest(bundle: Bundle, folder: Path) -> list[Row]:
    """The bundle's network and S1's under every runtime and in both precisions, as files in an empty ``folder``."""
    with quiet():
        import keras

        from pipeline.training.loop import build_net
        from pipeline.training.models import with_softmax

    keras_file = bundle.folder / "model.keras"
    if keras_file.exists():
        net = keras.saving.load_model(keras_file, compile=False, safe_mode=True)
    else:
        # the champion in git comes without: the same network with fresh weights takes the same time
        net = with_softmax(build_net(cast(NetConfig, bundle.provenance.config)))
    theirs = with_softmax(build_net(S1))
    return [*_rows(bundle.provenance.recipe, net, folder / "ours", bundle),
            *_rows("S1's, `cas`", theirs, folder / "cas", None)]


def _rows(network: str, net, folder: Path, bundle: Bundle | None) -> list[Row]:
    """One network's files and rows; of a bundle the ONNX file that it has stays as it is."""
    from pipeline.bundle.export import export
    from pipeline.bundle.int8 import static
    from pipeline.reporting.bench.litert import convert

    folder.mkdir()
    net.save(folder / "net.keras")
    files = {"float32": folder / "float32.onnx", "int8": folder / "int8.onnx"}
    if bundle:
        files["int8" if bundle.provenance.quantised else "float32"] = bundle.folder / "model.onnx"
    # int8 is calibrated on noise: the ranges do not matter to the time
    noise = np.random.default_rng(0).integers(0, 256, (max(BATCHES), 48, 48), dtype="uint8")
    if not files["float32"].exists():
        export(net, files["float32"])
    if not files["int8"].exists():
        static(files["float32"], files["int8"], noise)
    for batch in BATCHES:
        convert(net, folder / f"float32-{batch}.tflite", batch)
        convert(net, folder / f"int8-{batch}.tflite", batch, noise)
    rows = [Row(network, "Keras predict", "float32", str(folder / "net.keras"))]
    for precision, file in files.items():
        rows += [Row(network, "ONNX Runtime", precision, str(file)),
                 Row(network, "LiteRT", precision, str(folder / f"{precision}-{{batch}}.tflite"))]
    return rows


def table(rows: list[dict]) -> str:
    """The rows in Markdown."""
    lines = ["| network | runtime | precision | " + " | ".join(f"batch {batch}, ms" for batch in BATCHES)
             + " | ready, s | memory, MB | file, MB |", "|---|---|---|" + "---:|" * (len(BATCHES) + 3)]
    for row in rows:
        times = [f"{time['p50']:.2f} / {time['p95']:.2f}" for time in row["milliseconds"].values()]
        lines.append(f"| {row['network']} | {row['runtime']} | {row['precision']} | {' | '.join(times)} "
                     f"| {row['seconds_to_first']:.2f} | {row['resident_bytes'] / 1e6:.0f} "
                     f"| {row['file_bytes'] / 1e6:.2f} |")
    return "\n".join(lines)


def conclusion(rows: list[dict]) -> str:
    """The time of a face at batch 1 with the bundle's fastest file, against Keras predict and S1's network."""
    def p50(row: dict) -> float:
        return row["milliseconds"]["1"]["p50"]

    ours = [row for row in rows if row["network"] == rows[0]["network"]]
    theirs = [row for row in rows if row["network"] != rows[0]["network"]]
    best = min(ours, key=p50)
    same = next(row for row in theirs if (row["runtime"], row["precision"]) == (best["runtime"], best["precision"]))
    verdict = "within" if p50(best) <= GOAL else "beyond"
    return (f"One face, one thread: {p50(best):.2f} ms with {best['network']} in {best['precision']} under "
            f"{best['runtime']} ({verdict} the goal of {GOAL:.0f} ms). Keras predict takes "
            f"{p50(ours[0]) / p50(best):.0f} times as long; S1's network {p50(same) / p50(best):.1f} times under the "
            f"same runtime and {p50(theirs[0]) / p50(best):.0f} times under Keras predict.")


def page(report: dict) -> str:
    """bench.md."""
    versions = ", ".join(f"{name} {number}" for name, number in report["versions"].items())
    return f"""# Inference

{report['machine']}, {report['platform']}, Python {report['python']}; {versions}.
Bundle {report['bundle']}, {report['time']}.

{table(report['rows'])}

{conclusion(report['rows'])}

Milliseconds of a call, p50 / p95 of {report['calls']:,} calls, on one thread; all rows are timed in turn, so that their
ratios hold on a busy machine too. *Ready*: from the start of the process to the first prediction, the median of three.
*Memory*: resident after it. Files that the bundle does not have were made for this table: fresh weights and ranges
from noise take the same time. Generated by `make bench`; the rows are in bench.json.
"""


def main(argv: list[str] | None = None) -> None:
    """Time a model under ONNX Runtime, LiteRT and Keras, in float32 and int8, beside S1's network; about 20 minutes."""
    parser = argparse.ArgumentParser("ferpipe bench", description=main.__doc__)
    parser.add_argument("bundle", metavar="BUNDLE", nargs="?", type=Path, default=CHAMPION,
                        help="a bundle's folder; default: champion")
    parser.add_argument("--calls", type=int, default=CALLS,
                        help=f"of each network and batch size; figures of fewer than {CALLS:,} are printed only")
    options = parser.parse_args(argv)
    if options.calls < 1:
        parser.error("--calls: at least 1")
    bundle = Bundle.load(options.bundle)
    if bundle.provenance.recipe == ledger.ENSEMBLE:
        raise Failure(f"{bundle.folder}: is an ensemble, which has no Keras network; name one of its members")
    with tempfile.TemporaryDirectory() as folder:
        rows = contest(bundle, Path(folder))
        measure(rows, options.calls)
        report = {
            "bundle": bundle.id,
            "calls": options.calls,
            "machine": processor.describe(),
            "platform": platform.platform(terse=True),
            "python": platform.python_version(),
            "versions": {name: version(name) for name in PACKAGES},
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
            "rows": [row.about() for row in rows],
        }
    print(f"{table(report['rows'])}\n\n{conclusion(report['rows'])}")
    if options.calls >= CALLS:
        reports = ledger.folder(bundle.provenance.dataset).parent
        for name, text in (("bench.md", page(report)), ("bench.json", json.dumps(report, indent=1) + "\n")):
            with atomic_file(reports / name) as new:
                new.write_text(text, encoding="utf-8")
        print(f"bench: {reports / 'bench.md'}")
