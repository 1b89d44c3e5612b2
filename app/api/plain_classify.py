"""`POST /classify` of the usual kind, without the framework in between.

A few windows or feature vectors of a profile that has a champion: read, asked and
answered in one go, by the same `predict` as the route.  Everything else, and whatever
is wrong with a request, is left to the route, which is given the same body.
"""

from __future__ import annotations

import msgspec
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.classify import INLINE_ROWS, predict
from app.api.state import State
from app.domain import Prediction
from app.errors import OnsetError
from app.wire.frames import FAULTS

PATH = "/classify"
MOST_BYTES = 256 * 1024
"""More is no usual question: the route would read it once more."""
_JSON = b"application/json"


class _Asked(msgspec.Struct, forbid_unknown_fields=True):
    """What the route's body is, as far as it is usual."""

    profile: str
    features: list[list[float]] | None = None
    windows: list[list[list[float]]] | None = None
    pre_roll: int | None = None
    post_roll: int | None = None


_read = msgspec.json.Decoder(_Asked).decode
_write = msgspec.json.Encoder().encode


async def answer(
    route: ASGIApp, state: State, scope: Scope, receive: Receive, send: Send
) -> None:
    """Answer an authorised request, or leave it to the route."""
    limited = scope["state"]["reach"].limited  # which the route holds to
    if limited or scope["query_string"] or not _is_plain(scope["headers"]):
        await route(scope, receive, send)
        return
    held: list[Message] = []
    body = b""
    more = True
    while more:
        message = await receive()
        held.append(message)
        more = message["type"] == "http.request" and message.get("more_body", False)
        body += message.get("body", b"")
    said = _said(state, body) if held[-1]["type"] == "http.request" else None
    if said is None:

        async def again() -> Message:
            return held.pop(0) if held else await receive()

        await route(scope, again, send)
        return
    headers = [
        (b"content-length", str(len(said)).encode("ascii")),
        (b"content-type", _JSON),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": said})


def _is_plain(headers: list[tuple[bytes, bytes]]) -> bool:
    """Whether the body is JSON, known to be short, and to be answered just once."""
    found = dict(headers)
    length = found.get(b"content-length", b"")
    short = length.isdigit() and int(length[:20]) <= MOST_BYTES
    plain = short and found.get(b"content-type") == _JSON
    return plain and b"idempotency-key" not in found


def _said(state: State, body: bytes) -> bytes | None:
    """Return the answer; None: the route must look at it."""
    try:
        asked = _read(body)
    except FAULTS:
        return None
    rows = asked.windows if asked.features is None else asked.features
    both = asked.windows is not None and asked.features is not None
    if both or not rows or len(rows) > INLINE_ROWS:
        return None
    if min(asked.pre_roll or 0, asked.post_roll or 0) < 0:
        return None
    model = state.champions.model(asked.profile)
    if model is None:
        return None
    try:
        said = predict(model, asked)
    except OnsetError:
        return None
    return _write({"predictions": [_shown(one) for one in said]})


def _shown(said: Prediction) -> dict[str, object]:
    return {
        "label": said.label,
        "probability": said.probability,
        "probabilities": dict(zip(said.classes, said.probabilities, strict=True)),
        "unknown": said.unknown,
        "model_version": said.model_version,
        "features_digest": said.features_digest,
    }
