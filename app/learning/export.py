"""Fitted estimator -> artefact: ONNX bytes and the card that vouches for them."""

from __future__ import annotations

import numpy as np

from app import features
from app.domain import Float32Array, Profile
from app.errors import ArtefactError
from app.learning.artefact import digest
from app.learning.dataset import Dataset
from app.learning.graph import Graph, append, sharpen
from app.learning.model import Model, ModelCard, SelfTest
from app.learning.train import Trained

PARITY = 1e-5
"""Largest difference of a probability between scikit-learn and the graph."""
PARITY_ROWS = 500
SELF_TEST_ROWS = 4


def export(
    trained: Trained, profile: Profile, *parts: Dataset
) -> tuple[bytes, ModelCard]:
    """Write a fitted estimator as ONNX and compare both on rows of every part.

    Parameters
    ----------
    trained : Trained
    profile : Profile
        Whose channels and rate the features come from.
    *parts : Dataset
        Training rows and held-out rows; up to `PARITY_ROWS` of each are compared.

    Raises
    ------
    ArtefactError
        If the estimator cannot be exported, or a probability differs by more than
        `PARITY`, or the best class differs where it leads by more than that.
    """
    names = profile.channel_names
    graph = Graph(trained.modes)
    reads = trained.feature_set
    width = features.width(profile.n_channels, reads)
    said = sharpen(graph, append(graph, trained.fitted), trained.sharpness)
    if trained.space is not None:
        graph.attach(trained.space.arrays())
    data = graph.finish(said, width)
    rows = np.concatenate([_sample(part, reads) for part in parts if len(part)])
    expected = trained.probabilities(rows)
    far = () if trained.space is None else trained.space.table(rows[:SELF_TEST_ROWS])
    test = SelfTest(
        tuple(tuple(r) for r in rows[:SELF_TEST_ROWS].tolist()),
        tuple(tuple(r) for r in expected[:SELF_TEST_ROWS].tolist()),
        tuple(tuple(d.tolist()) for d in far),
    )
    card = ModelCard(
        profile=profile.name,
        classes=trained.classes,
        channels=tuple(names),
        rate_hz=profile.rate_hz,
        feature_set=reads,
        features_code=features.fingerprint(reads),
        estimator=trained.name,
        graph_sha256=digest(data),
        unknown_below=0.0,
        selftest=test,
        pre_roll=parts[0].rolls[0],
        post_roll=parts[0].rolls[1],
        rule=None if trained.space is None else trained.rule,
    )
    model = Model.load(data, card)
    served = np.array([model.predict(row).probabilities for row in rows])
    worst = float(np.abs(served - expected).max())
    if not worst <= PARITY:
        raise ArtefactError(
            f"{trained.name}: the graph and scikit-learn differ by {worst:.2g} "
            f"on {len(rows)} rows, allowed are {PARITY:g}"
        )
    return data, card


def _sample(part: Dataset, feature_set: str) -> Float32Array:
    """Take rows evenly over the part's time."""
    count = min(len(part), PARITY_ROWS)
    chosen = np.linspace(0, len(part) - 1, count).astype(int)
    rows: Float32Array = part.table(feature_set)[chosen]
    return rows
