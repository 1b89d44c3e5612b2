"""Device buffer, sessions and store under every interleaving: nothing lost or doubled.

The device keeps its readings in the client's own `Buffer`, the server side is the real
`Session`; connections break, stay half open, are taken over, the server dies, commits
lose their replies, the device restarts from its journal and gives readings up.
"""

from collections import Counter, deque
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from app.errors import OnsetError
from app.wire import messages
from app.wire.frames import MSGPACK
from tests.wire.device import BOOT, Device
from tests.wire.toy import FAULTS, Connection, Row, uninterrupted

REACHED: Counter[str] = Counter()


class Resume(RuleBasedStateMachine):
    fault: ClassVar[str] = ""

    def __init__(self) -> None:
        super().__init__()
        self.store: dict[str, Row] = {BOOT: Row()}
        self.device = Device(self.fault)
        self.given_up = False
        self.connections: list[Connection] = []
        self.inboxes: dict[Connection, deque[str | bytes]] = {}
        self.line: Connection | None = None
        self.watermark = 0

    @rule(values=st.lists(st.integers(0, 5), min_size=1, max_size=5))
    def make(self, values: list[int]) -> None:
        self.device.make(values)

    @rule(go=st.integers(0, 5))
    def connect(self, go: int) -> None:
        if self.line and self.line.alive and go:
            return  # taking over a healthy connection is rarer than reconnecting
        connection = Connection(self.store, MSGPACK, self.fault)
        self.connections.append(connection)
        self.inboxes[connection] = deque()
        connection.receive(MSGPACK.encode_device(messages.Hello(BOOT)))
        welcome = MSGPACK.decode_server(connection.out.pop(0))
        assert isinstance(welcome, messages.Welcome)
        assert welcome.ack >= self.device.heard, "an acknowledged reading is lost"
        self.device.buffer.resume(welcome.ack, 10.0)
        self.device.heard = max(self.device.heard, welcome.ack)
        self.line = connection
        REACHED["connections"] += 1

    @precondition(lambda self: self.line and self.line.alive)
    @rule(most=st.integers(1, 6), frames=st.integers(1, 3))
    def send(self, most: int, frames: int) -> None:
        for _ in range(frames):
            frame = self.device.next_frame(most)
            if frame is not None:
                self.inboxes[self.line].append(frame)

    @precondition(lambda self: self.line and self.line.alive)
    @rule(back=st.integers(1, 8))
    def resend(self, back: int) -> None:
        before = self.device.buffer.sent
        self.device.buffer.rewind(max(1, before - back))
        REACHED["resent"] += before - self.device.buffer.sent

    @rule(capacity=st.integers(1, 12), go=st.integers(0, 3))
    def overflow(self, capacity: int, go: int) -> None:
        if not go:
            dropped = self.device.buffer.drop_oldest(capacity)
            REACHED["given_up"] += dropped
            self.given_up = self.given_up or dropped > 0

    @precondition(lambda self: self.line and self.line.alive)
    @rule(go=st.integers(0, 5))
    def jump_without_a_word(self, go: int) -> None:
        """A device with a bug: its readings never count, its line is closed."""
        if go == 5:
            seq = self.device.buffer.sent + 3
            bug = messages.Readings([[9.0, -1.0]], seq)
            self.inboxes[self.line].append(MSGPACK.encode_device(bug))
            self.line = None

    @rule(go=st.integers(0, 5), lost_pieces=st.integers(0, 2))
    def device_restarts(self, go: int, lost_pieces: int) -> None:
        if go == 5:
            self.device.restart(lost_pieces)
            self.given_up = True
            self.line = None
            REACHED["restarts"] += 1

    @rule(go=st.integers(0, 4))
    def line_breaks(self, go: int) -> None:
        if go == 4:
            self.line = None  # the server may not know: a zombie

    @rule(go=st.integers(0, 7))
    def server_dies(self, go: int) -> None:
        if go == 7:
            for connection in self.connections:
                connection.alive = False
            self.connections.clear()
            self.line = None
            REACHED["crashes"] += 1

    @precondition(lambda self: any(self.inboxes[c] for c in self.living()))
    @rule(data=st.data())
    def receive(self, data: st.DataObject) -> None:
        waiting = [c for c in self.living() if self.inboxes[c]]
        connection = data.draw(st.sampled_from(waiting))
        connection.receive(self.inboxes[connection].popleft())

    @precondition(lambda self: any(c.batches for c in self.living()))
    @rule(
        data=st.data(),
        fates=st.lists(
            st.sampled_from(["ok", "ok", "lost_reply", "db_down"]),
            min_size=2,
            max_size=5,
        ),
    )
    def commit(self, data: st.DataObject, fates: list[str]) -> None:
        connection = data.draw(st.sampled_from([c for c in self.living() if c.batches]))
        for fate in fates:
            if connection.alive and connection.batches:
                happened = connection.commit(fate)
                REACHED[happened] += 1
                owner = self.store[BOOT].generation
                assert happened != "fenced" or connection.generation < owner

    @precondition(lambda self: self.line and self.line.out)
    @rule()
    def hear(self) -> None:
        for frame in self.line.out:
            said = MSGPACK.decode_server(frame)
            if isinstance(said, messages.Ack):
                self.device.hear(said.ack)
        self.line.out.clear()

    @precondition(lambda self: self.line and self.line.alive)
    @rule(values=st.lists(st.integers(0, 5), min_size=1, max_size=8))
    def stream(self, values: list[int]) -> None:
        """Make, send and receive; what is received waits for its commit."""
        self.device.make(values)
        self.send(4, 3)
        while self.inboxes[self.line] and self.line.alive:
            self.line.receive(self.inboxes[self.line].popleft())

    @precondition(lambda self: self.line and self.line.alive)
    @rule(values=st.lists(st.integers(0, 5), min_size=1, max_size=8))
    def undisturbed(self, values: list[int]) -> None:
        self.device.make(values)
        if len(self.line.batches) + len(self.inboxes[self.line]) < 2:
            self.settle(self.line)

    def settle(self, line: Connection) -> None:
        """Let one connection do all there is to do."""
        for _ in range(1000):
            frame = self.device.next_frame(6)
            if frame is not None:
                self.inboxes[line].append(frame)
            while self.inboxes[line] and line.alive:
                line.receive(self.inboxes[line].popleft())
            while line.batches and line.alive:
                REACHED[line.commit()] += 1
            if line.out:
                self.line = line
                self.hear()
            if not line.alive or (frame is None and self.device.buffer.all_sent):
                return
        raise AssertionError("never comes to rest")

    def living(self) -> list[Connection]:
        return [c for c in self.connections if c.alive]

    @invariant()
    def nothing_is_lost_doubled_or_made_up(self) -> None:
        row = self.store[BOOT]
        assert row.watermark >= self.watermark, "the watermark went back"
        self.watermark = row.watermark
        assert self.device.heard <= row.watermark, "acknowledged, but not durable"
        for first, to in row.gaps.items():
            assert any(a <= first and to <= b for a, b in self.device.announced), (
                "a gap that nobody announced"
            )
        assert self.given_up or not row.gaps, "a gap without need"
        events, state = uninterrupted(self.device.said, row.gaps, row.watermark)
        assert row.events == events
        assert (row.state or "null") == state

    def teardown(self) -> None:
        """Once the faults stop, everything becomes durable."""
        row = self.store[BOOT]
        REACHED["readings"] += row.watermark
        REACHED["events"] += row.events.total()
        REACHED["gaps"] += len(row.gaps)
        REACHED["runs"] += 1
        self.connect(0)
        line = self.line
        assert line is not None
        self.settle(line)
        assert line.closed is None, line.closed
        assert self.device.buffer.empty
        assert row.watermark == self.device.buffer.next_seq - 1
        self.nothing_is_lost_doubled_or_made_up()


ENOUGH = {
    "readings": 3000,
    "events": 300,
    "committed": 1500,
    "fenced": 50,
    "redone": 50,
    "lost": 50,
    "resent": 200,
    "gaps": 50,
    "restarts": 50,
    "crashes": 30,
}


def run(machine: type[Resume], examples: int, phases: tuple[Phase, ...]) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=50,
            deadline=None,
            database=None,
            derandomize=True,
            phases=phases,
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_no_interleaving_loses_or_doubles_anything() -> None:
    REACHED.clear()
    run(Resume, 800, (Phase.generate, Phase.shrink))
    assert {k: REACHED[k] for k, least in ENOUGH.items() if REACHED[k] < least} == {}


@pytest.mark.parametrize("fault", [*FAULTS, "device_forgets_early"])
def test_a_planted_fault_is_found(fault: str) -> None:
    machine = type(f"With_{fault}", (Resume,), {"fault": fault})
    with pytest.raises((AssertionError, OnsetError)):
        run(machine, 4000, (Phase.generate,))  # ends with the first that finds it
