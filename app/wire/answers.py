"""The frames that a server says of its own accord."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from app.domain import Event, Onset, Prediction, Retraction
from app.wire import messages
from app.wire.actions import Close
from app.wire.frames import Codec, Frame


class Answers:
    """Makes frames of what has happened, in one codec.

    Parameters
    ----------
    codec : Codec
        Of the subprotocol that was agreed.
    """

    def __init__(self, codec: Codec) -> None:
        self._codec = codec

    def ack(self, watermark: int) -> Frame:
        """Say that everything up to `watermark` is durable."""
        return self._codec.encode(messages.Ack(watermark))

    def onset(self, onset: Onset) -> Frame:
        """Say that an event has begun."""
        return self._codec.encode(
            messages.Onset(onset.event, onset.onset_seq, rfc3339(onset.onset))
        )

    def prediction(
        self, event: UUID, prediction: Prediction, *, provisional: bool
    ) -> Frame:
        """Say what the champion says of an event."""
        return self._codec.encode(
            messages.Prediction(
                event=event,
                label=prediction.label,
                probability=prediction.probability,
                unknown=prediction.unknown,
                model_version=prediction.model_version,
                provisional=provisional,
            )
        )

    def event(self, event: Event) -> Frame:
        """Say that an event has ended and is durable."""
        return self._codec.encode(
            messages.Event(
                event=event.id,
                onset_seq=event.onset_seq,
                offset_seq=event.offset_seq,
                onset=rfc3339(event.onset),
                offset=rfc3339(event.offset),
                peak=event.peak,
                flags=list(event.flags),
            )
        )

    def retract(self, retraction: Retraction) -> Frame:
        """Say that an announced onset came to nothing."""
        return self._codec.encode(messages.Retract(retraction.event))

    def error(self, said: Close) -> Frame:
        """Say why the connection is about to be closed."""
        return self._codec.encode(messages.Error(said.title, said.detail, said.retry))


def rfc3339(at: datetime) -> str:
    """Write an aware time in UTC with microseconds, as REST does.

    Examples
    --------
    >>> rfc3339(datetime(2026, 11, 20, 8, tzinfo=UTC))
    '2026-11-20T08:00:00.000000Z'
    """
    said = at.astimezone(UTC).isoformat(timespec="microseconds")
    return said.removesuffix("+00:00") + "Z"
