"""Labelled windows as a table of features, its stable hold-out, and the manifest.

The hold-out is chosen by a hash of the event's id: nobody trains on those rows, in any
retrain, whatever labels arrive in whatever order.  A split by time alone would hold
out the last gesture of every session and nothing else; a fresh random split would show
the champion rows that it has seen.  Per device only the newest `HOLDOUT_PER_DEVICE`
chosen rows are held; older ones are released to training, so the hold-out moves with
the devices and costs a bounded number of labels.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from app import features
from app.domain import Float32Array, Json, LabelledWindow, Profile
from app.learning.weights import Weighing, shares, weigh_keys

HOLDOUT_SHARE = 0.15
HOLDOUT_PER_DEVICE = 200
SPLIT_RULE = (
    f"{HOLDOUT_SHARE:.0%} of the events by a hash of their id, "
    f"the newest {HOLDOUT_PER_DEVICE} of each device; never trained on while held"
)


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """Rows in a fixed order (time, then event id), with their features.

    Parameters
    ----------
    profile : str
    n_channels : int
    rate_hz : float, readings per second
    events, devices, at, labels : tuple, one of each per row
    features : float32 array (n_rows, n_features)
    rolls : (int, int), in readings
        The pre-roll and post-roll that most windows have.
    keys : tuple of str, one per row
        Who labelled it; "" if nobody knows.
    weights : tuple of float > 0, one per row, or ()
        What a row counts; (): all the same.
    """

    profile: str
    n_channels: int
    rate_hz: float
    events: tuple[UUID, ...]
    devices: tuple[str, ...]
    at: tuple[datetime, ...]
    labels: tuple[str, ...]
    features: Float32Array
    rolls: tuple[int, int] = (0, 0)
    keys: tuple[str, ...] = ()
    weights: tuple[float, ...] = ()

    def __len__(self) -> int:
        return len(self.events)

    @property
    def classes(self) -> tuple[str, ...]:
        """Labels that occur, sorted."""
        return tuple(sorted(set(self.labels)))

    def take(self, rows: Iterable[int]) -> Dataset:
        """Return the given rows, in the given order."""
        chosen = [int(i) for i in rows]
        return Dataset(
            self.profile,
            self.n_channels,
            self.rate_hz,
            tuple(self.events[i] for i in chosen),
            tuple(self.devices[i] for i in chosen),
            tuple(self.at[i] for i in chosen),
            tuple(self.labels[i] for i in chosen),
            self.features[np.array(chosen, dtype=np.int64)],
            self.rolls,
            tuple(self.keys[i] for i in chosen) if self.keys else (),
            tuple(self.weights[i] for i in chosen) if self.weights else (),
        )

    def weighed(self, share: float) -> Dataset:
        """Return the rows with weights that cap each key's share of a class."""
        if not self.keys:
            return self
        return replace(self, weights=weigh_keys(self.labels, self.keys, share))

    def table(self, feature_set: str) -> Float32Array:
        """Return the columns of a feature set that the rows have."""
        return features.columns(self.features, self.n_channels, feature_set)

    def has(self, feature_set: str) -> bool:
        """Whether the rows have all columns of a feature set."""
        return features.has(self.features, self.n_channels, feature_set)

    def without(self, events: Iterable[UUID]) -> Dataset:
        """Return the rows whose event is not among the given ones."""
        gone = set(events)
        return self.take(i for i, e in enumerate(self.events) if e not in gone)


def build(
    profile: Profile, rows: Sequence[LabelledWindow], feature_set: str = features.PLAIN
) -> Dataset:
    """Extract the features of labelled windows; one row per event, order of no matter.

    The same rows in another order give the same dataset.  Of several rows of one event
    the last given counts.
    """
    latest = {row.event: row for row in rows}
    ordered = sorted(latest.values(), key=lambda r: (r.at, r.event.bytes))
    width = features.width(profile.n_channels, feature_set)
    table = np.empty((len(ordered), width), dtype=np.float32)
    for i, row in enumerate(ordered):
        table[i] = features.extract(
            row.window,
            profile.rate_hz,
            row.pre_roll,
            row.post_roll,
            feature_set,
            row.context,
        )
    return Dataset(
        profile=profile.name,
        n_channels=profile.n_channels,
        rate_hz=profile.rate_hz,
        events=tuple(r.event for r in ordered),
        devices=tuple(r.device for r in ordered),
        at=tuple(r.at for r in ordered),
        labels=tuple(r.label for r in ordered),
        features=table,
        rolls=_usual((r.pre_roll, r.post_roll) for r in ordered),
        keys=tuple(r.by for r in ordered),
    )


