"""`/alerts/rules`: when somebody must look."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path
from pydantic import Field, model_validator

from app.api.access import Caller, who
from app.api.fields import (
    MAX_INT,
    Answer,
    Body,
    Name,
    Page,
    Text64,
    Time,
    example,
)
from app.api.state import State, current
from app.errors import InvalidInput
from app.store import alert_rules, audit, devices, profiles
from app.store.alert_rules import EVENT, ON_MODELS, PREDICTION, AlertRule

router = APIRouter(prefix="/alerts/rules", tags=["Alerts"])

RulePath = Annotated[int, Path(ge=1, le=MAX_INT)]
Probability = Annotated[float, Field(ge=0, le=1)]
Silence = Annotated[float, Field(ge=5, le=30 * 86_400)]
Cooldown = Annotated[float, Field(ge=1, le=7 * 86_400)]
GroupBy = Literal["device", "rule"]
SAYING = (EVENT, PREDICTION)
"""Rules that may ask for a prediction."""


class RuleBody(Body):
    """When somebody must look; what is left out does not matter.

    `on`: `event` looks at events that are stored, `prediction` at predictions as soon
    as they are made, too (a provisional one may be another in the end), `silence` for
    devices without a reading for `silence_seconds`.  A `label` or `min_probability`
    never means a prediction that is unknown; `unknown: true` asks for those.
    `drift` looks for champions that have drifted, `training` for trainings that failed,
    `rollback` for champions that were rolled back, all within seconds.
    """

    name: Text64
    on: Literal["event", "prediction", "silence", "drift", "training", "rollback"]
    profile: Name | None = None
    device: Name | None = None
    label: Text64 | None = Field(default=None, description="The predicted label.")
    min_probability: Probability | None = None
    unknown: bool | None = None
    silence_seconds: Silence | None = Field(
        default=None, description="Only, and always, on silence."
    )
    cooldown_seconds: Cooldown = Field(
        default=300.0,
        description="What fires again so soon after an alert is counted into it.",
    )
    group_by: GroupBy = Field(
        default="device", description="Whether each device has a cooldown of its own."
    )
    enabled: bool = True

    model_config = example(
        {"name": "a fist", "on": "event", "label": "fist", "min_probability": 0.9}
    )

    @model_validator(mode="after")
    def _of_its_kind(self) -> RuleBody:
        said = (self.label, self.min_probability, self.unknown)
        if (self.on == "silence") != (self.silence_seconds is not None):
            raise ValueError("silence_seconds: on silence, and only there")
        if self.on not in SAYING and said != (None, None, None):
            raise ValueError(f"a {self.on} has no prediction")
        if self.on in ON_MODELS and self.device is not None:
            raise ValueError(f"a {self.on} concerns a profile, and no device")
        return self


class RuleChange(Body):
    """What changes; null takes a condition away."""

    name: Text64 | None = None
    label: Text64 | None = None
    min_probability: Probability | None = None
    unknown: bool | None = None
    silence_seconds: Silence | None = None
    cooldown_seconds: Cooldown | None = None
    group_by: GroupBy | None = None
    enabled: bool | None = None

    model_config = example({"enabled": False})


class RuleAnswer(Answer):
    """A rule."""

    id: int
    name: str
    on: str
    profile: str | None
    device: str | None
    label: str | None
    min_probability: float | None
    unknown: bool | None
    silence_seconds: float | None
    cooldown_seconds: float
    group_by: str
    enabled: bool
    created_at: Time


@router.get("")
async def list_rules(state: Annotated[State, Depends(current)]) -> Page[RuleAnswer]:
    """All alert rules, oldest first."""
    async with state.engine.begin() as conn:
        rows = await alert_rules.list_(conn)
    return Page(items=[RuleAnswer.model_validate(row) for row in rows])


@router.post("", status_code=201)
async def create_rule(
    body: RuleBody,
    state: Annotated[State, Depends(current)],
    caller: Annotated[Caller, Depends(who)],
) -> RuleAnswer:
    """Look from now on for what somebody must see.

    What is found stands in `GET /alerts` and `GET /live`, and is sent at least once to
    every webhook with the type `onset.alert`.  Firings within `cooldown_seconds` are
    counted, not told; at most 100 alerts of a rule open in that time, then one for all.
    """
    async with state.engine.begin() as conn:
        if body.profile is not None:
            await profiles.get(conn, body.profile)
        if body.device is not None:
            await devices.get(conn, body.device)
        rule = await alert_rules.add(conn, body.model_dump())
        await _audit(conn, caller, "create", rule.id, body.model_dump())
    return RuleAnswer.model_validate(rule)


@router.patch("/{rule_id}")
async def change_rule(
    rule_id: RulePath,
    body: RuleChange,
    state: Annotated[State, Depends(current)],
    caller: Annotated[Caller, Depends(who)],
) -> RuleAnswer:
    """Change an alert rule; one that is enabled again looks from now on."""
    fields = body.model_dump(exclude_unset=True)
    async with state.engine.begin() as conn:
        former = await alert_rules.claim(conn, rule_id)
        _check(former, fields)
        rule = await alert_rules.change(conn, rule_id, fields)
        await _audit(conn, caller, "change", rule_id, fields)
    return RuleAnswer.model_validate(rule)


@router.delete("/{rule_id}", status_code=204)
async def delete_rule(
    rule_id: RulePath,
    state: Annotated[State, Depends(current)],
    caller: Annotated[Caller, Depends(who)],
) -> None:
    """Forget an alert rule and what it found."""
    async with state.engine.begin() as conn:
        await alert_rules.remove(conn, rule_id)
        await _audit(conn, caller, "delete", rule_id, None)


def _check(former: AlertRule, fields: dict[str, Any]) -> None:
    """Refuse what would make a rule of another kind."""
    for name in ("name", "cooldown_seconds", "group_by", "enabled"):
        if name in fields and fields[name] is None:
            raise InvalidInput(f"{name} cannot be null")
    if former.on == "silence":
        if fields.get("silence_seconds", former.silence_seconds) is None:
            raise InvalidInput("silence_seconds cannot be null on silence")
    elif fields.get("silence_seconds") is not None:
        raise InvalidInput(f"silence_seconds: the rule looks at {former.on}")
    if former.on not in SAYING:
        for name in ("label", "min_probability", "unknown"):
            if fields.get(name) is not None:
                raise InvalidInput(f"{name}: a {former.on} has no prediction")


async def _audit(
    conn: Any, caller: Caller, act: str, rule: int, after: dict[str, Any] | None
) -> None:
    await audit.record(conn, caller.name, act, f"alert rule:{rule}", after=after)
