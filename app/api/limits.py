"""How far the keys of each route may be limited; of one in no list they must not be.

What a limited key sees behind a route is left to `store.limited`.
"""

from __future__ import annotations

from enum import IntEnum


class Limits(IntEnum):
    """By what a route's keys may be limited: by nothing, by profiles, by both."""

    NONE = 0
    PROFILES = 1
    DEVICES = 2


_PROFILES = {
    ("GET", "/events/{event_id}/explanation"),
    ("POST", "/retrain"),
    ("POST", "/replay"),
    ("POST", "/verify"),
    ("GET", "/jobs"),
    ("GET", "/jobs/{job_id}"),
    ("DELETE", "/jobs/{job_id}"),
    ("GET", "/models"),
    ("GET", "/models/{version}"),
    ("GET", "/models/{version}/bundle"),
    ("POST", "/models/import"),
    ("POST", "/models/{version}/promote"),
    ("GET", "/models/{version}/report"),
    ("GET", "/models/{version}/shadow"),
    ("POST", "/models/{version}/shadow"),
    ("DELETE", "/models/{version}/shadow"),
    ("GET", "/models/{version}/canary"),
    ("POST", "/models/{version}/canary"),
    ("DELETE", "/models/{version}/canary"),
    ("PUT", "/profiles/{name}"),
    ("GET", "/profiles/{name}/history"),
    ("GET", "/profiles/{name}/drift"),
    ("GET", "/profiles/{name}/gold"),
    ("POST", "/profiles/{name}/gold"),
    ("POST", "/profiles/{name}/rollback"),
    ("GET", "/profiles/{name}/detectors"),
    ("GET", "/profiles/{name}/detectors/history"),
    ("GET", "/profiles/{name}/detectors/{number}"),
    ("POST", "/profiles/{name}/detectors"),
    ("POST", "/profiles/{name}/detectors/fit"),
    ("POST", "/profiles/{name}/detectors/explore"),
    ("POST", "/profiles/{name}/detectors/rollback"),
    ("POST", "/profiles/{name}/detectors/{number}/promote"),
    ("PUT", "/profiles/{name}/rules"),
    ("GET", "/webhooks"),
    ("POST", "/webhooks"),
    ("DELETE", "/webhooks/{webhook_id}"),
    ("POST", "/webhooks/{webhook_id}/enable"),
    ("GET", "/webhooks/{webhook_id}/deliveries"),
    ("POST", "/webhooks/{webhook_id}/deliveries/{delivery_id}/resend"),
}
"""They speak of all devices of a profile."""
_DEVICES = {
    ("GET", "/live"),
    ("GET", "/signals"),
    ("POST", "/classify"),
    ("GET", "/events"),
    ("POST", "/events"),
    ("GET", "/events/{event_id}"),
    ("PATCH", "/events/{event_id}"),
    ("GET", "/events/{event_id}/window"),
    ("GET", "/events/{event_id}/trace"),
    ("GET", "/events/{event_id}/labels"),
    ("POST", "/events/{event_id}/labels"),
    ("POST", "/labels"),
    ("GET", "/labels/queue"),
    ("GET", "/labels/disputes"),
    ("GET", "/near-misses"),
    ("GET", "/near-misses/recall"),
    ("GET", "/quarantine"),
    ("GET", "/export"),
    ("POST", "/events/import"),
    ("GET", "/profiles"),
    ("GET", "/profiles/{name}"),
    ("GET", "/profiles/{name}/status"),
    ("GET", "/profiles/{name}/clusters"),
    ("GET", "/profiles/{name}/statistics"),
    ("GET", "/profiles/{name}/rules"),
    ("GET", "/profiles/{name}/episodes"),
    ("GET", "/devices"),
    ("GET", "/devices/{device_id}"),
    ("PUT", "/devices/{device_id}"),
    ("GET", "/devices/{device_id}/signal"),
    ("GET", "/devices/{device_id}/readings"),
    ("POST", "/devices/{device_id}/pause"),
    ("POST", "/devices/{device_id}/resume"),
    ("POST", "/devices/{device_id}/release"),
    ("POST", "/devices/{device_id}/keys"),
    ("POST", "/tickets"),
    ("GET", "/v2/models/{name}"),
    ("GET", "/v2/models/{name}/ready"),
    ("POST", "/v2/models/{name}/infer"),
    ("GET", "/v2/models/{name}/versions/{version}"),
    ("GET", "/v2/models/{name}/versions/{version}/ready"),
    ("POST", "/v2/models/{name}/versions/{version}/infer"),
    ("GET", "/alerts"),
    ("POST", "/alerts/{alert_id}/ack"),
    ("GET", "/alerts/rules"),
    ("POST", "/alerts/rules"),
    ("PATCH", "/alerts/rules/{rule_id}"),
    ("DELETE", "/alerts/rules/{rule_id}"),
}


def limits_of(route: tuple[str, str]) -> Limits:
    """Say how far a route's keys may be limited."""
    if route in _DEVICES:
        return Limits.DEVICES
    return Limits.PROFILES if route in _PROFILES else Limits.NONE
