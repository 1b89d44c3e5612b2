"""Everything at once, in three forms, without standing whole in memory."""

import csv
import io
import json
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from app.api import export
from app.api.state import State
from app.learning import classify
from app.store import events, labels
from tests.api.caller import Caller, require_problem
from tests.service.scene import add_events, add_version, cycle, window


@pytest.fixture
async def stored(
    engine: AsyncEngine, state: State, admin: Caller, monkeypatch: pytest.MonkeyPatch
) -> list[Any]:
    """Seven events over three pages; the first has a prediction, half have labels."""
    monkeypatch.setattr(export, "PAGE", 3)
    monkeypatch.setattr(export, "PAGE_WITH_WINDOWS", 3)
    version = await add_version(engine, state.artefacts, "v", promote_from=None)
    made = await add_events(engine, "arm", cycle(7), labelled=False)
    await state.champions.refresh()
    model = state.champions.model("arm")
    assert model is not None

    said = classify(model, made[0].window, 10, 10)
    assert said.model_version == version
    async with engine.begin() as conn:
        await events.add_predictions(conn, [(made[0].id, said)])
        for event in made[::2]:
            await labels.add(conn, event.id, "=fist", "ann", "test")
    return made


async def lines(call: Caller, **params: Any) -> list[dict[str, Any]]:
    answer = await call("GET", "/export", params=params)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in answer.text.splitlines()]


async def test_with_pseudonyms_nothing_names_a_device_or_a_person(
    admin: Caller, stored: list[Any]
) -> None:
    plain, said = await lines(admin), await lines(admin, pseudonyms=True)
    again = await lines(admin, pseudonyms=True)
    hidden = {"id", "device", "boot", "labelled_by"}
    for row, one, other in zip(plain, said, again, strict=True):
        assert {k: one[k] for k in one.keys() - hidden} == {
            k: row[k] for k in row.keys() - hidden
        }
        names = [one[name] for name in sorted(hidden) if one[name] is not None]
        whole = json.dumps(one)
        assert not any(row[name] in whole for name in ("id", "device"))
        assert one["boot"] != row["boot"]
        assert not set(names) & {other[name] for name in hidden}  # nor linked by them
    assert len({one["id"] for one in said}) == len(plain)
    assert len({(one["device"], one["boot"]) for one in said}) == 1


async def test_json_lines_are_the_events_in_commit_order(
    admin: Caller, stored: list[Any]
) -> None:
    said = await lines(admin)
    assert [one["id"] for one in said] == [str(event.id) for event in stored]
    listed = (await admin("GET", "/events")).json()["items"]
    for row, event in zip(said, listed, strict=True):
        for name in ("device", "boot", "onset", "offset", "peak", "flags"):
            assert row[name] == event[name]
        assert row["predicted"] == (event["prediction"] or {}).get("label")
        assert row["label"] == (event["label"] or {}).get("label")
    assert said[0]["predicted"].startswith("v:")


async def test_an_export_goes_on_after_the_last_row_of_the_one_before(
    admin: Caller, engine: AsyncEngine, stored: list[Any]
) -> None:
    first = await lines(admin)
    assert await lines(admin, since=first[-1]["cursor"]) == []
    more = await add_events(engine, "arm", cycle(4), start=50)
    rest = await lines(admin, since=first[-1]["cursor"])
    assert [one["id"] for one in rest] == [str(event.id) for event in more]
    assert await lines(admin, since=first[4]["cursor"]) == first[5:] + rest


async def test_filters_are_those_of_the_list(admin: Caller, stored: list[Any]) -> None:
    assert len(await lines(admin, labelled=True)) == 4
    assert len(await lines(admin, labelled=False)) == 3
    assert await lines(admin, device="arm-9") == []
    assert len(await lines(admin, device="arm-1", profile="arm")) == 7


async def test_csv_has_a_header_and_no_formulas(
    admin: Caller, stored: list[Any]
) -> None:
    answer = await admin("GET", "/export", params={"format": "csv"})
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert answer.headers["content-type"].startswith("text/csv")
    assert [row["id"] for row in rows] == [str(event.id) for event in stored]
    assert [row["label"] for row in rows[:2]] == ["'=fist", ""]
    assert rows[0]["onset"].endswith("Z")
    body = {"format": "csv", "windows": True}
    require_problem(await admin("GET", "/export", params=body), 422)


async def test_parquet_holds_the_windows_bit_for_bit(
    admin: Caller, stored: list[Any]
) -> None:
    body = {"format": "parquet", "windows": True}
    answer = await admin("GET", "/export", params=body)
    table = pq.read_table(io.BytesIO(answer.content))
    assert table.num_rows == 7
    for row, event in zip(table.to_pylist(), stored, strict=True):
        values = np.array(row["window"], np.float32)
        assert values.tobytes() == event.window.tobytes()
        assert (row["onset"], row["pre_roll"]) == (event.onset, 10)
    assert pq.ParquetFile(io.BytesIO(answer.content)).num_row_groups == 3
    shown = (await lines(admin, windows=True))[3]
    assert shown["window"] == window("rest", 3).tolist()


async def test_nothing_to_export_is_a_whole_file(admin: Caller) -> None:
    assert await lines(admin) == []
    answer = await admin("GET", "/export", params={"format": "parquet"})
    table = pq.read_table(io.BytesIO(answer.content))
    assert (table.num_rows, table.column_names) == (0, list(export.COLUMNS))


@pytest.mark.parametrize(
    "params", [{"format": "xml"}, {"since": "!!"}, {"limit": 3}, {"flag": "odd"}]
)
async def test_what_cannot_be_exported_is_refused(
    admin: Caller, params: dict[str, Any]
) -> None:
    require_problem(await admin("GET", "/export", params=params), 422)
