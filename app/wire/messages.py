"""Every message of the device socket, as a type.

Fields that a message does not know are ignored; a `type` that nobody knows is refused.
The AsyncAPI document is made from these classes.
"""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias
from uuid import UUID

from msgspec import Meta, Struct

MAX_SEQ = 2**53
"""Beyond it a JSON number is no longer exact in every language."""

MAX_NAME = 64
"""Longest boot or profile name, in characters."""

MAX_WHY = 200
"""Longest reason of a skip, in characters."""


def _meta(text: str, **schema: Any) -> Meta:
    """Describe a field; `schema` is documented here and enforced by the session."""
    return Meta(description=text, extra_json_schema=schema or None)


_SEQ = {"minimum": 1, "maximum": MAX_SEQ}
_NAME = {"minLength": 1, "maxLength": MAX_NAME, "pattern": "^[ -~]+$"}

Row: TypeAlias = list[float | None]
Boot: TypeAlias = Annotated[
    str, _meta("New whenever the device loses its counter. Printable ASCII.", **_NAME)
]
ProfileName: TypeAlias = Annotated[
    str | None, _meta("A profile instead of the one the device is registered with.")
]
Values: TypeAlias = Annotated[
    list[Row] | bytes,
    _meta(
        "One list per reading, one number per channel, null where there is no value. "
        "In MessagePack also one bin: little-endian float32, row-major."
    ),
]
Seq: TypeAlias = Annotated[
    int | None,
    _meta("Number of the first reading: 1, 2, 3 ... per boot. Absent without hello."),
]
Time: TypeAlias = Annotated[
    float | list[float] | None,
    _meta("Seconds since the epoch of the first reading, or one per reading."),
]
Count: TypeAlias = Annotated[
    int | None,
    _meta(
        "How many readings `values` has: one that comes out differently is refused. "
        "Say it with a block, which does not show its own shape.",
        minimum=1,
    ),
]
EventId: TypeAlias = Annotated[UUID, _meta("The same again on every replay.")]
Instant: TypeAlias = Annotated[
    str, _meta("RFC 3339, UTC, microseconds.", format="date-time")
]


class Hello(Struct, tag="hello", frozen=True):
    """First message of a device that numbers its readings."""

    boot: Boot
    profile: ProfileName = None


class Readings(Struct, tag="readings", frozen=True, gc=False):
    """Consecutive readings."""

    values: Values
    seq: Seq = None
    time: Time = None
    n: Count = None


class Skip(Struct, tag="skip", frozen=True):
    """Readings that will never come: the device says so."""

    to: Annotated[int, _meta("Number of the next reading that comes.", **_SEQ)]
    why: Annotated[str, _meta("Why they are missing.", maxLength=MAX_WHY)] = "unsaid"


class End(Struct, tag="end", frozen=True):
    """The stream ends here: an event that is open is closed."""


DeviceMessage: TypeAlias = Hello | Readings | Skip | End


class Welcome(Struct, tag="welcome", frozen=True):
    """The stream is this connection's from now on."""

    generation: Annotated[int, _meta("Fencing number of this connection.")]
    ack: Annotated[int, _meta("Watermark: resend from `ack + 1`.")]
    window: Annotated[int, _meta("Most unacknowledged readings.")]
    max_readings: Annotated[int, _meta("Most readings of one message.")]
    profile: Annotated[str, _meta("The profile of this stream.")]
    channels: Annotated[list[str], _meta("Names of the channels, in their order.")]
    rate_hz: Annotated[float, _meta("Readings per second.")]
    detector_version: Annotated[int, _meta("The detector that finds the events.")]
    model_version: Annotated[int | None, _meta("The champion; null: none yet.")]
    boot: Annotated[str, _meta("The stream's boot, also when the server made it up.")]


class Ack(Struct, tag="ack", frozen=True, gc=False):
    """Everything up to here is durable."""

    ack: Annotated[int, _meta("The watermark.")]


class Onset(Struct, tag="onset", frozen=True):
    """An event has begun; it is still open and may be retracted."""

    event: EventId
    onset_seq: Annotated[int, _meta("First reading of the event.")]
    onset: Instant


class Prediction(Struct, tag="prediction", frozen=True):
    """What the champion says of an event."""

    event: EventId
    label: Annotated[str, _meta("The most probable class.")]
    probability: Annotated[float, _meta("Of the label, 0..1.")]
    unknown: Annotated[bool, _meta("No class is credible enough to act upon.")]
    model_version: Annotated[int, _meta("Which model said it.")]
    provisional: Annotated[bool, _meta("The event is still open.")]


class Event(Struct, tag="event", frozen=True):
    """An event has ended, and is durable."""

    event: EventId
    onset_seq: Annotated[int, _meta("First reading of the event.")]
    offset_seq: Annotated[int, _meta("First reading after it.")]
    onset: Instant
    offset: Instant
    peak: Annotated[float, _meta("Largest value of the characteristic function.")]
    flags: Annotated[list[str], _meta("What is special about it.")]


class Retract(Struct, tag="retract", frozen=True):
    """An announced onset came to nothing."""

    event: EventId


class Error(Struct, tag="error", frozen=True):
    """Why the connection is about to be closed."""

    title: Annotated[str, _meta("The same for every case of this kind.")]
    detail: Annotated[str, _meta("The value and the rule it breaks.")]
    retry: Annotated[bool, _meta("Whether to connect again without a change.")]


ServerMessage: TypeAlias = Welcome | Ack | Onset | Prediction | Event | Retract | Error
