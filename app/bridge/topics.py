"""Which device a topic belongs to."""

from __future__ import annotations

from dataclasses import dataclass

from app.errors import InvalidInput

DEVICE = "{device}"


@dataclass(frozen=True, slots=True)
class Topics:
    """Topics of all devices, such as ``devices/{device}/readings``.

    Parameters
    ----------
    pattern : str
        One level is ``{device}``; no wildcards.

    Raises
    ------
    InvalidInput
        If the pattern has no or several levels ``{device}``, or a wildcard.

    Examples
    --------
    >>> topics = Topics("plant/{device}/readings")
    >>> topics.filter, topics.device("plant/p-7/readings"), topics.of("p-7")
    ('plant/+/readings', 'p-7', 'plant/p-7/readings')
    >>> topics.device("plant/p-7/events")
    """

    pattern: str

    def __post_init__(self) -> None:
        if self.pattern.split("/").count(DEVICE) != 1:
            raise InvalidInput(
                f"{self.pattern!r} must have one level {DEVICE}, as "
                "devices/{device}/readings has"
            )
        if set("+#\0") & set(self.pattern):
            raise InvalidInput(f"{self.pattern!r} must have no wildcard + or #")

    @property
    def filter(self) -> str:
        """What to subscribe to."""
        return self.pattern.replace(DEVICE, "+")

    def device(self, topic: str) -> str | None:
        """Give the device of a topic; None: it is none of these."""
        levels, wanted = topic.split("/"), self.pattern.split("/")
        if len(levels) != len(wanted):
            return None
        at = wanted.index(DEVICE)
        device, levels[at] = levels[at], DEVICE
        return device if device and levels == wanted else None

    def of(self, device: str) -> str:
        """Give the topic of a device."""
        return self.pattern.replace(DEVICE, device)
