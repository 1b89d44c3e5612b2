"""What the service counts: one object, made at start, handed to whom it concerns.

Each stage of a reading's path counts what went in, out and was dropped, so that
in = out + dropped + pending holds and the narrow stage can be named.
"""

import asyncio
import time
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from app.service.gauges import ModelGauges

LATENCY_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5)

LAG_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 600, 3600)


class Processor(Collector):
    """The processor time of this process, looked up when somebody asks.

    Receiving and detecting happen in the event loop, for each message: a clock around
    every one of them would cost as much as what it measures.
    """

    def collect(self) -> Iterator[Metric]:
        """Look at the clock."""
        said = "Processor time of the process"
        yield CounterMetricFamily("onset_cpu_seconds", said, time.process_time())


class Tasks(Collector):
    """The tasks of the event loop: more and more of them are a leak."""

    def collect(self) -> Iterator[Metric]:
        """Count them, where there is a loop."""
        try:
            count = len(asyncio.all_tasks())
        except RuntimeError:  # asked for from outside
            count = 0
        yield GaugeMetricFamily("onset_tasks", "Tasks of the event loop", count)


class Metrics:
    """The service's counters, gauges and histograms in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        r = self.registry
        r.register(Processor())
        r.register(Tasks())
        self.models = ModelGauges()
        r.register(self.models)
        self.connections = Gauge(
            "onset_connections", "Device sockets that are open", registry=r
        )
        self.readings = Counter(
            "onset_readings", "Readings accepted", ["profile"], registry=r
        )
        self.missing_values = Counter(
            "onset_missing_values",
            "Values that were null, not finite, or outside their channel's limits",
            registry=r,
        )
        self.outside_values = Counter(
            "onset_outside_values",
            "Those of them that were outside their channel's limits",
            registry=r,
        )
        self.resent_readings = Counter(
            "onset_resent_readings", "Readings dropped because known", registry=r
        )
        self.quarantined = Counter(
            "onset_quarantined_readings",
            "Readings set aside because a detector failed on them",
            registry=r,
        )
        self.gaps = Counter("onset_gaps", "Gaps in streams", registry=r)
        self.events_detected = Counter(
            "onset_events_detected", "Events out of detectors", ["profile"], registry=r
        )
        self.event_late_seconds = Histogram(
            "onset_event_late_seconds",
            "Age of an event's end when it was found, by its device's clock",
            buckets=LAG_SECONDS,
            registry=r,
        )
        self.event_durable_seconds = Histogram(
            "onset_event_durable_seconds",
            "From an event's prediction to the event's being durable",
            buckets=LAG_SECONDS,
            registry=r,
        )
        self.event_published_seconds = Histogram(
            "onset_event_published_seconds",
            "From an event's row to the readers of this process, by two clocks",
            buckets=LAG_SECONDS,
            registry=r,
        )
        self.events_stored = Counter(
            "onset_events_stored", "Events made durable", registry=r
        )
        self.predictions = Counter(
            "onset_predictions",
            "Events classified at once",
            ["profile", "model_version"],
            registry=r,
        )
        self.predictions_failed = Counter(
            "onset_predictions_failed", "Events a model failed on", registry=r
        )
        self.events_unclassified = Counter(
            "onset_events_unclassified", "Events for which no model was", registry=r
        )
        self.loop_late_seconds = Histogram(
            "onset_loop_late_seconds",
            "How late the event loop was, twenty times a second",
            buckets=LATENCY_SECONDS,
            registry=r,
        )
        self.deadlines_missed = Counter(
            "onset_deadlines_missed",
            "Times that the event loop was later than `ONSET_DEADLINE_MS`",
            registry=r,
        )
        self.given_up = Gauge(
            "onset_given_up",
            "Whether it is given up because the process cannot keep up",
            ["what"],
            registry=r,
        )
        self.serving = Gauge(
            "onset_serving_model_version",
            "Champion of a profile that this process serves",
            ["profile"],
            registry=r,
        )
        self.commits = Counter("onset_commits", "Group commits", registry=r)
        self.commit_retries = Counter(
            "onset_commit_retries", "Group commits that had to be redone", registry=r
        )
        self.superseded = Counter(
            "onset_superseded", "Connections that lost their stream", registry=r
        )
        self.pending_streams = Gauge(
            "onset_pending_streams", "Streams with something to commit", registry=r
        )
        self.commit_seconds = Histogram(
            "onset_commit_seconds",
            "Time of a group commit",
            buckets=LATENCY_SECONDS,
            registry=r,
        )
        self.classify_seconds = Histogram(
            "onset_classify_seconds",
            "Time of features and prediction of one event",
            buckets=LATENCY_SECONDS,
            registry=r,
        )
        self.refused = Counter(
            "onset_connections_refused",
            "Connections refused or dropped, by reason",
            ["reason"],
            registry=r,
        )
        self.closes = Counter(
            "onset_closes", "Device sockets closed by us", ["code"], registry=r
        )
