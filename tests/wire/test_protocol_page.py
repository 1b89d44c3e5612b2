"""docs/protocol.md says what the code does."""

from pathlib import Path

import pytest

from app.wire.asyncapi import FROM_DEVICE, FROM_SERVER
from app.wire.closes import CLOSES
from app.wire.frames import SUBPROTOCOLS

PAGE = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text("utf-8")


@pytest.mark.parametrize("closing", CLOSES.values(), ids=lambda c: str(c.code))
def test_every_close_code_says_whether_and_when_to_retry(closing) -> None:
    retry = "yes" if closing.retry else "no"
    row = f"| {closing.code} | {closing.title} | {retry} | {closing.when} |"
    assert row in PAGE


@pytest.mark.parametrize("kind", [*FROM_DEVICE, *FROM_SERVER])
def test_every_message_and_field_is_explained(kind) -> None:
    name = kind.__struct_config__.tag
    _, found, section = PAGE.partition(f"\n### {name}\n")
    assert found, f"no section about {name}"
    section = section.partition("\n##")[0]
    for field in kind.__struct_fields__:
        assert f"`{field}`" in section, f"{name}.{field} is not explained"


def test_every_subprotocol_is_named() -> None:
    for name in SUBPROTOCOLS:
        assert f"`{name}`" in PAGE
