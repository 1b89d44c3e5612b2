"""Webhooks: what is committed is owed, what is owed is sent until it is taken.

    owe      events and promotions after a webhook's cursors become deliveries
    send     deliveries that are due, some at a time; what fails is due again later

Every serving process does both; row locks decide who.  A process that dies between
sending and saying so leaves a delivery that another one sends again: at least once,
with the same `webhook-id`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import httpx
import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from app.domain import Json
from app.service.notify import outgoing
from app.service.notify.hub import Hub, SlowReader, only
from app.service.notify.outgoing import Unreachable
from app.store import deliveries, events, promotions, webhooks
from app.store.deliveries import Delivery, NewDelivery
from app.store.events import EventRow
from app.store.promotions import Promotion
from app.store.webhooks import Webhook

log = structlog.get_logger()

EVENT, MODEL = "onset.event", "onset.model"
TOLD = only("event", "model", "alert", "drift")
BATCH = 200
MOST_WAITING = 10_000
"""Deliveries that one webhook may be behind; its cursor waits, nothing is lost."""
AT_ONCE = 16
LEASE_SECONDS = 60.0
POLL_SECONDS = 1.0
TIDY_SECONDS = 300.0
RETRY_SECONDS = (5, 30, 120, 600, 1800, 3600, 10_800, 21_600, 43_200)
"""After so many failures a delivery is given up: about a day."""
JITTER = 0.2
GIVE_UP_SECONDS = 3 * 86_400.0
KEEP_SECONDS = 7 * 86_400.0
OVERLAP, LATE_SECONDS = 1000, 600.0
"""Promotions looked at again: their numbers are not in commit order."""

Describe = Callable[[EventRow], Json]


class Webhooks:
    """Owes and sends.

    Parameters
    ----------
    describe : function of a stored event
        Gives the JSON that `GET /events/{id}` lists show.
    allow_internal : bool
        Whether receivers may be in private networks.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        hub: Hub,
        describe: Describe,
        *,
        allow_internal: bool = False,
    ) -> None:
        self._engine = engine
        self._hub = hub
        self._describe = describe
        self._allow_internal = allow_internal

    async def run(self) -> None:
        """Owe and send for ever; cancel to stop."""
        tidied = time.monotonic()
        async with outgoing.make_client() as client:
            while True:
                with self._hub.subscribe(wanted=TOLD) as heard:
                    try:
                        while await self.owe_all() or await self.send_due(client):
                            pass
                        if time.monotonic() - tidied > TIDY_SECONDS:
                            await self.tidy()
                            tidied = time.monotonic()
                    except (SQLAlchemyError, OSError, TimeoutError) as error:
                        log.warning("webhooks_wait", error=type(error).__name__)
                    with contextlib.suppress(TimeoutError, SlowReader):
                        async with asyncio.timeout(POLL_SECONDS):
                            await anext(aiter(heard))

    async def owe_all(self) -> int:
        """Make deliveries of what is new; return how many."""
        async with self._engine.connect() as conn:
            listed = await webhooks.list_(conn)
        made = 0
        for hook in listed:
            if hook.disabled is None:
                made += await self.owe(hook.id)
        return made

    async def owe(self, number: int) -> int:
        """Make the next deliveries of one webhook; 0 if there are none to make."""
        async with self._engine.begin() as conn:
            hook = await webhooks.claim_cursor(conn, number)
            if hook is None or await deliveries.waiting(conn, number) >= MOST_WAITING:
                return 0
            rows = await events.after(conn, hook.position, BATCH)
            acts = await promotions.after(conn, hook.promotion - OVERLAP, 2 * OVERLAP)
            recent = datetime.now(UTC) - timedelta(seconds=LATE_SECONDS)
            acts = [
                act
                for act in acts
                if act.at >= hook.created_at
                and (act.id > hook.promotion or act.at > recent)
            ]
            new = self._told(hook, rows, acts)
            known = await deliveries.known(conn, number, [one.message for one in new])
            new = [one for one in new if one.message not in known]
            position = rows[-1].position if rows else hook.position
            promotion = max([hook.promotion, *(act.id for act in acts)])
            if not new and (position, promotion) == (hook.position, hook.promotion):
                return 0
            await deliveries.owe(
                conn, number, new, position=position, promotion=promotion
            )
        return max(len(new), len(rows))

    def _told(
        self, hook: Webhook, rows: Sequence[EventRow], acts: Sequence[Promotion]
    ) -> list[NewDelivery]:
        def wanted(kind: str, profile: str) -> bool:
            return kind in hook.types and hook.profile in (None, profile)

        found = [
            event_message(r, self._describe) for r in rows if wanted(EVENT, r.profile)
        ]
        return found + [model_message(a) for a in acts if wanted(MODEL, a.profile)]

    async def send_due(self, client: httpx.AsyncClient) -> int:
        """Send what is due, some at a time; return how many were tried."""
        async with self._engine.begin() as conn:
            due = await deliveries.take_due(conn, AT_ONCE, LEASE_SECONDS)
        async with asyncio.TaskGroup() as group:
            for hook, delivery in due:
                group.create_task(self._send(client, hook, delivery))
        return len(due)

    async def _send(
        self, client: httpx.AsyncClient, hook: Webhook, delivery: Delivery
    ) -> None:
        body = delivery.body.encode()
        now = int(datetime.now(UTC).timestamp())
        headers = {
            "webhook-id": delivery.message,
            "webhook-timestamp": str(now),
            "webhook-signature": outgoing.sign(
                hook.secret, delivery.message, now, body
            ),
        }
        status: int | None = None
        try:
            status = await outgoing.post(
                client, hook.url, body, headers, allow_internal=self._allow_internal
            )
            why = "" if 200 <= status < 300 else f"the receiver answered {status}"
        except Unreachable as error:
            why = str(error)
        async with self._engine.begin() as conn:
            if status is not None and not why:
                await deliveries.delivered(conn, delivery, status)
            else:
                pause = pause_after(delivery.attempts, random.random())
                await deliveries.again(conn, delivery, pause, status, why)

    async def tidy(self) -> None:
        """Give up webhooks that fail for days; forget what ended long ago."""
        async with self._engine.begin() as conn:
            for number in await webhooks.give_up(conn, GIVE_UP_SECONDS):
                log.error("webhook_disabled", webhook=number)
            await deliveries.forget(conn, KEEP_SECONDS)


