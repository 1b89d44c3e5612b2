"""A bundle finds and names, without a service, just what the service did."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet
from sqlalchemy.ext.asyncio import AsyncEngine
from typer.testing import CliRunner

from app.api import imports
from app.api.state import State
from app.cli import build
from app.domain import DetectorVersion, RetrainPolicy
from app.errors import ArtefactError
from app.learning import bundle, classify
from app.simulate.recording import Recording
from app.store import profiles
from tests.api.caller import Caller, require_problem
from tests.service.recorded import PROFILE, bursts, record
from tests.service.scene import RATE_HZ, T0, add_version, tiny_model


def recorded(number: int) -> Recording:
    values = bursts(number)
    t = T0.timestamp() + np.arange(len(values)) / RATE_HZ
    return Recording(f"arm-{number}", "b1", ("x", "y"), RATE_HZ, t, values)


async def test_a_bundle_gives_the_events_and_answers_of_the_service_bit_for_bit(
    api: dict[str, Caller],
    engine: AsyncEngine,
    state: State,
    tmp_path: Path,
) -> None:
    async with engine.begin() as conn:
        await profiles.put(conn, PROFILE, {"kind": "energy", "on": 8})
    version = await add_version(engine, state.artefacts, "v", promote_from=None)
    await state.champions.refresh()
    model = state.champions.model("arm")
    assert model is not None
    live = [event for number in (1, 2) for event in await record(engine, number)]
    path = f"/models/{version}/bundle"
    answer = await api["operator"]("GET", path)
    assert answer.status_code == 200, answer.text
    require_problem(await api["viewer"]("GET", path), 403)
    other = {"detector_version": 999}
    require_problem(await api["operator"]("GET", path, params=other), 404)

    file, folder = tmp_path / "arm.json", tmp_path / "recordings"
    file.write_bytes(answer.content)
    folder.mkdir()
    for number in (1, 2):
        one = recorded(number)
        columns = dict(zip(one.channels, one.values.T, strict=True))
        table = pa.table({"t": one.t, **columns})
        parquet.write_table(table, folder / f"{one.device}_b1.parquet")
    kept = tmp_path / "kept.ndjson"
    words = ["offline", str(file), str(folder), "--keep", str(kept), "--json"]
    said = CliRunner().invoke(build(words), words)
    assert said.exit_code == 0, said.output
    lines = [line for line in said.stdout.splitlines() if line.startswith("{")]
    found = [msgspec.json.decode(line) for line in lines]
    assert len(found) == len(live) >= 10
    expected = []
    for event in live:
        named = classify(model, event.window, event.pre_roll, event.post_roll)
        expected.append(
            (str(event.id), named.label, named.probability, named.features_digest)
        )
    assert [
        (one["event"], one["label"], one["probability"], one["features_digest"])
        for one in found
    ] == expected

    # stored meanwhile, and forwarded once there is a line again: nothing twice
    for times in (1, 2):
        sent = await api["operator"](
            "POST",
            "/events/import",
            content=kept.read_bytes(),
            headers={"Content-Type": imports.NDJSON},
        )
        assert sent.json()["imported"] == (len(live) if times == 1 else 0), sent.text


def packed(**changes: Any) -> bytes:
    onnx, card = tiny_model("v")
    profile = replace(PROFILE, retrain=RetrainPolicy())
    detector = DetectorVersion(3, "arm", {"kind": "energy"})
    said = bundle.pack(profile, detector, 7, card.to_json(), onnx)
    return msgspec.json.encode({**said, **changes})


def test_a_bundle_that_is_none_is_refused() -> None:
    whole = packed()
    assert bundle.read(whole).model.version == 7
    _, card = tiny_model("w")  # of another model than its card
    swapped = msgspec.json.decode(whole)["model"] | {"card": card.to_json()}
    broken = {
        "no whole bundle": whole[:-200],
        "format 2": packed(format=2),
        "digest": packed(model=swapped),
        "magic": packed(detector={"number": 1, "settings": {"kind": "magic"}}),
        "rate_hz": packed(profile={"name": "arm", "channels": []}),
    }
    for why, document in broken.items():
        with pytest.raises(ArtefactError, match=why):
            bundle.read(document)
