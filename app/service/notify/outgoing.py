"""Requests to other people's servers: signed, and never into our own network.

A name is resolved here, every address it has must be a public one, and the connection
goes to the address that was looked at: a name that changes its mind in between gains
nothing.  Redirects are not followed, proxies of the environment not asked, answers not
read.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import ipaddress
import socket
from urllib.parse import urlsplit

import httpx

from app.errors import InvalidInput

TIMEOUT_SECONDS = 10.0
SECRET_PREFIX = "whsec_"
CONTENT_TYPE = "application/cloudevents+json"


class Unreachable(Exception):
    """The receiver cannot, or must not, be asked; the message says why."""


def require_url(url: str) -> None:
    """Check what somebody wants to be told at.

    Raises
    ------
    InvalidInput
        If it is no plain http or https URL.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise InvalidInput("the url cannot be read") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InvalidInput("the url must begin with http:// or https:// and a host")
    if parts.username is not None or parts.fragment or port == 0:
        raise InvalidInput("the url must hold no user, no fragment and no port 0")
    if not url.isascii() or not url.isprintable() or " " in url:
        raise InvalidInput("the url must be plain ASCII without spaces")


def sign(secret: bytes, message: str, seconds: int, body: bytes) -> str:
    """Sign a message as Standard Webhooks say.

    Examples
    --------
    >>> secret = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    >>> message = "msg_p5jXN8AQM9LWM0D4loKWxJek"
    >>> sign(secret, message, 1614265330, b'{"test": 2432232314}')
    'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE='
    """
    said = f"{message}.{seconds}.".encode() + body
    digest = hmac.new(secret, said, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


def shown(secret: bytes) -> str:
    """Write a secret as receivers' libraries want it."""
    return SECRET_PREFIX + base64.b64encode(secret).decode()


async def address_of(url: str, *, allow_internal: bool) -> str:
    """Resolve the host of a URL to one address that may be asked.

    Raises
    ------
    Unreachable
        If it has none, or any of them is not public.
    """
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or _port(parts.scheme)
    try:
        found = await asyncio.get_running_loop().getaddrinfo(
            host, port, type=socket.SOCK_STREAM
        )
    except (OSError, UnicodeError) as error:
        raise Unreachable(f"the host cannot be resolved: {error}") from error
    addresses = [str(entry[4][0]) for entry in found]
    for address in addresses:
        if not allow_internal and not _public(address):
            raise Unreachable(f"{address} is no public address")
    if not addresses:
        raise Unreachable("the host has no address")
    return addresses[0]


def _public(address: str) -> bool:
    ip = ipaddress.ip_address(address.partition("%")[0])
    mapped = getattr(ip, "ipv4_mapped", None)
    ip = mapped or ip
    return ip.is_global and not ip.is_multicast


def _port(scheme: str) -> int:
    return 443 if scheme == "https" else 80


def make_client() -> httpx.AsyncClient:
    """Make the client that all deliveries of a process share."""
    limits = httpx.Limits(max_connections=32, max_keepalive_connections=0)
    return httpx.AsyncClient(
        timeout=TIMEOUT_SECONDS, limits=limits, follow_redirects=False, trust_env=False
    )


async def post(
    client: httpx.AsyncClient,
    url: str,
    body: bytes,
    headers: dict[str, str],
    *,
    allow_internal: bool,
) -> int:
    """Send a body; return the status of the answer, whose body is not read.

    Raises
    ------
    Unreachable
        If there is no answer, with the reason.
    """
    address = await address_of(url, allow_internal=allow_internal)
    parts = urlsplit(url)
    place = f"[{address}]" if ":" in address else address
    port = "" if parts.port is None else f":{parts.port}"
    target = parts._replace(netloc=place + port).geturl()
    request = client.build_request(
        "POST",
        target,
        content=body,
        headers={"Host": parts.netloc, "Content-Type": CONTENT_TYPE, **headers},
        extensions={"sni_hostname": parts.hostname},
    )
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            answer = await client.send(request, stream=True)
            await answer.aclose()
    except (httpx.HTTPError, OSError, TimeoutError) as error:
        why = str(error) or type(error).__name__
        raise Unreachable(why[:300]) from error
    return answer.status_code
