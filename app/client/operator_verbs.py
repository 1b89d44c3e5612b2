"""What is asked of what a profile makes of its events, and of who looks after it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from app.client.asking import Call, Pages, given, listing, place, verb


class OperatorVerbs:
    """Statistics, rules and episodes; drift; webhooks; the audit trail."""

    # Of a profile.

    @verb
    def statistics(
        self, profile: str, *, since: str | None = None, until: str | None = None
    ) -> Call[dict[str, Any]]:
        """Count events by label, prediction, hour and probability; default: a day."""
        path = place("profiles", profile, "statistics")
        return Call("GET", path, {"params": given(since=since, until=until)})

    @verb
    def label_rules(self, profile: str) -> Call[dict[str, Any]]:
        """Read what is made of events by their labels."""
        return Call("GET", place("profiles", profile, "rules"))

    @verb
    def put_label_rules(
        self, profile: str, rules: Sequence[Mapping[str, Any]]
    ) -> Call[dict[str, Any]]:
        """Say what is made of events by their labels, in place of all rules before.

        Parameters
        ----------
        rules : sequence of mapping
            `label`, and any of `severity`, `merge_seconds`, `suppress`.
        """
        body = {"json": {"rules": [dict(rule) for rule in rules]}}
        return Call("PUT", place("profiles", profile, "rules"), body)

    @verb
    def episodes(self, /, profile: str, **filters: Any) -> Call[dict[str, Any]]:
        """Read events merged by the rules; `since`, `until`, `device`, `severity`."""
        path = place("profiles", profile, "episodes")
        return Call("GET", path, {"params": given(**filters)})

    @verb
    def status(self, profile: str) -> Call[dict[str, Any]]:
        """Read how a profile does: champion, its accuracy by version, labels."""
        return Call("GET", place("profiles", profile, "status"))

    @verb
    def drift(
        self, profile: str, *, device: str | None = None, events: int | None = None
    ) -> Call[dict[str, Any]]:
        """Read whether the champion still sees what it learnt."""
        path = place("profiles", profile, "drift")
        return Call("GET", path, {"params": given(device=device, events=events)})

    @verb
    def replay(self, /, profile: str, **sides: Any) -> Call[Any]:
        """Run what was recorded through other versions, as a job."""
        return Call("POST", "/replay", {"json": {"profile": profile, **sides}})

    @verb
    def verify(self, /, **what: Any) -> Call[Any]:
        """Make stored events and predictions again, and compare, as a job."""
        return Call("POST", "/verify", {"json": what})

    # Of devices and streams.

    @verb
    def readings(
        self, device: str, boot: str, first_seq: int, next_seq: int
    ) -> Call[dict[str, Any]]:
        """Read recorded readings of a stream: ``[first_seq, next_seq)``."""
        span = {"boot": boot, "first_seq": first_seq, "next_seq": next_seq}
        return Call("GET", place("devices", device, "readings"), {"params": span})

    @listing
    def quarantine(self, /, *, page: int = 100, **filters: Any) -> Pages[Any]:
        """Read readings on which a detector failed, newest first."""
        return Pages("/quarantine", page, filters)

    @verb
    def recall(self, /, **filters: Any) -> Call[dict[str, Any]]:
        """Estimate how much of what happens is found; of a `profile` or a `device`."""
        return Call("GET", "/near-misses/recall", {"params": given(**filters)})

    @verb
    def ticket(self, device: str) -> Call[dict[str, Any]]:
        """Make a one-time ticket with which a browser opens a device's socket."""
        return Call("POST", "/tickets", {"json": {"device": device}})

    # Webhooks.

    @listing
    def webhooks(self) -> Pages[dict[str, Any]]:
        """Read all webhooks, without their secrets."""
        return Pages("/webhooks")

    @verb
    def add_webhook(self, /, url: str, **more: Any) -> Call[dict[str, Any]]:
        """Tell a URL of `types`, of a `profile`; its `secret` is shown this once."""
        return Call("POST", "/webhooks", {"json": {"url": url, **more}})

    @verb
    def delete_webhook(self, webhook: int) -> Call[None]:
        """Forget a webhook and its deliveries."""
        return Call("DELETE", place("webhooks", webhook))

    @verb
    def enable_webhook(self, webhook: int) -> Call[dict[str, Any]]:
        """Send again to a webhook that was given up."""
        return Call("POST", place("webhooks", webhook, "enable"))

    @listing
    def deliveries(
        self, webhook: int, *, page: int = 100, state: str | None = None
    ) -> Pages[dict[str, Any]]:
        """Read what a webhook was sent and is owed, newest first."""
        return Pages(place("webhooks", webhook, "deliveries"), page, {"state": state})

    @verb
    def resend(self, webhook: int, delivery: int) -> Call[dict[str, Any]]:
        """Send a delivery once more."""
        path = place("webhooks", webhook, "deliveries", delivery, "resend")
        return Call("POST", path)

    @listing
    def audit(self, *, page: int = 100) -> Pages[dict[str, Any]]:
        """Read who did what, newest first."""
        return Pages("/audit", page)
