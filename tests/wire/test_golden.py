"""Frames are, byte for byte, what devices in the field were built for.

A field may be added: then keep the old frame as one more that must be read.  Any other
change breaks devices that nobody can reach, and is a new subprotocol.
"""

import json
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest

from app.wire import messages as m
from app.wire.asyncapi import FROM_DEVICE, FROM_SERVER
from app.wire.frames import JSON, MSGPACK

GOLDEN = Path(__file__).with_name("frames_golden.json")
EVENT = UUID("90f3a1c2-0b1d-5e6f-8a9b-0c1d2e3f4a5b")
AT = "2026-01-01T00:00:00.000000Z"
BLOCK = np.array([[1.5, np.nan], [-2.0, 0.25]], "<f4").tobytes()
DEVICE: dict[str, Any] = {
    "hello": m.Hello("b1", "arm-band"),
    "readings": m.Readings([[1.5, None], [-2.0, 0.25]], 7, 1767225600.5),
    "readings without hello": m.Readings([[1.0, 2.0]]),
    "skip": m.Skip(12, "the memory was full"),
    "end": m.End(),
}
SERVER: dict[str, Any] = {
    "welcome": m.Welcome(3, 6, 4096, 1024, "arm-band", ["x", "y"], 50.0, 2, None, "b1"),
    "ack": m.Ack(12),
    "onset": m.Onset(EVENT, 7, AT),
    "prediction": m.Prediction(EVENT, "fist", 0.75, False, 4, True),
    "event": m.Event(EVENT, 7, 11, AT, AT, 3.5, ["gap"]),
    "retract": m.Retract(EVENT),
    "error": m.Error("wrong channels", "3 values, but 2 channels", False),
}


def written() -> dict[str, dict[str, str]]:
    """Write every message in both forms."""
    found = {}
    for said, device in ((DEVICE, True), (SERVER, False)):
        for name, message in said.items():
            text, data = (
                codec.encode_device(message) if device else codec.encode(message)
                for codec in (JSON, MSGPACK)
            )
            found[name] = {"json": str(text), "msgpack": bytes(data).hex()}
    block = MSGPACK.encode_device(m.Readings(BLOCK, 7, [1.0, 2.0], 2))
    found["readings as a block"] = {"msgpack": bytes(block).hex()}
    return found


def test_every_kind_of_message_has_a_golden_frame():
    for said, kinds in ((DEVICE, FROM_DEVICE), (SERVER, FROM_SERVER)):
        assert {type(message) for message in said.values()} == set(kinds)


def test_frames_are_written_as_ever():
    assert written() == json.loads(GOLDEN.read_text())


@pytest.mark.parametrize("name", [*DEVICE, *SERVER])
def test_golden_frames_are_read_as_ever(name: str):
    frames = json.loads(GOLDEN.read_text())[name]
    for codec, frame in (
        (JSON, frames["json"]),
        (MSGPACK, bytes.fromhex(frames["msgpack"])),
    ):
        if name in DEVICE:
            assert codec.decode(frame) == DEVICE[name]
        else:
            assert codec.decode_server(frame) == SERVER[name]


def test_a_golden_block_is_read_as_ever():
    frames = json.loads(GOLDEN.read_text())["readings as a block"]
    message = MSGPACK.decode(bytes.fromhex(frames["msgpack"]))
    assert message == m.Readings(BLOCK, 7, [1.0, 2.0], 2)
