"""An anomaly model on the device's side: its score goes along as one more channel.

The model stays where its readings are made.  The service gets a channel of numbers
like any other: no code and no pickle of anybody's travels, a model that is slow holds
up nothing but its own device, and detection, storage and replay are as always.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike

from app.client.pieces import matrix
from app.domain import Float32Array


class AnomalyModel(Protocol):
    """What a model must do; all of `river.anomaly` that need no label do."""

    def score_one(self, x: dict[str, float], /) -> float:
        """Say how unusual a reading is: the higher, the more."""

    def learn_one(self, x: dict[str, float], /) -> Any:
        """Learn from a reading."""


class WithScore:
    """Puts a model's score behind the channels of every reading.

    A reading is scored before it is learnt from.  One with a missing value, or whose
    score is no number, has a missing score, and is not learnt from.

    Parameters
    ----------
    model : AnomalyModel
        For example ``river.preprocessing.MinMaxScaler() |
        river.anomaly.HalfSpaceTrees(seed=1)``.
    channels : sequence of str
        Their names, as the model is to know them.

    Examples
    --------
    >>> class Far:
    ...     def score_one(self, x):
    ...         return abs(x["smoke"])
    ...
    ...     def learn_one(self, x):
    ...         pass
    >>> with_score = WithScore(Far(), ["warmth", "smoke"])
    >>> with_score([[20.0, -3.0], [21.0, None]])
    array([[20., -3.,  3.],
           [21., nan, nan]], dtype=float32)
    """

    def __init__(self, model: AnomalyModel, channels: Sequence[str]) -> None:
        self._model = model
        self._channels = tuple(channels)

    def __call__(self, values: ArrayLike) -> Float32Array:
        """Score readings, then learn from them, one after another.

        Parameters
        ----------
        values : (n_channels,) or (n_readings, n_channels)
            NaN or None where a channel has no value.

        Returns
        -------
        float32 array (n_readings, n_channels + 1)
            What `DeviceStream.send` takes; the profile has one channel more.

        Raises
        ------
        InvalidReadings
            If a reading does not have a value for each channel.
        """
        readings = matrix(values, len(self._channels))
        scores = [self._score(row) for row in readings.tolist()]
        return np.column_stack([readings, np.array(scores, np.float32)])

    def _score(self, row: list[float]) -> float:
        if not np.isfinite(row).all():
            return np.nan
        x = dict(zip(self._channels, row, strict=True))
        score = float(self._model.score_one(x))
        self._model.learn_one(x)
        return score if np.isfinite(score) else np.nan
