"""People come with a token of their directory where others have a key."""

import dataclasses

import httpx
import pytest
from fastapi import FastAPI

from app.api.state import State
from app.service.keyring import KeyRing
from tests.api.caller import Caller, api_of
from tests.issuer import Issuer, signed


@pytest.fixture
def app(shell: FastAPI, state: State) -> FastAPI:
    ring = KeyRing(state.engine, directory=Issuer().directory)
    shell.state.onset = dataclasses.replace(state, keys=ring)
    return shell


async def test_a_person_may_do_what_the_role_of_the_token_may(
    client: httpx.AsyncClient, admin: Caller
):
    ada = api_of(client, signed(groups=["plant"]))
    made = await ada("PUT", "/devices/plug-1", json={"profile": "arm"})
    assert made.status_code in (200, 201)
    assert (await ada("GET", "/audit")).status_code == 403
    once = {"Idempotency-Key": "once"}
    jobs = [
        await ada("POST", "/retrain", json={"profile": "arm"}, headers=once)
        for _ in range(2)
    ]
    assert [one.status_code for one in jobs] == [202, 202]
    assert jobs[0].json() == jobs[1].json()
    items = (await admin("GET", "/audit")).json()["items"]
    acts = [(one["actor"], one["act"]) for one in items]
    assert ("ada@example.org", "create") in acts


async def test_a_person_stands_among_the_keys_with_the_role_of_the_last_token(
    client: httpx.AsyncClient, admin: Caller
):
    await api_of(client, signed(groups=["plant"]))("GET", "/events")
    limited = signed(groups=["viewer"], onset_profiles=["arm"])
    await api_of(client, limited)("GET", "/events")
    keys = (await admin("GET", "/keys")).json()["items"]
    [ada] = [one for one in keys if one["name"] == "ada@example.org"]
    assert (ada["role"], ada["profiles"]) == ("viewer", ["arm"])


async def test_a_person_whose_key_is_revoked_stays_out_whatever_the_directory_says(
    client: httpx.AsyncClient, admin: Caller
):
    ada = api_of(client, signed())
    assert (await ada("GET", "/events")).status_code == 200
    keys = (await admin("GET", "/keys")).json()["items"]
    [key] = [one["id"] for one in keys if one["name"] == "ada@example.org"]
    assert (await admin("DELETE", f"/keys/{key}")).status_code == 204
    for token in (signed(), signed(groups="admin")):
        assert (await api_of(client, token)("GET", "/events")).status_code == 401


async def test_a_token_that_is_not_right_is_refused_with_the_reason(client):
    refused = await api_of(client, signed(aud="other"))("GET", "/events")
    assert refused.status_code == 401
    assert "Audience" in refused.json()["detail"]
    stranger = await api_of(client, signed(groups=[]))("GET", "/events")
    assert stranger.status_code == 403
