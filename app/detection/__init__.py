"""Detection: where an event begins and ends in readings that never stop.

A new detector is one file, one line in `kinds.DETECTORS` and its rules in
`settings.KINDS`; the laws of ``tests/detection/test_laws.py`` then find it.
"""

from app.detection.detector import Detector
from app.detection.kinds import DETECTORS, build, check, warm
from app.detection.settings import complete
from app.detection.stream import Stream
from app.domain import Json

DEFAULT_SETTINGS: Json = complete(None)

__all__ = [
    "DEFAULT_SETTINGS",
    "DETECTORS",
    "Detector",
    "Stream",
    "build",
    "check",
    "complete",
    "warm",
]
