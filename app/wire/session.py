"""One device connection without its socket: frames in, actions out.

        hello                      welcome()                end
    FRESH -----------> OPENING --------------> STREAMING ---------> ENDED
        readings          | readings, skip and    | readings, skip     | resends of
        without seq       | end wait for the      | (`intake.py` has   | what came
                          | welcome               | the numbering)     | before it

    Whatever breaks a rule, in any state: Close ---> CLOSED, deaf from then on.

Whoever drives a session carries the actions out in their order.  `Open` is answered by
calling `welcome`, whose actions include the readings that came meanwhile.  A `Close`
is said by `error` first.  After `End`, and once all is durable, the driver closes 1000:
that is how the device knows that its end is durable, too.
"""

from __future__ import annotations

from enum import Enum

from app.domain import Profile
from app.errors import InvalidInput
from app.wire import closes, messages
from app.wire.actions import (
    Accept,
    Action,
    Close,
    End,
    Limits,
    Open,
    Refused,
    Send,
    Skip,
)
from app.wire.answers import Answers
from app.wire.frames import Codec, Frame
from app.wire.intake import Intake

__all__ = [
    "Accept",
    "Action",
    "Close",
    "End",
    "Limits",
    "Open",
    "Send",
    "Session",
    "Skip",
]

JSON_BYTES_PER_VALUE = 25
"""The longest float64 in decimal, with its comma."""

MSGPACK_BYTES_PER_VALUE = 9
"""A float64 with its type byte; a block of float32 needs 4."""

ENVELOPE_BYTES = 512
"""More than any message needs around its values."""


class _State(Enum):
    FRESH = "fresh"
    OPENING = "opening"
    STREAMING = "streaming"
    ENDED = "ended"
    CLOSED = "closed"


