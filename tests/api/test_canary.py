"""Canaries over REST, and as devices meet them."""

from sqlalchemy.ext.asyncio import AsyncEngine

from app.api.state import State
from app.store import devices
from app.store.canary_devices import chosen
from tests.api.caller import Caller, require_problem
from tests.service.scene import add_version

BANDS = [f"arm-{n}" for n in range(1, 13)]


async def test_a_share_of_the_devices_is_served_by_the_canary_until_it_ends(
    api: dict[str, Caller], engine: AsyncEngine, state: State
) -> None:
    async with engine.begin() as conn:
        for band in BANDS:
            await devices.put(conn, band, "arm")
    first = await add_version(engine, state.artefacts, "v", promote_from=None)
    second = await add_version(engine, state.artefacts, "w")
    path, body = f"/models/{second}/canary", {"share": 0.5, "reason": "look first"}
    require_problem(await api["viewer"]("GET", path), 404)
    require_problem(await api["operator"]("POST", path, json=body | {"share": 1}), 422)
    began = await api["operator"]("POST", path, json=body)
    assert began.status_code == 201, began.text
    said, mine = began.json(), chosen(second, 0.5, BANDS)
    assert (said["active"], said["share"], said["devices"]) == (True, 0.5, len(BANDS))
    assert said["devices_served"] == len(mine)
    assert said["others"]["version"] == first
    assert said["sentence"].startswith(f"It serves {len(mine)} of {len(BANDS)} devices")

    async def serving() -> list[str]:
        await state.champions.refresh()
        served = {band: state.champions.model("arm", band) for band in BANDS}
        versions = {band: one and one.version for band, one in served.items()}
        assert set(versions.values()) <= {first, second}
        return [band for band in BANDS if versions[band] == second]

    assert await serving() == mine
    listed = (await api["viewer"]("GET", f"/models/{second}")).json()
    assert listed["state"] == "canary"
    ended = (await api["operator"]("DELETE", path)).json()
    assert (ended["active"], ended["devices_served"]) == (False, 0)
    assert await serving() == []
    require_problem(await api["operator"]("DELETE", path), 409)
    acts = (await api["admin"]("GET", "/audit")).json()["items"]
    assert [one["act"] for one in acts[:2]] == ["end_canary", "canary"]
