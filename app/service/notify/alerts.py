"""Alerts: what somebody must look at is written down once, and told at least once.

    events        each rule looks at every stored event, in commit order, by a cursor
    predictions   rules on predictions also hear them at once, in the process that made
                  them; whatever is lost on that way is found at the event's end
    late          events that had to wait for a model, in the transaction that
                  classifies them
    silence       one process at a time asks which devices have not spoken
    models        one process at a time asks what became of trainings and champions

An alert and what webhooks are owed of it are one transaction.  Every serving process
does all of this; row locks decide who.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from datetime import UTC
from uuid import UUID

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.domain import Prediction
from app.errors import NotFound
from app.service.notify.hub import Hub, Message, SlowReader, Subscription, only
from app.service.notify.webhooks import message
from app.store import (
    alert_rules,
    alerts,
    deliveries,
    events,
    model_findings,
    silences,
    webhooks,
)
from app.store.alert_rules import EVENT, ON_MODELS, PREDICTION, SILENCE, AlertRule
from app.store.alerts import Alert, Firing
from app.store.deliveries import NewDelivery
from app.store.events import EventRow

log = structlog.get_logger()

HEARD = only("event", "prediction")
ALERT = "onset.alert"
BATCH = 200
POLL_SECONDS = 1.0
GATHER_SECONDS = 0.1
MODELS_SECONDS = 5.0
TIDY_SECONDS = 600.0
KEEP_SECONDS = 90 * 86_400.0
MOST_SAID = 10_000
"""Firings of predictions that are remembered, so that one is written once."""


class Alerts:
    """Looks, for ever.

    Parameters
    ----------
    clock : function
        Seconds that never run back; silence counts from when this process could look.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        hub: Hub,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine = engine
        self._hub = hub
        self._clock = clock
        self._looking_since = clock()
        self._rules: list[AlertRule] = []
        self._said: OrderedDict[tuple[int, UUID], None] = OrderedDict()

    async def run(self) -> None:
        """Look for ever; cancel to stop."""
        tidied = self._looking_since = self._clock()
        while True:
            with self._hub.subscribe(wanted=HEARD) as heard:
                try:
                    await self.look()
                    if self._clock() - tidied > TIDY_SECONDS:
                        tidied = self._clock()
                        async with self._engine.begin() as conn:
                            await alerts.forget(conn, KEEP_SECONDS)
                    await self._listen(heard)
                except SlowReader:
                    continue  # what was not heard is found where it is stored
                except (SQLAlchemyError, OSError, TimeoutError) as error:
                    # nobody could be heard meanwhile: silence begins anew
                    self._looking_since = self._clock()
                    log.warning("alerts_wait", error=type(error).__name__)
                    await asyncio.sleep(POLL_SECONDS)

    async def _listen(self, heard: Subscription) -> None:
        """Take predictions until it is time to look again."""
        until = self._clock() + POLL_SECONDS
        while (left := until - self._clock()) > 0:
            try:
                async with asyncio.timeout(left):
                    said = await anext(heard)
            except TimeoutError:
                return
            if said.kind == "prediction":
                await self.hear(said)
            else:  # what else is stored just now is looked at together
                until = min(until, self._clock() + GATHER_SECONDS)

    async def look(self) -> int:
        """Look at what is stored; return how many alerts were opened."""
        async with self._engine.connect() as conn:
            self._rules = [r for r in await alert_rules.list_(conn) if r.enabled]
            newest = await events.last_position(conn) if self._rules else 0
        opened = 0
        for rule in self._rules:
            if rule.on == SILENCE:
                opened += await self._look_around(rule)
            elif rule.on in ON_MODELS:
                opened += await self._look_at_models(rule)
            elif rule.position < newest:
                opened += await self._look_at_events(rule.id)
        return opened

    async def hear(self, said: Message) -> int:
        """Hear of a prediction that was just made; return how many alerts opened."""
        if isinstance(said.data, EventRow):  # came late: `consider` has seen it
            return 0
        stream, answer = said.data
        profile, device = stream.profile.name, stream.device
        opened = 0
        for rule in self._rules:
            known = (rule.id, answer.event)
            if rule.on != PREDICTION or known in self._said:
                continue
            if not rule.fits(profile, device, answer.prediction):
                continue
            firing = _firing(answer.event, device, profile, answer.prediction)
            with contextlib.suppress(NotFound):
                async with self._engine.begin() as conn:
                    locked = await alert_rules.claim(conn, rule.id)
                    opened += await fire(conn, locked, [firing])
            self._said[known] = None
            while len(self._said) > MOST_SAID:
                self._said.popitem(last=False)
        return opened

    async def _look_at_events(self, number: int) -> int:
        opened = 0
        while True:
            async with self._engine.begin() as conn:
                rule = await alert_rules.claim_cursor(conn, number)
                if rule is None:
                    return opened
                rows = await events.after(conn, rule.position, BATCH)
                if not rows:
                    return opened
                opened += await fire(conn, rule, _fitting(rule, rows))
                await alert_rules.move(conn, number, rows[-1].position)
            if len(rows) < BATCH:
                return opened

    async def _look_around(self, rule: AlertRule) -> int:
        seconds = rule.silence_seconds or 0.0
        if self._clock() - self._looking_since < seconds:
            return 0  # nobody could have been heard for so long
        async with self._engine.begin() as conn:
            every = min(30.0, max(POLL_SECONDS, seconds / 10))
            claimed = await alert_rules.claim_look(conn, rule.id, every)
            if claimed is None:
                return 0
            firings = await silences.silent(conn, claimed)
            opened = await fire(conn, claimed, firings)
            still = {one.device for one in firings}
            for alert in await silences.end(conn, claimed, still):
                await _tell(conn, alert, "ended")
        return opened

    async def _look_at_models(self, rule: AlertRule) -> int:
        async with self._engine.begin() as conn:
            claimed = await alert_rules.claim_look(conn, rule.id, MODELS_SECONDS)
            if claimed is None:
                return 0
            found = await model_findings.of_rule(conn, claimed)
            return await fire(conn, claimed, found)


