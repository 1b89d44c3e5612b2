"""Readings for the laws of detection: noise with bursts, cut into any messages."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import strategies as st

from app.detection import ticks
from app.detection.scores import LEAF, Scorer
from app.detection.settings import KINDS
from app.domain import Float32Array, FloatArray

RATE_HZ = 20.0

# Every duration short, so that a few hundred readings see everything happen.
QUICK = {
    "energy": {"smooth_seconds": 0.3, "baseline_seconds": 8.0},
    "mahalanobis": {"smooth_seconds": 0.3, "baseline_seconds": 8.0},
    "regimes": {"window_seconds": 1.0, "on": 2.0},
    "scored": {"change": 3.0},
    "sta_lta": {"sta_seconds": 0.3, "lta_seconds": 3.0},
    "windows": {},
    "windows of 7": {"size_readings": 7},
    "windows of 9 by 4": {"size_readings": 9, "hop_readings": 4},
    "windows of 1.3 s": {"size_seconds": 1.3},
    "windows of 2 s by 0.5": {"size_seconds": 2.0, "hop_seconds": 0.5},
    "windows by gaps": {"gap_seconds": 1.0, "min_readings": 2},
}
QUIET = ("energy", "mahalanobis", "sta_lta")
"""Kinds with a quiet state: readings decide whether there is an event at all."""
SPANS = {
    "min_seconds": 0.2,
    "max_seconds": 2.0,
    "merge_seconds": 0.3,
    "pre_seconds": 0.4,
    "post_seconds": 0.3,
}
WINDOWS = {"max_readings": 30, "pre_seconds": 0.4, "post_seconds": 0.3}


def loud(n_channels: int) -> Scorer:
    """A fitted model: events are where readings are far from the noise floor."""
    weights = np.zeros(ticks.n_features(n_channels), np.float32)
    now = 3 * ticks.width(n_channels)
    weights[now] = 6.0
    # a tree of two levels: a bit more where much moves, less where nothing does
    feature = np.array([now + 3, LEAF, now + 1, LEAF, LEAF], np.int16)
    threshold = np.array([1.0, -1.0, 1.5, 0.5, 1.0], np.float32)
    left = np.array([1, 0, 3, 0, 0], np.int32)
    root = np.zeros(1, np.int32)
    return Scorer(n_channels, -6.0, weights, feature, threshold, left, root)


def quick(name: str, n_channels: int = 1) -> dict[str, object]:
    """Settings under which things happen within seconds."""
    kind = name.split()[0]
    full = {"kind": kind, **QUICK[name], **(WINDOWS if kind == "windows" else SPANS)}
    full = {key: full[key] for key in full if key in KINDS[kind] or key == "kind"}
    if kind == "scored":
        full["model"] = loud(n_channels).to_text()
    return full


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
