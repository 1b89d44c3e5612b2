"""What a bridge counts, for Prometheus and for its log."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge

TAKEN, AGAIN = "taken", "again"
MALFORMED, REFUSED, GIVEN_UP = "malformed", "refused", "given_up"
OUTCOMES = (TAKEN, AGAIN, MALFORMED, REFUSED, GIVEN_UP)


class Counts:
    """Counters of one bridge; `registry` is what is served."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.messages = Counter(
            "onset_mqtt_messages_total",
            "Messages of devices: taken; again (delivered before); malformed; "
            "refused (too many devices, or the service refuses this one); given_up "
            "(no room).",
            ["outcome"],
            registry=self.registry,
        )
        self.readings = Counter(
            "onset_mqtt_readings_total",
            "Readings that were given to streams.",
            registry=self.registry,
        )
        self.told = Counter(
            "onset_mqtt_told_total",
            "Onsets, predictions and events that were published.",
            registry=self.registry,
        )
        self.untold = Counter(
            "onset_mqtt_untold_total",
            "The same, dropped because the broker took no more.",
            registry=self.registry,
        )
        self.early = Counter(
            "onset_mqtt_acknowledged_early_total",
            "Messages acknowledged to the broker before they were durable, because "
            "their device stood still and others waited behind it.",
            registry=self.registry,
        )
        self.devices = Gauge(
            "onset_mqtt_devices", "Devices with a stream.", registry=self.registry
        )
        self.unacknowledged = Gauge(
            "onset_mqtt_unacknowledged",
            "Messages that the broker waits to see acknowledged.",
            registry=self.registry,
        )
        for outcome in OUTCOMES:
            self.messages.labels(outcome)

    def count(self, outcome: str) -> None:
        """Count a message."""
        self.messages.labels(outcome).inc()
