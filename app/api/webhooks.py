"""`/webhooks`: who is told of events and promotions, and what became of it."""

from __future__ import annotations

import secrets
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path
from fastapi import Query as QueryOf
from pydantic import Field

from app.api.access import Caller, who
from app.api.fields import MAX_INT, Answer, Body, Name, Page, PageQuery, Time, example
from app.api.state import State, current
from app.service.notify import outgoing
from app.store import audit, deliveries, profiles, webhooks
from app.store.webhooks import Webhook

router = APIRouter(prefix="/webhooks", tags=["Webhooks"])

SECRET_BYTES = 32
Type = Literal["onset.event", "onset.model", "onset.alert", "onset.drift"]
HookPath = Annotated[int, Path(ge=1, le=MAX_INT)]
DeliveryPath = Annotated[int, Path(ge=1, le=2**63 - 1)]


class WebhookBody(Body):
    """Where to send what."""

    url: Annotated[str, Field(min_length=1, max_length=2000)]
    types: Annotated[list[Type], Field(min_length=1, max_length=8)] = Field(
        default=["onset.event", "onset.model"]
    )
    profile: Name | None = Field(default=None, description="Only of this profile.")

    model_config = example(
        {"url": "https://example.com/onset", "types": ["onset.event"]}
    )


class WebhookAnswer(Answer):
    """A webhook without its secret."""

    id: int
    url: str
    types: list[str]
    profile: str | None
    failing_since: Time | None
    disabled: str | None
    created_at: Time


class WebhookMade(WebhookAnswer):
    """A new webhook with the secret that its signatures are made with."""

    secret: str

    @classmethod
    def made(cls, row: Webhook) -> WebhookMade:
        """Put the secret beside the row."""
        shown = WebhookAnswer.model_validate(row)
        return cls(**dict(shown), secret=outgoing.shown(row.secret))


class DeliveryAnswer(Answer):
    """A message to the webhook: tried how often, and with which result."""

    id: int
    message: str
    type: str
    state: str
    attempts: int
    next_at: Time
    status: int | None
    error: str | None
    created_at: Time
    ended_at: Time | None


class DeliveryQuery(PageQuery):
    """Deliveries in one state only."""

    state: Literal["waiting", "delivered", "failed"] | None = None


@router.post("", status_code=201)
async def create_webhook(
    body: WebhookBody,
    state: Annotated[State, Depends(current)],
    caller: Annotated[Caller, Depends(who)],
) -> WebhookMade:
    """Tell a URL of events, promotions or alerts; the secret is shown this once.

    Alerts are sent to those that ask for `onset.alert`.  Bodies are CloudEvents 1.0,
    signed as Standard Webhooks say.
    """
    outgoing.require_url(body.url)
    async with state.engine.begin() as conn:
        if body.profile is not None:
            await profiles.get(conn, body.profile)
        types = sorted(set(body.types))
        hook = await webhooks.add(
            conn, body.url, secrets.token_bytes(SECRET_BYTES), types, body.profile
        )
        after = {"url": hook.url, "types": types, "profile": hook.profile}
        object_ = f"webhook:{hook.id}"
        await audit.record(conn, caller.name, "create", object_, after=after)
    return WebhookMade.made(hook)


@router.get("")
async def list_webhooks(
    state: Annotated[State, Depends(current)],
) -> Page[WebhookAnswer]:
    """All webhooks, oldest first."""
    async with state.engine.begin() as conn:
        rows = await webhooks.list_(conn)
    return Page(items=[WebhookAnswer.model_validate(row) for row in rows])


@router.delete("/{webhook_id}", status_code=204)
async def delete_webhook(
    webhook_id: HookPath,
    state: Annotated[State, Depends(current)],
    caller: Annotated[Caller, Depends(who)],
) -> None:
    """Forget a webhook and what it is owed."""
    async with state.engine.begin() as conn:
        await webhooks.remove(conn, webhook_id)
        await audit.record(conn, caller.name, "delete", f"webhook:{webhook_id}")


@router.post("/{webhook_id}/enable")
async def enable_webhook(
    webhook_id: HookPath,
    state: Annotated[State, Depends(current)],
    caller: Annotated[Caller, Depends(who)],
) -> WebhookAnswer:
    """Send again to a webhook that was given up; what it is owed goes first."""
    async with state.engine.begin() as conn:
        hook = await webhooks.enable(conn, webhook_id)
        await audit.record(conn, caller.name, "enable", f"webhook:{webhook_id}")
    return WebhookAnswer.model_validate(hook)


@router.get("/{webhook_id}/deliveries")
async def list_deliveries(
    webhook_id: HookPath,
    query: Annotated[DeliveryQuery, QueryOf()],
    state: Annotated[State, Depends(current)],
) -> Page[DeliveryAnswer]:
    """List what a webhook was sent, newest first; kept for a week after its end."""
    async with state.engine.begin() as conn:
        await webhooks.get(conn, webhook_id)
        rows, cursor = await deliveries.log(
            conn, webhook_id, query.limit, query.cursor, state=query.state
        )
    items = [DeliveryAnswer.model_validate(row) for row in rows]
    return Page(items=items, next_cursor=cursor)


@router.post("/{webhook_id}/deliveries/{delivery_id}/resend", status_code=202)
async def resend_delivery(
    webhook_id: HookPath,
    delivery_id: DeliveryPath,
    state: Annotated[State, Depends(current)],
    caller: Annotated[Caller, Depends(who)],
) -> DeliveryAnswer:
    """Send a message again now, whatever became of it; with the same `webhook-id`."""
    async with state.engine.begin() as conn:
        row = await deliveries.resend(conn, webhook_id, delivery_id)
        object_ = f"webhook:{webhook_id}"
        after = {"delivery": delivery_id}
        await audit.record(conn, caller.name, "resend", object_, after=after)
    return DeliveryAnswer.model_validate(row)
