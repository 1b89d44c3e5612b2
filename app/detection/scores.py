"""A fitted scorer as data: a linear part and small trees, summed to log-odds.

It travels inside detector settings, so a detector version is complete and immutable:
base64 of a compressed, versioned block of little-endian arrays, and no code.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import struct
import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.detection import ticks
from app.domain import Float32Array, FloatArray, Json
from app.errors import InvalidDetector

VERSION = 1
_HEADER = struct.Struct("<4sHHIIf")
MAGIC = b"SCOR"
DIGEST = "sha256:"
MOST_NODES = 100_000
MOST_TEXT = 4_000_000
LEAF = -1
NODE_FIELDS = 3
"""Of a node in the flat form: feature or LEAF, threshold or value, left child."""


@dataclass(frozen=True, slots=True, eq=False)
class Scorer:
    """Log-odds that a tick is within an event, from its features.

    Parameters
    ----------
    n_channels : int
    intercept : float
    weights : float32 (n_features,)
    feature : int16 (n_nodes,), or LEAF
    threshold : float32 (n_nodes,)
        Of a leaf, its value; a feature of at most this goes left.
    left : int32 (n_nodes,)
        Node to the left; the right one follows it.
    roots : int32 (n_trees,)
    """

    n_channels: int
    intercept: float
    weights: Float32Array
    feature: NDArray[np.int16]
    threshold: Float32Array
    left: NDArray[np.int32]
    roots: NDArray[np.int32]

    def __post_init__(self) -> None:
        wanted = ticks.n_features(self.n_channels)
        nodes = len(self.feature)
        inner = self.feature != LEAF
        if self.weights.shape != (wanted,):
            raise InvalidDetector(
                f"a model for {self.n_channels} channels has {wanted} weights, "
                f"not {len(self.weights)}"
            )
        if nodes > MOST_NODES:
            raise InvalidDetector(f"a model has at most {MOST_NODES} nodes")
        # Left children come after their parents, so that every walk down ends.
        sound = (
            self.threshold.shape == self.left.shape == (nodes,)
            and bool(((self.feature >= LEAF) & (self.feature < wanted)).all())
            and bool((self.left[inner] > np.flatnonzero(inner)).all())
            and bool((self.left[inner] + 1 < nodes).all())
            and bool(((self.roots >= 0) & (self.roots < nodes)).all())
            and bool(np.isfinite(self.weights).all())
            and bool(np.isfinite(self.threshold).all())
            and bool(np.isfinite(self.intercept))
        )
        if not sound:
            raise InvalidDetector("a model's trees or weights are not sound")

    def to_text(self) -> str:
        """Write it down."""
        arrays = (self.weights, self.feature, self.threshold, self.left, self.roots)
        parts = [
            array.astype(array.dtype.newbyteorder("<")).tobytes() for array in arrays
        ]
        head = _HEADER.pack(
            MAGIC,
            VERSION,
            self.n_channels,
            len(self.feature),
            len(self.roots),
            self.intercept,
        )
        return base64.b64encode(zlib.compress(head + b"".join(parts), 9)).decode()

    @classmethod
    def from_text(cls, text: str) -> Scorer:
        """Read it back.

        Raises
        ------
        InvalidDetector
            If it is not what `to_text` wrote.
        """
        data = _unpacked(text)
        magic, version, n_channels, n_nodes, n_trees, intercept = _HEADER.unpack_from(
            data
        )
        if magic != MAGIC or version != VERSION or not 1 <= n_channels <= 256:
            raise InvalidDetector("the model is none, or of another version")
        n_weights = ticks.n_features(n_channels)
        layout = (
            (n_weights, "<f4"),
            (n_nodes, "<i2"),
            (n_nodes, "<f4"),
            (n_nodes, "<i4"),
            (n_trees, "<i4"),
        )
        size = sum(n * np.dtype(kind).itemsize for n, kind in layout)
        if len(data) != _HEADER.size + size:
            raise InvalidDetector(
                f"the model has {len(data)} bytes, not {_HEADER.size + size}"
            )
        arrays = []
        at = _HEADER.size
        for n, kind in layout:
            array = np.frombuffer(data, kind, n, at)
            arrays.append(array.astype(array.dtype.newbyteorder("=")))
            at += array.nbytes
        return cls(n_channels, intercept, *arrays)

    def flat(self) -> FloatArray:
        """Give the intercept, the weights and the nodes in a row, for the kernel."""
        nodes = np.column_stack([self.feature, self.threshold, self.left])
        head = np.append(np.float64(self.intercept), self.weights.astype(np.float64))
        return np.concatenate([head, nodes.astype(np.float64).ravel()])


def digest(text: str) -> str:
    """Name a model: what is shown of it, where its text would be too long."""
    return DIGEST + hashlib.sha256(text.encode()).hexdigest()


def is_digest(text: str) -> bool:
    """Say whether a text is the name of a model, not the model."""
    return text.startswith(DIGEST)


def shown(settings: Json) -> dict[str, object]:
    """Give detector settings with the digest of a model in its place."""
    full = dict(settings)
    if "model" in full:
        full["model"] = digest(str(full["model"]))
    return full


def silent(n_channels: int) -> Scorer:
    """Make a scorer that never sees an event."""
    return Scorer(
        n_channels,
        -10.0,
        np.zeros(ticks.n_features(n_channels), np.float32),
        np.zeros(0, np.int16),
        np.zeros(0, np.float32),
        np.zeros(0, np.int32),
        np.zeros(0, np.int32),
    )


def _unpacked(text: str) -> bytes:
    if len(text) > MOST_TEXT:
        raise InvalidDetector(f"a model has at most {MOST_TEXT} characters")
    try:
        packed = base64.b64decode(text, validate=True)
        opened = zlib.decompressobj()
        data = opened.decompress(packed, 4 * MOST_TEXT)
    except (binascii.Error, ValueError, zlib.error) as error:
        raise InvalidDetector("the model cannot be read") from error
    if not opened.eof or len(data) < _HEADER.size:
        raise InvalidDetector("the model is cut short")
    return data
