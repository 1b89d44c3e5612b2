"""Frames: messages as JSON text, or as MessagePack."""

from __future__ import annotations

from typing import Protocol, TypeAlias

import msgspec

from app.errors import InvalidInput
from app.wire.messages import DeviceMessage, ServerMessage

Frame: TypeAlias = str | bytes

FAULTS = (msgspec.MsgspecError, RecursionError, UnicodeError, OverflowError)
"""What decoding raises where a frame is no message."""


class Codec(Protocol):
    """Turns frames into messages and back, for both ends of the line."""

    @property
    def text(self) -> bool:
        """Whether frames are text; else they are binary."""

    def decode(self, frame: Frame) -> DeviceMessage:
        """Read what a device sent; InvalidInput names the field and the rule."""

    def encode(self, message: ServerMessage) -> Frame:
        """Write what the server says."""

    def decode_server(self, frame: Frame) -> ServerMessage:
        """Read what a server sent; InvalidInput as in `decode`."""

    def encode_device(self, message: DeviceMessage) -> Frame:
        """Write what a device says."""


class Json:
    """Text frames, one JSON object each; a value that is not a number is null.

    Examples
    --------
    >>> Json().decode('{"type":"readings","values":[[1,null]]}')
    Readings(values=[[1.0, None]], seq=None, time=None, n=None)
    """

    text = True

    def __init__(self) -> None:
        self._encoder = msgspec.json.Encoder()
        self._device = msgspec.json.Decoder(DeviceMessage)
        self._server = msgspec.json.Decoder(ServerMessage)

    def decode(self, frame: Frame) -> DeviceMessage:
        """Read what a device sent."""
        if not isinstance(frame, str):
            raise InvalidInput(
                "a binary frame, but onset.v1.json carries text frames; "
                "offer the subprotocol onset.v1.msgpack for MessagePack"
            )
        try:
            message: DeviceMessage = self._device.decode(frame)
        except FAULTS as fault:
            raise InvalidInput(_say(fault)) from None
        return message

    def encode(self, message: ServerMessage) -> str:
        """Write what the server says."""
        return self._encoder.encode(message).decode()

    def decode_server(self, frame: Frame) -> ServerMessage:
        """Read what a server sent."""
        try:
            message: ServerMessage = self._server.decode(frame)
        except FAULTS as fault:
            raise InvalidInput(_say(fault)) from None
        return message

    def encode_device(self, message: DeviceMessage) -> str:
        """Write what a device says."""
        return self._encoder.encode(message).decode()


class MessagePack:
    """Binary frames, one MessagePack map each; `values` may be one float32 bin."""

    text = False

    def __init__(self) -> None:
        self._encoder = msgspec.msgpack.Encoder(uuid_format="canonical")
        self._device = msgspec.msgpack.Decoder(DeviceMessage)
        self._server = msgspec.msgpack.Decoder(ServerMessage)

    def decode(self, frame: Frame) -> DeviceMessage:
        """Read what a device sent."""
        if isinstance(frame, str):
            raise InvalidInput(
                "a text frame, but onset.v1.msgpack carries binary frames; "
                "offer the subprotocol onset.v1.json for JSON"
            )
        try:
            message: DeviceMessage = self._device.decode(frame)
        except FAULTS as fault:
            raise InvalidInput(_say(fault)) from None
        return message

    def encode(self, message: ServerMessage) -> bytes:
        """Write what the server says."""
        return self._encoder.encode(message)

    def decode_server(self, frame: Frame) -> ServerMessage:
        """Read what a server sent."""
        if isinstance(frame, str):
            raise InvalidInput("a text frame from a server that speaks MessagePack")
        try:
            message: ServerMessage = self._server.decode(frame)
        except FAULTS as fault:
            raise InvalidInput(_say(fault)) from None
        return message

    def encode_device(self, message: DeviceMessage) -> bytes:
        """Write what a device says."""
        return self._encoder.encode(message)


def _say(fault: Exception) -> str:
    """Say what is wrong in at most 300 printable ASCII characters."""
    said = "nested too deeply" if isinstance(fault, RecursionError) else str(fault)
    return said.encode("ascii", "backslashreplace").decode()[:300]


JSON = Json()
MSGPACK = MessagePack()

SUBPROTOCOLS: dict[str, Codec] = {
    "onset.v1.json": JSON,
    "onset.v1.msgpack": MSGPACK,
}
