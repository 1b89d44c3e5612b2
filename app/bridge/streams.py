"""Streams of devices that somebody else speaks for, with keys of their own."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from typing import Any

from app.client import DeviceStream, Onset
from app.errors import NotFound, Unauthenticated

CAPACITY = 8192
"""Readings of one device that are kept until they are durable."""


class Streams:
    """Opens streams; makes a key for each device that has none.

    Parameters
    ----------
    onset : Onset
        With an operator's key.
    url : str
        Of the service.
    keys : mapping of device -> key
    keep : callable
        Told of the keys whenever they change.
    profile : str or None
        Devices that are not registered become ones of this profile; None: they are
        refused.
    """

    def __init__(
        self,
        onset: Onset,
        url: str,
        keys: MutableMapping[str, str],
        keep: Callable[[MutableMapping[str, str]], None],
        profile: str | None = None,
    ) -> None:
        self._onset = onset
        self._url = url
        self._keys = keys
        self._keep = keep
        self._profile = profile

    async def open(
        self, device: str, boot: str, told: Callable[[Any], None]
    ) -> DeviceStream:
        """Open the stream of a device, and wait until the service welcomes it.

        Parameters
        ----------
        told : callable
            Called with each onset, prediction, event and retraction.

        Raises
        ------
        OnsetError
            As `DeviceStream`, or as `Onset` where a key had to be made.
        """
        if device not in self._keys:
            await self._register(device)
            self._keys[device] = await self._onset.device_key(device)
            self._keep(self._keys)
        stream = DeviceStream(
            self._url,
            device,
            self._keys[device],
            boot=boot,
            capacity=CAPACITY,
            most_heard=1,
            on_onset=told,
            on_prediction=told,
            on_event=told,
            on_retract=told,
        )
        await stream.__aenter__()
        try:
            await stream.welcome()
        except BaseException as error:
            await stream.close()
            if isinstance(error, Unauthenticated):  # it was revoked: make another
                del self._keys[device]
                self._keep(self._keys)
            raise
        return stream

    async def _register(self, device: str) -> None:
        try:
            await self._onset.device(device)
        except NotFound:
            if self._profile is None:
                raise
            await self._onset.put_device(device, self._profile)
