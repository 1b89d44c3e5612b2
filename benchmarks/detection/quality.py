"""Event F1 of the product's defaults on recordings with events.csv.

    python -m benchmarks.detection.quality FOLDER [FOLDER ...] [--iou 0.5]

Detections go through `Stream`, as in the product.  A detection and a true event match
one to one when their intersection over union is at least `--iou`; counts are summed
over all recordings of a folder.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import pyarrow.csv
import pyarrow.parquet

from app.detection import Stream
from app.domain import Channel, DetectorVersion, Event, Profile, Readings
from app.domain.overlap import match

NOT_CHANNELS = {"t", "phase", "label", "anomaly", "changepoint"}


def recordings(folder: Path):
    """Yield (name, t, values, true spans (n, 2) in seconds)."""
    table = pyarrow.csv.read_csv(folder / "events.csv").to_pydict()
    for path in sorted(folder.glob("*.parquet")):
        data = pyarrow.parquet.read_table(path)
        names = [n for n in data.column_names if n not in NOT_CHANNELS]
        t = data["t"].to_numpy().astype(float)
        values = np.column_stack([data[n].to_numpy() for n in names])
        rows = zip(table["recording"], table["start"], table["end"], strict=True)
        truth = [(a, b) for name, a, b in rows if name == path.stem]
        yield path.stem, t, values.astype(np.float32), np.array(truth).reshape(-1, 2)


def detect(t, values, settings):
    """Run one recording through a stream; spans (n, 2) in seconds."""
    rate = 1 / float(np.median(np.diff(t)))
    channels = tuple(Channel(f"c{i}") for i in range(values.shape[1]))
    profile = Profile("benchmark", channels, rate)
    stream = Stream(profile, DetectorVersion(1, "benchmark", settings), "d", "b")
    said = stream.receive(Readings(1, values, t)) + stream.close()
    at = np.append(t, t[-1] + 1 / rate)
    spans = [
        (at[e.onset_seq - 1], at[e.offset_seq - 1])
        for e in said
        if isinstance(e, Event)
    ]
    return np.array(spans).reshape(-1, 2)


def main(arguments=None):
    """Print one line a folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--kind", default="energy")
    parser.add_argument("--iou", type=float, default=0.5)
    parser.add_argument("--each", action="store_true", help="a line a recording too")
    chosen = parser.parse_args(arguments)
    head = f"{'':24}{'events':>7}{'F1':>7}{'P':>7}{'R':>7}{'FA/h':>7}"
    print(head + f"{'onset s':>9}{'offset s':>9}")
    for folder in chosen.folders:
        total = np.zeros(3)
        hours, errors = 0.0, []
        for name, t, values, truth in recordings(folder):
            found = detect(t, values, {"kind": chosen.kind})
            pairs = match(truth, found, chosen.iou)
            counts = [len(pairs), len(found) - len(pairs), len(truth) - len(pairs)]
            total += counts
            hours += (t[-1] - t[0]) / 3600
            own = [np.abs(found[j] - truth[i]) for i, j in pairs]
            errors += own
            if chosen.each:
                line(name, np.array(counts), (t[-1] - t[0]) / 3600, own)
        line(folder.name, total, hours, errors)
    return 0


def line(name, counts, hours, errors):
    """Print the scores of some counts: hits, false alarms, missed."""
    hit, false, missed = counts
    f1 = 2 * hit / max(2 * hit + false + missed, 1)
    on, off = np.median(errors, axis=0) if errors else (np.nan, np.nan)
    print(
        f"{name:24}{int(hit + missed):7}{f1:7.3f}{hit / max(hit + false, 1):7.3f}"
        f"{hit / max(hit + missed, 1):7.3f}{false / hours:7.1f}{on:9.2f}{off:9.2f}"
    )


if __name__ == "__main__":
    sys.exit(main())
