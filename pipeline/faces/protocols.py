"""Protocols: whether a training may see copies of the test images, and what people and files call that.

FER-2013 holds many photographs more than once, some in Training and in a test split.
"""

# By balance.drop_leaks: how manifests, ledger entries and files name the protocol. The word of 1.x for *without exact
# copies* stays there, so that what has been trained and measured is found again
OF_DROP_LEAKS = {"none": "published", "exact": "leak-free", "near": "copy-free"}
# How a person reads them
TITLES = {"published": "published", "leak-free": "without exact copies", "copy-free": "without copies"}


def title(protocol: str) -> str:
    """What a table calls a protocol: ``without exact copies``."""
    return TITLES.get(protocol, protocol)


def phrase(protocol: str) -> str:
    """The same within a sentence: ``published protocol``, ``protocol without copies``."""
    words = title(protocol)
    return f"protocol {words}" if words.startswith("without ") else f"{words} protocol"


def of_all(protocols: set[str]) -> str:
    """The protocol of an ensemble, whose members have these: the one that holds for every one of them."""
    if protocols == {"copy-free"}:
        return "copy-free"
    return "leak-free" if protocols <= {"leak-free", "copy-free"} else "published"
