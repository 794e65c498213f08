"""Addresses as they may be shown: without user names, passwords and tokens."""

import re
from urllib.parse import unquote

# What addresses of cameras and databases call their secrets, in a query or, as recorders do, in the path
_SECRET = re.compile(r"((?:user|login|pass|pwd|psw|token|secret|auth|key|sig)\w*=).*", re.I | re.S)


def is_address(text: str) -> bool:
    """Whether it begins with a scheme and two slashes, as ``rtsp://`` or ``RTSP://``."""
    return re.match(r"[a-z][a-z0-9+.-]+://", text, re.I) is not None


def shown(address: str) -> str:
    """An address for messages and file names, its secrets as ``***``.

    User name and password may hold any characters, so everything up to the last ``@`` counts as theirs. A path of a
    file comes back as it is.
    """
    if re.match(r"(sqlite|file):", address, re.I):
        return address
    text = re.sub(r"^(\s*[a-z][a-z0-9+.-]+:/*).*@", r"\1***@", address, flags=re.I | re.S)
    if is_address(text.strip()):
        text = re.sub(r"[?#].*", "?***", text, flags=re.S)
        text = _SECRET.sub(r"\1***", text)
    return text


def without_secrets(text: str, address: str) -> str:
    """A library's message with ``***`` for an address's user name and password, escaped or not, and for each part of
    them that has more than three characters. A shorter part is still shown."""
    text = text.replace(address, shown(address))
    secrets = []
    if (match := re.match(r"\s*[a-z][a-z0-9+.-]+:/*(.*)@", address, re.I | re.S)) is not None:
        secrets = [match[1], *match[1].split(":", 1)]
    secrets += re.findall(r"(?:pass|pwd|psw|token|secret|auth|key|sig)\w*=([^&;#]+)", address, re.I)
    forms = {*secrets, *map(unquote, secrets)} - {""}
    # A library that ends them elsewhere, at another @ say, takes the rest for a host or a path
    parts = {part for form in forms for part in re.split(r"[][@:/?#]", form) if len(part) > 3}
    for secret in sorted(forms | parts, key=len, reverse=True):
        # A short one is part of other words
        pattern = re.escape(secret) if len(secret) > 3 else rf"(?<!\w){re.escape(secret)}(?!\w)"
        text = re.sub(pattern, "***", text, flags=re.I)
    return text
