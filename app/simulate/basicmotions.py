"""The demo's recordings: a smart watch, from the BasicMotions set in the aeon wheel.

Four people stand, walk, run and play badminton for ten seconds each, six channels
at 10 readings/s.  Standing serves as rest; the others are the events.  The set is
found beside the installed `aeon`, which is never imported.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from app.domain import Float32Array
from app.errors import InvalidInput, Unavailable
from app.simulate.recording import Recording, Truth

RATE_HZ = 10.0
CHANNELS = ("acc_x", "acc_y", "acc_z", "gyr_x", "gyr_y", "gyr_z")
REST = "Standing"
SEGMENT_SECONDS = (4.0, 8.0)
"""Events and rests are cut to a random length in this range from ten seconds."""


def find_set() -> list[Path]:
    """Find the files of the set.

    Raises
    ------
    Unavailable
        If aeon is not installed or no longer carries the set.
    """
    spec = find_spec("aeon")
    places = spec.submodule_search_locations if spec else None
    folder = Path(places[0], "datasets", "data", "BasicMotions") if places else Path()
    files = sorted(folder.glob("BasicMotions_*.ts")) if places else []
    if not files:
        raise Unavailable("the aeon package with its BasicMotions set is not installed")
    return files


def read_ts(text: str) -> list[tuple[Float32Array, str]]:
    r"""Read the cases of a `.ts` file: values ``(n_readings, n_channels)`` and label.

    Examples
    --------
    >>> [(v.tolist(), label) for v, label in read_ts("@data\n1,2:3,4:Walking")]
    [([[1.0, 3.0], [2.0, 4.0]], 'Walking')]
    """
    _, found, data = text.partition("@data")
    if not found:
        raise InvalidInput("a .ts file must have a line @data")
    cases = []
    for line in data.split():
        *columns, label = line.split(":")
        rows = [np.array(column.split(","), dtype=np.float32) for column in columns]
        cases.append((np.column_stack(rows), label))
    return cases


def cases() -> list[tuple[Float32Array, str]]:
    """Read all cases of the set: values ``(n_readings, n_channels)`` and label."""
    return [case for path in find_set() for case in read_ts(path.read_text())]


def join(
    cases: Sequence[tuple[Float32Array, str]],
    device: str,
    part: str,
    events: int,
    rng: np.random.Generator,
) -> Recording:
    """Join segments in random order to one recording; before and after each is rest."""
    rests = [values for values, label in cases if label == REST]
    active = [(values, label) for values, label in cases if label != REST]
    pieces = [_cut(rests[rng.integers(len(rests))], rng)]
    truth, at = [], len(pieces[0])
    for _ in range(events):
        values, label = active[rng.integers(len(active))]
        piece = _cut(values, rng)
        rest = _cut(rests[rng.integers(len(rests))], rng)
        truth.append(Truth(at / RATE_HZ, (at + len(piece)) / RATE_HZ, label))
        pieces += [piece, rest]
        at += len(piece) + len(rest)
    joined = np.concatenate(pieces)
    t = np.arange(len(joined)) / RATE_HZ
    return Recording(device, part, CHANNELS, RATE_HZ, t, joined, tuple(truth))


def _cut(values: Float32Array, rng: np.random.Generator) -> Float32Array:
    n = min(round(float(rng.uniform(*SEGMENT_SECONDS)) * RATE_HZ), len(values))
    first = int(rng.integers(len(values) - n + 1))
    return values[first : first + n]
