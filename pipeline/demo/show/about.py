"""The panel's lines about the model."""

import json

from pipeline.bundle.bundle import PROMOTION, Bundle


def about(bundle: Bundle) -> tuple[str, ...]:
    """The model's id and, where it was promoted, registered version, accuracy on PublicTest, as it is and
    corrupted, and protocol."""
    try:
        promotion = json.loads((bundle.folder / PROMOTION).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        promotion = {}
    lines = [f"model {bundle.id}"]
    if "name" in promotion and "version" in promotion:
        lines = [f"{promotion['name']} version {promotion['version']}, {bundle.id}"]
    if "PublicTest" in promotion:
        lines.append(f"PublicTest accuracy {promotion['PublicTest']:.1%}")
    if "corrupted" in promotion:
        lines.append(f"{promotion['corrupted']:.1%} on corrupted faces")
    if "protocol" in promotion:
        lines.append(f"{promotion['protocol']} protocol")
    return tuple(lines)
