"""What stands before every route: access, rates, sizes, unforeseen errors, headers.

A request is authorised before a byte of its body is read.
"""

from __future__ import annotations

import structlog
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api import inference, plain_classify
from app.api.access import ANYBODY, RULES, Caller, authenticate, authorize
from app.api.idempotency import once
from app.api.problems import problem, problem_response, unavailable, unforeseen
from app.api.rulebook import RuleBook
from app.api.state import state_of
from app.errors import OnsetError
from app.store.engine import AWAY

log = structlog.get_logger()

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",  # a browser asks whether its copy is still the one
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; "
    "style-src 'self' 'unsafe-inline'; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'",
}


_HEADERS = [
    (name.lower().encode("latin-1"), value.encode("latin-1"))
    for name, value in HEADERS.items()
]


class Guard:
    """ASGI middleware around the whole application."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._rules = RuleBook(RULES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; sockets never come here (`devices_socket`)."""
        if scope["type"] == "http":
            await self._serve(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False
        if scope["path"].startswith(f"{inference.PREFIX}/"):
            send = inference.speaking(send)

        async def watched(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                sent = message.setdefault("headers", [])
                there = {name.lower() for name, _ in sent}
                told = [
                    (name.lower().encode("latin-1"), value.encode("latin-1"))
                    for name, value in scope.get("told", {}).items()
                ]
                sent += [one for one in _HEADERS + told if one[0] not in there]
            await send(message)

        try:
            await self._admit(scope, receive, watched)
        except Exception:
            log.exception("unforeseen", method=scope["method"], path=scope["path"])
            if started:
                raise
            await unforeseen()(scope, receive, watched)

    async def _admit(self, scope: Scope, receive: Receive, send: Send) -> None:
        method, path = scope["method"], scope["path"]
        found = self._rules.find(method, path)
        if not found:
            known = self._rules.methods(path)
            refusal = problem(404, "Not found")
            if known and known != ["WS"]:
                allow = {"Allow": ", ".join(m for m in known if m != "WS")}
                refusal = problem(405, "Method not allowed", headers=allow)
            await refusal(scope, receive, send)
            return
        connection = HTTPConnection(scope)
        who: Caller = ANYBODY
        try:
            if any(rule.least or rule.devices for rule, _ in found):
                who = await authenticate(state_of(connection), connection)
            for rule, parameters in found:
                authorize(rule, who, parameters)
        except OnsetError as error:
            await problem_response(error)(scope, receive, send)
            return
        except AWAY:
            await unavailable()(scope, receive, send)
            return
        scope.setdefault("state", {}).update(caller=who, reach=who.reach)
        allowance = None if who is ANYBODY else state_of(connection).allowance
        if allowance is not None:
            taken = allowance.take(who.key_id)
            scope["told"] = allowance.headers(taken)
            if taken.wait_seconds:
                most = f"at most {allowance.per_second:g} requests a second with a key"
                await problem(429, "Too many requests", most)(scope, receive, send)
                return
        limit = min(rule.max_body_bytes for rule, _ in found)
        announced = Headers(scope=scope).get("content-length", "0")
        if not announced.isdecimal() or int(announced[:20]) > limit:
            await _too_large(limit)(scope, receive, send)
            return
        bounded = _limited(receive, limit)
        shown_once = any(rule.shown_once for rule, _ in found)

        async def route(scope: Scope, receive: Receive, send: Send) -> None:
            await once(self._app, scope, receive, send, shown_once=shown_once)

        if path == plain_classify.PATH:
            state = state_of(connection)
            await plain_classify.answer(route, state, scope, bounded, send)
        else:
            await route(scope, bounded, send)


def _limited(receive: Receive, limit: int) -> Receive:
    """Count what is received; a body without a length may not be endless either."""
    total = 0

    async def counted() -> Message:
        nonlocal total
        message = await receive()
        total += len(message.get("body", b""))
        if total > limit:
            raise HTTPException(413, f"at most {limit} bytes")
        return message

    return counted


def _too_large(limit: int) -> ASGIApp:
    return problem(413, "Content too large", f"at most {limit} bytes")
