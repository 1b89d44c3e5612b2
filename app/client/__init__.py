"""The Python SDK: `DeviceStream` for devices, `Onset` for everybody else.

Needs nothing of the server but the words of its protocol.
"""

from app.client.rest import Onset
from app.client.stream import DeviceStream

__all__ = ["DeviceStream", "Onset"]
