"""What happened before in one stream, as its events come: the facts of a `Context`.

Time is counted in readings of the stream itself, never by a clock: the same readings
give the same facts, however late they come, over whatever connection, and again after a
crash.  The state is part of the stream's checkpoint.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from dataclasses import replace

from app.domain import Event, Prediction
from app.domain.context import Context, Earlier, Past, past_json, past_of
from app.errors import InvalidInput

TOLD = 8
"""Earlier events that a context tells of."""
COUNTED = 256
"""Ends of events that are kept to count those of the last minutes."""
WITHIN_SECONDS = (10.0, 60.0, 600.0)
LEAST_PROBABILITY = 0.01
FORMAT = 1


class Session:
    """What one stream's events were, for those that come after them.

    Parameters
    ----------
    rate_hz : float > 0, readings per second
    past : Past or None
        What is known of the device.
    """

    def __init__(self, rate_hz: float, past: Past | None = None) -> None:
        self.past = past
        self._rate_hz = rate_hz
        self._events = 0
        self._ends: list[int] = []
        self._earlier: list[tuple[int, Earlier]] = []

    def context(self, onset_seq: int) -> Context:
        """Say what was known when the event came whose first reading is `onset_seq`."""
        ends = self._ends  # in order: an event begins where the one before has ended
        ten, minute, long = (
            len(ends) - bisect_left(ends, onset_seq - seconds * self._rate_hz)
            for seconds in WITHIN_SECONDS
        )
        earlier = tuple(
            Earlier(
                self._seconds(max(onset_seq - end, 0)),
                one.seconds,
                one.label,
                one.probability,
                one.unknown,
                None if nth else one.probabilities,
            )
            for nth, (end, one) in enumerate(reversed(self._earlier))
        )
        return Context(self._events, earlier, (ten, minute, long), self.past)

    def note(self, event: Event, said: Prediction | None) -> None:
        """Take note of an event that has ended, and of what it was called."""
        self._events += 1
        self._ends = [*self._ends, event.offset_seq][-COUNTED:]
        one = Earlier(0.0, self._seconds(event.offset_seq - event.onset_seq))
        if said is not None:
            one = replace(
                one,
                label=said.label,
                probability=round(said.probability, 6),
                unknown=said.unknown,
                probabilities={
                    name: round(p, 6)
                    for name, p in zip(said.classes, said.probabilities, strict=True)
                    if p >= LEAST_PROBABILITY
                },
            )
        self._earlier = [*self._earlier, (event.offset_seq, one)][-TOLD:]

    def state(self) -> bytes:
        """Return everything; `restore` goes on exactly."""
        earlier = Context(earlier=tuple(one for _, one in self._earlier)).to_json()
        said = {
            "format": FORMAT,
            "events": self._events,
            "ends": self._ends,
            "ended": [end for end, _ in self._earlier],
            "earlier": earlier["earlier"],
            "past": None if self.past is None else past_json(self.past),
        }
        return json.dumps(said, separators=(",", ":")).encode()

    @classmethod
    def restore(cls, rate_hz: float, state: bytes) -> Session:
        """Go on from a state.

        Raises
        ------
        InvalidInput
            If it is none.
        """
        try:
            said = json.loads(state)
            if said["format"] != FORMAT:
                raise InvalidInput(f"a session's state of format {said['format']!r}")
            past = said["past"]
            session = cls(rate_hz, None if past is None else past_of(past))
            session._events = int(said["events"])
            session._ends = [int(end) for end in said["ends"]]
            earlier = Context.from_json({"earlier": said["earlier"]}).earlier
            session._earlier = list(zip(said["ended"], earlier, strict=True))
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidInput(f"a session's state is not whole: {error!r}") from error
        return session

    def _seconds(self, readings: int) -> float:
        return round(readings / self._rate_hz, 6)
