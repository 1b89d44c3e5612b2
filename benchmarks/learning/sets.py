"""The labelled sets of the benchmark as `LabelledWindow`s; read from a data folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

import numpy as np
import pyarrow.parquet as parquet

from app.domain import Channel, LabelledWindow, Profile, utc

PRE = POST = 25  # readings: half a second at 50 Hz


@dataclass(frozen=True)
class Row:
    """A labelled window and the part of the set that it belongs to."""

    window: LabelledWindow
    part: str


def _profile(name: str, channels: list[str], rate_hz: float) -> Profile:
    return Profile(name, tuple(Channel(c) for c in channels), rate_hz)


def _row(key: str, device: str, at: float, label: str, part: str, *cut) -> Row:
    window, pre, post = cut
    event = uuid5(NAMESPACE_URL, key)
    labelled = LabelledWindow(event, device, utc(at), window, label, pre, post)
    return Row(labelled, part)


def myo(folder: Path, seed: int) -> tuple[Profile, list[Row]]:
    """Ten people, two sessions; borders moved as a detector's would be.

    Onsets come 0.3 s after the prompt (sd 0.24 s), ends 0.4 s (sd 0.3 s); `part` is the
    session.
    """
    random = np.random.default_rng(seed)
    events = (folder / "myo" / "events.csv").read_text().splitlines()[1:]
    rows, tables = [], {}
    for number, line in enumerate(events):
        recording, label, start, end = line.split(",")[:4]
        stem = recording.removesuffix(".parquet")
        if stem not in tables:
            table = parquet.read_table(folder / "myo" / f"{stem}.parquet")
            names = [c for c in table.column_names if c.startswith("emg")]
            tables[stem] = np.column_stack([table[c].to_numpy() for c in names])
        values = tables[stem].astype(np.float32)
        a = round(float(start) * 50) + 15 + int(random.normal(0, 12))
        b = round(float(end) * 50) + 20 + int(random.normal(0, 15))
        a, b = max(a, 0), min(max(b, a + 40), len(values))
        first, last = max(a - PRE, 0), min(b + POST, len(values))
        person, session = stem.split("_")
        at = float(start) + (10_000 if session == "s2" else 0)
        cut = (values[first:last], a - first, last - b)
        rows.append(_row(f"myo{number}", person, at, label, session, *cut))
    return _profile("myo", [f"emg{i}" for i in range(1, 9)], 50.0), rows


def racketsports(folder: Path) -> tuple[Profile, list[Row]]:
    """Return the official training part; one device, no pre-roll."""
    data = np.load(folder / "racketsports" / "train.npz", allow_pickle=False)
    rows = [
        _row(f"racket{i}", "watch", i, str(y), "train", x.T.astype(np.float32), 0, 0)
        for i, (x, y) in enumerate(zip(data["X"], data["y"], strict=True))
    ]
    return _profile("racketsports", ["ax", "ay", "az", "gx", "gy", "gz"], 10.0), rows


def basicmotions(folder: Path) -> tuple[Profile, list[Row]]:
    """Both official parts; `part` says which."""
    rows = []
    for part in ("train", "test"):
        data = np.load(folder / "basicmotions" / f"{part}.npz", allow_pickle=False)
        for i, (x, y) in enumerate(zip(data["X"], data["y"], strict=True)):
            cut = (x.T.astype(np.float32), 0, 0)
            rows.append(_row(f"basic{part}{i}", "watch", i, str(y), part, *cut))
    return _profile("basicmotions", ["ax", "ay", "az", "gx", "gy", "gz"], 10.0), rows


def uci_emg(folder: Path) -> tuple[Profile, list[Row]]:
    """22 subjects; `part` is the subject."""
    table = parquet.read_table(folder / "uci_emg_gestures" / "samples.parquet")
    values = np.column_stack([c.to_numpy() for c in table.columns]).astype(np.float32)
    lines = (folder / "uci_emg_gestures" / "events.csv").read_text().splitlines()[1:]
    rows = []
    for i, line in enumerate(lines):
        offset, subject, _, label, length = line.split(",")
        window = values[int(offset) : int(offset) + int(length)]
        rows.append(_row(f"uci{i}", subject, i, label, subject, window, 0, 0))
    return _profile("uci_emg", [f"emg{i}" for i in range(1, 9)], 50.0), rows
