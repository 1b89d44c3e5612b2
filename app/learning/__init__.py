"""Learning: labelled windows to a judged, exported, servable model; pure.

Exported here is what serving needs, and it loads no scikit-learn.  The trainer imports
`app.learning.challenge`, which trains and judges.
"""

from app.learning.catalogue import (
    AUTO,
    ESTIMATORS,
    FULL,
    INCREMENTAL,
    MODES,
    ONLINE,
    PORTFOLIO,
    EstimatorSpec,
    kinds,
)
from app.learning.model import Model, ModelCard, classify

__all__ = [
    "AUTO",
    "ESTIMATORS",
    "FULL",
    "INCREMENTAL",
    "MODES",
    "ONLINE",
    "PORTFOLIO",
    "EstimatorSpec",
    "Model",
    "ModelCard",
    "classify",
    "kinds",
]
