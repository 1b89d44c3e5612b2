"""`/v2`: the Open Inference Protocol, for tools that speak it.

A profile is a model, a model version one of its versions.

    input    window           [n_windows, n_readings, n_channels] or, one alone,
                              [n_readings, n_channels]; FP32 or FP64, row-major
    outputs  label            [n_windows] BYTES
             probability      [n_windows] FP64
             probabilities    [n_windows, n_classes] FP64, in the order of `classes`
             unknown          [n_windows] BOOL
             classes          [n_classes] BYTES

`parameters` may have `pre_roll` and `post_roll`.  The answer is that of `/classify`,
bit for bit; an error is ``{"error": "..."}``.
"""

from __future__ import annotations

import asyncio
import json
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from starlette.responses import JSONResponse, Response
from starlette.types import Message, Send

from app import __version__
from app.api import problems
from app.api.classify import INLINE_ROWS, ClassifyBody, predict
from app.api.fields import ProfilePath, VersionPath
from app.api.state import State, current
from app.api.tensors import (
    OUTPUTS,
    ErrorAnswer,
    InferAnswer,
    InferBody,
    LiveAnswer,
    MetadataAnswer,
    ModelReadyAnswer,
    ReadyAnswer,
    ServerAnswer,
    TensorShape,
    outputs,
    windows,
)
from app.errors import InvalidInput, NotFound
from app.learning.model import Model
from app.store import models, profiles

PREFIX = "/v2"
PLATFORM = "onset_onnx"


_ERRORS: dict[int | str, dict[str, Any]] = {
    "4XX": {"description": "What is wrong", "model": ErrorAnswer},
    503: {"description": "The database is away", "model": ErrorAnswer},
}
router = APIRouter(prefix=PREFIX, tags=["Inference"], responses=_ERRORS)


@router.get("")
async def server_metadata() -> ServerAnswer:
    """Say what this server is."""
    return ServerAnswer(name="onset", version=__version__, extensions=[])


@router.get("/health/live")
async def server_live() -> LiveAnswer:
    """Whether the process turns."""
    return LiveAnswer(live=True)


@router.get(
    "/health/ready",
    response_model=ReadyAnswer,
    responses={503: {"description": "Not ready", "model": ReadyAnswer}},
)
async def server_ready(state: Annotated[State, Depends(current)]) -> Response:
    """Whether this process may get traffic; 503 while it may not."""
    ready = not list(state.ready())
    return JSONResponse({"ready": ready}, status_code=200 if ready else 503)


@router.get("/models/{name}")
async def model_metadata(
    name: ProfilePath, state: Annotated[State, Depends(current)]
) -> MetadataAnswer:
    """Say what a profile's champion takes and gives, and which versions there are."""
    return await _metadata(state, await _model(state, name, None))


@router.get("/models/{name}/versions/{version}")
async def version_metadata(
    name: ProfilePath, version: VersionPath, state: Annotated[State, Depends(current)]
) -> MetadataAnswer:
    """Say what a version of a profile's model takes and gives."""
    return await _metadata(state, await _model(state, name, version))


@router.get("/models/{name}/ready")
async def model_ready(
    name: ProfilePath, state: Annotated[State, Depends(current)]
) -> ModelReadyAnswer:
    """Whether a profile has a champion that this process serves."""
    await _model(state, name, None)
    return ModelReadyAnswer(name=name, ready=True)


@router.get("/models/{name}/versions/{version}/ready")
async def version_ready(
    name: ProfilePath, version: VersionPath, state: Annotated[State, Depends(current)]
) -> ModelReadyAnswer:
    """Whether a version can be asked."""
    await _model(state, name, version)
    return ModelReadyAnswer(name=name, ready=True)


@router.post("/models/{name}/infer", response_model_exclude_none=True)
async def infer(
    name: ProfilePath, body: InferBody, state: Annotated[State, Depends(current)]
) -> InferAnswer:
    """Classify windows with the champion, as `POST /classify` does."""
    return await _infer(await _model(state, name, None), body)


@router.post(
    "/models/{name}/versions/{version}/infer", response_model_exclude_none=True
)
async def infer_version(
    name: ProfilePath,
    version: VersionPath,
    body: InferBody,
    state: Annotated[State, Depends(current)],
) -> InferAnswer:
    """Classify windows with a version of the profile's model."""
    return await _infer(await _model(state, name, version), body)


def speaking(send: Send) -> Send:
    """Turn problems into the errors of this protocol, whoever made them."""
    held: list[Message] = []

    async def said(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = dict(message["headers"])
            if headers.get(b"content-type") == problems.MEDIA_TYPE.encode():
                held.append(message)
                return
        if not held:
            await send(message)
            return
        problem = json.loads(message["body"])
        words = ": ".join(filter(None, (problem["title"], problem.get("detail"))))
        body = json.dumps({"error": words}).encode("ascii")
        start = held.pop()
        replaced = {
            b"content-type": b"application/json",
            b"content-length": str(len(body)).encode(),
        }
        start["headers"] = [(k, replaced.get(k, v)) for k, v in start["headers"]]
        if start["status"] == 422:
            start["status"] = 400
        await send(start)
        await send({**message, "body": body})

    return said


async def _model(state: State, name: str, version: int | None) -> Model:
    if version is not None:
        model = await state.champions.get(version)
        if model.profile != name:
            raise NotFound(f"profile {name} has no model version {version}")
        return model
    champion = state.champions.model(name)
    if champion is None:
        async with state.engine.begin() as conn:
            await profiles.get(conn, name)
        raise NotFound(f"profile {name} has no model yet: label events")
    return champion


async def _metadata(state: State, model: Model) -> MetadataAnswer:
    async with state.engine.begin() as conn:
        rows, _ = await models.list_(conn, model.profile, 1000)
    n_channels, n_classes = len(model.card.channels), len(model.card.classes)
    shape = [-1, -1, n_channels]
    return MetadataAnswer(
        name=model.profile,
        versions=[str(row.version) for row in rows],
        platform=PLATFORM,
        inputs=[TensorShape(name="window", datatype="FP32", shape=shape)],
        outputs=[
            TensorShape(name="label", datatype="BYTES", shape=[-1]),
            TensorShape(name="probability", datatype="FP64", shape=[-1]),
            TensorShape(name="probabilities", datatype="FP64", shape=[-1, n_classes]),
            TensorShape(name="unknown", datatype="BOOL", shape=[-1]),
            TensorShape(name="classes", datatype="BYTES", shape=[n_classes]),
        ],
    )


async def _infer(model: Model, body: InferBody) -> InferAnswer:
    names = [one.name for one in body.outputs] if body.outputs else list(OUTPUTS)
    for name in names:
        if name not in OUTPUTS:
            raise InvalidInput(f"outputs must be among {', '.join(OUTPUTS)}")
    asked = ClassifyBody(
        profile=model.profile,
        windows=windows(body.inputs[0]),
        pre_roll=body.parameters.pre_roll,
        post_roll=body.parameters.post_roll,
    )
    if len(asked.windows or ()) > INLINE_ROWS:
        said = await asyncio.to_thread(predict, model, asked)
    else:
        said = predict(model, asked)
    found = outputs(said)
    return InferAnswer(
        model_name=model.profile,
        model_version=str(model.version),
        id=body.id,
        outputs=[found[name] for name in names],
    )
