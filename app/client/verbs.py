"""Everything that can be asked of a service, each once: see `asking`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from app.client import shapes
from app.client.asking import Call, Pages, given, listing, place, verb
from app.client.event_verbs import EventVerbs
from app.client.model_verbs import ModelVerbs
from app.client.operator_verbs import OperatorVerbs


class Verbs(EventVerbs, ModelVerbs, OperatorVerbs):
    """The verbs of `Onset` and `BlockingOnset`."""

    # Keys.

    @verb
    def device_key(self, device: str) -> Call[str]:
        """Make a key for a device; the service shows it this once."""
        return Call("POST", place("devices", device, "keys"), _json({}), _secret)

    @verb
    def create_key(
        self,
        name: str,
        role: str,
        *,
        profiles: Sequence[str] = (),
        devices: Sequence[str] = (),
    ) -> Call[shapes.KeyMade]:
        """Make a key for a person or a service; its `key` is shown this once.

        `profiles` and `devices` limit it, by names or patterns such as ``acme-*``.
        """
        limits = {"profiles": list(profiles), "devices": list(devices)}
        return Call("POST", "/keys", _json({"name": name, "role": role, **limits}))

    @listing
    def keys(self) -> Pages[shapes.Key]:
        """Read all keys, revoked ones too."""
        return Pages("/keys")

    @verb
    def revoke_key(self, key: str) -> Call[None]:
        """Revoke a key; sockets that it opened close."""
        return Call("DELETE", place("keys", key))

    # Alerts.

    @listing
    def alerts(
        self,
        *,
        page: int = 100,
        rule: int | None = None,
        device: str | None = None,
        acknowledged: bool | None = None,
    ) -> Pages[shapes.Alert]:
        """Read alerts, newest first."""
        found = {"rule": rule, "device": device, "acknowledged": acknowledged}
        return Pages("/alerts", page, found)

    @verb
    def acknowledge(self, alert: int, note: str | None = None) -> Call[shapes.Alert]:
        """Say that you look after an alert."""
        return Call("POST", place("alerts", alert, "ack"), _json(given(note=note)))

    @listing
    def alert_rules(self) -> Pages[shapes.AlertRule]:
        """Read all alert rules."""
        return Pages("/alerts/rules")

    @verb
    def add_alert_rule(
        self, /, name: str, on: str, **rule: Any
    ) -> Call[shapes.AlertRule]:
        """Look for something from now on; `rule` as ``POST /alerts/rules`` has it."""
        return Call("POST", "/alerts/rules", _json({"name": name, "on": on, **rule}))

    @verb
    def change_alert_rule(self, /, rule: int, **change: Any) -> Call[shapes.AlertRule]:
        """Change an alert rule."""
        return Call("PATCH", place("alerts", "rules", rule), _json(change))

    @verb
    def delete_alert_rule(self, rule: int) -> Call[None]:
        """Forget an alert rule and what it found."""
        return Call("DELETE", place("alerts", "rules", rule))


def _json(body: Mapping[str, Any]) -> dict[str, Any]:
    return {"json": dict(body)}


def _secret(answer: Any) -> str:
    return str(answer["key"])
