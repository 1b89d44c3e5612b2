"""A device in 15 lines: a sine that bursts; every reading becomes durable, once.

ONSET_KEY=<device key> python examples/device.py http://127.0.0.1:8000 band-7
"""

import asyncio
import math
import os
import sys
import time

from app.client import DeviceStream


async def main(url: str, device: str, n_readings: int = 3000) -> None:
    """Stream as fast as the profile says, and print what the service finds."""
    key = os.environ["ONSET_KEY"]
    async with DeviceStream(url, device, key, on_event=print) as stream:
        profile = await stream.welcome()
        for n in range(n_readings):
            size = 1.0 if n % 500 > 400 else 0.05
            values = [
                size * math.sin(n / 3 + channel)
                for channel in range(len(profile.channels))
            ]
            await stream.send(values, time=time.time())
            await asyncio.sleep(1 / profile.rate_hz)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:3]))
