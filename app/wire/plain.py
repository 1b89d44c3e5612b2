"""What nearly every message is, read by kernels: a whole frame of plain readings.

Each kernel reads what it understands in full and refuses the rest without a word; that
goes through `websocket.Reader` and a `Codec`, which give the same values and say what
is wrong.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.domain import FloatArray
from app.domain.compiled import compiled
from app.wire.numbers import after_spaces, decimal, rows

PAD = 16
"""Zero bytes behind a text, so that no kernel reads on."""
TEXT, BINARY = 0x81, 0x82
"""First byte of a final frame."""

SEQ, TIME, COLUMNS = range(3)
"""What is said beside the values: the first number (-1: none), its time (NaN: none)."""
SAID = 3

QUOTE, COLON, OBJECT, OBJECT_END = b'":{}'
COMMA = 0x2C
MAX_WORD = 8
VALUES = np.frombuffer(b"values", np.uint8)
READINGS = np.frombuffer(b"readings", np.uint8)
TYPE = np.frombuffer(b"type", np.uint8)
TIME_WORD = np.frombuffer(b"time", np.uint8)
SEQ_WORD = np.frombuffer(b"seq", np.uint8)


@compiled
def frame(
    data: NDArray[Any], at: int, end: int, first: int, limit: int
) -> tuple[int, int]:
    """Find a whole final frame that begins with `first`; give body and size, or 0, 0.

    Parameters
    ----------
    data : uint8 array
    at, end : where the peer's bytes begin and end
    first : `TEXT` or `BINARY`
    limit : bytes, the longest body
    """
    if end - at < 7 or data[at] != first:
        return 0, 0
    body = at + 6
    size: Any = np.int64(data[at + 1]) - 0x80
    if size == 127:  # longer than what is read here
        return 0, 0
    if size == 126:
        size, body = np.int64(data[at + 2]) * 256 + data[at + 3], at + 8
        if size < 126:
            return 0, 0
    if size <= 0 or size > limit or body + size > end:
        return 0, 0
    return body, size


@compiled
def unmask(data: NDArray[Any], body: int, size: int, text: NDArray[Any]) -> None:
    """Write a frame's body to the beginning of `text`, and `PAD` zeros behind it.

    `text` is aligned, and four bytes are unmasked at a time (`values` of a block and
    these assume a little-endian machine, as all do that numba compiles for).
    """
    mask = np.uint32(0)
    for k in range(4):
        mask |= np.uint32(data[body - 4 + k]) << np.uint32(8 * k)
    begin = np.uint64(body)
    for i in range(np.uint64(size)):  # unsigned, as in `numbers`: then it is one copy
        text[i] = data[begin + i]
    words = text[: (size + 3) // 4 * 4].view(np.uint32)
    for i in range(np.uint64(words.size)):
        words[i] ^= mask
    for i in range(size, size + PAD):
        text[i] = 0


@compiled
def json_readings(
    text: NDArray[Any], size: int, values: FloatArray, said: FloatArray
) -> int:
    """Read ``{"type":"readings","seq":1,"values":[[...]],"time":...}``, in any order.

    Parameters
    ----------
    text : uint8 array, `PAD` zeros behind `size`
    values : float64 array, room for ``size / 2`` values; filled in with float32 values
    said : (SAID,) filled in

    Returns
    -------
    int
        How many readings; 0 if this is not plain.
    """
    said[SEQ], said[TIME] = -1.0, np.nan
    n, counted, is_readings = 0, -1, False
    at: Any = after_spaces(text, 0)
    if text[at] != OBJECT:
        return 0
    while True:
        at = after_spaces(text, at + 1)
        word = at + 1
        at = _after_word(text, at)
        if at < 0:
            return 0
        length = at - 1 - word
        at = after_spaces(text, at)
        if text[at] != COLON:
            return 0
        at = after_spaces(text, at + 1)
        key = text[word]
        if key == 118 and length == 6 and n == 0:  # values
            if not _is(text, word, VALUES):
                return 0
            at, n, columns = rows(text, at, values)
            if columns == 0:
                return 0
            said[COLUMNS] = columns
        elif key == 116 and length == 4 and _is(text, word, TIME_WORD):
            if not np.isnan(said[TIME]):
                return 0
            at, said[TIME] = decimal(text, at)
            if at < 0:
                return 0
        elif key == 116 and length == 4 and not is_readings:  # type
            begun = at + 1
            at = _after_word(text, at)
            if at - 1 - begun != 8 or not _is(text, begun, READINGS):
                return 0
            if not _is(text, word, TYPE):
                return 0
            is_readings = True
        elif key == 115 and length == 3 and said[SEQ] < 0:  # seq
            at, seq = _count(text, at)
            if at < 0 or not _is(text, word, SEQ_WORD):
                return 0
            said[SEQ] = seq
        elif key == 110 and length == 1 and counted < 0:  # n
            at, counted = _count(text, at)
            if at < 0:
                return 0
        else:
            return 0
        at = after_spaces(text, at)
        if text[at] != COMMA:
            break
    whole = text[at] == OBJECT_END and after_spaces(text, at + 1) == size
    if not whole or not is_readings or (counted >= 0 and counted != n):
        return 0
    return n


@compiled
def msgpack_readings(
    text: NDArray[Any],
    size: int,
    values: FloatArray,
    said: FloatArray,
    block: NDArray[Any],
) -> int:
    """Read a map with ``values`` as one block of float32; the rest as `json_readings`.

    Parameters
    ----------
    block : uint8 array, aligned, `size` long or more
        Scratch.

    Returns
    -------
    int
        How many float32 values; 0 if this is not plain.  ``said[COLUMNS]`` is how many
        readings there are, if it was said, else 0.
    """
    said[SEQ], said[TIME], said[COLUMNS] = -1.0, np.nan, 0.0
    n, is_readings, timed, counted = 0, False, False, False
    if text[0] & 0xF0 != 0x80:
        return 0
    at: Any = 1
    for _ in range(text[0] & 0x0F):
        length: Any = np.int64(text[at]) - 0xA0
        word = at + 1
        at = word + length
        if length < 1 or length > MAX_WORD or at >= size:
            return 0
        if length == 6 and n == 0 and _is(text, word, VALUES):
            at, begun = _after_block(text, at)
            if at < 0 or at > size or (at - begun) % 4:
                return 0
            n = (at - begun) // 4
            if n == 0 or n > values.size:
                return 0
            for i in range(at - begun):
                block[i] = text[begun + i]
            floats = block[: 4 * n].view(np.float32)
            for i in range(n):
                values[i] = floats[i]
        elif length == 4 and not is_readings and _is(text, word, TYPE):
            if text[at] != 0xA8 or not _is(text, at + 1, READINGS):
                return 0
            at += 9
            is_readings = True
        elif length == 4 and not timed and _is(text, word, TIME_WORD):
            if text[at] != 0xCB:
                return 0
            for i in range(8):  # big-endian
                block[i] = text[at + 8 - i]
            said[TIME] = block[:8].view(np.float64)[0]
            at += 9
            timed = True
        elif length == 3 and said[SEQ] < 0 and _is(text, word, SEQ_WORD):
            at, seq = _uint(text, at)
            if at < 0:
                return 0
            said[SEQ] = seq
        elif length == 1 and not counted and text[word] == 110:  # n
            at, count = _uint(text, at)
            if at < 0 or count == 0:
                return 0
            said[COLUMNS] = count
            counted = True
        else:
            return 0
        if at > size:
            return 0
    return n if at == size and is_readings else 0


@compiled
def _is(text: NDArray[Any], at: int, word: NDArray[Any]) -> bool:
    same = True
    for i in range(word.size):
        same = same and text[at + i] == word[i]
    return same


@compiled
def _after_word(text: NDArray[Any], at: int) -> int:
    """Give where a short string without escapes ends, -1 if this is none."""
    if text[at] != QUOTE:
        return -1
    for i in range(at + 1, at + 2 + MAX_WORD):
        if text[i] == QUOTE:
            return i + 1
        if text[i] == 0x5C or text[i] < 0x20:  # an escape, or the end
            return -1
    return -1


@compiled
def _count(text: NDArray[Any], at: int) -> Any:
    """Read a whole number of at most 15 digits; -1 where there is none."""
    begun = at
    number: Any = 0
    digit = np.int64(text[at]) - 48
    while 0 <= digit <= 9 and at - begun < 16:
        number = number * 10 + digit
        at += 1
        digit = np.int64(text[at]) - 48
    if at == begun or at - begun > 15 or (text[begun] == 48 and at > begun + 1):
        return -1, 0
    if text[at] == 0x2E or text[at] == 0x45 or text[at] == 0x65:  # not whole
        return -1, 0
    return at, number


@compiled
def _uint(text: NDArray[Any], at: int) -> Any:
    """Read an unsigned number of MessagePack; -1 where there is none."""
    kind = np.int64(text[at])
    if kind < 0x80:
        return at + 1, kind
    if kind < 0xCC or kind > 0xCF:
        return -1, 0
    width, number = 1 << (kind - 0xCC), np.int64(0)
    if width == 8 and (text[at + 1] != 0 or text[at + 2] != 0):
        return -1, 0
    for i in range(width):
        number = number * 256 + text[at + 1 + i]
    return at + 1 + width, number


@compiled
def _after_block(text: NDArray[Any], at: int) -> Any:
    """Give where a byte string of MessagePack ends and begins; -1 if this is none."""
    kind = np.int64(text[at])
    if kind < 0xC4 or kind > 0xC6:
        return -1, 0
    width, length = 1 << (kind - 0xC4), np.int64(0)
    for i in range(width):
        length = length * 256 + text[at + 1 + i]
    begun = at + 1 + width
    return begun + length, begun
