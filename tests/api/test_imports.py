"""History to begin from."""

import io
import json
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.api.caller import Caller, require_problem
from tests.service.scene import window

NDJSON = {"Content-Type": "application/x-ndjson"}
PARQUET = {"Content-Type": "application/vnd.apache.parquet"}
ROWS = [
    {"profile": "arm", "window": window("fist", 1).tolist(), "label": "fist"},
    {
        "profile": "arm",
        "window": window("wave", 2).tolist(),
        "label": "wave",
        "device": "old-arm",
        "onset": "2025-06-01T12:00:00+02:00",
        "pre_roll": 10,
    },
    {"profile": "arm", "window": window("rest", 3).tolist()},
]


def lines(rows: list[dict[str, object]]) -> bytes:
    return b"\n".join(json.dumps(row).encode() for row in rows)


async def load(caller: Caller, rows: list[dict[str, object]]) -> dict[str, int]:
    answer = await caller("POST", "/events/import", content=lines(rows), headers=NDJSON)
    assert answer.status_code == 200, answer.text
    done: dict[str, int] = answer.json()
    return done


async def test_windows_become_events_that_no_detector_found(admin: Caller) -> None:
    assert await load(admin, ROWS) == {"imported": 3, "known": 0, "labelled": 2}
    found = (await admin("GET", "/events", params={"flag": "imported"})).json()["items"]
    assert [e["flags"] for e in found] == [["imported"]] * 3
    dated = next(e for e in found if e["device"] == "old-arm")
    assert dated["onset"] == "2025-06-01T10:00:00.000000Z"
    assert dated["offset"] == "2025-06-01T10:00:01.000000Z"
    assert dated["offset_seq"] - dated["onset_seq"] == 50
    assert dated["label"]["label"] == "wave"
    kept = (await admin("GET", f"/events/{dated['id']}/window")).json()
    np.testing.assert_array_equal(np.float32(kept["values"]), window("wave", 2))
    assert kept["pre_roll"] == 10


async def test_importing_twice_is_the_same_as_once(admin: Caller) -> None:
    await load(admin, ROWS)
    assert await load(admin, ROWS) == {"imported": 0, "known": 3, "labelled": 0}
    doubled = [ROWS[0] | {"label": "wave"}, *ROWS[1:], ROWS[1]]
    assert await load(admin, doubled) == {"imported": 0, "known": 4, "labelled": 1}
    assert len((await admin("GET", "/events")).json()["items"]) == 3


async def test_parquet_says_the_same_as_ndjson(admin: Caller) -> None:
    await load(admin, ROWS)
    file = io.BytesIO()
    names = ("profile", "window", "label", "device", "onset", "pre_roll")
    columns = {name: [row.get(name) for row in ROWS] for name in names}
    columns["onset"][1] = datetime(2025, 6, 1, 10, tzinfo=UTC)
    pq.write_table(pa.table(columns), file)
    answer = await admin(
        "POST", "/events/import", content=file.getvalue(), headers=PARQUET
    )
    assert answer.json() == {"imported": 0, "known": 3, "labelled": 0}


@pytest.mark.parametrize(
    ("row", "status"),
    [
        ({"profile": "leg", "window": [[1.0, 2.0]]}, 404),
        ({"profile": "arm", "window": [[1.0]]}, 422),
        ({"profile": "arm", "window": [[1.0, 2.0], [3.0]]}, 422),
        ({"profile": "arm", "window": [[1.0, 1e39]]}, 422),
        ({"profile": "arm", "window": [[]]}, 422),
        ({"profile": "arm", "window": []}, 422),
        ({"profile": "arm", "window": [[1.0, 2.0]], "pre_roll": 1}, 422),
        ({"profile": "arm", "window": [[1.0, 2.0]], "label": "\0"}, 422),
        ({"profile": "arm", "window": [[1.0, 2.0]], "lable": "fist"}, 422),
        ({"profile": "arm", "window": [[1.0, 2.0]], "device": "other-1"}, 409),
    ],
)
async def test_one_wrong_row_refuses_them_all(
    admin: Caller, row: dict[str, object], status: int
) -> None:
    other = {"channels": [{"name": "z"}], "rate_hz": 10}
    await admin("PUT", "/profiles/other", json=other)
    await admin("PUT", "/devices/other-1", json={"profile": "other"})
    answer = await admin(
        "POST", "/events/import", content=lines([ROWS[0], row]), headers=NDJSON
    )
    require_problem(answer, status)
    assert (await admin("GET", "/events")).json()["items"] == []


async def test_what_is_no_parquet_file_is_refused(admin: Caller) -> None:
    for content in (b"", b"PAR1", b"PAR1" + b"\0" * 100 + b"PAR1"):
        answer = await admin("POST", "/events/import", content=content, headers=PARQUET)
        require_problem(answer, 422)
