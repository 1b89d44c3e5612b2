"""The serving half: a verified graph and its card, and the one way to ask it.

    prediction = classify(model, window, pre_roll, post_roll, context)

is the only path from a window to a prediction: live stream, ``POST /classify``, replay,
evaluation and tests call it, and one row is inferred at a time, so the bits do not
depend on who asks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol

import numpy as np

from app import features
from app.domain import Context, Float32Array, FloatArray, Prediction
from app.errors import ArtefactError, InvalidReadings
from app.learning.card import INPUT, OUTPUT, ModelCard, SelfTest
from app.learning.least import falls_short
from app.learning.onerow import OneRow
from app.learning.space import Space

__all__ = ["Model", "ModelCard", "SelfTest", "classify"]

SELF_TEST_TOLERANCE = 1e-4


class Session(Protocol):
    """A graph that is ready to run (onnxruntime's `InferenceSession`)."""

    def run(
        self, outputs: Sequence[str], feed: Mapping[str, Float32Array]
    ) -> Sequence[Any]:
        """Return the named outputs."""


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """A model version, verified and ready; safe to share between threads.

    Parameters
    ----------
    version : int
        0 for a challenger that has no number yet.
    card : ModelCard
    n_features : int
    session : Session
    space : Space or None
        Where rows lie among what was learnt.
    quick : OneRow or None
        The graph as compiled loops, where it is of a kind that has them.
    """

    version: int
    card: ModelCard
    n_features: int
    session: Session
    space: Space | None = None
    quick: OneRow | None = None

    @classmethod
    def load(cls, onnx: bytes, card: ModelCard, version: int = 0) -> Model:
        """Verify an artefact against its card, warm it up and test it.

        Raises
        ------
        ArtefactError
            If the bytes are not the card's, not an ONNX graph of ours, made for
            another feature code, or do not answer the self-test as the trainer's did.
        """
        if card.feature_set not in features.FEATURE_SETS:
            raise ArtefactError(
                f"the model reads feature set {card.feature_set!r}, "
                f"this process extracts {', '.join(features.FEATURE_SETS)}"
            )
        code = features.fingerprint(card.feature_set)
        if card.features_code != code:
            raise ArtefactError(
                f"feature set {card.feature_set!r} of this process is not the one the "
                f"model was trained with ({code} is not "
                f"{card.features_code}): its code changed without a new version"
            )
        if len(set(card.classes)) != len(card.classes) or len(card.classes) < 2:
            raise ArtefactError(f"classes {card.classes} must be two or more, unique")
        if not 0.0 <= card.unknown_below <= 1.0:
            raise ArtefactError(f"unknown_below={card.unknown_below} must be in [0, 1]")
        n_features = features.width(len(card.channels), card.feature_set)
        # Loaded with the first model: devices do not wait for it after a crash.
        artefact = import_module("app.learning.artefact")
        unpack = import_module("app.learning.unpack")
        graph = artefact.inspect(
            onnx,
            sha256=card.graph_sha256,
            n_features=n_features,
            n_classes=len(card.classes),
        )
        arrays = artefact.carried(graph)
        space = Space.of(arrays, n_features) if arrays else None
        n_distances = 0 if space is None else space.n_distances
        if card.rule is not None and card.rule.n_distances != n_distances:
            raise ArtefactError(
                f"the card has a rule for {card.rule.n_distances} distances, the file "
                f"{f'gives {n_distances}' if n_distances else 'no space'}"
            )
        quick = unpack.read(graph, n_features, len(card.classes))
        model = cls(
            version, card, n_features, artefact.open_session(onnx), space, quick
        )
        model._test()
        return model

    @property
    def profile(self) -> str:
        """Name of the profile the model was trained for."""
        return self.card.profile

    @property
    def classes(self) -> tuple[str, ...]:
        """Classes in the order of the probabilities."""
        return self.card.classes

    @property
    def n_channels(self) -> int:
        """Number of channels of a window."""
        return len(self.card.channels)

    @property
    def rate_hz(self) -> float:
        """Readings per second of a window."""
        return self.card.rate_hz

    @property
    def feature_set(self) -> str:
        """Version of the features that the model reads."""
        return self.card.feature_set

    @property
    def reads_context(self) -> bool:
        """Whether it looks at what was known beside the window."""
        return features.reads_context(self.feature_set)

    @property
    def unknown_below(self) -> float:
        """Least probability at which the best class is believed."""
        return self.card.unknown_below

    def predict(self, row: Float32Array) -> Prediction:
        """Answer one feature vector (n_features,), float32.

        Raises
        ------
        InvalidReadings
            If the vector has the wrong length.
        ArtefactError
            If the graph answers with something that is no probability.
        """
        said = self._infer(row)
        best = int(said.argmax())
        probability = float(said[best])
        rule, label = self.card.rule, self.classes[best]
        return Prediction(
            label=label,
            probability=probability,
            classes=self.classes,
            probabilities=tuple(said.tolist()),
            unknown=(
                bool(said[best] < self.unknown_below)
                if rule is None
                else rule.is_unknown(self.distances(row), probability)
            )
            or falls_short(self.card.least, label, probability, row, self.rate_hz),
            model_version=self.version,
            features_digest=features.digest(row),
        )

    def distances(self, row: Float32Array) -> FloatArray:
        """Say how far a feature vector is from all that was learnt, (n_distances,).

        Empty where that is not known.
        """
        return np.empty(0) if self.space is None else self.space.distances(row)

    def probabilities(self, table: Float32Array) -> Float32Array:
        """Answer many feature vectors (n_rows, n_features) at once.

        For what is not stored as a prediction: the last bits may differ from those of
        `predict`, which asks for one row at a time.

        Raises
        ------
        InvalidReadings, ArtefactError
            As `predict`.
        """
        if table.ndim != 2 or table.shape[1] != self.n_features:
            raise InvalidReadings(
                f"features of shape {table.shape} must be (n_rows, {self.n_features})"
            )
        feed = {INPUT: np.ascontiguousarray(table, dtype=np.float32)}
        try:
            said: Float32Array = self.session.run([OUTPUT], feed)[0]
        except Exception as error:  # whatever the runtime raises, the graph is bad
            raise ArtefactError(f"the graph cannot be run: {error}") from error
        if not np.isfinite(said).all():
            raise ArtefactError("the graph answers with something that is not finite")
        return said

    def _infer(self, row: Float32Array) -> Float32Array:
        if row.shape != (self.n_features,):
            raise InvalidReadings(
                f"features of shape {row.shape} must be ({self.n_features},)"
            )
        plain = np.ascontiguousarray(row, dtype=np.float32)
        out: Any
        if self.quick is not None:
            out = self.quick.probabilities(plain)
        else:
            try:
                out = self.session.run([OUTPUT], {INPUT: plain[None]})[0][0]
            except Exception as error:  # whatever the runtime raises, the graph is bad
                raise ArtefactError(f"the graph cannot be run: {error}") from error
        if not abs(float(out.sum()) - 1.0) < 1e-3:  # nor if it is not finite
            raise ArtefactError(f"the graph answers {out.tolist()}: no probabilities")
        said: Float32Array = out
        return said

    def _test(self) -> None:
        test = self.card.selftest
        if not test.rows or len(test.rows) != len(test.probabilities):
            raise ArtefactError("the card has no self-test")
        apart = test.distances or ((),) * len(test.rows)
        whole = zip(test.rows, test.probabilities, apart, strict=True)
        for row, expected, far in whole:
            try:
                vector = np.array(row, dtype=np.float32)
                said = self._infer(vector)
            except InvalidReadings as error:
                raise ArtefactError(f"self-test: {error}") from error
            if len(expected) != len(said):
                raise ArtefactError("self-test: wrong number of probabilities")
            worst = float(np.abs(said - np.array(expected)).max())
            if not worst <= SELF_TEST_TOLERANCE:
                raise ArtefactError(
                    f"self-test: probabilities differ by {worst:.2g} from the trainer's"
                )
            if test.distances:
                self._compare(self.distances(vector), np.array(far))
        self.predict(vector)  # whatever is left to compile is compiled now

    @staticmethod
    def _compare(ours: FloatArray, theirs: FloatArray) -> None:
        if ours.shape != theirs.shape:
            raise ArtefactError("self-test: wrong number of distances")
        apart = np.abs(ours - theirs) / (1.0 + theirs)
        if not apart.max() <= SELF_TEST_TOLERANCE:
            raise ArtefactError(
                f"self-test: distances are {ours.tolist()}, the trainer's "
                f"{theirs.tolist()}"
            )


def classify(
    model: Model,
    window: Float32Array,
    pre_roll: int = 0,
    post_roll: int = 0,
    context: Context | None = None,
) -> Prediction:
    """Say what a window shows: a pure function of what it is given and the version.

    Parameters
    ----------
    model : Model
    window : float32 array (n_readings, n_channels), finite
        In the units of the profile's channels, at the model's `rate_hz`.
    pre_roll, post_roll : int >= 0, in readings
        How much of `window` lies before and after the event.
    context : Context or None
        What was known beside the window; looked at by models that read it.

    Raises
    ------
    InvalidReadings
        If the window is empty, not finite, or has another number of channels.
    """
    if window.ndim != 2 or window.shape[1] != model.n_channels:
        raise InvalidReadings(
            f"window of shape {window.shape} must be (n_readings, {model.n_channels})"
        )
    row = features.extract(
        window, model.rate_hz, pre_roll, post_roll, model.feature_set, context
    )
    return model.predict(row)
