"""One device connection: the pure session, its stream and its outbox, still no socket.

The shell (a protocol class, or a test) feeds frames in while it is not `full`, is told
by `changed` that there is something to write or room again, and writes what `take`
hands out until `close` is due.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

import structlog
from sqlalchemy.exc import SQLAlchemyError

from app.domain import Event, Onset, Retraction
from app.errors import InvalidInput, NotFound, Paused
from app.service.streams.ingest import Ingest
from app.service.streams.live import LiveStream
from app.service.streams.shared import Output
from app.wire import closes
from app.wire.actions import Accept, Action, Close, End, Open, Send, Skip
from app.wire.closes import CLOSES
from app.wire.frames import Frame
from app.wire.intake import Intake
from app.wire.session import Session

log = structlog.get_logger()

OUTBOX_FRAMES = 1024
"""Frames that wait for a device that does not read; beyond it, it is not read."""


class Direct(Protocol):
    """The connection's lane, where readings are taken without it."""

    def hold(self) -> None:
        """Take no more readings."""

    def acknowledged(self, watermark: int) -> None:
        """Hear what is durable."""


class Connection:
    """Carries actions of a session out, and turns what happens into frames.

    Parameters
    ----------
    device : str
        The device whose key opened the connection.
    window : int, readings
        Most unacknowledged readings of the stream.
    changed : function
        Called when `take`, `full` or `close` may say something else.
    """

    def __init__(
        self,
        session: Session,
        ingest: Ingest,
        device: str,
        *,
        window: int,
        changed: Callable[[], None],
    ) -> None:
        self._session = session
        self._ingest = ingest
        self.device = device
        self.window = window
        self._changed = changed
        self.live: LiveStream | None = None
        """The stream, once it has been opened."""
        self.lane: Direct | None = None
        self._opening: asyncio.Task[None] | None = None
        self._outbox: list[Frame] = []
        self._ack: int | None = None
        self._resent = 0
        self._paused = False
        self._ended = False
        self._left = False
        self.close: Close | None = None
        """Set once the connection is to be closed, after the outbox."""
        self.last_words = False
        """Whether readings are still taken then, until the peer closes, too."""

    @property
    def streaming(self) -> bool:
        """Whether the stream has been opened."""
        return self.live is not None

    @property
    def idle_factor_seconds(self) -> float:
        """Time of ten readings; a slow profile must not be taken for a dead one."""
        return 10.0 / self.live.profile.rate_hz if self.live else 0.0

    @property
    def full(self) -> bool:
        """Whether nothing more may be received now."""
        return (self.close is None or self.last_words) and (
            self._paused
            or self._opening is not None
            or len(self._outbox) >= OUTBOX_FRAMES
            or (self.live is not None and self.live.unacknowledged >= self.window)
        )

    def receive(self, frame: Frame, now: float) -> None:
        """Take a frame from the device; `now` in seconds since the epoch."""
        if self.lane is not None and self.live is not None:
            self._session.taken(self.live.next_seq)
        for action in self._session.receive(frame, now):
            self._act(action)
        resent = self._session.resent
        if self.live is not None and resent > self._resent:
            self.live.count_resent(resent - self._resent)
            self._resent = resent

    @property
    def text(self) -> bool:
        """Whether frames are text."""
        return self._session.text

    def direct(self) -> Intake | None:
        """Give what readings need that are taken without the session; None: not now."""
        return None if self.full or self.close is not None else self._session.streaming

    def say(self, outputs: Sequence[Output]) -> None:
        """Tell the device what came of readings."""
        for said in outputs:
            if isinstance(said, Onset):
                self._post(self._session.onset(said))
            elif isinstance(said, Retraction):
                self._post(self._session.retract(said))
            else:
                self._post(
                    self._session.prediction(
                        said.event, said.prediction, provisional=said.provisional
                    )
                )

    def take(self) -> list[Frame]:
        """Hand out the frames to send."""
        frames, self._outbox = self._outbox, []
        if self._ack is not None:
            frames.append(self._session.ack(self._ack))
            self._ack = None
        return frames

    def yield_to(self, connection: int) -> None:
        """Close if the device has opened a newer connection, here or elsewhere."""
        if self.live is not None and self.live.connection < connection:
            self.superseded()

    def pause(self) -> None:
        """Take nothing more from the device; what it was told stays true."""
        self._paused = True
        if self.lane is not None:
            self.lane.hold()

    def end(self, code: int, detail: str) -> None:
        """Close with one of the documented codes, once the outbox is sent."""
        closing = CLOSES[code]
        self._end(Close(code, closing.title, detail, closing.retry))

    def restart(self) -> None:
        """Close because the service restarts, and take what is still on the line.

        Nobody hears of that here any more: the next welcome says how far it came.
        """
        if self.close is None and self.live is not None:
            self.last_words = True
            self._paused = False
        self.end(closes.RESTART, "the service restarts: come back")

    def leave(self) -> None:
        """Forget the socket; what was received is still committed."""
        self._left = True
        if self.live is not None:
            self.live.leave()
        self._changed = _nobody

    def _act(self, action: Action) -> None:
        match action:
            case Accept():  # first: it is all but every action
                self.say(self._stream.receive(action.readings))
            case Send(frame):
                self._post(frame)
            case Skip(to, why):
                self.say(self._stream.skip(to, why))
            case End():
                self._ended = True
                self.say(self._stream.end())
            case Open(boot, profile):
                self._opening = asyncio.create_task(self._open(boot, profile))
            case Close():
                self._end(action)

    async def _open(self, boot: str | None, profile: str | None) -> None:
        try:
            live = await self._ingest.open(self.device, boot, profile, self)
        except NotFound as error:
            self.end(closes.UNKNOWN_PROFILE, str(error))
        except InvalidInput as error:
            self.end(closes.MALFORMED, str(error))
        except Paused as error:
            self.end(closes.PAUSED, str(error))
        except (SQLAlchemyError, OSError, TimeoutError):
            self.end(closes.RESTART, "the database does not answer: come back")
        except Exception as error:  # nobody awaits this task
            log.exception("open_failed", device=self.device)
            self.end(closes.FAILED, type(error).__name__)
        else:
            self._welcome(live)
        finally:
            self._opening = None
            self._changed()

    def _welcome(self, live: LiveStream) -> None:
        if self._left:
            live.leave()
            return
        self.live = live
        actions = self._session.welcome(
            boot=live.boot,
            generation=live.generation,
            watermark=live.watermark,
            window=self.window,
            profile=live.profile,
            detector_version=live.version.number,
            model_version=live.model_version,
        )
        for action in actions:
            self._act(action)

    @property
    def _stream(self) -> LiveStream:
        if self.live is None:
            raise RuntimeError("the session let readings pass before the welcome")
        return self.live

    def _post(self, frame: Frame) -> None:
        self._outbox.append(frame)
        self._changed()

    def _end(self, close: Close) -> None:
        if self.close is None:
            if close.code not in (closes.DONE, closes.GOING_AWAY, closes.RESTART):
                self._post(self._session.error(close))
            self.close = close
            if self.lane is not None:
                self.lane.hold()
        else:
            self.last_words = False
        self._changed()

    # What ingest calls, as `Sink`.

    def committed(self, watermark: int, events: Sequence[Event]) -> None:
        """Acknowledge, and say which events are durable."""
        self._ack = watermark
        if self.lane is not None:
            self.lane.acknowledged(watermark)
        for event in events:
            self._outbox.append(self._session.event(event))
        if self._ended and self.live is not None and self.live.settled:
            self.end(closes.DONE, "the stream has ended and is durable")
        self._changed()

    def superseded(self) -> None:
        """Close, because another connection has the stream."""
        self.end(closes.SUPERSEDED, "another connection took the stream over")

    def refused(self, reason: str) -> None:
        """Close, because the store refuses what was sent."""
        self.end(closes.MALFORMED, f"the store refuses what was sent: {reason}")


def _nobody() -> None:
    """Tell nobody."""