def _usual(rolls: Iterable[tuple[int, int]]) -> tuple[int, int]:
    """Return the most frequent pair; the smallest of several; (0, 0) of none."""
    counted = Counter(rolls)
    return min(counted, key=lambda pair: (-counted[pair], pair), default=(0, 0))


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Row numbers for training and for the hold-out, and the rule that parted them."""

    train: NDArray[np.int64]
    holdout: NDArray[np.int64]
    rule: str = SPLIT_RULE


def split(dataset: Dataset) -> Split:
    """Part a dataset into training rows and the stable hold-out.

    A class keeps at least two of its rows (its only row, if it has one) in training.
    """
    held: dict[str, list[int]] = defaultdict(list)
    for i, event in enumerate(dataset.events):
        if _draw(event) < HOLDOUT_SHARE:
            held[dataset.devices[i]].append(i)
    holdout = {i for rows in held.values() for i in rows[-HOLDOUT_PER_DEVICE:]}
    total = Counter(dataset.labels)
    kept = Counter(y for i, y in enumerate(dataset.labels) if i not in holdout)
    for i in sorted(holdout, key=lambda i: dataset.events[i].bytes):
        label = dataset.labels[i]
        if kept[label] < min(2, total[label]):
            holdout.discard(i)
            kept[label] += 1
    everything = np.arange(len(dataset), dtype=np.int64)
    mask = np.isin(everything, np.array(sorted(holdout), dtype=np.int64))
    return Split(everything[~mask], everything[mask])


def _draw(event: UUID) -> float:
    """Return the number in [0, 1) that belongs to an event for ever."""
    raw = hashlib.sha256(b"onset holdout 1" + event.bytes).digest()
    return int.from_bytes(raw[:6], "big") / 2**48


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to fit the judged model again, bit for bit, from the training rows."""

    estimator: str
    seed: int
    sharpness: float = 1.0
    context: bool = False
    """Whether it reads what was known beside the windows."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a model was trained on and judged by.

    Parameters
    ----------
    profile, feature_set, rule : str
    train, holdout : tuple of (event id, label), in the order of the dataset
    refitted : Recipe or None
        Set when the served model was fitted once more, on `train` and `holdout`, after
        the model of `train` alone had been judged.
    weighing : Weighing or None
        What rows counted, if not all the same.
    """

    profile: str
    feature_set: str
    rule: str
    train: tuple[tuple[UUID, str], ...]
    holdout: tuple[tuple[UUID, str], ...]
    refitted: Recipe | None = None
    weighing: Weighing | None = None

    @property
    def judged_without(self) -> frozenset[UUID]:
        """Events that the judged model learnt, and must not be judged by."""
        return frozenset(event for event, _ in self.train)

    def to_json(self) -> dict[str, object]:
        """Return plain JSON; `from_json` reads it."""
        return {
            "profile": self.profile,
            "feature_set": self.feature_set,
            "rule": self.rule,
            "train": [[str(e), y] for e, y in self.train],
            "holdout": [[str(e), y] for e, y in self.holdout],
            "refitted": None if self.refitted is None else asdict(self.refitted),
            "weighing": None if self.weighing is None else self.weighing.to_json(),
            "digest": self.digest,
        }

    @classmethod
    def from_json(cls, data: Json) -> Manifest:
        """Read what `to_json` wrote."""
        again, weighing = data.get("refitted"), data.get("weighing")
        return cls(
            str(data["profile"]),
            str(data["feature_set"]),
            str(data["rule"]),
            tuple((UUID(e), str(y)) for e, y in data["train"]),
            tuple((UUID(e), str(y)) for e, y in data["holdout"]),
            None if again is None else Recipe(**again),
            None if weighing is None else Weighing.from_json(weighing),
        )

    @property
    def digest(self) -> str:
        """SHA-256 of the rows: the same events, labels, parts and weights, the same."""
        said: list[object] = [
            self.profile,
            self.feature_set,
            self.rule,
            [[e.hex, y] for e, y in self.train],
            [[e.hex, y] for e, y in self.holdout],
        ]
        if self.weighing is not None:
            said.append(self.weighing.to_json()["rows"])
        text = json.dumps(
            said,
            sort_keys=True,
            ensure_ascii=True,
            separators=(",", ":"),
        )
        return hashlib.sha256(text.encode()).hexdigest()


def manifest(
    dataset: Dataset, parts: Split, feature_set: str, key_share: float = 1.0
) -> Manifest:
    """Write down which rows a training uses, and for what."""
    weighing = None
    if dataset.weights:
        weighing = Weighing(
            key_share,
            dict(zip(dataset.events, dataset.weights, strict=True)),
            shares(dataset.labels, dataset.keys, dataset.weights),
        )

    def listed(rows: NDArray[np.int64]) -> tuple[tuple[UUID, str], ...]:
        return tuple((dataset.events[i], dataset.labels[i]) for i in rows)

    return Manifest(
        dataset.profile,
        feature_set,
        parts.rule,
        listed(parts.train),
        listed(parts.holdout),
        weighing=weighing,
    )