def pause_after(attempts: int, draw: float) -> float | None:
    """Say in how many seconds a delivery is due again; None: never.

    Parameters
    ----------
    attempts : int >= 1
        How often it was tried.
    draw : float in [0, 1)
        What decides within `JITTER`, so that receivers are not stormed.

    Examples
    --------
    >>> pause_after(1, 0.5), pause_after(10, 0.5)
    (5.0, None)
    """
    if attempts > len(RETRY_SECONDS):
        return None
    return RETRY_SECONDS[attempts - 1] * (1 + JITTER * (2 * draw - 1))


def event_message(row: EventRow, describe: Describe) -> NewDelivery:
    """Say that an event was detected."""
    return message(f"event:{row.id}", EVENT, row.device, row.created_at, describe(row))


def model_message(act: Promotion) -> NewDelivery:
    """Say that another model version serves."""
    data = {
        "profile": act.profile,
        "version": act.version,
        "previous": act.previous,
        "device": act.device,
        "act": act.act,
        "by": act.by,
        "reason": act.reason,
    }
    return message(f"promotion:{act.id}", MODEL, act.profile, act.at, data)


def message(
    identity: str, kind: str, subject: str, at: datetime, data: Json
) -> NewDelivery:
    """Write a CloudEvent 1.0, whole (structured mode)."""
    said = {
        "specversion": "1.0",
        "id": identity,
        "source": "/onset",
        "type": kind,
        "subject": subject,
        "time": at.astimezone(UTC).isoformat(),
        "datacontenttype": "application/json",
        "data": data,
    }
    body = json.dumps(said, separators=(",", ":"), default=_plain)
    return NewDelivery(identity, kind, body)


def _plain(value: object) -> str:
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON")
