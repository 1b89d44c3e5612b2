"""What all streams of a process share, and who hears of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

from app.domain import Event, Onset, Prediction, PredictionLog, Retraction
from app.service.champion import Champions
from app.service.detectors import Detectors
from app.service.metrics import Metrics
from app.service.notify.hub import Hub
from app.service.streams.commit import GroupCommit
from app.service.streams.load import Load
from app.service.streams.pasts import Pasts
from app.service.streams.suspects import Suspects


@dataclass(frozen=True, slots=True)
class Answer:
    """A prediction on its way to the device, before its event is durable."""

    event: UUID
    prediction: Prediction
    provisional: bool


Output = Onset | Retraction | Answer


class Sink(Protocol):
    """The connection of a stream, as ingest sees it."""

    def committed(self, watermark: int, events: Sequence[Event]) -> None:
        """Hear what is durable."""

    def superseded(self) -> None:
        """Hear that another connection took the stream over."""

    def refused(self, reason: str) -> None:
        """Hear that the store will never take what was sent."""


@dataclass(frozen=True, slots=True)
class Shared:
    """What all streams of a process share."""

    champions: Champions
    commit: GroupCommit
    hub: Hub
    metrics: Metrics
    provisional_seconds: float
    detectors: Detectors | None = None
    """None: streams keep the detector that they began with."""
    suspects: Suspects = field(default_factory=Suspects)
    load: Load | None = None
    """None: provisional answers are given whatever the load is."""
    log: PredictionLog = PredictionLog.ALL
    """How much is stored of what was predicted."""
    pasts: Pasts = field(default_factory=Pasts)
    """What is known of devices, where that is asked for."""


class Direct(Protocol):
    """The stream's lane, where readings are taken without it."""

    def hold(self) -> None:
        """Take no more readings."""

    def collect(self) -> int:
        """Give how many readings were taken since this was last asked."""
