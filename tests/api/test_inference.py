"""The Open Inference Protocol: the same answers, for tools that speak it."""

from typing import Any

import httpx
import numpy as np
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from app.api.state import State
from tests.api.caller import Caller
from tests.service.scene import add_version, window

WINDOWS = np.stack([window(label, n) for n, label in enumerate(["fist", "wave"] * 3)])


@pytest.fixture
async def version(engine: AsyncEngine, state: State, admin: Caller) -> int:
    number = await add_version(engine, state.artefacts, "v", promote_from=None)
    await state.champions.refresh()
    return number


def asking(**change: Any) -> dict[str, Any]:
    tensor = {
        "name": "window",
        "shape": list(WINDOWS.shape),
        "datatype": "FP32",
        "data": WINDOWS.ravel().tolist(),
    }
    return {"inputs": [tensor | change]}


def require_error(answer: httpx.Response, status: int) -> str:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    (name,) = answer.json()
    assert name == "error"
    said: str = answer.json()["error"]
    return said


async def test_answer_is_that_of_classify_bit_for_bit(
    api: dict[str, Caller], version: int
) -> None:
    rolls = {"pre_roll": 10, "post_roll": 10}
    body = {"profile": "arm", "windows": WINDOWS.tolist(), **rolls}
    expected = (await api["device"]("POST", "/classify", json=body)).json()
    for path in ("/v2/models/arm", f"/v2/models/arm/versions/{version}"):
        asked = asking() | {"id": "a", "parameters": rolls}
        answer = await api["device"]("POST", f"{path}/infer", json=asked)
        assert answer.status_code == 200, answer.text
        said = answer.json()
        assert (said["model_name"], said["id"]) == ("arm", "a")
        assert said["model_version"] == str(version)
        found = {one["name"]: one for one in said["outputs"]}
        chosen = found["probabilities"]
        table = np.reshape(chosen["data"], chosen["shape"]).tolist()
        for n, one in enumerate(expected["predictions"]):
            assert found["label"]["data"][n] == one["label"]
            assert found["probability"]["data"][n] == one["probability"]
            assert found["unknown"]["data"][n] == one["unknown"]
            named = dict(zip(found["classes"]["data"], table[n], strict=True))
            assert named == one["probabilities"]


async def test_window_alone_nested_or_flat_is_the_same(
    admin: Caller, version: int
) -> None:
    path = "/v2/models/arm/infer"
    one = WINDOWS[:1]
    said = [
        (await admin("POST", path, json=asking(shape=shape, data=data))).json()
        for shape, data in (
            ([1, 60, 2], one.tolist()),
            ([60, 2], one[0].tolist()),
            ([60, 2], one.ravel().tolist()),
        )
    ]
    assert said[0]["outputs"][0]["shape"] == [1]
    assert said == [said[0]] * 3
    only = asking() | {"outputs": [{"name": "label"}]}
    (label,) = (await admin("POST", path, json=only)).json()["outputs"]
    assert (label["name"], label["datatype"], len(label["data"])) == (
        "label",
        "BYTES",
        6,
    )


async def test_metadata_says_shapes_types_and_versions(
    admin: Caller, client: httpx.AsyncClient, version: int
) -> None:
    said = (await admin("GET", "/v2/models/arm")).json()
    assert (said["name"], said["versions"]) == ("arm", [str(version)])
    assert said["inputs"] == [
        {"name": "window", "datatype": "FP32", "shape": [-1, -1, 2]}
    ]
    shapes = {one["name"]: one["shape"] for one in said["outputs"]}
    assert shapes["probabilities"] == [-1, 3]
    path = f"/v2/models/arm/versions/{version}"
    assert (await admin("GET", path)).json() == said
    for ready in ("/v2/models/arm/ready", f"{path}/ready"):
        assert (await admin("GET", ready)).json() == {"name": "arm", "ready": True}
    assert (await client.get("/v2/health/live")).json() == {"live": True}
    assert (await client.get("/v2/health/ready")).json() == {"ready": True}
    assert (await client.get("/v2")).json()["name"] == "onset"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"shape": [6, 60, 3]}, "data has 720 numbers; the shape wants 1080"),
        ({"shape": [6, 60]}, "data has 720 numbers; the shape wants 360"),
        ({"shape": [1, 720, 1]}, ""),
        ({"shape": [2**30, 2**30, 2**30]}, "the shape wants"),
        ({"name": "image"}, "literal_error"),
        ({"datatype": "INT8"}, "'FP32' or 'FP64'"),
        ({"data": [[1.0, 2.0], [3.0]], "shape": [2, 2]}, "one length"),
        ({"data": ["1", "2"], "shape": [1, 2]}, "float_type"),
        ({"data": [[1.0], [2.0]], "shape": [1, 2]}, "data has shape [2, 1]"),
    ],
)
async def test_tensor_that_its_shape_does_not_describe_is_refused(
    admin: Caller, version: int, change: dict[str, Any], why: str
) -> None:
    answer = await admin("POST", "/v2/models/arm/infer", json=asking(**change))
    assert why in require_error(answer, 400)


async def test_errors_have_the_protocols_shape_whoever_makes_them(
    admin: Caller, api: dict[str, Caller], client: httpx.AsyncClient, version: int
) -> None:
    assert "key" in require_error(await client.get("/v2/models/arm"), 401)
    require_error(await api["device"]("GET", "/v2/models/arm"), 403)
    require_error(await admin("GET", "/v2/models/leg"), 404)
    require_error(await admin("GET", "/v2/models/arm/versions/99"), 404)
    require_error(await admin("DELETE", "/v2/models/arm"), 405)
    require_error(await admin("GET", "/v2/models/arm?x=1"), 400)
    long = b"x" * (2**20 + 1)
    require_error(await admin("POST", "/v2/models/arm/infer", content=long), 413)
    wanted = asking() | {"outputs": [{"name": "teapot"}]}
    said = await admin("POST", "/v2/models/arm/infer", json=wanted)
    assert "must be among label" in require_error(said, 400)
