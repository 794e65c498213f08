"""The panel's lines about the model."""

from typing import Any

from pipeline.bundle.bundle import Bundle
from pipeline.bundle.promotion import caption
from pipeline.faces.protocols import phrase


def promotion_of(bundle: Bundle) -> dict[str, Any]:
    """What ``promote`` wrote beside the bundle (see ``bundle.promotion``); empty where it was not promoted."""
    return caption(bundle.folder)


def about(bundle: Bundle) -> tuple[str, ...]:
    """The model's id and, where it was promoted, registered version, accuracy on PublicTest, as it is and
    corrupted, and protocol."""
    promotion = promotion_of(bundle)
    lines = [f"model {bundle.id}"]
    if "name" in promotion and "version" in promotion:
        lines = [f"{promotion['name']} version {promotion['version']}, {bundle.id}"]
    if "PublicTest" in promotion:
        lines.append(f"PublicTest accuracy {promotion['PublicTest']:.1%}")
    if "corrupted" in promotion:
        lines.append(f"{promotion['corrupted']:.1%} on corrupted faces")
    if "protocol" in promotion:
        lines.append(phrase(str(promotion["protocol"])))
    return tuple(lines)
