"""Readings for the laws of detection: noise with bursts, cut into any messages."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import strategies as st

from app.domain import Float32Array, FloatArray

RATE_HZ = 20.0

# Every duration short, so that a few hundred readings see everything happen.
QUICK = {
    "energy": {"smooth_seconds": 0.3, "baseline_seconds": 8.0},
    "mahalanobis": {"smooth_seconds": 0.3, "baseline_seconds": 8.0},
    "sta_lta": {"sta_seconds": 0.3, "lta_seconds": 3.0},
}
SPANS = {
    "min_seconds": 0.2,
    "max_seconds": 2.0,
    "merge_seconds": 0.3,
    "pre_seconds": 0.4,
    "post_seconds": 0.3,
}


def quick(kind: str) -> dict[str, object]:
    """Settings under which things happen within seconds."""
    return {"kind": kind, **QUICK.get(kind, {}), **SPANS}


def bursts(
    seed: int, n: int, n_channels: int, scale: float = 1.0, offset: float = 0.0
) -> FloatArray:
    """Noise with bursts of any length, (n, n_channels)."""
    rng = np.random.default_rng(seed)
    values = rng.normal(0, 1, (n, n_channels))
    at = 0
    while at < n:
        at += int(rng.integers(10, 120))
        length = int(rng.integers(1, 70))
        values[at : at + length] *= rng.uniform(2, 30)
        at += length
    return values * scale + offset


def holes(values: FloatArray, seed: int, share: float) -> Float32Array:
    """Knock values out, single ones and runs, as NaN and infinity."""
    rng = np.random.default_rng(seed)
    out = values.astype(np.float32)
    n, n_channels = out.shape
    for _ in range(int(share * n)):
        at, c = int(rng.integers(n)), int(rng.integers(n_channels))
        length = int(rng.choice([1, 1, 2, 5, 40]))
        bad = rng.choice(np.array([np.nan, np.inf, -np.inf], np.float32))
        out[at : at + length, c] = bad
    return out


cuts = st.lists(st.integers(0, 400), max_size=8).map(sorted)
"""Where readings are cut into messages; equal neighbours make empty ones."""


def pieces(n: int, at: list[int]) -> list[slice]:
    """Slices that together are ``[0, n)``."""
    edges = [0, *(min(a, n) for a in at), n]
    return [slice(a, b) for a, b in itertools.pairwise(edges)]
