"""`/devices/{device_id}/readings`: what was recorded of a stream."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from fastapi import APIRouter, Depends
from fastapi import Query as QueryOf
from pydantic import Field

from app.api.fields import Answer, Boot, DevicePath, Query
from app.api.profiles import ChannelBody
from app.api.state import State, current
from app.domain import Readings
from app.errors import InvalidInput
from app.store import devices, profiles, recordings, revisions

router = APIRouter(tags=["Devices"])

MOST_VALUES = 200_000
"""Values in an answer: some megabytes."""
Seq = Annotated[int, Field(ge=1, le=2**62)]


class ReadingsQuery(Query):
    """Readings ``[first_seq, next_seq)`` of one stream."""

    boot: Boot
    first_seq: Seq
    next_seq: Seq


class PieceAnswer(Answer):
    """Consecutive readings `[reading][channel]`; null: the channel had no value.

    `times` are seconds since the epoch.
    """

    first_seq: int
    times: list[float]
    values: list[list[float | None]]


class ReadingsAnswer(Answer):
    """What is recorded, piece by piece; what is not, lies between the pieces."""

    device: str
    boot: str
    rate_hz: float
    channels: list[ChannelBody]
    pieces: list[PieceAnswer]


@router.get("/devices/{device_id}/readings")
async def get_readings(
    device_id: DevicePath,
    query: Annotated[ReadingsQuery, QueryOf()],
    state: Annotated[State, Depends(current)],
) -> ReadingsAnswer:
    """Read recorded readings of a stream, at most 200,000 values."""
    n = query.next_seq - query.first_seq
    if n < 1:
        raise InvalidInput(
            f"first_seq={query.first_seq} must be below next_seq={query.next_seq}"
        )
    async with state.engine.begin() as conn:
        await devices.get(conn, device_id)
        name = await revisions.profile_of(conn, device_id, query.boot)
        profile = await profiles.get(conn, name)
        if n * profile.n_channels > MOST_VALUES:
            raise InvalidInput(
                f"{n} readings of {profile.n_channels} channels are more than "
                f"{MOST_VALUES} values"
            )
        pieces = await recordings.read(
            conn, device_id, query.boot, query.first_seq, query.next_seq
        )
    return ReadingsAnswer(
        device=device_id,
        boot=query.boot,
        rate_hz=profile.rate_hz,
        channels=[
            ChannelBody(name=channel.name, unit=channel.unit)
            for channel in profile.channels
        ],
        pieces=[_piece(one) for one in pieces],
    )


def _piece(readings: Readings) -> PieceAnswer:
    values = readings.values.astype(object)
    values[~np.isfinite(readings.values)] = None
    return PieceAnswer(
        first_seq=readings.first_seq,
        times=readings.times.tolist(),
        values=values.tolist(),
    )
