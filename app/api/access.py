"""Who may do what: one table for every route; what it does not name is denied.

The table is also the outer router (`guard.py`): a path that it does not name is never
looked up, so a route that somebody forgets to add here answers 404 to everyone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection, Request

from app.api.limits import Limits, limits_of
from app.api.state import State
from app.domain import Role
from app.domain.reach import EVERYTHING, Reach
from app.errors import Forbidden, Unauthenticated
from app.store.keys import Key

TICKET_PREFIX = "ticket."
IMPORT_BYTES = 8 * 2**20
"""Larger histories come in pieces; they are idempotent by content."""
MODEL_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True)
class Rule:
    """What a route asks of its caller.

    Parameters
    ----------
    least : Role or None
        Least role of people's and services' keys; None lets everybody in.
    devices : bool
        Whether device keys may, too; on a path with ``{device_id}`` only their own.
    max_body_bytes : int
        Longer bodies are refused before they are read.
    shown_once : bool
        The answer holds a secret: it is never stored, nor given again to a repeated
        ``Idempotency-Key``.
    limits : Limits
        How far keys may be limited that are let in.
    """

    least: Role | None
    devices: bool = False
    max_body_bytes: int = 2**20
    shown_once: bool = False
    limits: Limits = Limits.NONE


OPEN = Rule(None)
VIEWER = Rule(Role.VIEWER)
LABELER = Rule(Role.LABELER)
OPERATOR = Rule(Role.OPERATOR)
ADMIN = Rule(Role.ADMIN)

_RULES: Mapping[tuple[str, str], Rule] = {
    ("GET", "/"): OPEN,
    ("GET", "/static/{path:path}"): OPEN,
    ("GET", "/openapi.json"): OPEN,
    ("GET", "/asyncapi.json"): OPEN,
    ("GET", "/health/live"): OPEN,
    ("GET", "/health/ready"): OPEN,
    ("GET", "/health/startup"): OPEN,
    ("GET", "/metrics"): VIEWER,
    ("GET", "/live"): VIEWER,
    ("GET", "/signals"): VIEWER,
    ("POST", "/classify"): Rule(Role.VIEWER, devices=True),
    ("GET", "/events"): VIEWER,
    ("POST", "/events"): LABELER,
    ("GET", "/events/{event_id}"): VIEWER,
    ("PATCH", "/events/{event_id}"): LABELER,
    ("GET", "/events/{event_id}/window"): VIEWER,
    ("GET", "/events/{event_id}/trace"): VIEWER,
    ("GET", "/events/{event_id}/explanation"): VIEWER,
    ("GET", "/events/{event_id}/labels"): VIEWER,
    ("POST", "/events/{event_id}/labels"): LABELER,
    ("POST", "/labels"): LABELER,
    ("GET", "/labels/queue"): LABELER,
    ("GET", "/labels/disputes"): LABELER,
    ("GET", "/near-misses"): VIEWER,
    ("GET", "/near-misses/recall"): VIEWER,
    ("GET", "/quarantine"): VIEWER,
    ("GET", "/export"): VIEWER,
    ("POST", "/events/import"): Rule(Role.OPERATOR, max_body_bytes=IMPORT_BYTES),
    ("POST", "/retrain"): OPERATOR,
    ("POST", "/replay"): OPERATOR,
    ("POST", "/verify"): OPERATOR,
    ("GET", "/jobs"): VIEWER,
    ("GET", "/jobs/{job_id}"): VIEWER,
    ("DELETE", "/jobs/{job_id}"): OPERATOR,
    ("GET", "/models"): VIEWER,
    ("GET", "/models/{version}"): VIEWER,
    ("GET", "/models/{version}/bundle"): OPERATOR,
    ("POST", "/models/import"): Rule(Role.OPERATOR, max_body_bytes=MODEL_BYTES),
    ("POST", "/models/{version}/promote"): OPERATOR,
    ("GET", "/models/{version}/report"): VIEWER,
    ("GET", "/models/{version}/shadow"): VIEWER,
    ("POST", "/models/{version}/shadow"): OPERATOR,
    ("DELETE", "/models/{version}/shadow"): OPERATOR,
    ("GET", "/models/{version}/canary"): VIEWER,
    ("POST", "/models/{version}/canary"): OPERATOR,
    ("DELETE", "/models/{version}/canary"): OPERATOR,
    ("GET", "/profiles"): VIEWER,
    ("GET", "/profiles/{name}"): VIEWER,
    ("PUT", "/profiles/{name}"): OPERATOR,
    ("GET", "/profiles/{name}/history"): VIEWER,
    ("GET", "/profiles/{name}/status"): VIEWER,
    ("GET", "/profiles/{name}/drift"): VIEWER,
    ("GET", "/profiles/{name}/gold"): VIEWER,
    ("POST", "/profiles/{name}/gold"): OPERATOR,
    ("GET", "/profiles/{name}/clusters"): VIEWER,
    ("POST", "/profiles/{name}/rollback"): OPERATOR,
    ("GET", "/profiles/{name}/detectors"): VIEWER,
    ("GET", "/profiles/{name}/detectors/history"): VIEWER,
    ("GET", "/profiles/{name}/detectors/{number}"): VIEWER,
    ("POST", "/profiles/{name}/detectors"): OPERATOR,
    ("POST", "/profiles/{name}/detectors/fit"): OPERATOR,
    ("POST", "/profiles/{name}/detectors/explore"): OPERATOR,
    ("POST", "/profiles/{name}/detectors/rollback"): OPERATOR,
    ("POST", "/profiles/{name}/detectors/{number}/promote"): OPERATOR,
    ("GET", "/profiles/{name}/statistics"): VIEWER,
    ("GET", "/profiles/{name}/rules"): VIEWER,
    ("PUT", "/profiles/{name}/rules"): OPERATOR,
    ("GET", "/profiles/{name}/episodes"): VIEWER,
    ("GET", "/devices"): VIEWER,
    ("GET", "/devices/{device_id}"): Rule(Role.VIEWER, devices=True),
    ("PUT", "/devices/{device_id}"): OPERATOR,
    ("DELETE", "/devices/{device_id}"): ADMIN,
    ("GET", "/devices/{device_id}/signal"): VIEWER,
    ("GET", "/devices/{device_id}/readings"): VIEWER,
    ("POST", "/devices/{device_id}/pause"): OPERATOR,
    ("POST", "/devices/{device_id}/release"): OPERATOR,
    ("POST", "/devices/{device_id}/resume"): OPERATOR,
    ("POST", "/devices/{device_id}/keys"): Rule(Role.OPERATOR, shown_once=True),
    ("POST", "/devices/{device_id}/readings"): Rule(None, devices=True),
    ("WS", "/devices/{device_id}/stream"): Rule(None, devices=True),
    ("POST", "/tickets"): Rule(Role.OPERATOR, devices=True, shown_once=True),
    ("GET", "/v2"): OPEN,
    ("GET", "/v2/health/live"): OPEN,
    ("GET", "/v2/health/ready"): OPEN,
    ("GET", "/v2/models/{name}"): VIEWER,
    ("GET", "/v2/models/{name}/ready"): VIEWER,
    ("POST", "/v2/models/{name}/infer"): Rule(Role.VIEWER, devices=True),
    ("GET", "/v2/models/{name}/versions/{version}"): VIEWER,
    ("GET", "/v2/models/{name}/versions/{version}/ready"): VIEWER,
    ("POST", "/v2/models/{name}/versions/{version}/infer"): Rule(
        Role.VIEWER, devices=True
    ),
    ("GET", "/alerts"): VIEWER,
    ("POST", "/alerts/{alert_id}/ack"): LABELER,
    ("GET", "/alerts/rules"): VIEWER,
    ("POST", "/alerts/rules"): OPERATOR,
    ("PATCH", "/alerts/rules/{rule_id}"): OPERATOR,
    ("DELETE", "/alerts/rules/{rule_id}"): OPERATOR,
    ("GET", "/webhooks"): OPERATOR,
    ("POST", "/webhooks"): Rule(Role.OPERATOR, shown_once=True),
    ("DELETE", "/webhooks/{webhook_id}"): OPERATOR,
    ("POST", "/webhooks/{webhook_id}/enable"): OPERATOR,
    ("GET", "/webhooks/{webhook_id}/deliveries"): OPERATOR,
    ("POST", "/webhooks/{webhook_id}/deliveries/{delivery_id}/resend"): OPERATOR,
    ("GET", "/keys"): ADMIN,
    ("POST", "/keys"): Rule(Role.ADMIN, shown_once=True),
    ("DELETE", "/keys/{key_id}"): ADMIN,
    ("GET", "/audit"): ADMIN,
}
RULES: Mapping[tuple[str, str], Rule] = {
    route: replace(rule, limits=limits_of(route)) for route, rule in _RULES.items()
}


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is asking: `name` is what labels and the audit trail say."""

    key_id: str
    name: str
    role: Role
    device: str | None = None
    reach: Reach = EVERYTHING

    def require_device(self, device: str) -> None:
        """Refuse a device's key where another device is meant.

        Raises
        ------
        Forbidden
        """
        if self.role is Role.DEVICE and self.device != device:
            raise Forbidden("this key belongs to another device")


