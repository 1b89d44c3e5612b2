"""Event F1 of detectors that learnt from other people's labelled boundaries.

    python -m benchmarks.detection.learned FOLDER [FOLDER ...] [--test FOLDER]

Recordings ``<person>_<part>`` of one person are held out together; without people (no
``_``), each recording by itself.  For each, the product's own fit learns from the
others, and what it made is run through `Stream`.  With --test, one fit on a folder is
run on all recordings of another.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from app.detection import complete
from app.domain.overlap import match
from app.learning.boundaries import fit
from app.learning.marked import Course
from benchmarks.detection.quality import detect, line, recordings

MOST_FOLDS = 5


def course(name, t, values, truth):
    """Make what the fit learns from; spans in readings."""
    values = np.where(np.isfinite(values), values, np.float32(0))
    events = np.searchsorted(t, truth).astype(np.int64).reshape(-1, 2)
    return Course(name.split("_")[0], name, values, events, np.zeros((0, 2), np.int64))


def learnt(rows):
    """Fit on some recordings; complete settings."""
    rate = 1 / float(np.median(np.diff(rows[0][1])))
    made = fit(
        [course(*row) for row in rows],
        rate,
        complete(None),
        seed=1,
        progress=lambda *_: None,
    )
    report = made.report
    former, latter = made.comparison.former, made.comparison.latter
    print(
        f"    learnt {report['events']} events of {report['devices']} devices: "
        f"{report['mixture']}, change {report['change']:g}, lean {report['lean']:g}; "
        f"by its own account {latter:.3f}, energy {former:.3f}"
    )
    return made.settings


def score(name, settings, rows):
    """Print and return hits, false alarms, missed; hours; errors."""
    total, hours, errors = np.zeros(3), 0.0, []
    for _, t, values, truth in rows:
        found = detect(t, values, settings)
        pairs = match(truth, found)
        total += [len(pairs), len(found) - len(pairs), len(truth) - len(pairs)]
        hours += (t[-1] - t[0]) / 3600
        errors += [np.abs(found[j] - truth[i]) for i, j in pairs]
    line(name, total, hours, errors)
    return total, hours, errors


def main(arguments=None):
    """Print one line a held-out group, and one a folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--test", type=Path, help="held-out recordings")
    chosen = parser.parse_args(arguments)
    head = f"{'':24}{'events':>7}{'F1':>7}{'P':>7}{'R':>7}{'FA/h':>7}"
    print(head + f"{'onset s':>9}{'offset s':>9}")
    for folder in chosen.folders:
        rows = list(recordings(folder))
        if chosen.test is not None:
            score(chosen.test.name, learnt(rows), list(recordings(chosen.test)))
            continue
        people = sorted({name.split("_")[0] for name, *_ in rows})
        n = min(len(people), MOST_FOLDS)
        total, hours, errors = np.zeros(3), 0.0, []
        for fold in range(n):
            away = people[fold::n]
            rest = [row for row in rows if row[0].split("_")[0] not in away]
            held = [row for row in rows if row[0].split("_")[0] in away]
            done = score(" ".join(away)[:22], learnt(rest), held)
            total, hours, errors = total + done[0], hours + done[1], errors + done[2]
        line(folder.name, total, hours, errors)
    return 0


if __name__ == "__main__":
    sys.exit(main())
