"""Readings taken one by one, so that one on which a detector fails can be left out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from app.detection.segment import Output
from app.detection.stream import Stream
from app.domain import Gap, Readings, SetAside

WHY = "the detector failed on it"


@dataclass(slots=True)
class Careful:
    """What came of readings that were taken with care.

    Parameters
    ----------
    stream : Stream
        The one to go on with.
    """

    stream: Stream
    outputs: list[Output] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    set_aside: list[SetAside] = field(default_factory=list)


def carefully(
    stream: Stream, restored: Callable[..., Stream], readings: Readings
) -> Careful:
    """Take readings one by one; go back to before one that fails, and skip it.

    Parameters
    ----------
    restored : function
        `Stream.restore` of the same profile, version, device and boot.
    """
    done = Careful(stream)
    for i, seq in enumerate(range(readings.first_seq, readings.next_seq)):
        now = slice(i, i + 1)
        values, times = readings.values[now], readings.times[now]
        stream = done.stream
        done.gaps += stream.take_gaps()
        opened, before = stream.open_from(), stream.state()
        held = () if opened is None else (stream.held_from(opened),)
        try:
            done.outputs += stream.receive(
                Readings(seq, values, times, readings.device_times)
            )
        except Exception as error:
            why = f"{type(error).__name__}: {error}"
            done.set_aside.append(SetAside(seq, values[0], float(times[0]), why))
            done.stream = restored(next_seq=seq, state=before, readings=held)
            done.outputs += done.stream.skip(seq + 1, WHY)
    return done
