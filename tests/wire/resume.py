"""Device buffer, sessions and store as one machine that is driven step by step.

The device keeps its readings in the client's own `Buffer`, the server side is the real
`Session`; connections break, stay half open, are taken over, the server dies, commits
lose their replies, the device restarts from its journal and gives readings up.

A schedule is data: a list of steps that are drawn at random, whatever the state is; a
step that does not apply is passed over.  So one that fails is made shorter by leaving
steps out (`shortest`).
"""

from collections import Counter, deque
from collections.abc import Callable
from random import Random

from app.errors import OnsetError
from app.wire import messages
from app.wire.frames import MSGPACK
from tests.wire.device import BOOT, Device
from tests.wire.toy import Connection, Row, uninterrupted

Step = tuple[str, tuple[int, ...]]
FATES = ("ok", "ok", "lost_reply", "db_down")


def numbers(random: Random, most: int, lengths: tuple[int, int]) -> tuple[int, ...]:
    """Draw so many numbers of 0 to `most`."""
    return tuple(random.randint(0, most) for _ in range(random.randint(*lengths)))


DRAWN: dict[str, tuple[int, Callable[[Random], tuple[int, ...]]]] = {
    # a step: how often it is drawn, and with what
    "make": (6, lambda r: numbers(r, 5, (1, 5))),
    "stream": (6, lambda r: numbers(r, 5, (1, 8))),
    "undisturbed": (6, lambda r: numbers(r, 5, (1, 8))),
    "connect": (6, lambda r: (r.randint(0, 5),)),
    "send": (6, lambda r: (r.randint(1, 6), r.randint(1, 3))),
    "resend": (4, lambda r: (r.randint(1, 8),)),
    "receive": (8, lambda r: (r.randrange(1000),)),
    "commit": (8, lambda r: (r.randrange(1000), *numbers(r, 3, (2, 5)))),
    "hear": (6, lambda r: ()),
    "overflow": (2, lambda r: (r.randint(1, 12),)),
    "line_breaks": (2, lambda r: ()),
    "jump_without_a_word": (1, lambda r: ()),
    "device_restarts": (1, lambda r: (r.randint(0, 2),)),
    "server_dies": (1, lambda r: ()),
}
WEIGHTS = [weight for weight, _ in DRAWN.values()]


def draw(random: Random, steps: int) -> list[Step]:
    """Draw a schedule."""
    names = random.choices(list(DRAWN), WEIGHTS, k=steps)
    return [(name, DRAWN[name][1](random)) for name in names]


