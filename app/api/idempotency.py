"""`Idempotency-Key`: a POST that is sent again is answered again, and not done twice.

The answer is kept before its first byte is sent, so that who did not hear it can ask
again.  A key belongs to the caller's API key, the method and the path.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from hashlib import sha256
from http import HTTPStatus
from typing import Any

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, HTTPConnection
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.problems import problem, problem_response, unavailable
from app.api.state import state_of
from app.errors import OnsetError
from app.store import idempotency
from app.store.engine import AWAY
from app.store.idempotency import MAX_BODY_BYTES, Claim, KeptAnswer

log = structlog.get_logger()

REPLAYED = "Idempotency-Replayed"
PARAMETER: dict[str, Any] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "A key of your choice. For 24 hours the same request with the same "
    f"key is answered as before, with `{REPLAYED}: true`, and not done again. 409: the "
    "first one still runs, or its answer was a secret that is shown once. 422: the key "
    "was used for another request. An answer of 5xx or above 1 MiB frees the key.",
    "schema": {
        "type": "string",
        "minLength": 1,
        "maxLength": 255,
        "pattern": "^[ -~]+$",
    },
}

_KEY = re.compile(r"[ -~]{1,255}")
Settle = Callable[[KeptAnswer | None], Awaitable[None]]


async def once(
    app: ASGIApp, scope: Scope, receive: Receive, send: Send, *, shown_once: bool
) -> None:
    """Serve an authorised request; one that was answered already is not done again.

    Parameters
    ----------
    receive : callable
        Bounded: the body of a request with a key is read as a whole.
    shown_once : bool
        A successful answer holds a secret, and must not be stored.
    """
    sent = Headers(scope=scope).getlist("idempotency-key")
    if scope["method"] != "POST" or not sent:
        await app(scope, receive, send)
        return
    if len(sent) != 1 or not _KEY.fullmatch(sent[0]):
        rule = "Idempotency-Key: one, of 1 to 255 printable ASCII characters"
        await problem(422, "Invalid input", rule)(scope, receive, send)
        return
    try:
        body, digest = await _read(scope, receive)
    except ClientDisconnect:
        return
    except HTTPException as error:
        title = HTTPStatus(error.status_code).phrase
        detail = "" if error.detail == title else error.detail
        await problem(error.status_code, title, detail)(scope, receive, send)
        return
    engine = state_of(HTTPConnection(scope)).engine
    found = await _claim(engine, scope, sent[0], digest)
    if not isinstance(found, Claim):
        await found(scope, receive, send)
        return

    async def settle(answer: KeptAnswer | None) -> None:
        await _settle(engine, found, answer)

    recorder = _Recorder(send, settle, shown_once)
    try:
        await app(scope, _again(body, receive), recorder)
    finally:
        await recorder.close()


async def _read(scope: Scope, receive: Receive) -> tuple[bytes, bytes]:
    """Read the body; digest it with what else says what is asked."""
    kind = Headers(scope=scope).get("content-type", "")
    query = scope.get("query_string", b"").decode("latin-1")
    hashed = sha256(json.dumps([kind, query]).encode())
    chunks = []
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunks.append(message.get("body", b""))
        hashed.update(chunks[-1])
        more = message.get("more_body", False)
    return b"".join(chunks), hashed.digest()


async def _claim(
    engine: AsyncEngine, scope: Scope, key: str, digest: bytes
) -> Claim | Response:
    """Claim the key, or say what to answer instead."""
    key_id: str = scope["state"]["caller"].key_id
    whole = [key_id, scope["method"], scope["path"], key]
    try:
        async with engine.begin() as conn:
            found = await idempotency.claim(
                conn, sha256(json.dumps(whole).encode()).digest(), key_id, digest
            )
    except OnsetError as error:
        return problem_response(error)
    except AWAY:
        return unavailable()
    return found if isinstance(found, Claim) else _replay(found)


def _replay(answer: KeptAnswer) -> Response:
    if answer.body is None:
        return problem(409, "Conflict", "done already; what it made was shown once")
    named = {"Content-Type": answer.content_type, "Location": answer.location}
    headers = {name: value for name, value in named.items() if value is not None}
    return Response(answer.body, answer.status, {**headers, REPLAYED: "true"})


async def _settle(engine: AsyncEngine, claim: Claim, answer: KeptAnswer | None) -> None:
    """Keep the answer or free the key; the request is done whether or not it works."""
    try:
        async with engine.begin() as conn:
            if answer is None:
                await idempotency.release(conn, claim)
            else:
                await idempotency.keep(conn, claim, answer)
    except SQLAlchemyError:
        log.warning("idempotency_unsettled", exc_info=True)


def _again(body: bytes, receive: Receive) -> Receive:
    """Hand out the body that was read, and then what comes after it."""
    waiting = [body]

    async def received() -> Message:
        if waiting:
            return {"type": "http.request", "body": waiting.pop(), "more_body": False}
        return await receive()

    return received


class _Recorder:
    """Holds an answer back until it is settled; one that is too long passes by."""

    def __init__(self, send: Send, settle: Settle, shown_once: bool) -> None:
        self._send = send
        self._settle = settle
        self._shown_once = shown_once
        self._start: Message = {}
        self._held: list[Message] = []
        self._size = 0
        self._settled = False

    async def __call__(self, message: Message) -> None:
        """Take a message of the answer."""
        if message["type"] == "http.response.start":
            self._start = message
        self._held.append(message)
        self._size += len(message.get("body", b""))
        ends = message["type"] == "http.response.body" and not message.get("more_body")
        if ends:
            await self._settle(self._answer())
            self._settled = True
        if ends or self._size > MAX_BODY_BYTES:
            held, self._held = self._held, []
            for one in held:
                await self._send(one)

    async def close(self) -> None:
        """Free the key of a request that came to no end: it failed or was cancelled."""
        if not self._settled:
            await self._settle(None)

    def _answer(self) -> KeptAnswer | None:
        status: int = self._start["status"]
        if status >= 500 or self._size > MAX_BODY_BYTES:
            return None
        headers = Headers(raw=self._start.get("headers", []))
        secret = self._shown_once and status < 400
        body = b"".join(one.get("body", b"") for one in self._held)
        return KeptAnswer(
            status,
            headers.get("content-type"),
            headers.get("location"),
            None if secret else body,
        )
