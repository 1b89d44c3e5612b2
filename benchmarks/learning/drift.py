"""Two worlds that drift: a model that is never trained again beside Onset.

    python -m benchmarks.learning.drift FOLDER [OUT.svg]

gas_drift: batches of a sensor array over 36 months; an event is one exposure, a
window of 8 readings of 16 channels. Before each batch Onset has learnt all earlier
ones and 20 labels of the batch: by chance, or those that `learning.queue` asks for.
The frozen model has learnt batch 1. insects_gradual: one event a row; the online mode
goes on every 50 labels, the frozen model has learnt the first 1000 rows. Both as
tables, and as curves where a file is named.
"""

from __future__ import annotations

import sys
import uuid
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from app.domain import Channel, LabelledWindow, Profile, utc
from app.learning.dataset import Dataset, build
from app.learning.incremental import train_incremental
from app.learning.queue import Waiting, rank
from app.learning.train import Trained, train_full
from app.service.jobs.training import ONLINE_ROWS
from benchmarks.learning.quality import quiet
from benchmarks.learning.stream import FROZEN_ROWS, read

ESTIMATOR = "extra_trees"
LABELS, SEEDS, EVERY, SHOWN = 20, 3, 50, 2000
BATCHES = (1, 2, 3, 4, 5, 6)


def gas(folder: Path) -> list[Dataset]:
    """Return the batches as datasets."""
    made, number = [], 0
    channels = tuple(Channel(f"sensor{i}") for i in range(1, 17))
    profile = Profile("gas", channels, 1.0)
    for batch in BATCHES:
        table = pq.read_table(folder / "gas_drift" / f"batch{batch}.parquet")
        values = np.column_stack([table[f"f{i}"].to_numpy() for i in range(1, 129)])
        rows = []
        for row, label in zip(values, table["label"].to_pylist(), strict=True):
            window = row.reshape(16, 8).T.astype(np.float32)
            event = uuid.UUID(int=number)
            rows.append(LabelledWindow(event, "gas", utc(number), window, str(label)))
            number += 1
        made.append(build(profile, rows))
    return made


def joined(parts: Sequence[Dataset]) -> Dataset:
    """Return datasets one after another."""
    first = parts[0]
    return Dataset(
        first.profile,
        first.n_channels,
        first.rate_hz,
        tuple(e for part in parts for e in part.events),
        tuple(d for part in parts for d in part.devices),
        tuple(t for part in parts for t in part.at),
        tuple(y for part in parts for y in part.labels),
        np.concatenate([part.features for part in parts]),
    )


def fit(rows: Dataset) -> Trained:
    """Train without the search for an estimator, and without calibration."""
    return train_full(rows, ESTIMATOR, seed=1, progress=quiet, sharpness=1.0)


def right(model: Trained, rows: Dataset) -> np.ndarray:
    """Return which rows a model has right."""
    said = model.probabilities(rows.table(model.feature_set)).argmax(axis=1)
    return np.array(model.classes)[said] == np.array(rows.labels)


