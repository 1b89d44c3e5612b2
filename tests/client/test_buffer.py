"""The device's buffer, without any line."""

import numpy as np
import pytest

from app.client.buffer import Buffer
from app.client.pieces import Chunk, Piece, clock, matrix, message
from app.domain import Gap
from app.errors import Conflict, InvalidReadings
from app.wire import messages

RATE = 10.0


def filled(n: int, chunk: int = 1, **more: int) -> Buffer:
    buffer = Buffer("b", **more)
    for first in range(0, n, chunk):
        values = np.arange(first + 1, min(first + chunk, n) + 1, dtype=np.float32)
        buffer.add(values.reshape(-1, 1), np.array([100.0 + first]))
    return buffer


def spans(buffer: Buffer, most: int = 100, window: int = 1000) -> list[tuple[int, int]]:
    taken = []
    while piece := buffer.take(most, window, RATE):
        taken.append((piece.first_seq, piece.next_seq))
    return taken


def test_small_chunks_are_joined_and_large_ones_split() -> None:
    assert spans(filled(7), most=3) == [(1, 4), (4, 7), (7, 8)]
    assert spans(filled(7, chunk=7), most=3) == [(1, 4), (4, 7), (7, 8)]


def test_times_of_a_split_chunk_are_spaced_by_the_rate() -> None:
    buffer = filled(4, chunk=4)
    times = [buffer.take(2, 100, RATE).times.tolist() for _ in range(2)]
    assert times == [[100.0], [100.2]]


def test_no_more_than_the_window_is_in_flight() -> None:
    buffer = filled(20)
    assert spans(buffer, window=8) == [(1, 9)]
    buffer.ack(3)
    assert spans(buffer, window=8) == [(9, 12)]
    assert buffer.held == 17


def test_resuming_sends_again_what_is_not_durable() -> None:
    buffer = filled(10, chunk=5)
    buffer.resume(0, RATE)
    spans(buffer)
    buffer.resume(7, RATE)
    assert buffer.acked == 7
    assert buffer.held == 3
    piece = buffer.take(100, 100, RATE)
    assert piece.values.ravel().tolist() == [8, 9, 10]
    assert piece.times.tolist() == [105.2]
    buffer.ack(10)
    assert buffer.empty


def test_an_ack_of_what_was_never_sent_is_a_conflict() -> None:
    buffer = filled(10)
    buffer.resume(0, RATE)
    spans(buffer, window=4)
    with pytest.raises(Conflict, match="boot 'b'"):
        buffer.ack(5)


def test_giving_up_the_oldest_leaves_one_gap() -> None:
    buffer = filled(10)
    buffer.resume(0, RATE)
    spans(buffer, window=4)
    assert buffer.drop_oldest(8) == 2
    assert buffer.drop_oldest(3) == 5
    assert buffer.held == 3
    assert spans(buffer) == [(1, 8), (8, 11)]
    buffer.resume(3, RATE)
    first = buffer.take(100, 100, RATE)
    assert first == Gap(4, 8, "overflow")


def test_a_server_that_went_back_is_told_what_is_gone() -> None:
    buffer = filled(10)
    buffer.resume(0, RATE)
    spans(buffer)
    buffer.ack(8)
    buffer.resume(5, RATE)
    assert buffer.take(100, 100, RATE) == Gap(6, 9, "server_regressed")
    assert spans(buffer) == [(9, 11)]


def test_fresh_readings_move_behind_what_the_server_has_already() -> None:
    """A journal lost its tail in a power cut: 4 and 5 were sent, and are durable."""
    old: list[Piece] = [Chunk(3, np.array([[3.0]], np.float32))]
    buffer = Buffer("b", acked=2, pieces=old)
    assert buffer.add(np.array([[6.0]], np.float32)) == 5
    buffer.resume(5, RATE)
    assert buffer.take(9, 9, RATE) == Gap(6, 7, "device_restarted")
    piece = buffer.take(9, 9, RATE)
    assert (piece.first_seq, piece.values.tolist()) == (7, [[6.0]])
    assert buffer.next_seq == 8


def test_rewinding_sends_only_what_is_still_kept() -> None:
    buffer = filled(10)
    buffer.resume(0, RATE)
    spans(buffer, most=2)
    buffer.ack(4)
    buffer.rewind(1)
    assert spans(buffer) == [(5, 11)]


@pytest.mark.parametrize("blocks", [True, False])
def test_pieces_become_messages(blocks: bool) -> None:
    values = np.array([[1, np.nan], [3, 4]], np.float32)
    said = message(Chunk(5, values, np.array([1.0, 2.0])), blocks=blocks)
    assert isinstance(said, messages.Readings)
    assert (said.seq, said.time) == (5, [1.0, 2.0])
    assert isinstance(said.values, bytes if blocks else list)
    assert message(Gap(5, 9, "why"), blocks=blocks) == messages.Skip(9, "why")


def test_what_is_not_readings_is_refused() -> None:
    for wrong in ([], [[]], [[[1.0]]]):
        with pytest.raises(InvalidReadings, match="shape"):
            matrix(wrong, None)
    assert matrix([1e300], 1).tolist() == [[np.inf]]
    assert clock(None, 3) is None
    with pytest.raises(InvalidReadings, match="2 times for 3"):
        clock([1.0, 2.0], 3)