ANYBODY = Caller("", "anybody", Role.DEVICE)


async def authenticate(state: State, connection: HTTPConnection) -> Caller:
    """Find out who is asking, from ``Authorization: Bearer``.

    Raises
    ------
    Unauthenticated
    """
    scheme, _, presented = connection.headers.get("authorization", "").partition(" ")
    if not scheme:
        raise Unauthenticated("send a key as 'Authorization: Bearer <key>'")
    if scheme.lower() != "bearer":
        raise Unauthenticated("the Authorization scheme must be Bearer")
    return caller(await state.keys.find(presented.strip()))


def caller(key: Key) -> Caller:
    """Say who the holder of a key is."""
    name = key.name or f"key {key.id}"
    return Caller(str(key.id), name, Role(key.role), key.device, key.reach)


def authorize(rule: Rule, who: Caller, parameters: Mapping[str, str]) -> None:
    """Let a caller pass, or not.

    Raises
    ------
    Forbidden
    """
    if rule.least is None and not rule.devices:
        return
    if who.role is Role.DEVICE:
        if not rule.devices:
            raise Forbidden("device keys may only stream, classify and see their own")
        if "device_id" in parameters:
            who.require_device(parameters["device_id"])
        return
    if rule.least is None or who.role.rank < rule.least.rank:
        least = rule.least or Role.DEVICE
        raise Forbidden(f"this needs the role {least}, the key has {who.role}")
    if who.reach.limited:
        _require_reach(rule, who.reach, parameters)


