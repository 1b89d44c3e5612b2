"""What the tests of a session say to it, and how they look at its answers."""

from typing import Any

import msgspec

from app.domain import Channel, Profile
from app.wire.frames import JSON, Codec
from app.wire.session import Limits, Session

NOW = 1_700_000_000.0
PROFILE = Profile("band", (Channel("a"), Channel("b")), rate_hz=10.0)


def say(**message: Any) -> str:
    return msgspec.json.encode(message).decode()


def readings(*rows: list[float | None], **fields: Any) -> str:
    return say(type="readings", values=list(rows), **fields)


def greet(session: Session, watermark: int = 0) -> list[Any]:
    return session.welcome(
        boot="b1",
        generation=1,
        watermark=watermark,
        window=4096,
        profile=PROFILE,
        detector_version=1,
        model_version=None,
    )


def opened(watermark: int = 0, codec: Codec = JSON, **limits: int) -> Session:
    session = Session(codec, Limits(**limits))
    hello = msgspec.json.encode if codec.text else msgspec.msgpack.encode
    frame = hello({"type": "hello", "boot": "b1"})
    assert session.receive(frame.decode() if codec.text else frame, NOW)
    greet(session, watermark)
    return session


def only(actions: list[Any], kind: type) -> Any:
    (action,) = actions
    assert isinstance(action, kind), action
    return action
