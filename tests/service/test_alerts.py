"""Rules find what somebody must look at: once, whoever looks, and never in a storm."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.domain import Prediction
from app.service.notify import alerts as service
from app.service.notify.alerts import Alerts
from app.service.notify.hub import Hub, Message
from app.service.notify.outgoing import make_client
from app.service.notify.webhooks import Webhooks
from app.service.streams.shared import Answer
from app.store import (
    alert_rules,
    alerts,
    devices,
    drifts,
    events,
    jobs,
    models,
    profiles,
    webhooks,
)
from app.store import deliveries as owed
from app.store.alert_rules import AlertRule
from app.store.alerts import Alert
from app.store.artefacts import Artefacts
from tests.service.receiver import Receiver, receiving
from tests.service.scene import add_events, add_version, cycle, profile_of, put_profile


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as made:
        yield made


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with make_client() as made:
        yield made


@pytest.fixture
async def version(engine: AsyncEngine, artefacts: Artefacts) -> int:
    await put_profile(engine, profile_of())
    return await add_version(engine, artefacts, "v", promote_from=None)


async def rule(engine: AsyncEngine, **fields: Any) -> AlertRule:
    whole = {"name": "look", "on": "event", "cooldown_seconds": 300.0}
    async with engine.begin() as conn:
        return await alert_rules.add(conn, whole | {"group_by": "device"} | fields)


async def found(engine: AsyncEngine) -> list[Alert]:
    async with engine.connect() as conn:
        return (await alerts.list_(conn))[0]


def said(label: str, probability: float = 0.9, *, unknown: bool = False) -> Prediction:
    return Prediction(
        label, probability, (label, "rest"), (probability, 0.0), unknown, 1, "0" * 64
    )


async def predict(engine: AsyncEngine, version: int, *labels: str) -> list[Any]:
    """Store events whose prediction comes with them."""
    new = await add_events(engine, "arm", labels, start=predict.number)  # type: ignore[attr-defined]
    predict.number += len(labels)  # type: ignore[attr-defined]
    rows = [(e.id, said(label)) for e, label in zip(new, labels, strict=True)]
    async with engine.begin() as conn:
        await events.add_predictions(conn, rows)
    return new


@pytest.fixture(autouse=True)
def numbers() -> None:
    predict.number = 0  # type: ignore[attr-defined]


async def test_event_that_fits_is_one_alert_whoever_looks(
    engine: AsyncEngine, version: int
) -> None:
    await predict(engine, version, "fist")  # before anybody looked
    made = await rule(engine, label="fist", min_probability=0.8)
    _, fist, wave = await predict(engine, version, "rest", "fist", "wave")
    looking = [Alerts(engine, Hub()) for _ in range(3)]
    await asyncio.gather(*(one.look() for one in looking))
    await looking[0].look()
    (alert,) = await found(engine)
    assert (alert.rule, alert.event, alert.device) == (made.id, fist.id, "arm-1")
    assert (alert.label, alert.probability, alert.count) == ("fist", 0.9, 1)
    assert wave.id != alert.event


@pytest.mark.parametrize(
    ("fields", "prediction", "fits"),
    [
        ({}, None, True),
        ({"label": "fist"}, None, False),
        ({"label": "fist"}, said("fist"), True),
        ({"label": "fist"}, said("wave"), False),
        ({"label": "fist"}, said("fist", unknown=True), False),
        ({"min_probability": 0.95}, said("fist"), False),
        ({"unknown": True}, said("fist", unknown=True), True),
        ({"unknown": True}, said("fist"), False),
        ({"device": "arm-2"}, said("fist"), False),
        ({"profile": "leg"}, said("fist"), False),
    ],
)
def test_rule_fits_what_it_says(
    fields: dict[str, Any], prediction: Prediction | None, fits: bool
) -> None:
    names = AlertRule.__dataclass_fields__
    whole = dict.fromkeys(names) | {"on": "event"} | fields
    assert AlertRule(**whole).fits("arm", "arm-1", prediction) is fits


async def test_what_fires_again_soon_is_counted_and_told_once(
    engine: AsyncEngine, version: int, receiver: Receiver, client: httpx.AsyncClient
) -> None:
    async with engine.begin() as conn:
        await webhooks.add(conn, receiver.url, b"s" * 32, ["onset.alert"], None)
    await rule(engine, label="fist")
    await predict(engine, version, *["fist"] * 5)
    await Alerts(engine, Hub()).look()
    await predict(engine, version, "fist")
    await Alerts(engine, Hub()).look()
    (alert,) = await found(engine)
    assert alert.count == 6
    sender = Webhooks(engine, Hub(), lambda row: {}, allow_internal=True)
    while await sender.owe_all() or await sender.send_due(client):
        pass
    ((headers, body),) = receiver.got
    event = json.loads(body)
    assert headers["webhook-id"] == event["id"] == f"alert:{alert.id}"
    assert event["type"] == "onset.alert"
    assert event["data"]["label"] == "fist"
    async with engine.begin() as conn:  # the cooldown is over
        await conn.execute(text("UPDATE alerts SET opened_at = now() - interval '1 h'"))
    await predict(engine, version, "fist")
    await Alerts(engine, Hub()).look()
    assert [one.count for one in await found(engine)] == [1, 6]


async def test_a_storm_of_devices_ends_in_one_alert_for_all(
    engine: AsyncEngine, version: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alerts, "MOST_OPEN", 3)
    made = await rule(engine)
    async with engine.begin() as conn:
        for n in range(8):
            await devices.put(conn, f"d{n}", "arm")
        firings = [alerts.Firing(f"event:{n}", f"d{n}", "arm") for n in range(8)]
        await service.fire(conn, made, firings)
        await service.fire(conn, made, firings)  # told twice, fired once
    listed = await found(engine)
    assert [one.subject for one in listed] == ["", "d2", "d1", "d0"]
    assert [one.count for one in listed] == [5, 1, 1, 1]


async def test_prediction_is_an_alert_before_its_event_has_ended_and_no_second_one(
    engine: AsyncEngine, version: int
) -> None:
    await rule(engine, on="prediction", label="fist")
    looking = Alerts(engine, Hub())
    await looking.look()
    new = await add_events(engine, "arm", [], start=0)
    assert new == []

    class Stream:
        device = "arm-1"
        profile = profile_of()

    (event,) = await add_events(engine, "arm", ["fist"])
    provisional = Message("prediction", (Stream, Answer(event.id, said("fist"), True)))
    assert await looking.hear(provisional) == 1
    assert await looking.hear(provisional) == 0
    async with engine.begin() as conn:
        await events.add_predictions(conn, [(event.id, said("fist"))])
    assert await looking.look() == 0
    assert [one.event for one in await found(engine)] == [event.id]


async def test_event_that_had_to_wait_for_a_model_is_looked_at_when_it_is_named(
    engine: AsyncEngine, version: int
) -> None:
    await rule(engine, label="fist")
    (event,) = await add_events(engine, "arm", ["fist"])
    await Alerts(engine, Hub()).look()
    assert await found(engine) == []
    async with engine.begin() as conn:
        await events.add_predictions(conn, [(event.id, said("fist"))])
        assert await service.consider(conn, [event.id]) == 1
    assert [one.event for one in await found(engine)] == [event.id]


async def speak(engine: AsyncEngine, device: str, seconds_ago: float) -> None:
    async with engine.begin() as conn:
        await conn.execute(
            text(
                "UPDATE devices SET last_seen = clock_timestamp()"
                " - :s * interval '1 s' WHERE id = :d"
            ),
            {"s": seconds_ago, "d": device},
        )


async def test_silence_is_one_alert_that_ends_when_the_device_speaks(
    engine: AsyncEngine, version: int
) -> None:
    async with engine.begin() as conn:
        await devices.put(conn, "arm-2", "arm")  # has never spoken
        hook = await webhooks.add(
            conn, "http://example.com/", b"s" * 32, ["onset.alert"], None
        )
    await rule(engine, on="silence", silence_seconds=60.0)
    await speak(engine, "arm-1", 61.0)
    clock = Clock()
    looking = [Alerts(engine, Hub(), clock) for _ in range(2)]
    assert await looking[0].look() == 0  # it may have been the service that was away
    clock.now += 61.0
    opened = await asyncio.gather(*(one.look() for one in looking))
    assert sum(opened) == 1
    async with engine.begin() as conn:
        await conn.execute(text("UPDATE alert_rules SET looked_at = NULL"))
    assert await looking[0].look() == 0
    (alert,) = await found(engine)
    assert (alert.device, alert.ended_at, alert.count) == ("arm-1", None, 1)
    await speak(engine, "arm-1", 0.0)
    async with engine.begin() as conn:
        await conn.execute(text("UPDATE alert_rules SET looked_at = NULL"))
    await looking[1].look()
    (alert,) = await found(engine)
    assert alert.ended_at is not None
    async with engine.connect() as conn:
        log, _ = await owed.log(conn, hook.id)
    states = [json.loads(one.body)["data"]["state"] for one in log]
    assert states == ["ended", "opened"]


async def test_only_one_replica_looks_for_silence_at_a_time(
    engine: AsyncEngine, version: int
) -> None:
    made = await rule(engine, on="silence", silence_seconds=60.0)
    async with engine.begin() as first, engine.begin() as second:
        assert await alert_rules.claim_look(first, made.id, 6.0) is not None
        assert await alert_rules.claim_look(second, made.id, 6.0) is None
    async with engine.begin() as conn:  # and not again at once
        assert await alert_rules.claim_look(conn, made.id, 6.0) is None


async def test_rule_that_was_switched_off_does_not_look_back(
    engine: AsyncEngine, version: int
) -> None:
    made = await rule(engine, enabled=False)
    await predict(engine, version, *cycle(3))
    assert await Alerts(engine, Hub()).look() == 0
    async with engine.begin() as conn:
        await alert_rules.change(conn, made.id, {"enabled": True})
    assert await Alerts(engine, Hub()).look() == 0
    await predict(engine, version, "rest")
    assert await Alerts(engine, Hub()).look() == 1


async def test_what_is_old_and_acknowledged_is_forgotten(
    engine: AsyncEngine, version: int
) -> None:
    await rule(engine)
    await predict(engine, version, "rest")
    await Alerts(engine, Hub()).look()
    (alert,) = await found(engine)
    async with engine.begin() as conn:
        await alerts.forget(conn, -1.0)
        assert len((await alerts.list_(conn))[0]) == 1
        await alerts.acknowledge(conn, alert.id, "ann", None)
        await alerts.forget(conn, -1.0)
        assert (await alerts.list_(conn))[0] == []
        left = await conn.scalar(text("SELECT count(*) FROM alert_firings"))
    assert left == 0


async def test_what_becomes_of_models_is_an_alert_once_and_concerns_no_device(
    engine: AsyncEngine, version: int, artefacts: Artefacts
) -> None:
    async with engine.begin() as conn:
        await webhooks.add(
            conn, "http://example.com/", b"s" * 32, ["onset.alert"], "arm"
        )
        signal = {"alarm": True, "sentence": "Loud."}
        look = drifts.DriftLook("arm", version, 1, 0, 50, 0.02, True, [signal])
        await drifts.add(conn, replace(look, number=0, alarm=False))
        for on in ("drift", "training", "rollback"):
            await alert_rules.add(
                conn,
                {"name": on, "on": on, "cooldown_seconds": 1.0, "group_by": "device"},
            )
        elsewhere = {"name": "leg", "on": "drift", "profile": "leg"}
        await profiles.put(conn, profile_of("leg"), None)
        await alert_rules.add(
            conn, elsewhere | {"cooldown_seconds": 1.0, "group_by": "device"}
        )
        await drifts.add(conn, look)
        await drifts.add(conn, replace(look, number=2))
        job, _ = await jobs.create(conn, "retrain", "arm", {"mode": "full"})
        await jobs.start(conn, job.id)
        await jobs.fail(conn, job.id, "out of memory")
    other = await add_version(engine, artefacts, "w", promote_from=version)
    async with engine.begin() as conn:
        await models.rollback(conn, "arm", "ann", "worse")
    looking = [Alerts(engine, Hub()) for _ in range(2)]
    opened = await asyncio.gather(*(one.look() for one in looking))
    async with engine.begin() as conn:
        await conn.execute(text("UPDATE alert_rules SET looked_at = NULL"))
    assert (sum(opened), await looking[0].look()) == (3, 0)
    listed = {one.on: one for one in await found(engine)}
    assert {on: one.sentence for on, one in listed.items()} == {
        "drift": f"version {version} has drifted: Loud.",
        "training": f"training {job.id} failed: out of memory",
        "rollback": f"ann went back from version {other} to {version}: worse",
    }
    assert {(one.device, one.profile, one.subject) for one in listed.values()} == {
        (None, "arm", "arm")
    }
    async with engine.connect() as conn:
        [hook] = await webhooks.list_(conn)
        assert await owed.waiting(conn, hook.id) == 3
