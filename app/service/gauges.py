"""Gauges of how fresh models are: read now and then, shown when somebody asks."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy.ext.asyncio import AsyncEngine

from app.store import drifts
from app.store.drifts import Freshness

READ_SECONDS = 15.0


class ModelGauges(Collector):
    """Age, new labels and drift of the champion of every profile.

    The series are as many as profiles have champions, times three signals of drift.
    """

    def __init__(self) -> None:
        self._known: Sequence[Freshness] = ()

    async def run(self, engine: AsyncEngine) -> None:
        """Read for ever; cancel to stop."""
        while True:
            await self.read(engine)
            await asyncio.sleep(READ_SECONDS)

    async def read(self, engine: AsyncEngine) -> None:
        """Read once."""
        async with engine.connect() as conn:
            self._known = await drifts.freshness(conn)

    def collect(self) -> Iterator[Metric]:
        """Say what was read last; ages as they are now."""
        of = ["profile", "model_version"]
        age = GaugeMetricFamily(
            "onset_model_age_seconds", "Time since the champion was trained", labels=of
        )
        new = GaugeMetricFamily(
            "onset_labels_since_training",
            "Labels that came since the champion was trained",
            labels=of,
        )
        drift = GaugeMetricFamily(
            "onset_drift",
            "Distance of recent events from what the champion learnt, 0 to 1",
            labels=[*of, "signal"],
        )
        alarm = GaugeMetricFamily(
            "onset_drift_alarm", "1 if the last look at drift alarmed", labels=of
        )
        skipped = GaugeMetricFamily(
            "onset_shadow_skipped_events",
            "Events that shadows were not asked about, because too many waited",
            labels=["profile"],
        )
        now = datetime.now(UTC)
        for one in self._known:
            labels = [one.profile, str(one.version)]
            age.add_metric(labels, (now - one.trained_at).total_seconds())
            new.add_metric(labels, one.labels)
            skipped.add_metric([one.profile], one.skipped)
            if one.look is None:
                continue
            alarm.add_metric(labels, float(one.look.alarm))
            for signal in one.look.signals:
                if signal["statistic"] is not None:
                    drift.add_metric([*labels, signal["kind"]], signal["statistic"])
        yield from (age, new, drift, alarm, skipped)
