"""The loops behind the features, compiled by numba and cached on disk.

A `table` is (n_channels, len(COLUMNS)); each kernel fills in its columns.  No
``fastmath``: the order of every addition is fixed, and so are the bits.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from app.domain import Float32Array, FloatArray
from app.domain.compiled import compiled

QUANTILES = (0.10, 0.25, 0.50, 0.75, 0.90)
OCTAVES = 7
COLUMNS = (
    *("mean", "min", "max", "std", "count", "sum", "energy", "crossings"),
    *(f"q{round(100 * q)}" for q in QUANTILES),
    *(f"log_q{round(100 * q)}" for q in QUANTILES),
    *("skew", "tails", "log_power", "log_std", "share", "log_pre", "gain", "roughness"),
    *(f"octave{k}" for k in range(1, OCTAVES + 1)),
    "centroid",
    *("third1", "third2", "third3", "third1_mean", "third2_mean", "third3_mean"),
)
OCTAVE_AT = COLUMNS.index("octave1")
THIRD_AT = COLUMNS.index("third1")
TINY = 1e-12
FLOOR = 1e-6
"""Of the strongest channel's power: below it, silence is silence."""


@compiled
def aggregate(
    body: FloatArray, ordered: FloatArray, rate_hz: float, table: FloatArray
) -> None:
    """Fill in what one channel's body says by itself (columns mean .. log_std)."""
    n_channels, n = body.shape
    largest = 0.0
    for c in range(n_channels):
        x = body[c]
        total = 0.0
        energy = 0.0
        low = x[0]
        high = x[0]
        for v in x:
            total += v
            energy += v * v
            low = min(low, v)
            high = max(high, v)
        mean = total / n
        second = 0.0
        third = 0.0
        fourth = 0.0
        crossings = 0
        for i in range(n):
            d = x[i] - mean
            second += d * d
            third += d * d * d
            fourth += d * d * d * d
            if i and (d >= 0.0) != (x[i - 1] - mean >= 0.0):
                crossings += 1
        std = math.sqrt(second / n)
        row = table[c]
        row[0], row[1], row[2], row[3] = mean, low, high, std
        row[4], row[5], row[6] = n, total, energy
        row[7] = crossings * rate_hz / n
        for k in range(5):
            at = QUANTILES[k] * (n - 1)
            i = int(at)
            value = ordered[c, i]
            after = ordered[c, min(i + 1, n - 1)]
            row[8 + k] = value + (after - value) * (at - i)
        # a channel that does not move has no shape: rounding must not invent one
        if std > 1e-7 * max(abs(low), abs(high)):
            row[18] = third / n / std**3
            row[19] = fourth / n / std**4
        largest = max(largest, energy / n)
    floor = FLOOR * largest + TINY
    size = math.sqrt(floor)
    for c in range(n_channels):
        row = table[c]
        for k in range(5):
            row[13 + k] = math.log(abs(row[8 + k]) + size)
        row[20] = math.log(row[6] / n + floor)
        row[21] = math.log(row[3] * row[3] + floor)


