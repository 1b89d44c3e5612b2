"""`/models`: versions, and models that were trained elsewhere."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi import Query as QueryOf
from pydantic import Field

from app.api.access import Caller, who
from app.api.fields import (
    Answer,
    Name,
    Page,
    PageQuery,
    Query,
    Text64,
    Text500,
    Time,
    VersionPath,
)
from app.api.state import State, current
from app.service import foreign
from app.service.foreign import ForeignModel
from app.store import models, windows
from app.store.models import ModelVersion

router = APIRouter(prefix="/models", tags=["Models"])


class ModelAnswer(Answer):
    """An immutable version: what it was trained on, how it did, what became of it.

    `device` is the one that it is made for.
    """

    version: int
    profile: str
    parent: int | None
    kind: str
    state: str
    estimator: str
    feature_set: str
    artefact_sha256: str
    classes: list[str]
    verdict: str
    reason: str
    report: Any
    created_at: Time
    device: str | None

    @classmethod
    def of(cls, row: ModelVersion) -> ModelAnswer:
        """Make the answer."""
        return cls(**_shown(row))


class ModelDetail(ModelAnswer):
    """A version with the list of what it was trained on, and how much is gone."""

    manifest: Any
    code_version: str
    seed: int
    trained_through: Time | None
    examples: int
    examples_gone: int

    @classmethod
    def of(cls, row: ModelVersion, examples: int = 0, gone: int = 0) -> ModelDetail:
        """Make the answer."""
        return cls(
            **_shown(row),
            manifest={k: v for k, v in row.manifest.items() if k != "answers"},
            code_version=row.code_version,
            seed=row.seed,
            trained_through=row.trained_through,
            examples=examples,
            examples_gone=gone,
        )


class ModelQuery(PageQuery):
    """Versions of one profile only; those made for one device only."""

    profile: Name | None = None
    device: Name | None = None


class ImportQuery(Query):
    """What the file, which is the request's body, is."""

    profile: Name
    classes: Annotated[
        list[Text64],
        Field(
            min_length=2,
            max_length=1000,
            description="In the order of the model's probabilities; repeat it.",
        ),
    ]
    unknown_below: Annotated[float, Field(ge=0, le=1)] = 0.0
    note: Text500 = "imported by hand"


@router.get("")
async def list_models(
    query: Annotated[ModelQuery, QueryOf()], state: Annotated[State, Depends(current)]
) -> Page[ModelAnswer]:
    """Model versions, newest first."""
    async with state.engine.begin() as conn:
        rows, cursor = await models.list_(
            conn, query.profile, query.limit, query.cursor, query.device
        )
    return Page(items=[ModelAnswer.of(row) for row in rows], next_cursor=cursor)


@router.get("/{version}")
async def get_model(
    version: VersionPath, state: Annotated[State, Depends(current)]
) -> ModelDetail:
    """One model version with its manifest and report.

    `examples` are the events that it was trained on and judged by; `examples_gone` of
    them are no longer stored, so that it cannot be trained again as it was.
    """
    async with state.engine.begin() as conn:
        row = await models.get(conn, version)
        listed = models.listed(row)
        there = await windows.present(conn, windows.Stream(row.profile), listed)
    return ModelDetail.of(row, len(listed), len(listed) - len(there))


@router.post(
    "/import",
    status_code=201,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/octet-stream": {
                    "schema": {"type": "string", "format": "binary"}
                }
            },
        }
    },
)
async def import_model(
    request: Request,
    query: Annotated[ImportQuery, QueryOf()],
    state: Annotated[State, Depends(current)],
    caller: Annotated[Caller, Depends(who)],
) -> ModelAnswer:
    """Take an ONNX model that was trained elsewhere as a candidate.

    It is checked against the profile's channels, the feature set and the operators
    that are served, tried, and kept; `promote` makes it the champion.
    """
    graph = await request.body()
    version = await foreign.import_model(
        state.engine,
        state.artefacts,
        graph,
        ForeignModel(
            profile=query.profile,
            classes=tuple(query.classes),
            unknown_below=query.unknown_below,
            note=query.note,
            by=caller.name,
        ),
    )
    async with state.engine.begin() as conn:
        return ModelAnswer.of(await models.get(conn, version))


def _shown(row: ModelVersion) -> dict[str, Any]:
    return {
        "version": row.version,
        "profile": row.profile,
        "parent": row.parent,
        "kind": row.kind,
        "state": row.state,
        "estimator": row.estimator,
        "feature_set": row.feature_set,
        "artefact_sha256": row.artefact_sha256,
        "classes": list(row.card.get("classes", ())),
        "verdict": row.verdict,
        "reason": row.reason,
        "report": row.report,
        "created_at": row.created_at,
        "device": row.device,
    }
