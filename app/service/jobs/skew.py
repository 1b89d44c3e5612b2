"""Serving and training see the same features, or nothing is trained (E-07)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from app import features
from app.domain import LabelledWindow, Profile
from app.errors import ArtefactError

SKEW_SAMPLE = 200
"""Newest labelled windows whose served features are computed again."""


def require_no_skew(
    rows: Sequence[LabelledWindow],
    served: Mapping[UUID, str],
    profile: Profile,
    feature_set: str,
) -> None:
    """Compute served features again and refuse on the first difference.

    Parameters
    ----------
    served : mapping of event to the features digest of a stored prediction
    feature_set : str
        What those features are.

    Raises
    ------
    ArtefactError
        If today's code makes other features of a stored window than were served.
    """
    for row in rows:
        expected = served.get(row.event)
        if expected is None:
            continue
        found = features.digest(
            features.extract(
                row.window,
                profile.rate_hz,
                row.pre_roll,
                row.post_roll,
                feature_set,
                row.context,
            )
        )
        if found != expected:
            raise ArtefactError(
                f"train/serve skew: event {row.event} was served with features "
                f"{expected}, this code makes {found} of the same window; feature set "
                f"{feature_set!r} was changed without a new version"
            )
