"""What a device hears of its events: given to callbacks, kept for `async for`."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TypeAlias, TypeVar

from app.wire import messages

Heard: TypeAlias = (
    messages.Onset | messages.Prediction | messages.Event | messages.Retract
)
HeardT = TypeVar(
    "HeardT", messages.Onset, messages.Prediction, messages.Event, messages.Retract
)


class Inbox:
    """Keeps the newest messages, and calls who wants them.

    Parameters
    ----------
    most : int > 0
        Messages that wait; the oldest give way.
    on_onset, on_prediction, on_event, on_retract : callable or None
    """

    def __init__(
        self,
        most: int,
        on_onset: Callable[[messages.Onset], object] | None,
        on_prediction: Callable[[messages.Prediction], object] | None,
        on_event: Callable[[messages.Event], object] | None,
        on_retract: Callable[[messages.Retract], object] | None,
    ) -> None:
        self.waiting: deque[Heard] = deque(maxlen=most)
        self._on_onset = on_onset
        self._on_prediction = on_prediction
        self._on_event = on_event
        self._on_retract = on_retract

    def take(self, said: messages.ServerMessage) -> None:
        """Keep a message and call; a callback's error ends the stream, by its name."""
        match said:
            case messages.Onset():
                self._tell(said, self._on_onset)
            case messages.Prediction():
                self._tell(said, self._on_prediction)
            case messages.Event():
                self._tell(said, self._on_event)
            case messages.Retract():
                self._tell(said, self._on_retract)

    def _tell(self, said: HeardT, call: Callable[[HeardT], object] | None) -> None:
        self.waiting.append(said)
        if call is not None:
            try:
                call(said)
            except Exception as fault:
                raise RuntimeError(f"the callback for {said!r} failed") from fault
