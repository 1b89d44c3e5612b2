"""The values that everything else is about: frozen, without behaviour that waits.

Arrays are numpy; times are aware UTC `datetime`, or float seconds since the epoch
where an array of them is meant; a `seq` is the number of a reading within its
(device, boot), counted from 1.
"""

from app.domain.answers import (
    NOTHING,
    Label,
    LabelledWindow,
    Prediction,
    PredictionLog,
    Role,
)
from app.domain.arrays import Float32Array, FloatArray, Json
from app.domain.context import Beside, Context, Earlier, Past
from app.domain.profile import (
    MAX_CHANNELS,
    MAX_RATE_HZ,
    Channel,
    DetectorVersion,
    Profile,
    RetrainPolicy,
)
from app.domain.retention import RetentionPolicy
from app.domain.stream import (
    EVENT_NAMESPACE,
    Event,
    Flag,
    Gap,
    NearMiss,
    Onset,
    Readings,
    Retraction,
    SetAside,
    Span,
    event_id,
    utc,
)

__all__ = [
    "EVENT_NAMESPACE",
    "MAX_CHANNELS",
    "MAX_RATE_HZ",
    "NOTHING",
    "Beside",
    "Channel",
    "Context",
    "DetectorVersion",
    "Earlier",
    "Event",
    "Flag",
    "Float32Array",
    "FloatArray",
    "Gap",
    "Json",
    "Label",
    "LabelledWindow",
    "NearMiss",
    "Onset",
    "Past",
    "Prediction",
    "PredictionLog",
    "Profile",
    "Readings",
    "RetentionPolicy",
    "Retraction",
    "RetrainPolicy",
    "Role",
    "SetAside",
    "Span",
    "event_id",
    "utc",
]
