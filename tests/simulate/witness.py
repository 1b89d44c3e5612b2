"""What the fault catalogue judges, put together from what a stream said and took."""

from collections.abc import Iterable

import numpy as np

from app.domain import Event, Readings
from app.simulate.catalogue import Seen
from app.simulate.faults import Script
from app.simulate.recording import Recording


def seen_of(
    one: Recording,
    script: Script,
    times: np.ndarray,
    said: Iterable[object],
    taken: Iterable[Readings],
) -> Seen:
    """Put events and pieces as the service's REST tells them."""
    events = [
        {
            "onset_seq": event.onset_seq,
            "offset_seq": event.offset_seq,
            "peak": event.peak,
            "flags": [str(flag) for flag in event.flags],
        }
        for event in said
        if isinstance(event, Event)
    ]
    pieces = [
        {"first_seq": r.first_seq, "times": list(r.times), "values": r.values}
        for r in taken
    ]
    return Seen(one, script, times, events, pieces, ())
