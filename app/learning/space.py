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
    """Views of the features side by side, and the points that were learnt in each.

    Parameters
    ----------
    chosen : int64 array (n_chosen,)
        Which features are looked at.
    low, high : float64 arrays (n_chosen,)
        Limits that their values are clipped to.
    weights : float64 array (n_chosen, n_dimensions)
        Of all views, one after the other.
    offset : float64 array (n_dimensions,)
    shapes : int64 array (n_views, 2)
        How many dimensions and points each view has.
    points : float64 array
        The points of each view, (dimensions, points) row by row; means of modes, and in
        the last view, if there are `radii`, rows.
    radii : float64 array (points of the last view,) or (0,)
        Squared distance from each of those rows to the next one, above 0.
    """

    chosen: NDArray[np.int64]
    low: FloatArray
    high: FloatArray
    weights: FloatArray
    offset: FloatArray
    shapes: NDArray[np.int64]
    points: FloatArray
    radii: FloatArray

    @property
    def n_distances(self) -> int:
        """How many numbers `distances` gives."""
        return len(self.shapes) + bool(len(self.radii))

    def distances(self, row: Float32Array) -> FloatArray:
        """Say how far a row (n_features,) is from all that was learnt.

        Returns
        -------
        float64 array (n_distances,)
            The squared distance to the nearest point of each view; then, with radii,
            the least one in units of its point's radius.
        """
        return _distances(
            row,
            self.chosen,
            self.low,
            self.high,
            self.weights,
            self.offset,
            self.shapes,
            self.points,
            self.radii,
        )

    def table(self, rows: Float32Array) -> FloatArray:
        """Give the distances of every row, (n_rows, n_distances)."""
        out = np.empty((len(rows), self.n_distances))
        for i, row in enumerate(np.ascontiguousarray(rows)):
            out[i] = self.distances(row)
        return out

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays by the names that they have in a model file."""
        return {PREFIX + one.name: getattr(self, one.name) for one in fields(self)}

    @classmethod
    def of(cls, arrays: Mapping[str, NDArray[Any]], n_features: int) -> Space:
        """Read what `arrays` wrote, or the one view of files before there were more.

        Raises
        ------
        ArtefactError
            If arrays are missing, do not fit together, or are not finite.
        """
        found = {name.removeprefix(PREFIX): array for name, array in arrays.items()}
        centres = found.pop("centres", None)
        if centres is not None:
            found["shapes"] = np.array([centres.shape], dtype=np.int64)
            found["points"], found["radii"] = centres.ravel(), np.empty(0)
        names = [one.name for one in fields(cls)]
        if set(found) != set(names):
            raise ArtefactError(f"arrays {sorted(arrays)} are not those of a space")
        shapes = found["shapes"]
        if shapes.shape[1:] != (2,) or not len(shapes) or not (shapes > 0).all():
            raise ArtefactError(f"shapes {shapes.tolist()} are not those of views")
        n, width = len(found["chosen"]), int(shapes[:, 0].sum())
        n_radii = int(shapes[-1, 1]) if len(found["radii"]) else 0
        wanted = {
            "weights": (n, width),
            "offset": (width,),
            "shapes": shapes.shape,
            "points": (int((shapes[:, 0] * shapes[:, 1]).sum()),),
            "radii": (n_radii,),
        }
        for name in names:
            array, shape = found[name], wanted.get(name, (n,))
            kind = np.int64 if name in ("chosen", "shapes") else np.float64
            if array.dtype != kind or array.shape != shape or not n:
                raise ArtefactError(
                    f"{name} is {array.dtype} of shape {array.shape}, must be {shape}"
                )
            if not np.isfinite(array).all():
                raise ArtefactError(f"{name} is not finite")
        if found["chosen"].min() < 0 or found["chosen"].max() >= n_features:
            raise ArtefactError(f"chosen must be within {n_features} features")
        if (found["radii"] <= 0).any():
            raise ArtefactError("radii must be above 0")
        return cls(**{name: np.ascontiguousarray(found[name]) for name in names})


@compiled
def _distances(
    row: Float32Array,
    chosen: NDArray[np.int64],
    low: FloatArray,
    high: FloatArray,
    weights: FloatArray,
    offset: FloatArray,
    shapes: NDArray[np.int64],
    points: FloatArray,
    radii: FloatArray,
) -> FloatArray:
    place = offset.copy()
    for i in range(len(chosen)):
        value = min(max(float(row[chosen[i]]), low[i]), high[i])
        for k in range(len(place)):
            place[k] += value * weights[i, k]
    n_views = len(shapes)
    out = np.empty(n_views + (1 if len(radii) else 0))
    first = 0
    at = 0
    for view in range(n_views):
        n_dimensions, n_points = shapes[view]
        # point after point in the inner loop: its sums do not wait for one another
        apart = np.zeros(n_points)
        for k in range(first, first + n_dimensions):
            for c in range(n_points):
                away = place[k] - points[at + c]
                apart[c] += away * away
            at += n_points
        first += n_dimensions
        out[view] = apart.min()
        if view == n_views - 1 and len(radii):
            out[n_views] = (apart / radii).min()
    return out
