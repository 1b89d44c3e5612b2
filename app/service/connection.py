"""One device connection: the pure session, its stream and its outbox, still no socket.

The shell (a FastAPI route, or any other server) feeds frames in, awaits `room`, and
writes what `outgoing` hands out until `close` is due.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from sqlalchemy.exc import SQLAlchemyError

from app.domain import Event, Onset, Retraction
from app.errors import InvalidInput, NotFound
from app.service.ingest import Ingest
from app.service.live import LiveStream, Output
from app.wire import closes
from app.wire.actions import Accept, Action, Close, End, Open, Send, Skip
from app.wire.closes import CLOSES
from app.wire.frames import Frame
from app.wire.session import Session

OUTBOX_FRAMES = 1024
"""Frames that wait for a device that does not read; beyond it, it is not read."""


class Connection:
    """Carries actions of a session out, and turns what happens into frames.

    Parameters
    ----------
    device : str
        The device whose key opened the connection.
    window : int, readings
        Most unacknowledged readings of the stream.
    """

    def __init__(
        self, session: Session, ingest: Ingest, device: str, *, window: int
    ) -> None:
        self._session = session
        self._ingest = ingest
        self.device = device
        self._window = window
        self._live: LiveStream | None = None
        self._outbox: list[Frame] = []
        self._ack: int | None = None
        self._wake = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._paused = False
        self._ended = False
        self.close: Close | None = None
        """Set once the connection is to be closed, after the outbox."""

    @property
    def streaming(self) -> bool:
        """Whether the stream has been opened."""
        return self._live is not None

    @property
    def idle_factor_seconds(self) -> float:
        """Time of ten readings; a slow profile must not be taken for a dead one."""
        return 10.0 / self._live.profile.rate_hz if self._live else 0.0

    async def receive(self, frame: Frame, now: float) -> None:
        """Take a frame from the device; `now` in seconds since the epoch."""
        before = self._session.resent
        await self._act(self._session.receive(frame, now))
        if self._live is not None and self._session.resent > before:
            self._live.count_resent(self._session.resent - before)

    async def room(self) -> None:
        """Wait while the window or the outbox is full, or reading is paused."""
        await self._room.wait()

    async def outgoing(self) -> list[Frame]:
        """Wait for frames to send; empty means that `close` is due."""
        while not self._outbox and self._ack is None and self.close is None:
            self._wake.clear()
            await self._wake.wait()
        frames, self._outbox = self._outbox, []
        if self._ack is not None:
            frames.append(self._session.ack(self._ack))
            self._ack = None
        self._update_room()
        return frames

    def yield_to(self, connection: int) -> None:
        """Close if the device has opened a newer connection, here or elsewhere."""
        if self._live is not None and self._live.connection < connection:
            self.superseded()

    def pause(self) -> None:
        """Take nothing more from the device; what it was told stays true."""
        self._paused = True
        self._update_room()

    def end(self, code: int, detail: str) -> None:
        """Close with one of the documented codes, once the outbox is sent."""
        closing = CLOSES[code]
        self._end(Close(code, closing.title, detail, closing.retry))

    def leave(self) -> None:
        """Forget the socket; what was received is still committed."""
        if self._live is not None:
            self._live.leave()

    async def _act(self, actions: Sequence[Action]) -> None:
        for action in actions:
            match action:
                case Accept(readings):
                    self._say(self._stream.receive(readings))
                case Send(frame):
                    self._post(frame)
                case Skip(to, why):
                    self._say(self._stream.skip(to, why))
                case End():
                    self._ended = True
                    self._say(self._stream.end())
                case Open(boot, profile):
                    await self._open(boot, profile)
                case Close():
                    self._end(action)
        self._update_room()

    async def _open(self, boot: str | None, profile: str | None) -> None:
        try:
            live = await self._ingest.open(self.device, boot, profile, self)
        except NotFound as error:
            self.end(closes.UNKNOWN_PROFILE, str(error))
            return
        except InvalidInput as error:
            self.end(closes.MALFORMED, str(error))
            return
        except (SQLAlchemyError, OSError, TimeoutError):
            self.end(closes.RESTART, "the database does not answer: come back")
            return
        self._live = live
        await self._act(
            self._session.welcome(
                boot=live.boot,
                generation=live.generation,
                watermark=live.watermark,
                window=self._window,
                profile=live.profile,
                detector_version=live.version.number,
                model_version=live.model_version,
            )
        )

    @property
    def _stream(self) -> LiveStream:
        if self._live is None:
            raise RuntimeError("the session let readings pass before the welcome")
        return self._live

    def _say(self, outputs: Sequence[Output]) -> None:
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

    def _post(self, frame: Frame) -> None:
        self._outbox.append(frame)
        self._wake.set()

    def _end(self, close: Close) -> None:
        if self.close is None:
            if close.code not in (closes.DONE, closes.GOING_AWAY, closes.RESTART):
                self._post(self._session.error(close))
            self.close = close
        self._wake.set()
        self._room.set()

    def _update_room(self) -> None:
        full = (
            self._paused
            or len(self._outbox) >= OUTBOX_FRAMES
            or (self._live is not None and self._live.unacknowledged >= self._window)
        )
        if full and self.close is None:
            self._room.clear()
        else:
            self._room.set()

    # What ingest calls, as `Sink`.

    def committed(self, watermark: int, events: Sequence[Event]) -> None:
        """Acknowledge, and say which events are durable."""
        self._ack = watermark
        for event in events:
            self._outbox.append(self._session.event(event))
        self._wake.set()
        if self._ended and self._live is not None and self._live.settled:
            self.end(closes.DONE, "the stream has ended and is durable")
        self._update_room()

    def superseded(self) -> None:
        """Close, because another connection has the stream."""
        self.end(closes.SUPERSEDED, "another connection took the stream over")

    def refused(self, reason: str) -> None:
        """Close, because the store refuses what was sent."""
        self.end(closes.MALFORMED, f"the store refuses what was sent: {reason}")
