"""When garbage is looked for: not while ten thousand devices wait for their answers.

Python looks through everything that lives once what is new makes up a quarter of it.
With the state of ten thousand devices that stops the process for half a second, and
again and again while they come.
"""

from __future__ import annotations

import asyncio
import gc

ASIDE_SECONDS = 1.0
LOOKED_THROUGH_SECONDS = 900.0


async def tidy(
    aside_seconds: float = ASIDE_SECONDS,
    looked_through_seconds: float = LOOKED_THROUGH_SECONDS,
) -> None:
    """Set aside what lives on, for ever; cancel to stop.

    What is set aside ends with its last reference, as nearly everything does: of a
    thousand connections that have gone, a few dozen objects stay.  Those, which refer
    to themselves, end when all is looked through.

    Parameters
    ----------
    aside_seconds : float > 0
        What lives for so long is no longer looked at: it is a device's, or code.
    looked_through_seconds : float > 0
        Everything is looked through once in so long.
    """
    loop = asyncio.get_running_loop()
    due = loop.time() + looked_through_seconds
    while True:
        await asyncio.sleep(aside_seconds)
        if (
            not gc.isenabled()
        ):  # modules are being loaded: `uncollected` sets them aside
            continue
        if loop.time() < due:
            gc.collect(1)
        else:
            gc.unfreeze()
            gc.collect()
            due = loop.time() + looked_through_seconds
        gc.freeze()
