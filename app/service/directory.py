"""People of a directory: tokens that an OpenID Connect issuer signed.

    token --signature, issuer, audience, time--> subject --role claim--> Person

The issuer's public keys are fetched when a token needs one that is not known, at most
every `REFETCH_SECONDS`, and kept for `KEPT_SECONDS`; an issuer that is away lets those
in whose key is known.  Only asymmetric signatures count.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import httpx
import jwt
import msgspec
import structlog

from app.domain import Role
from app.domain.reach import Reach
from app.errors import Forbidden, InvalidInput, Unauthenticated, Unavailable

log = structlog.get_logger(__name__)

TOKEN = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+){2}")
MOST_LETTERS = 8192
ALGORITHMS = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}
    | {"ES256", "ES384", "ES512", "EdDSA"}
)
REFETCH_SECONDS = 10.0
KEPT_SECONDS = 3600.0
FETCH_SECONDS = 5.0
LEEWAY_SECONDS = 30.0
"""By how much clocks may differ."""
MOST_BYTES = 2**20
MOST_KEYS = 100
NAMES = ("email", "preferred_username", "name", "sub")
"""Claims that say who somebody is, for labels and the audit trail; the first counts."""
PEOPLE = (Role.ADMIN, Role.OPERATOR, Role.LABELER, Role.VIEWER)
LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Person:
    """Whom a token speaks for, as long as it is valid.

    Parameters
    ----------
    subject : str
        Who it is, of all issuers and for ever.
    """

    subject: str
    name: str
    role: Role
    reach: Reach
    expires_at: datetime


class Directory:
    """Finds out whom a token speaks for.

    Parameters
    ----------
    issuer : str
        Address of the issuer, as tokens name it.
    audience : str
        Whom tokens must be for.
    role_claim : str
        Claim with a role or a list of groups; dots lead into objects.
    roles : mapping of value -> role
        What values of that claim mean; the highest counts.
    client : httpx.AsyncClient or None
        Asks the issuer; None: one of its own.

    Raises
    ------
    InvalidInput
        If the issuer is no address, or one without TLS that is not this machine.
    """

    def __init__(
        self,
        issuer: str,
        audience: str,
        role_claim: str,
        roles: Mapping[str, Role],
        *,
        client: httpx.AsyncClient | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        _require_safe(issuer)
        self._issuer = issuer
        self._audience = audience
        self._role_claim = role_claim
        self._roles = roles
        self._client = client or httpx.AsyncClient(timeout=FETCH_SECONDS)
        self._clock = clock
        self._keys: dict[str | None, jwt.PyJWK] = {}
        self._fetched_at = -KEPT_SECONDS
        self._away = False
        self._asking = asyncio.Lock()

    @staticmethod
    def knows(presented: str) -> bool:
        """Whether something has the form of a token."""
        return len(presented) <= MOST_LETTERS and TOKEN.fullmatch(presented) is not None

    async def person(self, token: str) -> Person:
        """Return whom a token speaks for.

        Raises
        ------
        Unauthenticated
            If it is not signed by the issuer, not for us, or not valid now.
        Forbidden
            If it is, but has no role here.
        Unavailable
            If the issuer's keys are needed and it does not answer.
        """
        try:
            key = await self._key(jwt.get_unverified_header(token).get("kid"))
            claims = jwt.decode(
                token,
                key,
                algorithms=[key.algorithm_name],
                audience=self._audience,
                issuer=self._issuer,
                leeway=LEEWAY_SECONDS,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
            until = datetime.fromtimestamp(claims["exp"] + LEEWAY_SECONDS, UTC)
        except jwt.PyJWTError as error:
            raise Unauthenticated(f"the token is not valid: {error}") from None
        except (OverflowError, ValueError, OSError):
            raise Unauthenticated("the token is not valid: exp is no time") from None
        role, reach = self._role(claims), _reach(claims)
        if role is Role.ADMIN and reach.limited:
            raise Forbidden("the token limits an admin, who cannot be limited")
        subject = f"{self._issuer}\0{claims['sub']}"
        return Person(subject, _name(claims), role, reach, until)

    def _role(self, claims: Mapping[str, Any]) -> Role:
        found: Any = claims
        for part in self._role_claim.split("."):
            found = found.get(part) if isinstance(found, dict) else None
        values = found if isinstance(found, list) else [found]
        held = {self._roles.get(one) for one in values if isinstance(one, str)}
        for role in PEOPLE:
            if role in held:
                return role
        raise Forbidden(
            f"the token has no role here: {self._role_claim} names none of "
            f"{', '.join(sorted(self._roles))}"
        )

    async def _key(self, kid: str | None) -> jwt.PyJWK:
        """Return the public key that a token names, asked for if need be."""
        async with self._asking:
            age = self._clock() - self._fetched_at
            if age > KEPT_SECONDS or (kid not in self._keys and age > REFETCH_SECONDS):
                self._fetched_at = self._clock()
                try:
                    self._keys, self._away = await self._fetch(), False
                except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
                    self._away = True
                    why = type(error).__name__
                    log.warning("directory_away", name=self._issuer, error=why)
        known = self._keys.get(kid)
        if known is None and self._away:
            raise Unavailable(f"{self._issuer} does not tell its keys")
        if known is None:
            raise Unauthenticated("the token is not valid: its key is not the issuer's")
        return known

    async def _fetch(self) -> dict[str | None, jwt.PyJWK]:
        well_known = f"{self._issuer.rstrip('/')}/.well-known/openid-configuration"
        about = await self._read(well_known)
        if about["issuer"] != self._issuer:
            raise ValueError(f"{well_known} is about {about['issuer']!r}")
        _require_safe(about["jwks_uri"])
        said = await self._read(about["jwks_uri"])
        keys: dict[str | None, jwt.PyJWK] = {}
        for one in said["keys"][:MOST_KEYS]:
            try:
                key = jwt.PyJWK(one)
            except jwt.PyJWTError:
                continue  # of a kind that we do not know, nor need
            if key.algorithm_name in ALGORITHMS and one.get("use", "sig") == "sig":
                keys[key.key_id] = key
        return keys

    async def _read(self, url: str) -> Any:
        got = bytearray()
        async with self._client.stream("GET", url) as answer:
            answer.raise_for_status()
            async for piece in answer.aiter_bytes():
                got += piece
                if len(got) > MOST_BYTES:
                    raise ValueError(f"{url} says more than {MOST_BYTES} bytes")
        return msgspec.json.decode(got)

    async def close(self) -> None:
        """Let go of the line to the issuer."""
        await self._client.aclose()


def roles_of(said: str) -> dict[str, Role]:
    """Read which values of a claim mean which role.

    Raises
    ------
    InvalidInput
        If a part is no ``value=role``, or the role is none of people's.

    Examples
    --------
    >>> roles_of("platform-team=admin, ward-3=labeler")["ward-3"].value
    'labeler'
    """
    named = {role.value: role for role in PEOPLE}
    found = {}
    for part in said.split(","):
        value, equals, role = part.strip().rpartition("=")
        if not (equals and value and role in named):
            raise InvalidInput(
                f"{part.strip()!r} must be VALUE=ROLE, a role of {', '.join(named)}"
            )
        found[value] = named[role]
    return found


def _require_safe(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme == "https" and parts.hostname:
        return
    if parts.scheme != "http" or parts.hostname not in LOOPBACK:
        raise InvalidInput(f"{url!r} must be https://, or http:// on this machine")


def _name(claims: Mapping[str, Any]) -> str:
    for claim in NAMES:
        said = claims.get(claim)
        if isinstance(said, str):
            shown = "".join(c for c in said if c.isprintable()).strip()
            if shown:
                return shown[:64]
    return ""


def _reach(claims: Mapping[str, Any]) -> Reach:
    limits: dict[str, tuple[str, ...]] = {}
    for what in ("profiles", "devices"):
        said = claims.get(f"onset_{what}")
        if said is None:
            continue
        if not (
            isinstance(said, list) and said and all(isinstance(s, str) for s in said)
        ):
            raise Forbidden(
                f"the token's onset_{what} must be a list of names, not empty"
            )
        limits[what] = tuple(said)
    try:
        return Reach(**limits)
    except InvalidInput as error:
        raise Forbidden(f"the token's limits: {error}") from None
