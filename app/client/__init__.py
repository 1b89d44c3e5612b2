"""The Python SDK: `DeviceStream` for devices, `Onset` for everybody else.

`BlockingOnset` is `Onset` for programs without asyncio.

Needs nothing of the server but the words of its protocol.
"""

from app.client.rest import BlockingOnset, Onset
from app.client.stream import DeviceStream

__all__ = ["BlockingOnset", "DeviceStream", "Onset"]