async def consider(conn: AsyncConnection, wanted: Sequence[UUID]) -> int:
    """Look at events whose prediction came late, in the transaction that stores it."""
    rules = [
        rule
        for rule in await alert_rules.list_(conn)
        if rule.enabled and rule.on in (EVENT, PREDICTION)
    ]
    if not rules:
        return 0
    rows = []
    for event in wanted:
        with contextlib.suppress(NotFound):  # erased meanwhile
            rows.append(await events.get(conn, event))
    opened = 0
    for rule in rules:
        firings = _fitting(rule, rows)
        if firings:
            opened += await fire(conn, await alert_rules.claim(conn, rule.id), firings)
    return opened


async def fire(
    conn: AsyncConnection, rule: AlertRule, firings: Sequence[Firing]
) -> int:
    """Write alerts down, and what is owed of them; return how many were opened."""
    opened = await alerts.fire(conn, rule, firings)
    for alert in opened:
        await _tell(conn, alert, "opened")
    return len(opened)


async def _tell(conn: AsyncConnection, alert: Alert, state: str) -> None:
    """Tell processes now, and owe it to every webhook that asked for alerts."""
    await alerts.tell(conn, alert, state)
    hooks = [
        hook
        for hook in await webhooks.list_(conn)
        if ALERT in hook.types and hook.profile in (None, alert.profile)
    ]
    new = alert_message(alert, state)
    for hook in hooks:
        await deliveries.add(conn, hook.id, [new])


def alert_message(alert: Alert, state: str) -> NewDelivery:
    """Say that an alert was opened, or that its silence has ended."""
    data: dict[str, object] = {
        "alert": alert.id,
        "state": state,
        "rule": alert.rule,
        "name": alert.rule_name,
        "on": alert.on,
        "device": alert.device,
        "profile": alert.profile,
        "all_devices": alert.subject == alerts.WHOLE_RULE,
        "event": alert.event,
        "label": alert.label,
        "probability": alert.probability,
        "sentence": alert.sentence,
        "opened_at": alert.opened_at.astimezone(UTC).isoformat(),
    }
    at = alert.opened_at if alert.ended_at is None else alert.ended_at
    # a silence may end, begin again within the cooldown, and end again
    suffix = "" if state == "opened" else f":{state}:{at.timestamp():.6f}"
    subject = alert.device or alert.profile
    return message(f"alert:{alert.id}{suffix}", ALERT, subject, at, data)


def _fitting(rule: AlertRule, rows: Sequence[EventRow]) -> list[Firing]:
    return [
        _firing(row.id, row.device, row.profile, row.prediction)
        for row in rows
        if rule.fits(row.profile, row.device, row.prediction)
    ]


def _firing(event: UUID, device: str, profile: str, said: Prediction | None) -> Firing:
    label, probability = (said.label, said.probability) if said else (None, None)
    return Firing(f"event:{event}", device, profile, event, label, probability)
