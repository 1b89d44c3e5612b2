"""People of a directory: whose tokens are let in, and as whom."""

import json
from typing import Any

import jwt
import pytest
from jwt.algorithms import RSAAlgorithm

from app.domain import Role
from app.errors import Forbidden, InvalidInput, Unauthenticated, Unavailable
from app.service.directory import KEPT_SECONDS, REFETCH_SECONDS, Directory, roles_of
from tests.issuer import ISSUER, ROLES, RSA, Issuer, signed


@pytest.fixture
def issuer() -> Issuer:
    return Issuer()


async def test_a_token_says_who_somebody_is_and_its_groups_what_they_may(issuer):
    person = await issuer.directory.person(signed())
    assert (person.name, person.role) == ("ada@example.org", Role.OPERATOR)
    assert person.subject == f"{ISSUER}\0004711"
    assert not person.reach.limited


async def test_a_token_may_limit_whom_it_speaks_for(issuer):
    limited = signed(onset_profiles=["acme-*"], groups="line-2")
    person = await issuer.directory.person(limited)
    assert (person.role, person.reach.profiles) == (Role.LABELER, ("acme-*",))


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"exp": 1}, "expired"),
        ({"aud": "other"}, "Audience"),
        ({"iss": "https://evil.example"}, "issuer"),
        ({"sub": None}, "sub"),
        ({"exp": None}, "exp"),
        ({"exp": 10**30}, "exp is no time"),
        ({"nbf": 10**10}, "not yet valid"),
    ],
)
async def test_a_token_that_is_not_for_us_or_not_for_now_is_refused(
    claims: dict[str, Any], why: str, issuer
):
    with pytest.raises(Unauthenticated, match=why):
        await issuer.directory.person(signed(**claims))


@pytest.mark.parametrize(
    "token",
    [
        signed(RSA, "RS256"),  # another key under the name of a known one
        signed("a" * 64, "HS256"),  # a secret that both would have to know
        jwt.encode({"sub": "x"}, "", algorithm="none", headers={"kid": "a"}),
        "a.b.c",
    ],
)
async def test_only_what_the_issuer_signed_counts(token: str, issuer):
    with pytest.raises(Unauthenticated, match="the token is not valid"):
        await issuer.directory.person(token)


async def test_a_public_key_is_never_taken_for_a_shared_secret(issuer):
    issuer.keys = [{"kty": "oct", "kid": "a", "k": "YWFh" * 22}]
    with pytest.raises(Unauthenticated, match="not the issuer's"):
        await issuer.directory.person(signed("a" * 66, "HS256"))


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"groups": ["everybody"]}, "names none of admin, line-2, plant, viewer"),
        ({"groups": {"plant": True}}, "no role"),
        ({"groups": None}, "no role"),
        ({"onset_devices": []}, "not empty"),
        ({"onset_profiles": "acme"}, "list of names"),
        ({"onset_profiles": ["a b"]}, "names, and"),
        ({"groups": "admin", "onset_profiles": ["acme"]}, "cannot be limited"),
    ],
)
async def test_whoever_has_no_role_here_or_limits_that_make_no_sense_is_told(
    claims: dict[str, Any], why: str, issuer
):
    with pytest.raises(Forbidden, match=why):
        await issuer.directory.person(signed(**claims))


async def test_keys_are_asked_for_once_and_again_when_the_issuer_has_new_ones(issuer):
    await issuer.directory.person(signed())
    await issuer.directory.person(signed())
    assert issuer.asked == 1
    issuer.keys = [json.loads(RSAAlgorithm.to_jwk(RSA.public_key())) | {"kid": "b"}]
    new = signed(RSA, "RS256", "b")
    with pytest.raises(Unauthenticated, match="not the issuer's"):
        await issuer.directory.person(new)  # a stranger cannot make us ask all the time
    issuer.now += REFETCH_SECONDS + 1
    await issuer.directory.person(new)
    assert issuer.asked == 2
    with pytest.raises(Unauthenticated):
        await issuer.directory.person(signed())  # the old key is withdrawn


async def test_an_issuer_that_is_away_keeps_out_only_whose_key_is_unknown(issuer):
    issuer.away = True
    with pytest.raises(Unavailable, match="does not tell its keys"):
        await issuer.directory.person(signed())
    issuer.away = False
    issuer.now += REFETCH_SECONDS + 1
    await issuer.directory.person(signed())
    issuer.away = True
    issuer.now += KEPT_SECONDS + 1
    assert (await issuer.directory.person(signed())).role is Role.OPERATOR


async def test_an_issuer_that_speaks_for_another_is_not_believed(issuer):
    issuer.issuer = "https://evil.example"
    with pytest.raises(Unavailable):
        await issuer.directory.person(signed())


def test_a_role_may_stand_deep_in_a_token_and_names_nothing_else() -> None:
    with pytest.raises(InvalidInput, match="a role of admin, operator"):
        roles_of("plant=device")
    with pytest.raises(InvalidInput, match="must be https"):
        Directory("http://login.example.org", "onset", "role", ROLES)
