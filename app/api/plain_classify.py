"""`POST /classify` of the usual kind, without the framework in between.

A few windows or feature vectors of a profile that has a champion: read, asked and
answered in one go, by the same `predict` as the route.  Everything else, and whatever
is wrong with a request, is left to the route, which is given the same body.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.classify import INLINE_ROWS, predict
from app.api.state import State
from app.domain import Float32Array, Prediction
from app.errors import OnsetError
from app.wire import quick
from app.wire.frames import FAULTS

PATH = "/classify"
MOST_BYTES = 256 * 1024
"""More is no usual question: the route would read it once more."""
_JSON = b"application/json"
_NULL = b"null"


class _Body(msgspec.Struct, forbid_unknown_fields=True):
    """What the route's body is, as far as it is usual; its numbers are not read yet."""

    profile: str
    features: msgspec.Raw = msgspec.Raw(_NULL)
    windows: msgspec.Raw = msgspec.Raw(_NULL)
    pre_roll: int | None = None
    post_roll: int | None = None


class _Asked(NamedTuple):
    """What `predict` wants to know."""

    features: list[Float32Array] | None
    windows: list[Float32Array] | None
    pre_roll: int | None
    post_roll: int | None
    contexts: None = None


_read = msgspec.json.Decoder(_Body).decode
_write = msgspec.json.Encoder().encode
_windows = msgspec.json.Decoder(list[msgspec.Raw]).decode


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
        sent = _read(body)
        vectors, windows = _vectors(sent.features), _arrays(sent.windows)
    except FAULTS:
        return None
    rows = windows if vectors is None else vectors
    both = vectors is not None and windows is not None
    if both or not rows or len(rows) > INLINE_ROWS:
        return None
    if min(sent.pre_roll or 0, sent.post_roll or 0) < 0:
        return None
    model = state.champions.model(sent.profile)
    if model is None:
        return None
    try:
        asked = _Asked(vectors, windows, sent.pre_roll, sent.post_roll)
        said = predict(model, asked)
    except OnsetError:
        return None
    return _write({"predictions": [_shown(one) for one in said]})


def _vectors(sent: msgspec.Raw) -> list[Float32Array] | None:
    """Read feature vectors; [] where the route must look at them."""
    text = bytes(sent)
    if text == _NULL:
        return None
    table = quick.rows(text)
    return [] if table is None else list(table)


def _arrays(sent: msgspec.Raw) -> list[Float32Array] | None:
    """Read windows; [] where the route must look at them."""
    if bytes(sent) == _NULL:
        return None
    windows: list[Float32Array] = []
    for one in _windows(sent)[: INLINE_ROWS + 1]:
        window = quick.rows(bytes(one))
        if window is None:
            return []
        windows.append(window)
    return windows


def _shown(said: Prediction) -> dict[str, object]:
    return {
        "label": said.label,
        "probability": said.probability,
        "probabilities": dict(zip(said.classes, said.probabilities, strict=True)),
        "unknown": said.unknown,
        "model_version": said.model_version,
        "features_digest": said.features_digest,
    }