class Session(Answers):
    """The server's side of one connection.

    Parameters
    ----------
    codec : Codec
        Of the subprotocol that was agreed.
    limits : Limits
    """

    def __init__(self, codec: Codec, limits: Limits) -> None:
        super().__init__(codec)
        self._limits = limits
        self._state = _State.FRESH
        self._numbered = True
        self._waiting: list[tuple[messages.DeviceMessage, float]] = []
        self._waiting_bytes = 0
        self._intake: Intake | None = None

    @property
    def ended(self) -> bool:
        """Whether the device said `end`."""
        return self._state is _State.ENDED

    @property
    def text(self) -> bool:
        """Whether frames are text."""
        return self._codec.text

    @property
    def streaming(self) -> Intake | None:
        """What numbers and times readings, while nothing but them is expected."""
        return self._intake if self._state is _State.STREAMING else None

    def taken(self, next_seq: int) -> None:
        """Hear that readings up to before `next_seq` were taken without the session."""
        if self._intake is not None:
            self._intake.next_seq = next_seq

    @property
    def resent(self) -> int:
        """Readings dropped so far because they were known."""
        return 0 if self._intake is None else self._intake.resent

    def receive(self, frame: Frame, now: float) -> list[Action]:
        """Take a frame that arrived at `now`, in seconds since the epoch."""
        if self._state is _State.CLOSED:
            return []
        try:
            if len(frame) > self._limits.max_message_bytes:
                raise Refused(
                    closes.TOO_BIG,
                    f"a message of {len(frame)} bytes; "
                    f"at most {self._limits.max_message_bytes}",
                )
            message = self._codec.decode(frame)
            intake = self._intake
            if intake is not None:
                return self._stream(intake, message, now)
            if self._state is _State.FRESH:
                return self._begin(message, frame, now)
            self._wait(message, len(frame), now)
        except InvalidInput as fault:
            return self._refuse(Refused(closes.MALFORMED, str(fault)))
        except Refused as refused:
            return self._refuse(refused)
        return []

    def welcome(
        self,
        *,
        boot: str,
        generation: int,
        watermark: int,
        window: int,
        profile: Profile,
        detector_version: int,
        model_version: int | None,
    ) -> list[Action]:
        """Greet the device, and hand out what it sent meanwhile."""
        if self._state is _State.CLOSED:
            return []
        if self._state is not _State.OPENING:
            raise RuntimeError(f"welcome in state {self._state.value}: only after Open")
        self._state = _State.STREAMING
        intake = self._intake = Intake(
            profile,
            watermark + 1,
            self._limits,
            numbered=self._numbered,
            blocks=not self._codec.text,
        )
        greeting = messages.Welcome(
            generation=generation,
            ack=watermark,
            window=window,
            max_readings=self._fitting(profile.n_channels, window),
            profile=profile.name,
            channels=[channel.name for channel in profile.channels],
            rate_hz=profile.rate_hz,
            detector_version=detector_version,
            model_version=model_version,
            boot=boot,
        )
        actions: list[Action] = [Send(self._codec.encode(greeting))]
        waiting, self._waiting = self._waiting, []
        try:
            for message, arrived in waiting:
                actions += self._stream(intake, message, arrived)
        except Refused as refused:
            actions += self._refuse(refused)
        return actions

    def _begin(
        self, message: messages.DeviceMessage, frame: Frame, now: float
    ) -> list[Action]:
        match message:
            case messages.Hello():
                _check_name("boot", message.boot)
                if message.profile is not None:
                    _check_name("profile", message.profile)
                self._state = _State.OPENING
                return [Open(message.boot, message.profile)]
            case messages.Readings(seq=None):
                self._numbered = False
                self._wait(message, len(frame), now)
                self._state = _State.OPENING
                return [Open(None, None)]
            case messages.Readings():
                raise Refused(
                    closes.MALFORMED,
                    "readings with seq before hello: say hello with the boot they are "
                    "numbered in, or leave seq out and the server counts",
                )
            case _:
                raise Refused(
                    closes.MALFORMED, "skip or end before hello: say hello first"
                )

    def _wait(self, message: messages.DeviceMessage, n_bytes: int, now: float) -> None:
        self._waiting_bytes += n_bytes
        if self._waiting_bytes > self._limits.max_waiting_bytes:
            raise Refused(
                closes.TOO_FAST,
                f"more than {self._limits.max_waiting_bytes} bytes before the welcome: "
                "wait for it",
            )
        self._waiting.append((message, now))

    def _stream(
        self, intake: Intake, message: messages.DeviceMessage, now: float
    ) -> list[Action]:
        action: Action | None = None
        match message:
            case messages.Readings():  # first: it is all but every message
                readings = intake.readings(message, now)
                if readings is not None:
                    action = Accept(readings)
            case messages.Skip():
                action = intake.skip(message)
            case messages.End() if self._state is _State.STREAMING:
                self._state = _State.ENDED
                return [End()]
            case messages.Hello():
                raise Refused(
                    closes.MALFORMED, "a second hello: it is the first message only"
                )
        if action is None:
            return []
        if self._state is _State.ENDED:
            raise Refused(
                closes.MALFORMED, "the stream has ended: connect again to go on"
            )
        return [action]

    def _fitting(self, n_channels: int, window: int) -> int:
        per_value = (
            JSON_BYTES_PER_VALUE if self._codec.text else MSGPACK_BYTES_PER_VALUE
        )
        room = self._limits.max_message_bytes - ENVELOPE_BYTES
        fitting = room // (n_channels * per_value)
        return max(1, min(self._limits.max_readings, window, fitting))

    def _refuse(self, refused: Refused) -> list[Action]:
        self._state = _State.CLOSED
        self._intake = None
        self._waiting.clear()
        return [refused.close]


def _check_name(field: str, value: str) -> None:
    plain = value.isascii() and value.isprintable()
    if not plain or not 1 <= len(value) <= messages.MAX_NAME:
        raise Refused(
            closes.MALFORMED,
            f"{field} must be 1 to {messages.MAX_NAME} printable ASCII characters, "
            f"not {len(value)}: {value[:20]!a}",
        )
