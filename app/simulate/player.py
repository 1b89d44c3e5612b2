"""Devices that play recordings, each in a task of its own, paced by the clock.

A device goes through its recordings one after the other, each a boot of its own.
What the service has of a boot already is not sent again: the `welcome` says where to
go on, so a run that was broken off continues.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from app.client import DeviceStream
from app.simulate.faults import Delivery, Fault, Script, plan
from app.simulate.operator import Ended, Operator
from app.simulate.plan import BETWEEN_SECONDS, boot_of
from app.simulate.recording import Recording
from app.wire.messages import Event

CHUNK_SECONDS = 0.1
"""Readings of so much time (as it passes for us) go into one message: a person cannot
tell it from immediately, and ten messages a second and device cost little."""
MAX_CHUNK_READINGS = 512


@dataclass(frozen=True, slots=True)
class Line:
    """Where devices stream to, how fast, and what is wrong with them.

    Parameters
    ----------
    speed : float > 0
        How many times faster than life.
    run : str
        Names the run; another one makes new boots.
    faults : function of a recording
        What is planted in it.
    """

    url: str
    speed: float = 1.0
    run: str = ""
    faults: Callable[[Recording], Sequence[Fault]] = lambda recording: ()
