"""Near misses of a stream, out of its stored state."""

from __future__ import annotations

from app.detection.checkpoint import Checkpoint
from app.detection.kinds import build
from app.domain import DetectorVersion, NearMiss, Profile


def near_misses(
    profile: Profile, version: DetectorVersion, state: bytes
) -> list[NearMiss]:
    """Give what nearly was an event since the stream's last gap.

    Returns
    -------
    list of NearMiss, oldest first
        By the numbers of readings.

    Raises
    ------
    ValueError
        If the state does not fit the settings.
    """
    point = Checkpoint.from_bytes(state, profile.n_channels)
    detector = build(version.settings, profile.rate_hz, profile.n_channels)
    detector.restore(point.detector)
    first = point.origin
    return [
        NearMiss(first + near.onset, first + near.offset, near.score)
        for near in detector.near_misses()
    ]
