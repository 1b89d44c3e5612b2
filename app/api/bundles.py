"""`/models/{version}/bundle`: a version to run where there is no service."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from fastapi import Query as QueryOf

from app.api.fields import Answer, Number, Query, VersionPath
from app.api.state import State, current
from app.errors import NotFound
from app.learning import bundle
from app.store import models, profiles

router = APIRouter(prefix="/models", tags=["Models"])


class BundleQuery(Query):
    """With which detector; the one that serves the profile if none is named."""

    detector_version: Number | None = None


class BundleAnswer(Answer):
    """A whole document: `onset offline` and `app.learning.bundle` read it."""

    format: int
    profile: Any
    detector: Any
    model: Any


@router.get("/{version}/bundle")
async def get_bundle(
    version: VersionPath,
    query: Annotated[BundleQuery, QueryOf()],
    state: Annotated[State, Depends(current)],
) -> BundleAnswer:
    """Hand over a version with its detector and profile, to run without a service."""
    async with state.engine.connect() as conn:
        row = await models.get(conn, version)
        profile = await profiles.get(conn, row.profile)
        if query.detector_version is None:
            detector = await profiles.detector(conn, row.profile, row.device)
        else:
            detector = await profiles.detector_version(conn, query.detector_version)
    if detector.profile != row.profile:
        raise NotFound(f"{row.profile} has no detector version {detector.number}")
    onnx = state.artefacts.get(row.artefact_sha256)
    return BundleAnswer(**bundle.pack(profile, detector, version, row.card, onnx))
