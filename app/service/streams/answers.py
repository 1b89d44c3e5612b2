"""What one stream's events are called: once they have ended, and before, if asked."""

from __future__ import annotations

from dataclasses import replace

import structlog

from app.detection import Stream
from app.domain import Context, Event, Float32Array, Prediction, Profile
from app.features import Session
from app.learning.model import classify
from app.service.streams.load import PROVISIONAL
from app.service.streams.shared import Answer, Shared

log = structlog.get_logger()

NEVER = 2**63 - 1
"""The number of a reading that does not come."""


class Answers:
    """Classifies the events of one stream.

    Parameters
    ----------
    opened : bool
        Whether an event is open already.
    session : Session or None
        What the stream's events were so far; None where that is not kept.
    """

    def __init__(
        self,
        shared: Shared,
        profile: Profile,
        device: str,
        *,
        opened: bool,
        session: Session | None = None,
    ) -> None:
        self._shared = shared
        self._profile = profile
        self._device = device
        self.session = session
        self._step = max(1, round(shared.provisional_seconds * profile.rate_hz))
        self.due_at = 0 if opened else NEVER
        """Number of the reading with which a provisional prediction is due."""

    @property
    def model_version(self) -> int | None:
        """The version that classifies, None while none does."""
        model = self._shared.champions.model(self._profile.name, self._device)
        return None if model is None else model.version

    def final(self, event: Event) -> tuple[Event, Prediction | None]:
        """Name an event that has ended, None if no model can.

        Returns it with what was known beside it; from now on that is known of it.
        """
        metrics = self._shared.metrics
        if self.session is not None:
            event = replace(event, context=self.session.context(event.onset_seq))
        prediction = self._classify(
            event.window, event.pre_roll, event.post_roll, event.context
        )
        if self.session is not None:
            self.session.note(event, prediction)
        if prediction is None:
            metrics.events_unclassified.inc()
        else:
            version = str(prediction.model_version)
            metrics.predictions.labels(event.profile, version).inc()
        return event, prediction

    def provisional(self, stream: Stream) -> Answer | None:
        """Name the event that is open; None if none is, or if nobody can or may."""
        opened = stream.provisional()
        if opened is None:
            self.due_at = NEVER
            return None
        self.due_at = stream.next_seq + self._step
        load = self._shared.load
        if load is not None and load.gives_up(PROVISIONAL):
            return None
        event, window, pre_roll = opened
        onset_seq = stream.next_seq - len(window) + pre_roll
        known = None if self.session is None else self.session.context(onset_seq)
        prediction = self._classify(window, pre_roll, 0, known)
        return None if prediction is None else Answer(event, prediction, True)

    def _classify(
        self,
        window: Float32Array,
        pre_roll: int,
        post_roll: int,
        context: Context | None,
    ) -> Prediction | None:
        model = self._shared.champions.model(self._profile.name, self._device)
        if model is None:
            return None
        try:
            with self._shared.metrics.classify_seconds.time():
                return classify(model, window, pre_roll, post_roll, context)
        except Exception:
            # An event is never lost to a model: it is stored unclassified.
            self._shared.metrics.predictions_failed.inc()
            log.exception("classify_failed", model_version=model.version)
            return None
