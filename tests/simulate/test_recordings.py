from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv, parquet

from app.errors import InvalidInput
from app.simulate.recording import Truth
from app.simulate.recordings import read_folder


def write(folder: Path, name: str, **columns: object) -> None:
    table = pa.table(columns)
    if name.endswith(".csv"):
        csv.write_csv(table, folder / name)
    else:
        parquet.write_table(table, folder / name)


T = [0.0, 0.1, 0.2, 0.3]
X = [1.0, 2.0, None, 4.0]


def test_parquet_and_csv_give_the_same_recording(tmp_path: Path):
    write(tmp_path, "a_1.parquet", t=T, x=X)
    write(tmp_path, "b_1.csv", t=T, x=X)
    one, two = read_folder(tmp_path)
    assert (one.device, one.part, two.device) == ("a", "1", "b")
    assert np.array_equal(one.values, two.values, equal_nan=True)
    assert np.isnan(one.values[2, 0])
    assert one.rate_hz == 10.0


def test_parts_play_in_the_order_of_their_numbers(tmp_path: Path):
    for part in (10, 9, 1):
        write(tmp_path, f"a_{part}.parquet", t=T, x=X)
    assert [r.part for r in read_folder(tmp_path)] == ["1", "9", "10"]


def test_text_and_answers_are_no_channels_unless_asked_for(tmp_path: Path):
    more = {"phase": ["Rest"] * 4, "anomaly": [0, 0, 1, 1], "level": [0, 5, 6, 7]}
    write(tmp_path, "a.parquet", t=T, x=X, **more)
    assert read_folder(tmp_path)[0].channels == ("x", "level")
    assert read_folder(tmp_path, ["x", "anomaly"])[0].channels == ("x", "anomaly")


def test_only_channels_that_all_recordings_have_are_taken(tmp_path: Path):
    write(tmp_path, "a.parquet", t=T, x=X, y=T)
    write(tmp_path, "b.parquet", t=T, x=X)
    assert {r.channels for r in read_folder(tmp_path)} == {("x",)}


def test_truth_comes_with_its_recording(tmp_path: Path):
    write(tmp_path, "7.csv", t=T, x=X)
    rows = {"recording": [7, 7], "label": ["2", "1"], "start": [3, 1], "end": [4, 2]}
    write(tmp_path, "events.csv", **rows)
    assert read_folder(tmp_path)[0].truth == (Truth(1, 2, "1"), Truth(3, 4, "2"))


@pytest.mark.parametrize(
    ("columns", "rule"),
    [
        ({"x": X}, "no column t"),
        ({"t": [0.0, 2.0, 1.0, 3.0], "x": X}, "never decrease"),
        ({"t": T, "x": list("abcd")}, "no numeric column"),
        ({"t": [], "x": []}, "no reading"),
    ],
)
def test_a_recording_that_cannot_be_played_is_refused(
    tmp_path: Path, columns: dict[str, object], rule: str
):
    write(tmp_path, "a.csv", **columns)
    with pytest.raises(InvalidInput, match=rule):
        read_folder(tmp_path)


def test_events_of_a_recording_without_a_file_are_refused(tmp_path: Path):
    write(tmp_path, "a.csv", t=T, x=X)
    rows = {"recording": ["z"], "label": ["f"], "start": [0.1], "end": [0.2]}
    write(tmp_path, "events.csv", **rows)
    with pytest.raises(InvalidInput, match="names z, which has no file"):
        read_folder(tmp_path)


def test_a_file_that_is_no_parquet_is_refused(tmp_path: Path):
    (tmp_path / "a.parquet").write_text("not at all")
    with pytest.raises(InvalidInput, match=r"a\.parquet cannot be read"):
        read_folder(tmp_path)


def test_an_empty_folder_is_refused(tmp_path: Path):
    with pytest.raises(InvalidInput, match="holds no Parquet or CSV file"):
        read_folder(tmp_path)
