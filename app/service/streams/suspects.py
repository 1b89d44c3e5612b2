"""Streams on which a detector failed lately: what comes again is taken with care."""

from __future__ import annotations

from collections import OrderedDict

REMEMBERED = 1000
"""Streams; the one that was noted longest ago is forgotten first."""


class Suspects:
    """How far each of these streams is to be taken reading by reading.

    Examples
    --------
    >>> suspects = Suspects()
    >>> suspects.note("band-1", "b", 51)
    >>> suspects.until("band-1", "b"), suspects.until("band-2", "b")
    (51, 0)
    """

    def __init__(self, remembered: int = REMEMBERED) -> None:
        self._remembered = remembered
        self._until: OrderedDict[tuple[str, str], int] = OrderedDict()

    def note(self, device: str, boot: str, next_seq: int) -> None:
        """Note that the detector failed on a reading before `next_seq`."""
        self._until[device, boot] = next_seq
        self._until.move_to_end((device, boot))
        while len(self._until) > self._remembered:
            self._until.popitem(last=False)

    def until(self, device: str, boot: str) -> int:
        """Give the first reading that need not be suspected; 0: none is."""
        return self._until.get((device, boot), 0)
