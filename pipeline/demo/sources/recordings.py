"""Tells a recording behind http from a stream: both may have no duration, and only a stream is joined again."""

import base64
import urllib.error
import urllib.request
from urllib.parse import quote, unquote

# Types of playlists, which are short files whatever they list
PLAYLISTS = ("mpegurl", "dash+xml", "multipart/")


def is_file(address: str, timeout: float) -> bool:
    """Whether the server behind this http address says how many bytes there are, and so that they end.

    Args:
        timeout: seconds to wait for its answer.
    """
    if not address.startswith(("http://", "https://")):
        return False
    try:
        with urllib.request.urlopen(_request(address), timeout=timeout) as answer:
            length, kind = answer.headers.get("Content-Length", ""), answer.headers.get("Content-Type", "").lower()
    except (OSError, ValueError, urllib.error.URLError):
        return False
    return length.isdecimal() and int(length) > 0 and not any(playlist in kind for playlist in PLAYLISTS)


def _request(address: str) -> urllib.request.Request:
    """A request whose user name and password are in a header: urllib takes none in the address."""
    scheme, _, rest = address.partition("://")
    authority, slash, path = rest.partition("/")
    account, _, host = authority.rpartition("@")
    # As it is written, with blanks and letters of any language encoded
    request = urllib.request.Request(f"{scheme}://{host}{slash}{quote(path, safe='%/:=&?~#+!$,;@()*[]')}")
    if account:
        request.add_header("Authorization", "Basic " + base64.b64encode(unquote(account).encode()).decode())
    return request
