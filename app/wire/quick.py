"""JSON readings straight into an array, without a Python object for each number.

Only what is plain is read here: rows of numbers and nulls, each as long as the first,
whose nearest float32 is certain.  Everything else, and everything that is wrong, is
left to the codec that checks and explains; both give the same values, bit by bit.
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
from msgspec import Raw, Struct

from app.domain import Float32Array
from app.wire.frames import FAULTS, SUBPROTOCOLS, Codec, Frame, Json
from app.wire.messages import DeviceMessage, End, Hello, Readings, Skip
from app.wire.numbers import fill


def rows(text: bytes) -> Float32Array | None:
    """Read a JSON list of lists of numbers, valid JSON; None if it is not plain.

    Returns
    -------
    float32 array (n_rows, n_columns) or None

    Examples
    --------
    >>> rows(b"[[1.5, null], [-2e3, 0]]")
    array([[ 1.5e+00,      nan],
           [-2.0e+03,  0.0e+00]], dtype=float32)
    >>> rows(b"[[1.5], [2, 3]]") is None
    True
    """
    out = np.empty(text.count(b",") + 1, np.float32)
    columns = fill(text, out)
    return out.reshape(-1, columns) if columns else None


class Parsed(Readings, frozen=True, gc=False):
    """Readings whose `values` are a float32 array (n_readings, n_columns) already."""

    values: Any


class _Readings(Struct, tag="readings", gc=False):
    """Readings whose values nobody has looked at."""

    values: Raw
    seq: int | None = None
    time: float | list[float] | None = None
    n: int | None = None


class QuickJson(Json):
    """`Json` for a server: `Parsed` for plain readings, the same for all else."""

    def __init__(self) -> None:
        super().__init__()
        self._plain = msgspec.json.Decoder(_Readings | Hello | Skip | End)

    def decode(self, frame: Frame) -> DeviceMessage:
        """Read what a device sent."""
        if isinstance(frame, str):
            try:
                message: DeviceMessage | _Readings = self._plain.decode(frame)
            except FAULTS:
                return super().decode(frame)  # which says what is wrong
            if not isinstance(message, _Readings):
                return message
            values = rows(bytes(message.values))
            if values is not None:
                return Parsed(values, message.seq, message.time, message.n)
        return super().decode(frame)


JSON = QuickJson()

CODECS: dict[str, Codec] = SUBPROTOCOLS | {"onset.v1.json": JSON}
"""What a server reads with, by subprotocol."""
