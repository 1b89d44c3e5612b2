"""The detectors there are, by kind: a new one is its file and one line here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np

from app.detection.clean import Cleaner
from app.detection.detector import Detector
from app.detection.energy import energy
from app.detection.held import HeldReadings, move
from app.detection.mahalanobis import mahalanobis
from app.detection.regimes import regimes
from app.detection.scored import scored
from app.detection.scores import silent
from app.detection.settings import complete, limits_of
from app.detection.sta_lta import sta_lta
from app.detection.windows import windows
from app.domain import Json, Profile, Readings

DETECTORS: Mapping[str, Callable[[Json, float, int], Detector]] = {
    "energy": energy,
    "mahalanobis": mahalanobis,
    "regimes": regimes,
    "scored": scored,
    "sta_lta": sta_lta,
    "windows": windows,
}


def build(settings: Json, rate_hz: float, n_channels: int) -> Detector:
    """Make a detector for streams of that rate and number of channels.

    Raises
    ------
    InvalidDetector
        If the settings break a rule.
    """
    full = complete(settings)
    return DETECTORS[str(full["kind"])](full, rate_hz, n_channels)


def check(settings: Json, profile: Profile) -> None:
    """Say whether streams of a profile can be read with these complete settings.

    Raises
    ------
    InvalidDetector
        If the settings break a rule, or name a channel that the profile has not.
    """
    limits_of(settings, profile.channel_names)
    build(settings, profile.rate_hz, profile.n_channels)


def warm(kinds: Iterable[str] = DETECTORS) -> None:
    """Compile the kernels of detectors, or load them from numba's cache.

    What is not warmed up costs its first stream a tenth of a second, or some seconds
    where nothing is in the cache yet.
    """
    for kind in kinds:
        fitted = {"model": silent(1).to_text()} if kind == "scored" else {}
        detector = build({"kind": kind, **fitted}, 50.0, 1)
        detector.update(np.zeros((8, 1)))
        detector.flush()
    held = HeldReadings(1)
    cleaner = Cleaner(limits_of({}, ["x"]), 1, 1, None, 1.0)
    readings = Readings(1, np.ones((2, 1), np.float32), np.zeros(2))
    held.reserve(len(readings))
    cleaner.advance(readings, 0, True, held)
    held.cleaned(held.first, held.next)
    held.drop(held.next)
    move(held.values, held.times, held.jumped, 0, 0)
