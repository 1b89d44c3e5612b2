"""Window -> feature vector, the same function for serving, training and replay."""

from app.features.session import Session
from app.features.vector import (
    CONTEXT,
    CONVOLVED,
    FEATURE_SETS,
    LARGEST,
    PAIRED_CHANNELS,
    PLAIN,
    columns,
    digest,
    extract,
    fingerprint,
    has,
    names,
    of_window,
    reads_context,
    widest,
    width,
    with_context,
)

__all__ = [
    "CONTEXT",
    "CONVOLVED",
    "FEATURE_SETS",
    "LARGEST",
    "PAIRED_CHANNELS",
    "PLAIN",
    "Session",
    "columns",
    "digest",
    "extract",
    "fingerprint",
    "has",
    "names",
    "of_window",
    "reads_context",
    "widest",
    "width",
    "with_context",
]
