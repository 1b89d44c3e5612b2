"""Rules over labels, and the episodes that they make of events."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends
from fastapi import Query as QueryOf
from pydantic import Field

from app.api.access import Caller, who
from app.api.fields import (
    Answer,
    Body,
    Name,
    ProfilePath,
    Query,
    Text64,
    Time,
    TimeIn,
    example,
)
from app.api.state import State, current
from app.domain import NOTHING
from app.domain.episodes import SEVERITIES, Labelled, LabelRule, episodes
from app.errors import InvalidInput
from app.store import audit, events, label_rules, profiles
from app.store.events import EventFilter, EventRow

router = APIRouter(prefix="/profiles", tags=["Profiles"])

MOST_EVENTS = 5000
UNKNOWN, UNCLASSIFIED = "unknown", "unclassified"
USUAL = timedelta(days=1)
Severity = Literal["info", "warning", "critical"]


class LabelRuleBody(Body):
    """What is made of events with a label; `merge_seconds`: those so near are one."""

    label: Text64
    severity: Severity = "info"
    merge_seconds: Annotated[float, Field(ge=0, le=86_400)] = 0.0
    suppress: bool = False


class LabelRulesBody(Body):
    """All rules of a profile; a label has one at most."""

    rules: list[LabelRuleBody] = Field(max_length=200)

    model_config = example(
        {
            "rules": [
                {"label": "fall", "severity": "critical", "merge_seconds": 5},
                {"label": "typing", "suppress": True},
            ]
        }
    )


class LabelRuleAnswer(Answer):
    """What is made of events with a label."""

    label: str
    severity: Severity
    merge_seconds: float
    suppress: bool


class LabelRulesAnswer(Answer):
    """The rules of a profile, by label."""

    rules: list[LabelRuleAnswer]


class EpisodesQuery(Query):
    """Of events with ``since <= onset < until``; by default of the last 24 hours."""

    since: TimeIn | None = Field(default=None, description="24 hours before `until`")
    until: TimeIn | None = Field(default=None, description="now")
    device: Name | None = None
    severity: Severity | None = Field(default=None, description="This, or graver.")


class EpisodeAnswer(Answer):
    """Events of one device and label that belong together, oldest first."""

    device: str
    label: str
    severity: Severity
    onset: Time
    offset: Time
    events: list[UUID]


class EpisodesAnswer(Answer):
    """Episodes in order of their onsets, and how many events they were made of."""

    since: Time
    until: Time
    events: int
    episodes: list[EpisodeAnswer]


@router.get("/{name}/rules")
async def get_rules(
    name: ProfilePath, state: Annotated[State, Depends(current)]
) -> LabelRulesAnswer:
    """Say what is made of the labels of a profile."""
    async with state.engine.begin() as conn:
        await profiles.get(conn, name)
        rules = await label_rules.list_(conn, name)
    return LabelRulesAnswer(
        rules=[LabelRuleAnswer.model_validate(rule) for rule in rules]
    )


@router.put("/{name}/rules")
async def put_rules(
    name: ProfilePath,
    body: LabelRulesBody,
    state: Annotated[State, Depends(current)],
    caller: Annotated[Caller, Depends(who)],
) -> LabelRulesAnswer:
    """Let these be the rules over the labels of a profile, and no others."""
    wanted = [LabelRule(**rule.model_dump()) for rule in body.rules]
    twice = [
        name for name, n in Counter(rule.label for rule in wanted).items() if n > 1
    ]
    if twice:
        raise InvalidInput(f"label {twice[0]!r} has more than one rule")
    async with state.engine.begin() as conn:
        await profiles.get(conn, name)
        before = [asdict(rule) for rule in await label_rules.list_(conn, name)]
        await label_rules.put(conn, name, wanted)
        rules = await label_rules.list_(conn, name)
        about, after = f"profile:{name}", {"rules": [asdict(rule) for rule in rules]}
        await audit.record(
            conn, caller.name, "rules", about, before={"rules": before}, after=after
        )
    return LabelRulesAnswer(
        rules=[LabelRuleAnswer.model_validate(rule) for rule in rules]
    )


@router.get("/{name}/episodes")
async def get_episodes(
    name: ProfilePath,
    query: Annotated[EpisodesQuery, QueryOf()],
    state: Annotated[State, Depends(current)],
) -> EpisodesAnswer:
    """Say what the rules make of the events of a range of time, at most 5000.

    An event counts as its label, else as its prediction, else as `unknown` or
    `unclassified`; what a person called `nothing` is none.
    """
    until = query.until or datetime.now(UTC)
    since = query.since or until - USUAL
    if since >= until:
        raise InvalidInput(f"since={since:%FT%TZ} must be before until={until:%FT%TZ}")
    wanted = EventFilter(profile=name, device=query.device, since=since, until=until)
    async with state.engine.begin() as conn:
        await profiles.get(conn, name)
        rules = await label_rules.list_(conn, name)
        rows, more = await events.list_(conn, wanted, MOST_EVENTS)
    if more is not None:
        raise InvalidInput(f"more than {MOST_EVENTS} events: ask for a shorter time")
    taken = [_taken(row) for row in rows]
    found = episodes([one for one in taken if one.label != NOTHING], rules)
    least = SEVERITIES.index(query.severity or SEVERITIES[0])
    return EpisodesAnswer(
        since=since,
        until=until,
        events=len(rows),
        episodes=[
            EpisodeAnswer.model_validate(one)
            for one in found
            if SEVERITIES.index(one.severity) >= least
        ],
    )


def _taken(row: EventRow) -> Labelled:
    """Say what an event is taken for."""
    if row.label is not None:
        label = row.label.label
    elif row.prediction is None:
        label = UNCLASSIFIED
    else:
        label = UNKNOWN if row.prediction.unknown else row.prediction.label
    return Labelled(row.id, row.device, label, row.onset, row.offset)
