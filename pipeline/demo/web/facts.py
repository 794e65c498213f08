"""What the page needs to know: the model, its classes and colours, how faces are tracked, and the limits."""

from dataclasses import asdict

from pipeline.bundle.bundle import Bundle
from pipeline.demo.see import tracks
from pipeline.demo.see.boxes import UNSURE
from pipeline.demo.show.about import about
from pipeline.demo.show.view import EMOJI, colours
from pipeline.demo.web.bounds import Bounds


def facts(bundle: Bundle, bounds: Bounds) -> dict:
    """The page's ``about.json`` (``answers.About``); colours as in CSS, times in seconds."""
    return {
        "model": bundle.id, "about": list(about(bundle)), "classes": list(bundle.classes),
        "temperature": bundle.temperature, "crop_margin": bundle.crop_margin, "unsure_below": UNSURE,
        "colours": {name: _css(colours(bundle.classes)[name]) for name in bundle.classes},
        "emoji": [name for name in bundle.classes if (EMOJI / f"{name}.png").is_file()],
        "follow": {"half_life": tracks.HALF_LIFE, "box_half_life": tracks.BOX_HALF_LIFE, "hold": tracks.HOLD,
                   "lead": tracks.LEAD, "move": tracks.MOVE, "grow": tracks.GROW},
        "bounds": asdict(bounds),
    }


def _css(colour: tuple[int, int, int]) -> str:
    blue, green, red = colour
    return f"#{red:02x}{green:02x}{blue:02x}"

