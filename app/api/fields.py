"""The building blocks of what goes in and out: names, times, pages."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Generic, TypeVar
from uuid import UUID

from fastapi import Path
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    Strict,
    StringConstraints,
)
from pydantic.config import JsonDict

from app.errors import InvalidInput
from app.store.pages import text_in

MAX_INT = 2**31 - 1
NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}$"


def printable(text: str) -> str:
    """Let only printable text pass."""
    if not text.isprintable():
        raise ValueError("control and formatting characters are not allowed")
    return text


Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]
"""What stands in paths: devices and profiles."""
Text64 = Annotated[
    str, StringConstraints(min_length=1, max_length=64), AfterValidator(printable)
]
"""Labels, classes, names of people: any printable text of 1 to 64 characters."""
Boot = Annotated[
    str, StringConstraints(min_length=1, max_length=200), AfterValidator(printable)
]
"""What tells the streams of a device apart."""
Text500 = Annotated[
    str, StringConstraints(min_length=1, max_length=500), AfterValidator(printable)
]
"""Reasons."""


def stamp(at: datetime) -> str:
    """Write a time as RFC 3339 in UTC with microseconds.

    Examples
    --------
    >>> stamp(datetime(2026, 1, 2, tzinfo=UTC))
    '2026-01-02T00:00:00.000000Z'
    """
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def cursor_text(text: str) -> str:
    """Let only what `cursor_of` can have made near a query."""
    try:
        if len(text) <= 512 and text_in(text).isprintable():
            return text
    except InvalidInput:
        pass
    raise ValueError("no cursor that a list gave out")


def _within_range(at: datetime) -> datetime:
    if not 1 < at.year < 9999:
        raise ValueError("the year must be between 2 and 9998")
    return at


TimeIn = Annotated[AwareDatetime, Strict(False), AfterValidator(_within_range)]
"""RFC 3339 with an offset."""
Time = Annotated[datetime, PlainSerializer(stamp, return_type=str)]
"""As answered: UTC with microseconds."""
EventId = Annotated[UUID, Strict(False)]

DevicePath = Annotated[str, Path(pattern=NAME_PATTERN, examples=["band-7"])]
ProfilePath = Annotated[str, Path(pattern=NAME_PATTERN, examples=["arm-band"])]
EventPath = Annotated[UUID, Path()]
VersionPath = Annotated[int, Path(ge=1, le=MAX_INT)]
Number = Annotated[int, Field(ge=1, le=MAX_INT)]
"""A version or a job."""


class Body(BaseModel):
    """What is sent: nothing is converted, nothing unknown passes."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


def example(body: JsonDict) -> ConfigDict:
    """Show a body in the OpenAPI document; a class inherits the rest from `Body`."""
    return ConfigDict(json_schema_extra={"examples": [body]})


class Query(BaseModel):
    """Parameters of a query; unknown ones are refused, not ignored."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class PageQuery(Query):
    """Which part of a list; `cursor` is the last answer's `next_cursor`."""

    limit: Annotated[int, Field(ge=1, le=1000)] = 100
    cursor: Annotated[str, AfterValidator(cursor_text)] | None = None


class Answer(BaseModel):
    """What is answered."""

    model_config = ConfigDict(from_attributes=True)


Item = TypeVar("Item")


class Page(Answer, Generic[Item]):
    """A part of a list."""

    items: list[Item]
    next_cursor: str | None = None