class Resume:
    def __init__(self, reached: Counter[str], fault: str = "") -> None:
        self.reached = reached
        self.fault = fault
        self.store: dict[str, Row] = {BOOT: Row()}
        self.device = Device(fault)
        self.given_up = False
        self.connections: list[Connection] = []
        self.inboxes: dict[Connection, deque[str | bytes]] = {}
        self.line: Connection | None = None
        self.watermark = 0

    def play(self, schedule: list[Step]) -> None:
        """Do each step that applies; look after each, and once all is at rest."""
        for name, drawn in schedule:
            getattr(self, name)(*drawn)
            self.nothing_is_lost_doubled_or_made_up()
        self.rest()

    @property
    def open(self) -> bool:
        """Whether the device has a line."""
        return self.line is not None and self.line.alive

    def living(self) -> list[Connection]:
        return [c for c in self.connections if c.alive]

    def make(self, *values: int) -> None:
        self.device.make(list(values))

    def connect(self, go: int) -> None:
        if self.open and go:
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
        self.reached["connections"] += 1

    def send(self, most: int, frames: int) -> None:
        if not self.open:
            return
        for _ in range(frames):
            frame = self.device.next_frame(most)
            if frame is not None:
                self.inboxes[self.line].append(frame)

    def resend(self, back: int) -> None:
        if self.open:
            before = self.device.buffer.sent
            self.device.buffer.rewind(max(1, before - back))
            self.reached["resent"] += before - self.device.buffer.sent

    def overflow(self, capacity: int) -> None:
        dropped = self.device.buffer.drop_oldest(capacity)
        self.reached["given_up"] += dropped
        self.given_up = self.given_up or dropped > 0

    def jump_without_a_word(self) -> None:
        """A device with a bug: its readings never count, its line is closed."""
        if self.open:
            named = [*self.device.said, *(to for _, to in self.device.announced), 0]
            bug = messages.Readings([[9.0, -1.0]], max(named) + 3)
            self.inboxes[self.line].append(MSGPACK.encode_device(bug))
            self.line = None

    def device_restarts(self, lost_pieces: int) -> None:
        self.device.restart(lost_pieces)
        self.given_up = True
        self.line = None
        self.reached["restarts"] += 1

    def line_breaks(self) -> None:
        self.line = None  # the server may not know: a zombie

    def server_dies(self) -> None:
        for connection in self.connections:
            connection.alive = False
        self.connections.clear()
        self.line = None
        self.reached["crashes"] += 1

    def receive(self, which: int) -> None:
        waiting = [c for c in self.living() if self.inboxes[c]]
        if waiting:
            connection = waiting[which % len(waiting)]
            connection.receive(self.inboxes[connection].popleft())

    def commit(self, which: int, *fates: int) -> None:
        waiting = [c for c in self.living() if c.batches]
        if not waiting:
            return
        connection = waiting[which % len(waiting)]
        for fate in fates:
            if connection.alive and connection.batches:
                happened = connection.commit(FATES[fate])
                self.reached[happened] += 1
                owner = self.store[BOOT].generation
                assert happened != "fenced" or connection.generation < owner

    def hear(self) -> None:
        if self.line is None:
            return
        for frame in self.line.out:
            said = MSGPACK.decode_server(frame)
            if isinstance(said, messages.Ack):
                self.device.hear(said.ack)
        self.line.out.clear()

    def stream(self, *values: int) -> None:
        """Make, send and receive; what is received waits for its commit."""
        if not self.open:
            return
        self.device.make(list(values))
        self.send(4, 3)
        while self.inboxes[self.line] and self.line.alive:
            self.line.receive(self.inboxes[self.line].popleft())

    def undisturbed(self, *values: int) -> None:
        if not self.open:
            return
        self.device.make(list(values))
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
                self.reached[line.commit()] += 1
            if line.out:
                self.line = line
                self.hear()
            if not line.alive or (frame is None and self.device.buffer.all_sent):
                return
        raise AssertionError("never comes to rest")

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

    def rest(self) -> None:
        """Once the faults stop, everything becomes durable."""
        row = self.store[BOOT]
        self.reached["readings"] += row.watermark
        self.reached["events"] += row.events.total()
        self.reached["gaps"] += len(row.gaps)
        self.reached["schedules"] += 1
        self.connect(0)
        line = self.line
        assert line is not None
        self.settle(line)
        assert line.closed is None, line.closed
        assert self.device.buffer.empty
        assert row.watermark == self.device.buffer.next_seq - 1
        self.nothing_is_lost_doubled_or_made_up()


def fails(schedule: list[Step], fault: str = "") -> bool:
    """Whether a schedule shows that something is wrong."""
    try:
        Resume(Counter(), fault).play(schedule)
    except (AssertionError, OnsetError):
        return True
    return False


def shortest(schedule: list[Step], fault: str = "") -> list[Step]:
    """Leave out of a schedule that fails what is not needed for that."""
    at = 0
    while at < len(schedule):
        shorter = schedule[:at] + schedule[at + 1 :]
        if fails(shorter, fault):
            schedule = shorter
        else:
            at += 1
    return schedule


def play(seeds: range, steps: int) -> Counter[str]:
    """Play a schedule of each seed; return what was reached.

    Raises
    ------
    AssertionError
        With the shortest form of the first schedule that fails.
    """
    reached: Counter[str] = Counter()
    for seed in seeds:
        schedule = draw(Random(seed), steps)
        try:
            Resume(reached).play(schedule)
        except (AssertionError, OnsetError) as error:
            short = shortest(schedule)
            raise AssertionError(f"seed {seed}: {error!r} after {short}") from error
    return reached
