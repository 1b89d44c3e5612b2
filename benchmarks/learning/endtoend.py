"""From raw readings to labels: right span and right label, of people never seen.

    python -m benchmarks.learning.endtoend FOLDER [--folds 5]

myo: recordings ``<person>_<session>.parquet`` with eight channels, and ``events.csv``.
The readings go through the product's `Stream` with its default detector; what it cuts
is what is learnt from, as the service does it: an event that a person labels has the
borders that were found.  Then the people of each fold in turn are new:

- `unseen`: the model has learnt the other people; both sessions of the new are asked,
- `session 1`: and what the new ones labelled of session 1; session 2 is asked.  `joint`
  is one model of all, `chosen` each person's own model where it is better beyond chance
  on their labels, as the service decides.

An event counts if a found one overlaps it by at least half of what both cover together
(one to one), and is named rightly; F1 over all recordings.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

import numpy as np
import pyarrow.csv

from app.detection import Stream
from app.domain import (
    Channel,
    DetectorVersion,
    Event,
    LabelledWindow,
    Profile,
    Readings,
    utc,
)
from app.domain.overlap import match
from app.learning.dataset import Dataset, build
from app.learning.train import Trained, train_full
from benchmarks.detection.quality import recordings
from benchmarks.learning.personal import ESTIMATOR, choose
from benchmarks.learning.quality import quiet

UNNAMED = ""
"""Of what was found and is no event."""
LATER_SECONDS = 10_000.0
"""Session 2 comes after session 1."""


@dataclass(frozen=True)
class Played:
    """A recording, what was found in it, and what is true of that."""

    person: str
    session: str
    n_true: int
    windows: list[LabelledWindow]


def play(folder: Path, settings: dict) -> tuple[Profile, list[Played]]:
    """Run all recordings through streams; label what matches a true event."""
    table = pyarrow.csv.read_csv(folder / "events.csv").to_pydict()
    labels = defaultdict(list)
    for name, label in zip(table["recording"], table["label"], strict=True):
        labels[name].append(label)
    played, profile = [], None
    for name, t, values, truth in recordings(folder):
        rate = 1 / float(np.median(np.diff(t)))
        channels = tuple(Channel(f"c{i}") for i in range(values.shape[1]))
        profile = profile or Profile(folder.name, channels, rate)
        person, session = name.split("_")
        at = t + (LATER_SECONDS if session != "s1" else 0.0)
        version = DetectorVersion(1, profile.name, settings)
        stream = Stream(profile, version, person, session)
        said = stream.receive(Readings(1, values, at)) + stream.close()
        events = [one for one in said if isinstance(one, Event)]
        times = np.append(t, t[-1] + 1 / rate)
        spans = [
            (times[one.onset_seq - 1], times[one.offset_seq - 1]) for one in events
        ]
        names = dict.fromkeys(range(len(events)), UNNAMED)
        names |= {j: labels[name][i] for i, j in match(truth, spans)}
        windows = [
            LabelledWindow(
                uuid5(NAMESPACE_URL, f"{name}/{one.onset_seq}"),
                person,
                utc(at[one.onset_seq - 1]),
                one.window,
                names[j],
                one.pre_roll,
                one.post_roll,
            )
            for j, one in enumerate(events)
        ]
        played.append(Played(person, session, len(truth), windows))
    return profile, played


def table_of(profile: Profile, played: list[Played], *, named: bool) -> Dataset:
    """Make rows; `named`: only of what is an event."""
    windows = [w for one in played for w in one.windows if w.label or not named]
    return build(profile, windows)


def right(model: Trained, asked: Dataset) -> int:
    """Count rows that are named rightly."""
    if not len(asked):
        return 0
    said = model.probabilities(asked.table(model.feature_set)).argmax(axis=1)
    return int((np.array(model.classes)[said] == np.array(asked.labels)).sum())


def f1(hit: int, played: list[Played]) -> float:
    """End-to-end F1 of so many hits."""
    there = sum(one.n_true for one in played)
    return 2 * hit / max(there + sum(len(one.windows) for one in played), 1)


def fit(rows: Dataset) -> Trained:
    """Train as a retrain does."""
    return train_full(rows, ESTIMATOR, seed=1, progress=quiet)


def main(arguments=None):
    """Print a line a fold, and the three figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--folds", type=int, default=5)
    chosen = parser.parse_args(arguments)
    profile, played = play(chosen.folder, {"kind": "energy"})
    people = sorted({one.person for one in played})
    hits: dict[str, int] = defaultdict(int)
    for fold in range(chosen.folds):
        new = set(people[fold :: chosen.folds])
        others = [one for one in played if one.person not in new]
        theirs = [one for one in played if one.person in new]
        labelled = [one for one in theirs if one.session == "s1"]
        later = [one for one in theirs if one.session != "s1"]
        base = fit(table_of(profile, others, named=True))
        joint = fit(table_of(profile, others + labelled, named=True))
        now = defaultdict(int)
        now["unseen"] = right(base, table_of(profile, theirs, named=False))
        for person in sorted(new):
            own_rows = table_of(
                profile, [o for o in labelled if o.person == person], named=True
            )
            asked = table_of(
                profile, [o for o in later if o.person == person], named=False
            )
            own = fit(own_rows)
            said = {"own": right(own, asked), "joint": right(joint, asked)}
            now["joint"] += said["joint"]
            now["own"] += said["own"]
            now["chosen"] += said[choose(own, joint, own_rows)]
        print(
            " ".join(sorted(new)),
            f"unseen {f1(now['unseen'], theirs):.3f}",
            *(f"{n} {f1(now[n], later):.3f}" for n in ("joint", "own", "chosen")),
            flush=True,
        )
        for name, count in now.items():
            hits[name] += count
    later = [one for one in played if one.session != "s1"]
    found = sum(w.label != UNNAMED for one in played for w in one.windows)
    print(f"spans alone: F1 {f1(found, played):.3f}")
    print(f"unseen people, right span and label: F1 {f1(hits['unseen'], played):.3f}")
    for name in ("joint", "own", "chosen"):
        print(f"after session 1, {name}: F1 {f1(hits[name], later):.3f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
