"""The AsyncAPI 3 document of the device socket, made from the message types."""

from __future__ import annotations

from typing import Any, get_args

import msgspec

from app.wire.closes import CLOSES
from app.wire.frames import SUBPROTOCOLS
from app.wire.messages import MAX_NAME, DeviceMessage, ServerMessage

FROM_DEVICE: tuple[type[msgspec.Struct], ...] = get_args(DeviceMessage)
FROM_SERVER: tuple[type[msgspec.Struct], ...] = get_args(ServerMessage)

CHANNEL = "deviceStream"


def document(version: str) -> dict[str, Any]:
    """Describe every message that a device and the service exchange.

    Parameters
    ----------
    version : str
        Of the service.

    Examples
    --------
    >>> sorted(document("1.0")["components"]["messages"])[:3]
    ['Ack', 'End', 'Error']
    """
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Onset device socket",
            "version": version,
            "description": (
                "Devices stream numbered readings; the service acknowledges what is "
                "durable and says what it finds."
            ),
        },
        "defaultContentType": "application/json",
        "channels": {CHANNEL: _channel()},
        "operations": {
            "receiveFromDevice": _operation("receive", FROM_DEVICE),
            "sendToDevice": _operation("send", FROM_SERVER),
        },
        "components": {
            "messages": {
                kind.__name__: _message(kind) for kind in (*FROM_DEVICE, *FROM_SERVER)
            },
            "schemas": _schemas(),
            "securitySchemes": {
                "key": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "The device's key, checked before the upgrade.",
                }
            },
        },
    }


def _channel() -> dict[str, Any]:
    return {
        "address": "/devices/{device_id}/stream",
        "title": "One device's stream",
        "parameters": {
            "device_id": {"description": f"1 to {MAX_NAME} characters, as registered."}
        },
        "messages": {
            kind.__name__: {"$ref": f"#/components/messages/{kind.__name__}"}
            for kind in (*FROM_DEVICE, *FROM_SERVER)
        },
        "bindings": {"ws": {"method": "GET", "bindingVersion": "0.1.0"}},
        "x-subprotocols": list(SUBPROTOCOLS),
        "x-close-codes": {
            str(closing.code): {
                "title": closing.title,
                "retry": closing.retry,
                "when": closing.when,
            }
            for closing in CLOSES.values()
        },
    }


def _operation(action: str, kinds: tuple[type[msgspec.Struct], ...]) -> dict[str, Any]:
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{CHANNEL}"},
        "security": [{"$ref": "#/components/securitySchemes/key"}],
        "messages": [
            {"$ref": f"#/channels/{CHANNEL}/messages/{kind.__name__}"} for kind in kinds
        ],
    }


def _message(kind: type[msgspec.Struct]) -> dict[str, Any]:
    return {
        "name": kind.__struct_config__.tag,
        "title": kind.__name__,
        "summary": (kind.__doc__ or "").strip(),
        "payload": {"$ref": f"#/components/schemas/{kind.__name__}"},
    }


def _schemas() -> dict[str, Any]:
    _, schemas = msgspec.json.schema_components(
        (*FROM_DEVICE, *FROM_SERVER), ref_template="#/components/schemas/{name}"
    )
    for choice in schemas["Readings"]["properties"]["values"]["anyOf"]:
        if choice["type"] == "string":  # msgspec thinks of JSON, where bytes are base64
            choice.clear()
            choice.update({"type": "string", "format": "binary"})
    return schemas
