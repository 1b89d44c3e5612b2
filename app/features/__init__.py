"""Window -> feature vector, the same function for serving, training and replay."""

from app.features.vector import (
    FEATURE_SET,
    LARGEST,
    PAIRED_CHANNELS,
    digest,
    extract,
    fingerprint,
    names,
)

__all__ = [
    "FEATURE_SET",
    "LARGEST",
    "PAIRED_CHANNELS",
    "digest",
    "extract",
    "fingerprint",
    "names",
]