@compiled
def compare(before: FloatArray, body: FloatArray, table: FloatArray) -> None:
    """Fill in shares between channels, the rise over the pre-roll, the thirds."""
    n_channels, n = body.shape
    largest = 0.0
    for c in range(n_channels):
        largest = max(largest, table[c, 6] / n)
    floor = FLOOR * largest + TINY
    mean_log = np.mean(table[:, 20])
    for c in range(n_channels):
        x = body[c]
        row = table[c]
        row[22] = row[20] - mean_log
        row[23] = row[20]
        if before.shape[1]:
            row[23] = math.log(np.mean(before[c] * before[c]) + floor)
        row[24] = row[20] - row[23]
        steps = 0.0
        for i in range(1, n):
            steps += (x[i] - x[i - 1]) ** 2
        row[25] = math.log(steps / max(n - 1, 1) + floor) - row[21]
        for k in range(3):
            a = k * n // 3
            b = max((k + 1) * n // 3, a + 1)
            part = x[a:b]
            row[THIRD_AT + k] = math.log(np.mean(part * part) + floor)
            row[THIRD_AT + 3 + k] = np.mean(part) - row[0]
    for k in range(3):
        column = table[:, THIRD_AT + k]
        column -= np.mean(column)


@compiled
def add_power(bins: NDArray[np.complex128], power: FloatArray) -> None:
    """Add the squared size of a spectrum to power, both (n_channels, n_bins)."""
    for c in range(bins.shape[0]):
        for k in range(bins.shape[1]):
            one = bins[c, k]
            power[c, k] += one.real * one.real + one.imag * one.imag


@compiled
def octaves(power: FloatArray, length: int, rate_hz: float, table: FloatArray) -> None:
    """Sum a spectrum (n_channels, length // 2 + 1) into octaves below rate / 2."""
    n_channels, bins = power.shape
    octave_of = np.zeros(bins, dtype=np.int64)
    for k in range(1, bins):
        octave = 0
        edge = 0.25 * length  # in bins: half of half the rate
        while octave < OCTAVES - 1 and k < edge:
            edge *= 0.5
            octave += 1
        octave_of[k] = octave
    for c in range(n_channels):
        total = 0.0
        weighted = 0.0
        bands = np.zeros(OCTAVES)
        for k in range(1, bins):
            bands[octave_of[k]] += power[c, k]
            weighted += power[c, k] * k
            total += power[c, k]
        moves = total > TINY
        for octave in range(OCTAVES):
            share = bands[octave] / total if moves else 0.0
            table[c, OCTAVE_AT + octave] = math.log(share + 1e-4)
        centroid = weighted / total * rate_hz / length if moves else 0.0
        table[c, OCTAVE_AT + OCTAVES] = centroid


@compiled
def _products(columns: FloatArray) -> FloatArray:
    """Sum the products of all pairs of channels over readings (n, n_channels).

    All sums grow side by side: each in the order of the readings, none waits for
    another.
    """
    n, n_channels = columns.shape
    sums = np.zeros((n_channels, n_channels))
    for i in range(n):
        one = columns[i]
        for a in range(n_channels):
            value = one[a]
            for b in range(n_channels):
                sums[a, b] += value * one[b]
    return sums


@compiled
def _neighbours(columns: FloatArray) -> FloatArray:
    """Sum those of a channel with itself, and with the next one; (n_channels, 2)."""
    n, n_channels = columns.shape
    sums = np.zeros((n_channels, 2))
    for i in range(n):
        for a in range(n_channels):
            sums[a, 0] += columns[i, a] * columns[i, a]
            if a + 1 < n_channels:
                sums[a, 1] += columns[i, a] * columns[i, a + 1]
    return sums


@compiled
def finish(
    table: FloatArray, between: FloatArray, more: FloatArray, largest: float
) -> Float32Array:
    """Write everything one after the other, within limits, as float32."""
    n_own = table.size
    out = np.empty(n_own + len(between) + len(more), dtype=np.float32)
    own = table.ravel()
    for i in range(n_own):
        out[i] = min(max(own[i], -largest), largest)
    for i in range(len(between)):
        out[n_own + i] = min(max(between[i], -largest), largest)
    for i in range(len(more)):
        out[n_own + len(between) + i] = min(max(more[i], -largest), largest)
    return out


@compiled
def cross(body: FloatArray, every_pair: bool) -> FloatArray:
    """Correlations, and the logarithm of the second moment where pairs are few."""
    n_channels, n = body.shape
    columns = np.ascontiguousarray(body.T)
    mean = np.zeros(n_channels)
    largest = np.zeros(n_channels)
    for i in range(n):
        for c in range(n_channels):
            mean[c] += columns[i, c]
            largest[c] = max(largest[c], abs(columns[i, c]))
    mean /= n
    centred = columns - mean
    dots = _products(centred) if every_pair else _neighbours(centred)
    size = np.empty(n_channels)
    for c in range(n_channels):
        size[c] = math.sqrt(dots[c, 0 if not every_pair else c])
        if size[c] <= 1e-7 * math.sqrt(n) * largest[c]:
            size[c] = 0.0
    pairs = n_channels * (n_channels - 1) // 2 if every_pair else n_channels - 1
    moments = n_channels * (n_channels + 1) // 2 if every_pair else 0
    out = np.zeros(pairs + moments)
    at = 0
    for a in range(n_channels):
        last = n_channels if every_pair else min(a + 2, n_channels)
        for b in range(a + 1, last):
            if size[a] > 0.0 and size[b] > 0.0:
                dot = dots[a, b if every_pair else 1]
                out[at] = max(-1.0, min(1.0, dot / size[a] / size[b]))
            at += 1
    if every_pair:
        matrix = _products(columns) / n
        trace = np.trace(matrix)
        for a in range(n_channels):
            matrix[a, a] += 1e-3 * trace / n_channels + TINY
        logarithm = _matrix_log(matrix)
        for a in range(n_channels):
            for b in range(a, n_channels):
                out[at] = logarithm[a, b]
                at += 1
    return out


@compiled
def _matrix_log(matrix: FloatArray) -> FloatArray:
    """Logarithm of a symmetric positive definite matrix, by cyclic Jacobi rotations.

    Our own, because LAPACK's last bits differ between processors and the digest of the
    features must not (Golub & Van Loan, Matrix Computations, 8.5).
    """
    n = len(matrix)
    a = matrix / np.trace(matrix)
    v = np.eye(n)
    for _ in range(12):
        off = 0.0
        for p in range(n):
            for q in range(p + 1, n):
                off += a[p, q] * a[p, q]
        if off < 1e-24:
            break
        for p in range(n):
            for q in range(p + 1, n):
                if abs(a[p, q]) < 1e-300:
                    continue
                theta = (a[q, q] - a[p, p]) / (2.0 * a[p, q])
                t = 1.0 / (abs(theta) + math.sqrt(theta * theta + 1.0))
                t = t if theta >= 0.0 else -t
                cos = 1.0 / math.sqrt(t * t + 1.0)
                sin = t * cos
                for k in range(n):
                    x, y = a[k, p], a[k, q]
                    a[k, p], a[k, q] = cos * x - sin * y, sin * x + cos * y
                for k in range(n):
                    x, y = a[p, k], a[q, k]
                    a[p, k], a[q, k] = cos * x - sin * y, sin * x + cos * y
                    x, y = v[k, p], v[k, q]
                    v[k, p], v[k, q] = cos * x - sin * y, sin * x + cos * y
    out = np.zeros((n, n))
    for k in range(n):
        value = math.log(max(a[k, k], TINY))
        for p in range(n):
            for q in range(n):
                out[p, q] += value * v[p, k] * v[q, k]
    scale = math.log(np.trace(matrix))
    for p in range(n):
        out[p, p] += scale
    return out
