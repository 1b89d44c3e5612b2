"""What devices say over MQTT: the messages of the device socket, or just numbers.

    23.5                                     one reading of one channel
    [0.1, 0.2, 0.3]                          one reading
    [[0.1, 0.2], [0.3, 0.4]]                 several
    {"values": ..., "time": 1767225600.0}    with the time of the first, or of each
    {"type": "readings", "seq": 5, ...}      as on the socket: numbered
    {"type": "hello", "boot": "b7"}          its counter began anew

The same as MessagePack, where `values` may also be one block of float32.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec
import numpy as np
from msgspec import Struct

from app.client.pieces import clock, matrix
from app.domain import Float32Array, FloatArray
from app.errors import InvalidInput, InvalidReadings
from app.wire.frames import FAULTS
from app.wire.messages import MAX_NAME, MAX_SEQ

Row = list[float | None]


class Said(Struct, frozen=True):
    """A message of a device."""

    type: Literal["readings", "hello", "skip", "end"] = "readings"
    values: list[Row | float | None] | bytes | float | None = None
    time: float | list[float] | None = None
    seq: int | None = None
    n: int | None = None
    boot: str | None = None
    to: int | None = None
    why: str = "unsaid"

    def readings(self, n_channels: int) -> tuple[Float32Array, FloatArray | None]:
        """Give values (n_readings, n_channels) and times, of the first or of each.

        Raises
        ------
        InvalidReadings
            If they do not fit the channels, or each other.
        """
        values: Any = self.values
        if isinstance(values, bytes):
            if not values or len(values) % (4 * n_channels):
                raise InvalidReadings(
                    f"{len(values)} bytes are no readings of {n_channels} float32"
                )
            if self.n is not None and len(values) != 4 * n_channels * self.n:
                raise InvalidReadings(f"the block does not hold {self.n} readings")
            values = np.frombuffer(values, "<f4").reshape(-1, n_channels).tolist()
        try:
            taken = matrix(values, n_channels)
        except (TypeError, ValueError) as error:
            raise InvalidReadings(f"values are no readings: {error}") from None
        return taken, clock(self.time, len(taken))


_Any = Said | list[Row | float | None] | float
_JSON = msgspec.json.Decoder(_Any)
_PACKED = msgspec.msgpack.Decoder(_Any)


def read(payload: bytes) -> Said:
    """Read what a device published: JSON, or MessagePack where it can be no JSON.

    Raises
    ------
    InvalidInput
        Naming the rule that it breaks.

    Examples
    --------
    >>> read(b"[1, null]").values, read(b'{"values": [[3]], "time": 7.5}').time
    ([1.0, None], 7.5)
    """
    packed = payload[:1] >= b"\x80"
    try:
        said = (_PACKED if packed else _JSON).decode(payload)
    except FAULTS as fault:
        raise InvalidInput(f"no message of a device: {fault}") from None
    if not isinstance(said, Said):
        said = Said(values=said)
    if said.type == "readings" and said.values is None:
        raise InvalidInput("no message of a device: it has no `values`")
    if said.type == "skip" and said.to is None:
        raise InvalidInput("a skip must say `to`")
    if said.boot is not None and not 1 <= len(said.boot) <= MAX_NAME:
        raise InvalidInput(f"boot must have 1 to {MAX_NAME} characters")
    for number in (said.seq, said.to):
        if number is not None and not 1 <= number <= MAX_SEQ:
            raise InvalidInput(f"{number} must be a number of a reading: 1 or more")
    return said
