"""A head painted from back to front."""

from pipeline.download.drawn import features, hair
from pipeline.download.drawn.head import Head


def paint(head: Head, body: bool = True) -> None:
    """Paint the whole head, from back to front; without ``body`` no shoulders."""
    hair.behind(head)
    head.neck()
    if body:
        head.shoulders()
    head.ears()
    head.skull()
    features.sockets(head)
    if head.look.beard:
        hair.beard(head)
    features.mouth(head)
    features.nose(head)
    features.folds(head)
    features.eyes(head)
    features.brows(head)
    hair.front(head)
    if head.look.glasses:
        features.glasses(head)