def asked_for(earlier: Dataset, batch: Dataset) -> np.ndarray:
    """Return the rows that the queue asks for: five times four, after a training."""
    chosen: list[int] = []
    known = earlier
    for _ in range(LABELS // 4):
        model = fit(known)
        said = model.probabilities(batch.features)
        waiting = [
            Waiting(
                batch.events[i],
                batch.at[i],
                model.classes[int(row.argmax())],
                tuple(row.tolist()),
                False,
                batch.features[i],
            )
            for i, row in enumerate(said)
            if i not in chosen
        ]
        counts = Counter(known.labels)
        picked = {pick.event for pick in rank(waiting, counts, 4, max(batch.at))}
        chosen += [i for i, event in enumerate(batch.events) if event in picked]
        known = joined([earlier, batch.take(chosen)])
    return np.array(chosen)


def tell_gas(folder: Path) -> dict[str, list[float]]:
    """Print the table of gas_drift; return the curves."""
    batches = gas(folder)
    frozen = fit(batches[0])
    curves: dict[str, list[float]] = {
        "never trained again": [],
        "all earlier batches": [],
        "and 20 labels by chance": [],
        "and 20 labels by the queue": [],
    }
    for k in range(1, len(batches)):
        batch, earlier = batches[k], joined(batches[:k])
        everything = np.arange(len(batch))

        def after(
            chosen: np.ndarray,
            batch: Dataset = batch,
            earlier: Dataset = earlier,
            everything: np.ndarray = everything,
        ) -> float:
            rest = batch.take(np.setdiff1d(everything, chosen))
            model = fit(joined([earlier, batch.take(chosen)]))
            return float(right(model, rest).mean())

        draws = [
            np.random.default_rng(seed).permutation(len(batch))[:LABELS]
            for seed in range(SEEDS)
        ]
        said = (
            float(right(frozen, batch).mean()),
            float(right(fit(earlier), batch).mean()),
            float(np.mean([after(chosen) for chosen in draws])),
            after(asked_for(earlier, batch)),
        )
        for name, value in zip(curves, said, strict=True):
            curves[name].append(value)
    print("| gas_drift, batch |", " | ".join(map(str, BATCHES[1:])), "| mean |")
    for name, values in curves.items():
        cells = " | ".join(f"{v:.3f}" for v in values)
        print(f"| {name} | {cells} | {np.mean(values):.3f} |", flush=True)
    return curves


def tell_insects(folder: Path) -> dict[str, list[float]]:
    """Print the table of insects_gradual; return the curves, a point per `SHOWN`."""
    _, rows = read(folder / "insects_gradual" / "stream.parquet", None)
    state, online = None, np.zeros(len(rows), dtype=bool)
    truth = np.array(rows.labels)
    for at in range(EVERY, len(rows), EVERY):
        past = rows.take(range(max(0, at - ONLINE_ROWS), at))
        coming = slice(at, min(at + EVERY, len(rows)))
        if len(past.classes) < 2:
            online[coming] = truth[coming] == past.labels[-1]
            continue
        made = train_incremental(
            state, past, "auto", seed=1, progress=quiet, online=True
        )
        state = made.state
        said = made.probabilities(rows.features[coming]).argmax(axis=1)
        online[coming] = np.array(made.classes)[said] == truth[coming]
    frozen = right(
        train_full(rows.take(range(FROZEN_ROWS)), seed=1, progress=quiet), rows
    )
    cuts = range(0, len(rows), SHOWN)
    curves = {
        "never trained again": [float(frozen[at : at + SHOWN].mean()) for at in cuts],
        "online": [float(online[at : at + SHOWN].mean()) for at in cuts],
    }
    print("| insects_gradual, from row |", " | ".join(map(str, cuts)), "| all |")
    for name, of in (("never trained again", frozen), ("online", online)):
        cells = " | ".join(f"{v:.3f}" for v in curves[name])
        print(f"| {name} | {cells} | {of[EVERY:].mean():.3f} |", flush=True)
    return curves


COLOURS = ("#888888", "#c98500", "#2a78d6", "#1b7f4d")


def draw(panels: Sequence[tuple[str, dict[str, list[float]]]]) -> str:
    """Return the curves as SVG, one panel under another."""
    wide, high = 640, 240
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{wide}" '
        f'height="{high * len(panels)}" font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    for k, (title, curves) in enumerate(panels):
        top, left, right_, bottom = k * high + 30, 40, 430, (k + 1) * high - 20
        out.append(f'<text x="{left}" y="{top - 12}">{title}</text>')
        for share in (0.0, 0.5, 1.0):
            y = bottom - share * (bottom - top)
            out.append(
                f'<line x1="{left}" x2="{right_}" y1="{y:.0f}" y2="{y:.0f}" '
                f'stroke="#dddddd"/><text x="8" y="{y + 4:.0f}">{share}</text>'
            )
        for i, (name, values) in enumerate(curves.items()):
            step = (right_ - left) / max(len(values) - 1, 1)
            points = " ".join(
                f"{left + j * step:.1f},{bottom - v * (bottom - top):.1f}"
                for j, v in enumerate(values)
            )
            out.append(
                f'<polyline points="{points}" fill="none" stroke="{COLOURS[i]}" '
                f'stroke-width="2"/><text x="{right_ + 12}" y="{top + 14 + 18 * i}" '
                f'fill="{COLOURS[i]}">{name}</text>'
            )
    return "\n".join([*out, "</svg>", ""])


def main() -> None:
    """Print the tables, and draw them where a file is named."""
    folder = Path(sys.argv[1])
    panels = [
        ("gas_drift: accuracy by batch (2 to 6)", tell_gas(folder)),
        ("insects_gradual: accuracy by 2000 rows", tell_insects(folder)),
    ]
    if len(sys.argv) > 2:
        Path(sys.argv[2]).write_text(draw(panels))


if __name__ == "__main__":
    main()
