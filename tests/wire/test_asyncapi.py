"""The published document knows every message and every field."""

import msgspec

from app.wire import messages
from app.wire.asyncapi import document
from app.wire.closes import CLOSES

KINDS = [
    kind
    for kind in vars(messages).values()
    if isinstance(kind, type)
    and issubclass(kind, msgspec.Struct)
    and kind is not msgspec.Struct
]


def test_every_message_and_field_is_in_the_document() -> None:
    components = document("1.2.3")["components"]
    assert len(KINDS) == 11
    for kind in KINDS:
        schema = components["schemas"][kind.__name__]
        assert set(schema["properties"]) == {"type", *kind.__struct_fields__}
        for field in kind.__struct_fields__:
            assert schema["properties"][field].get("description"), (kind, field)
        assert components["messages"][kind.__name__]["name"] == (
            kind.__struct_config__.tag
        )


def test_every_reference_leads_somewhere() -> None:
    whole = document("1.2.3")

    def follow(node: object) -> int:
        if isinstance(node, list):
            return sum(map(follow, node))
        if not isinstance(node, dict):
            return 0
        found = 0
        if "$ref" in node:
            place = whole
            for step in node["$ref"].removeprefix("#/").split("/"):
                place = place[step]
            found = 1
        return found + sum(map(follow, node.values()))

    assert follow(whole) >= 30


def test_the_document_says_when_to_come_back() -> None:
    channel = document("1.2.3")["channels"]["deviceStream"]
    assert set(channel["x-close-codes"]) == {str(code) for code in CLOSES}
    assert channel["address"] == "/devices/{device_id}/stream"
    assert msgspec.json.encode(document("1.2.3"))
