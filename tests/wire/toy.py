"""A small server around `wire.Session`: what it keeps, commits and loses, step by step.

The store is a dict with atomic transactions (that is what PostgreSQL gives); all the
rest can vanish at any step.  `FAULTS` are mistakes that the tests must find.
"""

import json
from collections import Counter, deque
from dataclasses import dataclass, field

import numpy as np

from app.domain import Channel, Profile, Readings
from app.wire.frames import Codec, Frame
from app.wire.intake import Intake
from app.wire.messages import Readings as ReadingsMessage
from app.wire.session import (
    Accept,
    Action,
    Close,
    End,
    Limits,
    Open,
    Send,
    Session,
    Skip,
)

PROFILE = Profile("toy", (Channel("value"), Channel("number")), rate_hz=10.0)
FAULTS = (
    "ack_before_commit",
    "state_without_events",
    "no_fence",
    "no_prefix_drop",
    "no_gap_check",
    "redo_is_fenced",
)

ToyEvent = tuple[int, int, float, float]


class Toy:
    """Hysteresis: an event from above 2 to below 2; its onset, end, peak and sum."""

    def __init__(self, state: str | None = None) -> None:
        self.open: list[float] | None = json.loads(state) if state else None

    def step(self, seq: int, row: np.ndarray) -> list[ToyEvent]:
        value, number = float(row[0]), float(row[1])
        if self.open is None:
            if value > 2:
                self.open = [seq, value, number]
            return []
        if value < 2:
            return self.close(seq)
        onset, peak, total = self.open
        self.open = [onset, max(peak, value), total + number]
        return []

    def close(self, seq: int) -> list[ToyEvent]:
        ended, self.open = self.open, None
        return [(int(ended[0]), seq, ended[1], ended[2])] if ended else []

    def state(self) -> str:
        return json.dumps(self.open)


@dataclass
class Row:
    """What is durable of one boot."""

    generation: int = 0
    watermark: int = 0
    state: str | None = None
    events: Counter[ToyEvent] = field(default_factory=Counter)
    gaps: dict[int, int] = field(default_factory=dict)


@dataclass
class Batch:
    """What one commit carries."""

    old: int
    new: int
    state: str
    events: list[ToyEvent]
    gaps: dict[int, int]


class SlipIntake(Intake):
    """An intake with a planted mistake."""

    prefix, gap = True, True

    def readings(self, message: ReadingsMessage, now: float) -> Readings | None:
        seq = message.seq or self.next_seq
        if (not self.prefix and seq < self.next_seq) or (
            not self.gap and seq > self.next_seq
        ):
            self.next_seq = seq
        return super().readings(message, now)


class Connection:
    """One connection of a replica, and the stream it thinks it owns."""

    def __init__(self, store: dict[str, Row], codec: Codec, fault: str = "") -> None:
        self.session = Session(codec, Limits())
        self.store, self.fault = store, fault
        self.boot = ""
        self.generation = 0
        self.next_seq = 1
        self.toy = Toy()
        self.alive = True
        self.closed: Close | None = None
        self.batches: deque[Batch] = deque()
        self.out: list[Frame] = []
        self.replayed = 0

    def receive(self, frame: Frame) -> None:
        self._act(self.session.receive(frame, 1e9))

    def _act(self, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case Open(boot):
                    self._open(boot or f"auto-{len(self.store)}")
                case Accept(readings):
                    self._accept(readings)
                case Skip(to):
                    ended = self.toy.close(self.next_seq)
                    self._push(to - 1, ended, {self.next_seq: to})
                case End():
                    self._push(self.next_seq - 1, self.toy.close(self.next_seq), {})
                case Send(frame):
                    self.out.append(frame)
                case Close():
                    self._close(action)

    def _open(self, boot: str) -> None:
        self.boot = boot
        row = self.store.setdefault(boot, Row())
        row.generation += 1
        self.generation, self.next_seq = row.generation, row.watermark + 1
        self.toy = Toy(row.state)
        actions = self.session.welcome(
            boot=boot,
            generation=row.generation,
            watermark=row.watermark,
            window=16,
            profile=PROFILE,
            detector_version=1,
            model_version=None,
        )
        if self.fault in ("no_prefix_drop", "no_gap_check"):
            slip = SlipIntake(
                PROFILE, self.next_seq, Limits(), numbered=True, blocks=True
            )
            slip.prefix = self.fault != "no_prefix_drop"
            slip.gap = self.fault != "no_gap_check"
            self.session._intake = slip
        self._act(actions)

    def _accept(self, readings: Readings) -> None:
        ended: list[ToyEvent] = []
        for offset, row in enumerate(readings.values):
            ended += self.toy.step(readings.first_seq + offset, row)
        self._push(max(readings.next_seq - 1, self.next_seq - 1), ended, {})

    def _push(self, new: int, ended: list[ToyEvent], gaps: dict[int, int]) -> None:
        batch = Batch(self.next_seq - 1, new, self.toy.state(), ended, gaps)
        self.batches.append(batch)
        self.next_seq = new + 1
        if self.fault == "ack_before_commit":
            self.out.append(self.session.ack(new))

    def commit(self, fate: str = "ok") -> str:
        """Commit the oldest batch; ``lost_reply``: done, but nobody knows."""
        if fate == "db_down":
            return "down"
        batch, row = self.batches[0], self.store[self.boot]
        fenced = self.generation != row.generation or row.watermark not in (
            batch.old,
            batch.new,
        )
        if self.fault == "redo_is_fenced":
            fenced = fenced or row.watermark != batch.old
        if fenced and self.fault != "no_fence":
            self._close(Close(4409, "superseded", "another connection has it", False))
            return "fenced"
        redone = row.watermark == batch.new != batch.old
        row.watermark, row.state = batch.new, batch.state
        row.gaps.update(batch.gaps)
        if self.fault == "state_without_events" and fate == "lost_reply":
            self.alive = False
            return "torn"
        for event in batch.events:
            if not any(known[0] == event[0] for known in row.events):
                row.events[event] += 1
        if fate == "lost_reply":
            return "lost"
        self.batches.popleft()
        if self.fault != "ack_before_commit":
            self.out.append(self.session.ack(batch.new))
        if self.session.ended and not self.batches:
            self._close(Close(1000, "done", "", False))
        return "redone" if redone else "committed"

    def _close(self, close: Close) -> None:
        if close.code not in (1000, 1001, 1012):
            self.out.append(self.session.error(close))
        self.alive, self.closed = False, close


def uninterrupted(
    made: dict[int, tuple[float, float]], gaps: dict[int, int], upto: int
) -> tuple[Counter[ToyEvent], str]:
    """One pass over everything up to `upto`, without any fault."""
    toy, events, seq = Toy(), [], 1
    while seq <= upto:
        if seq in gaps:
            assert gaps[seq] > seq, "a gap of nothing"
            events += toy.close(seq)
            seq = gaps[seq]
            continue
        assert seq in made, "a reading that nobody sent"
        events += toy.step(seq, np.array(made[seq], np.float32))
        seq += 1
    return Counter(events), toy.state()
