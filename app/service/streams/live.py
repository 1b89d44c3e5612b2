"""One stream while a connection of this process owns it.

Everything here is synchronous: detector step, classification, answers for the device
at once, the rest for the group commit.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from uuid import UUID

import structlog

from app.detection import Stream
from app.detection.careful import carefully
from app.domain import (
    DetectorVersion,
    Event,
    Flag,
    FloatArray,
    Gap,
    Onset,
    Prediction,
    Profile,
    Readings,
    Retraction,
    SetAside,
)
from app.features import Session
from app.service.notify.hub import Message
from app.service.streams.answers import Answers
from app.service.streams.handover import followed
from app.service.streams.shared import Answer, Direct, Output, Shared, Sink
from app.store.streams import StreamCommit, StreamRow

log = structlog.get_logger()


class LiveStream:
    """One stream while a connection of this process owns it."""

    def __init__(
        self,
        shared: Shared,
        stream: Stream,
        profile: Profile,
        version: DetectorVersion,
        row: StreamRow,
        device: str,
        boot: str,
        sink: Sink,
        session: Session | None = None,
    ) -> None:
        self.profile = profile
        self.version = version
        self._version_since = time.monotonic()
        self.device = device
        self.boot = boot
        self.generation = row.generation
        self.connection = row.connection
        self.watermark = row.watermark
        self.rests_until = 0.0
        self.urgent = False
        self._shared = shared
        self._stream = stream
        self._sink: Sink | None = sink
        self._told = row.watermark
        self._events: list[Event] = []
        self._found_at: dict[UUID, float] = {}
        self._predictions: list[tuple[UUID, Prediction]] = []
        self._recorded: list[Readings] = []
        self._gaps: list[Gap] = []
        self._held_to = 0 if stream.open_from() is None else stream.next_seq
        self._keeps = row.held
        self._count_readings = shared.metrics.readings.labels(profile.name).inc
        opened = stream.open_from() is not None
        self._answers = Answers(shared, profile, device, opened=opened, session=session)
        self._session_told = session is None or row.session is not None
        self._careful_until = shared.suspects.until(device, boot)
        self._set_aside: list[SetAside] = []
        self._received = 0
        self._dirty = False
        self._missing, self._outside = int(stream.missing.sum()), 0
        self._changes = self._in_flight = self._settled = 0
        self._signal_topics = (f"signal:{device}", f"signals:{profile.name}")
        self.lane: Direct | None = None

    @property
    def next_seq(self) -> int:
        """The number of the next reading to come."""
        return self._stream.next_seq

    @property
    def model_version(self) -> int | None:
        """The version that classifies this stream's events, None while none does."""
        return self._answers.model_version

    @property
    def provisional_at(self) -> int:
        """Number of the reading with which a provisional prediction is due."""
        return self._answers.due_at

    @property
    def dirty(self) -> bool:
        """Whether the group commit knows that there is something."""
        return self._dirty

    @property
    def unacknowledged(self) -> int:
        """Readings received but not durable."""
        return self._stream.next_seq - 1 - self.watermark

    @property
    def settled(self) -> bool:
        """Whether everything that happened so far is durable."""
        return self._settled == self._changes

    def receive(self, readings: Readings) -> list[Output]:
        """Advance the detector; return what the device hears at once."""
        self._received += len(readings.times)
        self.show(readings)
        try:
            if readings.first_seq < self._careful_until:
                outputs = self._carefully(readings)
            else:
                outputs = self._stream.receive(readings)
        except Exception:
            # The detector's state is broken: nothing of it may be committed.  The
            # device comes again, goes on from the last commit, and is heard with care.
            self._shared.commit.forget(self)
            self._shared.suspects.note(self.device, self.boot, readings.next_seq)
            raise
        return self._digest(outputs)

    def show(self, readings: Readings) -> None:
        """Hand readings to whoever keeps or watches them."""
        if self.profile.record:
            self._recorded.append(readings)
        hub = self._shared.hub
        seen = [topic for topic in self._signal_topics if hub.wanted(topic)]
        if seen:
            message = Message("signal", (self, readings))
            for topic in seen:
                hub.publish(message, topic)

    def direct(self) -> Stream | None:
        """Give the stream to take readings without this object; None if it must not."""
        stream = self._stream
        return stream if stream.next_seq >= self._careful_until else None

    def stepped(self, found: int, cleaned: FloatArray) -> list[Output]:
        """Say what came of readings that were taken without this object.

        Parameters
        ----------
        found : int
            Spans that the detector found.
        cleaned : float64 (n, n_channels)
            The newest of the readings.
        """
        return self._digest(self._stream.stepped(found, cleaned))

    def _carefully(self, readings: Readings) -> list[Event | Onset | Retraction]:
        """Take readings one by one, and set aside those on which the detector fails."""
        restored = partial(
            Stream.restore, self.profile, self.version, self.device, self.boot
        )
        done = carefully(self._stream, restored, readings)
        self._stream = done.stream
        self._gaps += done.gaps
        self._set_aside += done.set_aside
        self._shared.metrics.quarantined.inc(len(done.set_aside))
        for one in done.set_aside:
            log.error(
                "reading_set_aside",
                device=self.device,
                boot=self.boot,
                seq=one.seq,
                why=one.why,
            )
        return done.outputs

    def count_resent(self, n: int) -> None:
        """Count readings that were dropped because they were known."""
        self._shared.metrics.resent_readings.inc(n)

    def skip(self, to: int, why: str) -> list[Output]:
        """Take note of a gap that the device announced."""
        return self._digest(self._stream.skip(to, why))

    def end(self) -> list[Output]:
        """Close what is open, because the stream ends here."""
        return self._digest(self._stream.close(Flag.ENDED))

    def part(self) -> None:
        """Hear that the lane is no more."""
        if self.lane is not None:
            self._received += self.lane.collect()
            self.lane = None

    def leave(self) -> None:
        """Forget the connection; what was received is still committed."""
        self._sink = None

    def adopt(self, events: Sequence[Event], gaps: Sequence[Gap]) -> None:
        """Take over what an older detector version left behind."""
        for event in events:
            self._ended(event)
        self._gaps.extend(gaps)
        self.touch()

    def touch(self) -> None:
        """Tell the group commit that there is something new."""
        self._changes += 1
        if self._events or not self._dirty:
            self._dirty = True
            self._shared.commit.touch(self, urgent=bool(self._events))

    def _digest(self, outputs: Sequence[Event | Onset | Retraction]) -> list[Output]:
        said: list[Output] = []
        for output in outputs:
            if isinstance(output, Event):
                answer = self._ended(output)
                if answer is not None:
                    said.append(answer)
            else:
                said.append(output)
                if isinstance(output, Onset):
                    self._answers.due_at = self._stream.next_seq
                self._publish(output)
        if self._stream.next_seq >= self._answers.due_at:
            provisional = self._answers.provisional(self._stream)
            if provisional is not None:
                self._publish(provisional)
                said.append(provisional)
        self._follow()
        self.touch()
        return said

    def _follow(self) -> None:
        """Go on with the detector that serves by now, unless an event is open."""
        if self._shared.detectors is None:
            return
        version = self._shared.detectors.newer(
            self.version, self.device, self._version_since
        )
        if version is None or self._stream.open_from() is not None:
            return
        why = followed(self.version.number, version.number)
        if self.lane is not None:
            self.lane.hold()
        at = self._stream.next_seq
        self._stream.close(Flag.GAP)  # nothing is open: it has nothing to say
        fresh = Stream(self.profile, version, self.device, self.boot)
        fresh.skip(at, why)
        fresh.take_gaps()
        self._gaps += [*self._stream.take_gaps(), Gap(at, at, why)]
        self._count_missing(self._stream)
        self._missing = self._outside = 0
        self._held_to = 0
        self._stream, self.version = fresh, version
        self._version_since = time.monotonic()

    def _ended(self, event: Event) -> Answer | None:
        event, prediction = self._answers.final(event)
        self._events.append(event)
        self._follow_past()
        self._found_at[event.id] = time.monotonic()
        late = max(0.0, time.time() - event.offset.timestamp())
        self._shared.metrics.event_late_seconds.observe(late)
        self._shared.metrics.events_detected.labels(event.profile).inc()
        if prediction is None:
            return None
        kept = self._shared.log.kept(event.id, prediction)
        self._predictions.append((event.id, kept))
        return Answer(event.id, prediction, provisional=False)

    def _follow_past(self) -> None:
        """Go on with what is known of the device by now.

        Between two events, so that it is committed with the first: whoever goes on
        from there says of the second the same.
        """
        session = self._answers.session
        if session is None:
            return
        self._session_told = False
        newer = self._shared.pasts.of(self.device, self.profile.name)
        if newer is not None:
            session.past = newer

    def _publish(self, said: Output) -> None:
        kind = {Onset: "onset", Retraction: "retract", Answer: "prediction"}[type(said)]
        self._shared.hub.publish(Message(kind, (self, said)))

    def _count_missing(self, stream: Stream) -> list[int]:
        """Count what was missing since this was last asked; give all, by channel."""
        missing: list[int] = stream.missing.tolist()
        if sum(missing) != self._missing:
            metrics, outside = self._shared.metrics, stream.outside
            metrics.missing_values.inc(sum(missing) - self._missing)
            metrics.outside_values.inc(outside - self._outside)
            self._missing, self._outside = sum(missing), outside
        return missing

    # What the group commit calls.

    def snapshot(self) -> StreamCommit:
        """Hand over everything that is new since the last snapshot."""
        stream = self._stream
        new = stream.next_seq - 1
        opened = stream.open_from()
        gaps = (*self._gaps, *stream.take_gaps())
        metrics = self._shared.metrics
        if self.lane is not None:
            self._received += self.lane.collect()
        self._count_readings(self._received)
        self._received = 0
        missing = self._count_missing(stream)
        if gaps:
            metrics.gaps.inc(len(gaps))
        session = self._answers.session
        untold = session is not None and not self._session_told
        commit = StreamCommit(
            device=self.device,
            boot=self.boot,
            generation=self.generation,
            old=self._told,
            new=new,
            state=stream.state(),
            detector_version=self.version.number,
            events=tuple(self._events),
            predictions=tuple(self._predictions),
            readings=self._to_store(opened),
            keep_from=opened,
            forget=self._keeps,
            gaps=gaps,
            missing=tuple(missing),
            set_aside=tuple(self._set_aside),
            session=session.state() if session is not None and untold else None,
        )
        self._session_told = True
        self._keeps = opened is not None
        self._dirty = False
        self._told = new
        self._in_flight = self._changes
        self._events.clear()
        self._predictions.clear()
        self._recorded.clear()
        self._gaps.clear()
        self._set_aside.clear()
        return commit

    def _to_store(self, opened: int | None) -> tuple[Readings, ...]:
        """Pick what to append: all of a recording, else what an open event needs."""
        if self.profile.record:
            return tuple(self._recorded)
        if opened is None:
            self._held_to = 0
            return ()
        fresh = self._stream.held_from(max(opened, self._held_to))
        self._held_to = fresh.next_seq
        return (fresh,) if len(fresh) else ()

    def committed(self, watermark: int, events: Sequence[Event]) -> None:
        """Pass on what is durable."""
        self.watermark = watermark
        durable = self._shared.metrics.event_durable_seconds
        now = time.monotonic()
        for event in events:
            durable.observe(now - self._found_at.pop(event.id, now))
        self._settled = self._in_flight
        stream = self._stream
        self._follow()
        if self._stream is not stream:
            self.touch()
        if self._sink is not None:
            self._sink.committed(watermark, events)

    def superseded(self) -> None:
        """Pass on that the stream has another owner."""
        if self._sink is not None:
            self._sink.superseded()

    def refused(self, reason: str) -> None:
        """Pass on that the store will never take this."""
        if self._sink is not None:
            self._sink.refused(reason)
