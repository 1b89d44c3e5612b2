"""What vouches for a model file: kept in the database row, beside the file's digest."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace

import numpy as np

from app.domain import Json
from app.errors import ArtefactError
from app.learning.least import Least
from app.learning.unknown import Rule

INPUT, OUTPUT = "features", "probabilities"
"""What a graph calls what it reads and what it answers."""


@dataclass(frozen=True, slots=True)
class SelfTest:
    """Rows that the trainer asked the model, and what it answered.

    `rows` (n, n_features), `probabilities` (n, n_classes) and, of graphs that give
    them, `distances` (n, n_distances).
    """

    rows: tuple[tuple[float, ...], ...]
    probabilities: tuple[tuple[float, ...], ...]
    distances: tuple[tuple[float, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What vouches for a graph: kept in the database row, not in the file.

    Parameters
    ----------
    profile : str
    classes : tuple of str, in the order of the probabilities
    channels : tuple of str
    rate_hz : float, readings per second
    feature_set : str
    features_code : str
        `features.fingerprint` of the trainer.
    estimator : str
    graph_sha256 : str
    unknown_below : float
        A best class less probable than this is flagged ``unknown``, where there is no
        `rule`.
    selftest : SelfTest
    pre_roll, post_roll : int >= 0, in readings
        What most windows of the training had: assumed of a window that comes without.
    rule : Rule or None
        When a window is ``unknown``, of graphs that say how far it is from all they
        learnt.
    least : mapping
        What single classes must reach beside, or be ``unknown``.
    """

    profile: str
    classes: tuple[str, ...]
    channels: tuple[str, ...]
    rate_hz: float
    feature_set: str
    features_code: str
    estimator: str
    graph_sha256: str
    unknown_below: float
    selftest: SelfTest
    pre_roll: int = 0
    post_roll: int = 0
    rule: Rule | None = None
    least: Least = field(default_factory=dict)

    def with_unknown_below(self, unknown_below: float) -> ModelCard:
        """Return the card with another threshold."""
        return replace(self, unknown_below=unknown_below)

    def to_json(self) -> dict[str, object]:
        """Return plain JSON; `from_json` reads it."""
        rule = None if self.rule is None else self.rule.to_json()
        return {**asdict(self), "rule": rule}

    @classmethod
    def from_json(cls, data: Json) -> ModelCard:
        """Read what `to_json` wrote.

        Raises
        ------
        ArtefactError
            If the card is not whole.
        """
        try:
            test = data["selftest"]
            return cls(
                profile=str(data["profile"]),
                classes=tuple(str(c) for c in data["classes"]),
                channels=tuple(str(c) for c in data["channels"]),
                rate_hz=float(data["rate_hz"]),
                feature_set=str(data["feature_set"]),
                features_code=str(data["features_code"]),
                estimator=str(data["estimator"]),
                graph_sha256=str(data["graph_sha256"]),
                unknown_below=float(data["unknown_below"]),
                selftest=SelfTest(
                    tuple(tuple(float(v) for v in r) for r in test["rows"]),
                    tuple(tuple(float(v) for v in r) for r in test["probabilities"]),
                    tuple(
                        tuple(np.atleast_1d(far).tolist())  # one number, in old cards
                        for far in test.get("distances", ())
                    ),
                ),
                pre_roll=int(data["pre_roll"]),
                post_roll=int(data["post_roll"]),
                rule=Rule.from_json(rule) if (rule := data.get("rule")) else None,
                least={
                    str(name): {str(k): float(v) for k, v in wanted.items()}
                    for name, wanted in data.get("least", {}).items()
                },
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ArtefactError(f"the model card is not whole: {error!r}") from error
