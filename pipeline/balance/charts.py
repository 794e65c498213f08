"""Pictures of balance: classes and splits before and after, and what the augmentation does to (drawn) faces."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.balance.warp import warp
from pipeline.faces.corruptions import Corruption
from pipeline.faces.faces import SIZE, SPLITS, Faces
from pipeline.faces.protocols import phrase
from pipeline.params.params import Params
from pipeline.system.plotting import BLUE, GRAY, ORANGE, save

COLOURS = dict(zip(SPLITS, (BLUE, ORANGE, GRAY), strict=True))
VARIANTS = 8
RANGES = ("rotation", "shear", "zoom", "translation")
NOT_DRAWN = ("brightness", "contrast", "erasing")
# What stands for a degradation of training, which draws its strength anew for every face
DEGRADATIONS = {"blur": Corruption("blur", 1.5), "jpeg": Corruption("jpeg", 20), "noise": Corruption("noise", 15),
                "gamma": Corruption("gamma", 2), "misplaced": Corruption("box", 20),
                "mouth_hidden": Corruption("mouth-hidden"), "glasses": Corruption("eyes-hidden")}


def counts(path: Path, faces: Faces) -> None:
    """Images per class and split before and after balancing; copies are hatched. ``faces`` come from ``balance``."""
    from matplotlib.figure import Figure

    manifest: Mapping[str, Any] = faces.manifest
    copied = np.array(["#" in name for name in faces.ids], bool)
    copies = [int((copied & (faces.labels == label)).sum()) for label in range(len(faces.classes))]
    figure = Figure(figsize=(12, 6.2), layout="constrained")
    axes = figure.subplots(1, 2, sharex=True, sharey=True)
    top = max(n for key in ("counts_before", "counts") for row in manifest[key].values() for n in row.values())
    positions = np.arange(len(faces.classes))
    sides = (("counts_before", "as they came"), ("counts", f"after balance: {manifest['strategy']}"))
    for axis, (key, title) in zip(axes, sides, strict=True):
        for row, split in enumerate(SPLITS):
            numbers = np.array(list(manifest[key][split].values()))
            heights = positions + 0.27 * (row - 1)
            added = np.array(copies) if key == "counts" and split == "Training" else np.zeros_like(numbers)
            axis.barh(heights, numbers - added, 0.25, color=COLOURS[split], label=split)
            if added.any():
                axis.barh(heights, added, 0.25, left=numbers - added, facecolor="white", edgecolor=COLOURS[split],
                          hatch="////", linewidth=0.8, label="copies, in Training")
            for height, number in zip(heights, numbers.tolist(), strict=True):
                axis.text(number + top / 100, height, f"{number:,}", va="center", fontsize=8)
        totals = ", ".join(f"{split} {sum(manifest[key][split].values()):,}" for split in SPLITS)
        axis.set(yticks=positions, yticklabels=faces.classes, xlim=(0, 1.12 * top), xlabel="images")
        axis.set_title(f"{title}\n{totals}", fontsize=10)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].invert_yaxis()
    handles, labels = axes[1].get_legend_handles_labels()
    figure.legend(handles, labels, frameon=False, ncols=4, loc="outside upper center")
    stamp = (f"{manifest.get('dataset')}, {manifest.get('edition')}, strategy {manifest['strategy']}, "
             f"{phrase(manifest['protocol'])}, data {str(manifest['source_digest'])[:8]}")
    figure.supxlabel(stamp, fontsize=8, color="#555555")
    save(path, figure)


def augmentation(path: Path, params: Params) -> None:
    """Drawn faces under balance's transformations and under the batch augmentation's ranges.

    The training itself augments on the accelerator (pipeline.training.augment); here OpenCV draws the same maps from
    the same ranges, as Keras would take longer to import than the whole stage.
    """
    from matplotlib.figure import Figure

    originals = _drawn()
    rng = np.random.default_rng(params.seed)
    batch = params.augment
    # what a block says, its images, what stands above each of their columns
    blocks: list[tuple[str, np.ndarray | None, list[str]]] = []
    kept = params.balance.model_dump(include={"rotation", "shear", "zoom", "flip"})
    if params.balance.strategy == "augment_to":
        blocks.append((f"balance makes copies: {_words(kept)}", _variants(originals, rng, kept), []))
    else:
        says = {"replicate": "exact copies"}.get(params.balance.strategy, "no copies")
        blocks.append((f"balance: {params.balance.strategy}, {says}", None, []))
    ranges = {name: batch.strength * getattr(batch, name) for name in RANGES}
    drawn = {**ranges, "flip": batch.flip}
    rest = {name: getattr(batch, name) for name in NOT_DRAWN if getattr(batch, name)}
    more = f"; not drawn: {', '.join(f'{name} {value:g}' for name, value in rest.items())}" if rest else ""
    if any(drawn.values()):
        blocks.append((f"training adds to a batch, ranges of the recipe:\n{_words(drawn)}, fill {batch.fill}{more}",
                       _variants(originals, rng, {**drawn, "fill": batch.fill}), []))
    else:
        blocks.append((f"training adds no rotation, shear, zoom, shift or mirror to a batch{more}", None, []))
    if degradations := {name: share for name in DEGRADATIONS if (share := getattr(batch, name))}:
        degraded = np.stack([DEGRADATIONS[name](originals) for name in degradations], axis=1)
        blocks.append((f"training degrades faces, up to {100 * batch.severity:.0f} % of each range, drawn at one "
                       "strength;\nabove, the share of faces", degraded,
                       [f"{name.replace('_', ' ')}\n{100 * share:.0f} %" for name, share in degradations.items()]))

    heights = [0.3 if images is None else len(originals) + 0.5 + 0.2 * bool(names) for _, images, names in blocks]
    figure = Figure(figsize=(VARIANTS + 1, sum(heights) + 0.8), layout="constrained")
    parts = figure.subfigures(len(blocks), 1, squeeze=False, height_ratios=heights)[:, 0]
    for part, (title, images, names) in zip(parts, blocks, strict=True):
        part.suptitle(title, fontsize=10)
        if images is None:
            continue
        grid = part.subplots(len(originals), VARIANTS + 1, squeeze=False)
        for axis in grid.flat:
            axis.axis("off")
        for row, original in enumerate(originals):
            for axis, image in zip(grid[row], (original, *images[row]), strict=False):
                axis.imshow(image, cmap="gray", vmin=0, vmax=255)
        for axis, name in zip(grid[0], ("unchanged", *names), strict=False):
            axis.set_title(name, fontsize=9)
    figure.supxlabel(f"recipe {params.recipe}; drawn faces stand for the data set's, which are not published",
                     fontsize=8, color="#555555")
    save(path, figure)


def _drawn() -> np.ndarray:
    """Three drawn people at the data set's size, uint8 (3, 48, 48); the same whatever the parameters are."""
    import cv2

    from pipeline.download.drawn.sample import draw_portrait

    faces = []
    for seed, expression in enumerate(("happy", "surprise", "angry"), start=4):
        gray = cv2.cvtColor(draw_portrait(expression, 200, seed), cv2.COLOR_BGR2GRAY)
        faces.append(cv2.resize(gray[26:166, 30:170], (SIZE, SIZE), interpolation=cv2.INTER_AREA))
    return np.stack(faces)


def _variants(originals: np.ndarray, rng: np.random.Generator, ranges: dict[str, Any]) -> np.ndarray:
    """uint8 ``(faces, VARIANTS, H, W)``: each original under random maps within these ranges."""
    repeated = np.repeat(originals, VARIANTS, axis=0)
    return warp(repeated, rng, **ranges).reshape(len(originals), VARIANTS, *originals.shape[1:])


def _words(ranges: dict[str, Any]) -> str:
    words = [f"±{value:g}° rotation" if name == "rotation" else f"±{100 * value:g} % {name}"
             for name, value in ranges.items() if value and name != "flip"]
    return ", ".join(words + (["mirrored half of the time"] if ranges["flip"] else [])) or "unchanged"
