"""Where a row lies among what was learnt: the half of `novelty` that serving needs.

The arrays travel in the model file, beside its graph and under its digest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.domain import Float32Array, FloatArray
from app.domain.compiled import compiled
from app.errors import ArtefactError

PREFIX = "space."
"""Of the names that the arrays have in a model file."""


@dataclass(frozen=True, slots=True, eq=False)
class Space:
    """A projection of features, and the means of the modes in it.

    Parameters
    ----------
    chosen : int64 array (n_chosen,)
        Which features are looked at.
    low, high : float64 arrays (n_chosen,)
        Limits that their values are clipped to.
    weights : float64 array (n_chosen, n_dimensions)
    offset : float64 array (n_dimensions,)
    centres : float64 array (n_dimensions, n_modes)
    """

    chosen: NDArray[np.int64]
    low: FloatArray
    high: FloatArray
    weights: FloatArray
    offset: FloatArray
    centres: FloatArray

    def distance(self, row: Float32Array) -> float:
        """Give the squared distance of a row (n_features,) to the nearest mode."""
        return _distance(
            row,
            self.chosen,
            self.low,
            self.high,
            self.weights,
            self.offset,
            self.centres,
        )

    def distances(self, table: Float32Array) -> FloatArray:
        """Give that of every row, (n_rows,)."""
        return np.array([self.distance(row) for row in np.ascontiguousarray(table)])

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays by the names that they have in a model file."""
        return {PREFIX + one.name: getattr(self, one.name) for one in fields(self)}

    @classmethod
    def of(cls, arrays: Mapping[str, NDArray[Any]], n_features: int) -> Space:
        """Read what `arrays` wrote.

        Raises
        ------
        ArtefactError
            If arrays are missing, do not fit together, or are not finite.
        """
        names = [one.name for one in fields(cls)]
        if set(arrays) != {PREFIX + name for name in names}:
            raise ArtefactError(f"arrays {sorted(arrays)} are not those of a space")
        found = {name: arrays[PREFIX + name] for name in names}
        chosen, centres = found["chosen"], found["centres"]
        n, width = len(chosen), len(found["offset"])
        shapes = ((n,), (n,), (n,), (n, width), (width,), (width, centres.shape[-1]))
        for (name, array), shape in zip(found.items(), shapes, strict=True):
            kind = np.int64 if name == "chosen" else np.float64
            if array.dtype != kind or array.shape != shape or not array.size:
                raise ArtefactError(
                    f"{name} is {array.dtype} of shape {array.shape}, must be {shape}"
                )
            if not np.isfinite(array).all():
                raise ArtefactError(f"{name} is not finite")
        if chosen.min() < 0 or chosen.max() >= n_features:
            raise ArtefactError(f"chosen must be within {n_features} features")
        return cls(**{n: np.ascontiguousarray(found[n]) for n in names})


@compiled
def _distance(
    row: Float32Array,
    chosen: NDArray[np.int64],
    low: FloatArray,
    high: FloatArray,
    weights: FloatArray,
    offset: FloatArray,
    centres: FloatArray,
) -> float:
    place = offset.copy()
    for i in range(len(chosen)):
        value = min(max(float(row[chosen[i]]), low[i]), high[i])
        for k in range(len(place)):
            place[k] += value * weights[i, k]
    # mode after mode in the inner loop: its additions do not wait for one another
    apart = np.zeros(centres.shape[1])
    for k in range(len(place)):
        for c in range(len(apart)):
            away = place[k] - centres[k, c]
            apart[c] += away * away
    return float(apart.min())
