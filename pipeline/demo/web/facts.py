"""What the page needs to know: the model, its classes and colours, how faces are tracked, and the limits."""

from dataclasses import asdict
from typing import Any

from pipeline.bundle.bundle import Bundle
from pipeline.demo.see import detector, tracks, watcher
from pipeline.demo.see.blazeface import network
from pipeline.demo.see.boxes import UNSURE
from pipeline.demo.show.about import promotion_of
from pipeline.demo.show.view import EMOJI, colours
from pipeline.demo.web.bounds import Bounds


def facts(bundle: Bundle, bounds: Bounds) -> dict:
    """The page's ``about.json`` (``answers.About``); colours as in CSS, times in seconds."""
    promotion = promotion_of(bundle)
    return {
        "model": bundle.id, "about": _lines(bundle, promotion), "classes": list(bundle.classes),
        "dataset": bundle.provenance.dataset, "accuracy": promotion.get("PublicTest"),
        "temperature": bundle.temperature, "crop_margin": bundle.crop_margin, "unsure_below": UNSURE,
        "colours": {name: _css(colours(bundle.classes)[name]) for name in bundle.classes},
        "emoji": [name for name in bundle.classes if (EMOJI / f"{name}.png").is_file()],
        "follow": {"half_life": tracks.HALF_LIFE, "box_half_life": tracks.BOX_HALF_LIFE, "hold": tracks.HOLD,
                   "lead": tracks.LEAD, "move": tracks.MOVE, "grow": tracks.GROW},
        "bounds": asdict(bounds),
    }


def _lines(bundle: Bundle, promotion: dict[str, Any]) -> list[str]:
    """What a visitor may want to know about the model, in words that need no knowledge of the project."""
    version = f"{promotion['name']}, version {promotion['version']}" if {"name", "version"} <= promotion.keys() else ""
    lines = [f"Model: {version} ({bundle.id})" if version else f"Model: {bundle.id}"]
    if "PublicTest" in promotion:
        pictures = "FER-2013's test photographs" if bundle.provenance.dataset == "fer2013" else "its test pictures"
        damaged = f", {promotion['corrupted']:.1%} when they are damaged" if "corrupted" in promotion else ""
        lines.append(f"right for {promotion['PublicTest']:.1%} of {pictures} (PublicTest){damaged}")
    return lines


def _css(colour: tuple[int, int, int]) -> str:
    blue, green, red = colour
    return f"#{red:02x}{green:02x}{blue:02x}"


def finder() -> dict:
    """What the static page's detector needs to know: the constants of ``detector.BlazeFace`` and its networks."""
    kinds = {name: {"size": kind.size, "grids": kind.grids, "scale": kind.scale, "lift": kind.lift}
             for name, kind in (("full", network.FULL), ("short", network.SHORT))}
    return {
        **kinds, "same": {"overlap": network.OVERLAP, "inside": network.INSIDE},
        "live": detector.LIVE, "candidate": detector.CANDIDATE, "picture": detector.PICTURE, "sure": detector.SURE,
        "upright": detector.UPRIGHT, "rolled": detector.ROLLED, "close": detector.CLOSE, "closer": detector.CLOSER,
        "squares": detector.SQUARES, "least": detector.LEAST, "overlap": detector.OVERLAP,
        "quarters": detector.QUARTERS, "share": detector.SHARE, "lift": detector.LIFT, "every": watcher.EVERY,
    }
