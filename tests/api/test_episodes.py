"""Rules over labels: severity, what is left out, what belongs together."""

import itertools
import uuid
from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncEngine

from app.domain.episodes import Labelled, LabelRule, episodes
from app.store import labels
from tests.api.caller import Caller, require_problem
from tests.service.scene import T0, add_events

RULES = [LabelRule("a", "critical", 2.0), LabelRule("b", suppress=True)]
SOME = st.lists(
    st.tuples(
        st.sampled_from("de"),
        st.sampled_from("abc"),
        st.integers(0, 60),
        st.integers(0, 5),
    ),
    max_size=40,
)


def event(number: int, device: str, label: str, onset: int, length: int) -> Labelled:
    at = T0 + timedelta(seconds=onset)
    end = at + timedelta(seconds=length)
    return Labelled(uuid.UUID(int=number), device, label, at, end)


@given(SOME)
def test_every_event_that_is_kept_is_in_one_episode_of_its_kind(some) -> None:
    given_ = [event(i, *one) for i, one in enumerate(some)]
    found = episodes(given_, RULES)
    kept = {one.event: one for one in given_ if one.label != "b"}
    told = [which for one in found for which in one.events]
    assert sorted(told) == sorted(kept)
    for one in found:
        inside = [kept[which] for which in one.events]
        assert {(e.device, e.label) for e in inside} == {(one.device, one.label)}
        assert one.onset == min(e.onset for e in inside)
        assert one.offset == max(e.offset for e in inside)
        assert one.severity == ("critical" if one.label == "a" else "info")
        assert one.label == "a" or len(inside) == 1
    assert [one.onset for one in found] == sorted(one.onset for one in found)
    for device in "de":
        mine = [one for one in found if (one.device, one.label) == (device, "a")]
        for before, after in itertools.pairwise(mine):
            assert after.onset - before.offset > timedelta(seconds=2)


async def asked(admin: Caller, **query: Any) -> dict[str, Any]:
    until = (T0 + timedelta(hours=1)).isoformat()
    params = {"since": T0.isoformat(), "until": until, **query}
    answer = await admin("GET", "/profiles/arm/episodes", params=params)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_rules_are_put_kept_and_applied(
    admin: Caller, engine: AsyncEngine
) -> None:
    made = await add_events(engine, "arm", ["fist", "fist", "wave", "fist", "rest"])
    await add_events(engine, "arm", ["fist"], start=60, labelled=False)
    async with engine.begin() as conn:
        await labels.add(conn, made[4].id, "nothing", "bob", "person")
    plain = await asked(admin)
    assert (plain["events"], len(plain["episodes"])) == (6, 5)
    assert plain["episodes"][-1]["label"] == "unclassified"

    rules = [
        {"label": "fist", "severity": "critical", "merge_seconds": 2},
        {"label": "wave", "suppress": True},
    ]
    put = await admin("PUT", "/profiles/arm/rules", json={"rules": rules})
    assert put.status_code == 200, put.text
    kept = (await admin("GET", "/profiles/arm/rules")).json()
    assert kept == put.json()
    assert [one["severity"] for one in kept["rules"]] == ["critical", "info"]
    found = (await asked(admin))["episodes"]
    assert [(e["label"], e["severity"], len(e["events"])) for e in found] == [
        ("fist", "critical", 3),
        ("unclassified", "info", 1),
    ]
    assert len((await asked(admin, severity="warning"))["episodes"]) == 1
    assert (await asked(admin, device="arm-9"))["episodes"] == []

    await admin("PUT", "/profiles/arm/rules", json={"rules": []})
    assert (await admin("GET", "/profiles/arm/rules")).json() == {"rules": []}
    trail = (await admin("GET", "/audit")).json()["items"]
    assert [one["act"] for one in trail[:2]] == ["rules", "rules"]


async def test_rules_that_contradict_or_ranges_that_are_none_are_refused(
    admin: Caller,
) -> None:
    twice = {"rules": [{"label": "a"}, {"label": "a", "suppress": True}]}
    said = require_problem(await admin("PUT", "/profiles/arm/rules", json=twice), 422)
    assert "more than one rule" in str(said)
    for rule in (
        {"label": "a", "severity": "bad"},
        {"label": "a", "merge_seconds": -1},
    ):
        body = {"rules": [rule]}
        require_problem(await admin("PUT", "/profiles/arm/rules", json=body), 422)
    params = {"since": T0.isoformat(), "until": T0.isoformat()}
    answer = await admin("GET", "/profiles/arm/episodes", params=params)
    require_problem(answer, 422)
    missing = {"rules": []}
    require_problem(await admin("PUT", "/profiles/no/rules", json=missing), 404)
