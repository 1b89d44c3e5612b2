"""What a gap says of a stream that another detector went on with."""

from __future__ import annotations

import re

UNREADABLE = "the detector's state could not be read"
_FOLLOWED = re.compile(r"detector version (\d+) was followed by (\d+)")


def followed(former: int, latter: int) -> str:
    """Say that one detector version followed another.

    Examples
    --------
    >>> followed_in(followed(3, 4))
    (3, 4)
    """
    return f"detector version {former} was followed by {latter}"


def followed_in(why: str) -> tuple[int, int] | None:
    """Read what `followed` said; None if it says something else."""
    found = _FOLLOWED.fullmatch(why)
    return None if found is None else (int(found[1]), int(found[2]))