def _require_reach(rule: Rule, reach: Reach, parameters: Mapping[str, str]) -> None:
    """Refuse what would tell of more than a key reaches.

    Which profile a device has is found where it is looked up.
    """
    if rule.limits is Limits.NONE:
        raise Forbidden("this needs a key that is not limited")
    if reach.devices and rule.limits is Limits.PROFILES:
        raise Forbidden("this needs a key that is not limited to some devices")
    if "name" in parameters and not reach.profile(parameters["name"]):
        raise Forbidden("the key is limited to other profiles")
    if "device_id" in parameters and not reach.device(parameters["device_id"]):
        raise Forbidden("the key is limited to other devices")


async def authorize_device(
    state: State,
    connection: HTTPConnection,
    device_id: str,
    subprotocols: Sequence[str] = (),
) -> Caller:
    """Decide on a device socket before its upgrade is accepted.

    A key in the header, or, from a browser, a ticket among the offered subprotocols.

    Raises
    ------
    Unauthenticated, Forbidden
    """
    _check_origin(state, connection)
    rule = RULES[("WS", "/devices/{device_id}/stream")]
    if "authorization" in connection.headers:
        who = await authenticate(state, connection)
        authorize(rule, who, {"device_id": device_id})
        return who
    for offered in subprotocols:
        if offered.startswith(TICKET_PREFIX):
            value = offered.removeprefix(TICKET_PREFIX)
            ticket = state.tickets.redeem(value, device_id)
            return Caller(ticket.key_id, ticket.holder, Role.DEVICE, device_id)
    raise Unauthenticated("send a device key, or a ticket as a subprotocol")


def _check_origin(state: State, connection: HTTPConnection) -> None:
    """Refuse pages of other sites; compared whole, never by prefix."""
    origin = connection.headers.get("origin")
    if origin is None or origin in state.origins:
        return
    parts = urlsplit(origin)
    if parts.scheme not in ("http", "https") or parts.netloc != connection.headers.get(
        "host"
    ):
        raise Forbidden("this page's origin may not open device sockets")


def who(request: Request) -> Caller:
    """Return the caller that the guard let in, as a FastAPI dependency."""
    found: Caller = request.state.caller
    return found
