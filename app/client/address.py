"""From the address of a service to the address of a device's socket."""

from __future__ import annotations

from typing import Literal
from urllib.parse import quote, urlsplit

from app.errors import InvalidInput

_SCHEMES = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


def socket_url(url: str, device: str) -> str:
    """Make the address of a device's stream.

    Examples
    --------
    >>> socket_url("https://onset.example/", "band 7")
    'wss://onset.example/devices/band%207/stream'
    """
    parts = urlsplit(url)
    if parts.scheme not in _SCHEMES or not parts.netloc:
        raise InvalidInput(
            f"{url!r} must begin with http://, https://, ws:// or wss://"
        )
    path = f"{parts.path.rstrip('/')}/devices/{quote(device, safe='')}/stream"
    return f"{_SCHEMES[parts.scheme]}://{parts.netloc}{path}"


def is_loopback(url: str) -> bool:
    """Say whether an address is this machine's, where no proxy can be meant.

    Examples
    --------
    >>> is_loopback("http://127.0.0.1:8000"), is_loopback("http://10.0.0.1")
    (True, False)
    """
    return urlsplit(url).hostname in _LOOPBACK


def through_proxy(url: str) -> Literal[True] | None:
    """Say whether the system's proxy, if any, is to be used."""
    return None if is_loopback(url) else True
