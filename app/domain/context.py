"""What was known beside an event's window when it was named, kept with the event.

Two parts: what had happened before in its session, which is the stream of one device
and boot, and what was known of its device from the past.  Both are facts, in names and
seconds; what a model reads of them, `app.features` computes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from app.domain.arrays import Json
from app.errors import InvalidInput

MOST = 1e15
"""No number of a context is larger."""


class Beside(StrEnum):
    """What is kept beside the windows of a profile's events, for models to read."""

    NONE = "none"
    SESSION = "session"
    """What happened before in the event's session."""
    DEVICE = "session+device"
    """And what is known of its device from the past."""


@dataclass(frozen=True, slots=True)
class Earlier:
    """An event before, in the same session.

    Parameters
    ----------
    seconds_ago : float >= 0
        From its end to the onset of the event that it is told of.
    seconds : float >= 0
        How long it was.
    label : str
        What it was called when it ended; "" if nothing could name it.
    probability : float in [0, 1]
    unknown : bool
    probabilities : mapping of class to probability
        Of the event just before, the classes that had 0.01 at least; else empty.
    """

    seconds_ago: float
    seconds: float
    label: str = ""
    probability: float = 0.0
    unknown: bool = False
    probabilities: Mapping[str, float] | None = None


@dataclass(frozen=True, slots=True)
class Past:
    """What was known of a device from its events, as of a time.

    Parameters
    ----------
    at : str, RFC 3339
        Nothing that came later is in it.
    events : int >= 1
        How many it is made of, the newest.
    seconds : (median, spread)
        How long they were; the spread is half of what the middle half spans.
    shares : mapping of class to the share of the events that were of it
    log_power : tuple of (mean, standard deviation), one per channel
        Of the feature of this name.
    """

    at: str
    events: int
    seconds: tuple[float, float]
    shares: Mapping[str, float]
    log_power: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Context:
    """What was known beside an event's window when it was named.

    Parameters
    ----------
    events : int >= 0
        Events before it in its session.
    earlier : tuple of Earlier
        The last ones, the newest first.
    within : tuple of int
        How many had ended within the last 10, 60 and 600 s before its onset.
    past : Past or None
        None: nothing was known of the device, or it was not asked for.
    """

    events: int = 0
    earlier: tuple[Earlier, ...] = ()
    within: tuple[int, int, int] = (0, 0, 0)
    past: Past | None = None

    def to_json(self) -> dict[str, object]:
        """Return plain JSON, exact to the last bit; `from_json` reads it."""
        return {
            "events": self.events,
            "earlier": [_earlier_json(one) for one in self.earlier],
            "within": list(self.within),
            "past": None if self.past is None else past_json(self.past),
        }

    @classmethod
    def from_json(cls, data: Json) -> Context:
        """Read what `to_json` wrote.

        Raises
        ------
        InvalidInput
            If it is not whole.
        """
        try:
            past = data.get("past")
            ten, minute, long = (
                int(_number("within", n)) for n in data.get("within", (0, 0, 0))
            )
            return cls(
                int(_number("events", data.get("events", 0))),
                tuple(_earlier(one) for one in data.get("earlier", ())),
                (ten, minute, long),
                None if past is None else past_of(past),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InvalidInput(f"the context is not whole: {error!r}") from error


def past_json(past: Past) -> dict[str, object]:
    """Return plain JSON; `past_of` reads it."""
    return {
        "at": past.at,
        "events": past.events,
        "seconds": list(past.seconds),
        "shares": dict(past.shares),
        "log_power": [list(pair) for pair in past.log_power],
    }


def past_of(data: Json) -> Past:
    """Read what `past_json` wrote."""
    median, spread = (_number("seconds", v) for v in data["seconds"])
    return Past(
        str(data["at"]),
        int(_number("events", data["events"])),
        (median, spread),
        _shares("shares", data["shares"]),
        tuple(
            (_number("log_power", mean, -MOST), _number("log_power", deviation))
            for mean, deviation in data["log_power"]
        ),
    )


def _number(name: str, value: object, least: float = 0.0, most: float = MOST) -> float:
    """Check a number that somebody may have sent."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidInput(f"{name} of a context must be numbers")
    if not least <= value <= most:
        raise InvalidInput(
            f"{name}={value!r} of a context must be {least:g} to {most:g}"
        )
    return float(value)


def _shares(name: str, data: Json) -> dict[str, float]:
    return {str(k): _number(f"{name}[...]", v, 0.0, 1.0) for k, v in data.items()}


def _earlier_json(one: Earlier) -> dict[str, object]:
    said: dict[str, object] = {
        "seconds_ago": one.seconds_ago,
        "seconds": one.seconds,
        "label": one.label,
        "probability": one.probability,
        "unknown": one.unknown,
    }
    if one.probabilities is not None:
        said["probabilities"] = dict(one.probabilities)
    return said


def _earlier(data: Json) -> Earlier:
    said = data.get("probabilities")
    return Earlier(
        _number("seconds_ago", data["seconds_ago"]),
        _number("seconds", data["seconds"]),
        str(data.get("label", "")),
        _number("probability", data.get("probability", 0.0), 0.0, 1.0),
        bool(data.get("unknown", False)),
        None if said is None else _shares("probabilities", said),
    )
