"""`/keys` and `/audit`: people's and services' keys; who did what."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path
from fastapi import Query as QueryOf
from pydantic import Field, StringConstraints

from app.api.access import Caller, who
from app.api.fields import (
    Answer,
    Body,
    Page,
    PageQuery,
    Text64,
    Time,
    TimeIn,
    example,
)
from app.api.state import State, current
from app.domain import Role
from app.domain.reach import MOST_PATTERNS, Reach
from app.store import audit, keys
from app.store.keys import Key

router = APIRouter(tags=["Keys"])
REACH = {"profiles", "devices"}

KeyPath = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,64}$")]


Pattern = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.:*-]{1,64}$")]
Patterns = Annotated[list[Pattern], Field(max_length=MOST_PATTERNS)]


class KeyBody(Body):
    """Whose key, and what it may do; device keys are made below the device.

    `profiles` and `devices` limit what it sees and does, by names or by patterns in
    which `*` stands for any characters; empty: no limit.  A key of role admin cannot
    be limited.
    """

    name: Text64
    role: Literal["viewer", "labeler", "operator", "admin"]
    expires_at: TimeIn | None = None
    profiles: Patterns = Field(default=[])
    devices: Patterns = Field(default=[])

    model_config = example(
        {"name": "acme", "role": "operator", "profiles": ["acme-*"], "devices": []}
    )


class KeyAnswer(Answer):
    """A key, without its secret: nobody can see that again."""

    id: str
    name: str
    role: str
    device: str | None
    created_at: Time
    expires_at: Time | None
    revoked_at: Time | None
    profiles: list[str]
    devices: list[str]

    @classmethod
    def shown(cls, row: Key) -> dict[str, Any]:
        """Say what there is to say of a key."""
        said = {name: getattr(row, name) for name in cls.model_fields.keys() - REACH}
        return said | {name: list(getattr(row.reach, name)) for name in REACH}


class KeyMade(KeyAnswer):
    """A new key with its secret."""

    key: str

    @classmethod
    def made(cls, row: Key, secret: str) -> KeyMade:
        """Put the secret beside the row."""
        return cls(**KeyAnswer.shown(row), key=secret)


class Act(Answer):
    """Something that somebody did."""

    id: int
    at: Time
    actor: str
    act: str
    object: str
    before: Any
    after: Any


@router.get("/keys")
async def list_keys(state: Annotated[State, Depends(current)]) -> Page[KeyAnswer]:
    """All keys, revoked ones too."""
    async with state.engine.begin() as conn:
        rows = await keys.list_(conn)
    return Page(items=[KeyAnswer(**KeyAnswer.shown(row)) for row in rows])


@router.post("/keys", status_code=201)
async def create_key(
    body: KeyBody,
    state: Annotated[State, Depends(current)],
    caller: Annotated[Caller, Depends(who)],
) -> KeyMade:
    """Make a key for a person or a service; it is shown this once."""
    reach = Reach(tuple(body.profiles), tuple(body.devices))
    async with state.engine.begin() as conn:
        key, secret = await keys.create(
            conn,
            role=Role(body.role),
            name=body.name,
            expires_at=body.expires_at,
            reach=reach,
        )
        after: dict[str, Any] = {"role": body.role, "name": body.name}
        if reach.limited:
            after |= {"profiles": body.profiles, "devices": body.devices}
        await audit.record(conn, caller.name, "create", f"key:{key.id}", after=after)
    return KeyMade.made(key, secret)


@router.delete("/keys/{key_id}", status_code=204)
async def revoke_key(
    key_id: KeyPath,
    state: Annotated[State, Depends(current)],
    caller: Annotated[Caller, Depends(who)],
) -> None:
    """Revoke a key; sockets that it opened close within 10 seconds."""
    async with state.engine.begin() as conn:
        await keys.revoke(conn, key_id)
        await audit.record(conn, caller.name, "revoke", f"key:{key_id}")
    state.keys.forget()


@router.get("/audit")
async def list_audit(
    query: Annotated[PageQuery, QueryOf()], state: Annotated[State, Depends(current)]
) -> Page[Act]:
    """Who did what, newest first."""
    async with state.engine.begin() as conn:
        rows, cursor = await audit.list_(conn, query.limit, query.cursor)
    items = [Act.model_validate(row) for row in rows]
    return Page(items=items, next_cursor=cursor)
