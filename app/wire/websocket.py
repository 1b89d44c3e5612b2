"""WebSocket frames as a server sees them (RFC 6455), without a socket.

Our own, because it is the hottest path there is: a device's readings go from the
transport's bytes to the session without a task, a queue or an object between.  No
extension is offered: compression would cost more memory than everything else together.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from enum import IntEnum
from hashlib import sha1
from typing import TypeAlias

try:
    from websockets.speedups import apply_mask
except ImportError:  # no compiler built it
    from websockets.utils import apply_mask

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_LONGEST_REASON = 123
_LEAST = {2: 0, 4: 126, 10: 65_536}
"""The shortest body whose size ends at this byte of the head."""

PROTOCOL_ERROR, NO_CODE, NOT_TEXT, TOO_BIG = 1002, 1005, 1007, 1009


class Opcode(IntEnum):
    """What a frame is."""

    CONTINUATION = 0
    TEXT = 1
    BINARY = 2
    CLOSE = 8
    PING = 9
    PONG = 10


_KNOWN = frozenset(int(opcode) for opcode in Opcode)
_WHOLE_TEXT, _WHOLE_BINARY = 0x80 | Opcode.TEXT, 0x80 | Opcode.BINARY


@dataclass(frozen=True, slots=True)
class Ping:
    """To be answered with `pong`."""

    body: bytes


@dataclass(frozen=True, slots=True)
class Closed:
    """The peer closes; `code` 1005 if it gave none."""

    code: int


Received: TypeAlias = str | bytes | Ping | Closed
"""A text message, a binary message, or one of the frames that need an answer."""


class BadFrame(Exception):
    """The peer broke the framing; `code` is what to close the connection with."""

    def __init__(self, code: int, why: str) -> None:
        super().__init__(why)
        self.code = code


class Reader:
    """Takes a peer's bytes apart.

    Parameters
    ----------
    max_message_bytes : int > 0
        Longer messages are refused as soon as a header announces them, so no more than
        this and one read is ever kept.
    """

    __slots__ = ("_buffer", "_limit", "_opcode", "_parts")

    def __init__(self, max_message_bytes: int) -> None:
        self._limit = max_message_bytes
        self._buffer = bytearray()
        self._parts = bytearray()
        self._opcode = 0

    @property
    def unfinished(self) -> bool:
        """Whether a frame or a message of several frames has begun and not ended."""
        return bool(self._buffer) or self._opcode != 0

    def whole(self, data: bytes) -> str | bytes | None:
        """Read the message that `data` is, as it nearly always is exactly one.

        Returns
        -------
        str, bytes or None
            None for anything else, right or wrong: that is for `feed` and `next`.
        """
        if len(data) < 6 or self._buffer or self._opcode:
            return None
        at, size = _extent(data)
        if len(data) != at + 4 + size or not 0 < size <= self._limit:
            return None
        if data[1] < 0x80 or size < _LEAST[at]:
            return None
        if data[0] == _WHOLE_TEXT:
            try:
                return apply_mask(data[at + 4 :], data[at : at + 4]).decode()
            except UnicodeDecodeError:
                return None
        if data[0] == _WHOLE_BINARY:
            return apply_mask(data[at + 4 :], data[at : at + 4])
        return None

    @property
    def whole_frame(self) -> bool:
        """Whether what has come begins with a whole frame, within no longer message.

        Of frames shorter than 64 KiB.
        """
        buffer = self._buffer
        if self._opcode or len(buffer) < 6:
            return False
        at, size = _extent(buffer)
        return at < 10 and len(buffer) >= at + 4 + size

    def take(self) -> bytes:
        """Give back all that came and was not read."""
        data = bytes(self._buffer)
        self._buffer.clear()
        return data

    def feed(self, data: bytes) -> None:
        """Take bytes; `next` gives what they contain."""
        self._buffer += data

    def next(self) -> Received | None:
        """Return the next thing that is whole, or None.

        Raises
        ------
        BadFrame
            With the close code of RFC 6455; nothing can be read after it.
        """
        while (frame := self._frame()) is not None:
            opcode, final, body = frame
            if opcode in (Opcode.TEXT, Opcode.BINARY):
                if self._opcode:
                    raise BadFrame(PROTOCOL_ERROR, "a message within a message")
                if final:
                    return _text(body) if opcode == Opcode.TEXT else body
                self._opcode = opcode
                self._parts += body
            elif opcode == Opcode.CONTINUATION:
                if not self._opcode:
                    raise BadFrame(PROTOCOL_ERROR, "a continuation of nothing")
                self._parts += body
                if final:
                    whole, opcode = bytes(self._parts), self._opcode
                    self._parts.clear()
                    self._opcode = 0
                    return _text(whole) if opcode == Opcode.TEXT else whole
            elif opcode == Opcode.PING:
                return Ping(body)
            elif opcode == Opcode.CLOSE:
                return Closed(_code(body))
        return None

    def _frame(self) -> tuple[int, bool, bytes] | None:
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        first, second = buffer[0], buffer[1]
        opcode, final, (at, size) = first & 15, first >= 0x80, _extent(buffer)
        if first & 0x70 or opcode not in _KNOWN:
            raise BadFrame(PROTOCOL_ERROR, "a reserved bit or opcode")
        if second < 0x80:
            raise BadFrame(PROTOCOL_ERROR, "a frame without a mask")
        if opcode >= Opcode.CLOSE and (at > 2 or not final):
            raise BadFrame(PROTOCOL_ERROR, "a control frame that is long or in pieces")
        if len(buffer) < at:
            return None
        if size < _LEAST[at] or size >> 63:
            raise BadFrame(PROTOCOL_ERROR, "a length that is not well written")
        if opcode < Opcode.CLOSE and size + len(self._parts) > self._limit:
            raise BadFrame(TOO_BIG, f"a message of more than {self._limit} bytes")
        end = at + 4 + size
        if len(buffer) < end:
            return None
        mask = bytes(buffer[at : at + 4])
        body = bytes(buffer[at + 4 : end])
        del buffer[:end]
        return opcode, final, apply_mask(body, mask) if size else body


def _extent(frame: bytes | bytearray) -> tuple[int, int]:
    """Give where a frame's mask begins, and the size of its body.

    The size means nothing before everything in front of the mask has come.
    """
    size = frame[1] & 0x7F
    if size < 126:
        return 2, size
    at = 4 if size == 126 else 10
    return at, int.from_bytes(frame[2:at], "big")


def message(said: str | bytes) -> bytes:
    r"""Write a message as one frame.

    Examples
    --------
    >>> message("hi")
    b'\x81\x02hi'
    """
    if isinstance(said, str):
        return _write(Opcode.TEXT, said.encode())
    return _write(Opcode.BINARY, said)


def pong(body: bytes) -> bytes:
    """Answer a ping."""
    return _write(Opcode.PONG, body)


def close(code: int, reason: str = "") -> bytes:
    r"""Write a close frame; 1005 is an empty one.

    Examples
    --------
    >>> close(1000, "done")
    b'\x88\x06\x03\xe8done'
    """
    if code == NO_CODE:
        return _write(Opcode.CLOSE, b"")
    short = reason.encode("ascii", "replace")[:_LONGEST_REASON]
    return _write(Opcode.CLOSE, code.to_bytes(2, "big") + short)


def accept(key: bytes) -> bytes | None:
    """Return what answers a ``Sec-WebSocket-Key``, None if it is none.

    Examples
    --------
    >>> accept(b"dGhlIHNhbXBsZSBub25jZQ==")
    b's3pPLMBiTxaQ9kYGzzhZRbK+xOo='
    """
    try:
        nonce = base64.b64decode(key, validate=True)
    except binascii.Error:
        return None
    if len(nonce) != 16:
        return None
    return base64.b64encode(sha1(key + _GUID, usedforsecurity=False).digest())


def _write(opcode: int, body: bytes) -> bytes:
    size = len(body)
    if size < 126:
        return bytes((0x80 | opcode, size)) + body
    if size < 65_536:
        return bytes((0x80 | opcode, 126)) + size.to_bytes(2, "big") + body
    return bytes((0x80 | opcode, 127)) + size.to_bytes(8, "big") + body


def _text(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise BadFrame(NOT_TEXT, "a text message that is not UTF-8") from None


def _code(body: bytes) -> int:
    if not body:
        return NO_CODE
    code = int.from_bytes(body[:2], "big")
    known = 1000 <= code <= 1014 and code not in (1004, 1005, 1006)
    if len(body) == 1 or not (known or 3000 <= code <= 4999):
        raise BadFrame(PROTOCOL_ERROR, "a close code that may not be sent")
    _text(body[2:])
    return code
