"""Window -> feature vector, the same function for serving, training and replay."""

from app.features.vector import (
    CONVOLVED,
    FEATURE_SETS,
    LARGEST,
    PAIRED_CHANNELS,
    PLAIN,
    digest,
    extract,
    fingerprint,
    names,
    width,
)

__all__ = [
    "CONVOLVED",
    "FEATURE_SETS",
    "LARGEST",
    "PAIRED_CHANNELS",
    "PLAIN",
    "digest",
    "extract",
    "fingerprint",
    "names",
    "width",
]
