"""A bundle is written to a new file only."""

from collections.abc import Callable
from pathlib import Path

import msgspec
from click.testing import Result

from tests.cli.conftest import Told


def test_a_bundle_is_written_and_overwrites_nothing(
    told: Told, onset: Callable[..., Result], tmp_path: Path
):
    document = {"format": 1, "detector": {"number": 3}}
    told.answers["GET /models/12/bundle"] = document
    file = tmp_path / "arm.json"
    said = onset("bundle", "12", str(file), "--detector", "3")
    assert said.output.endswith("version 12, detector 3\n")
    assert msgspec.json.decode(file.read_bytes()) == document
    assert told.asked == [("GET", "/models/12/bundle?detector_version=3", None)]
    file.write_bytes(b"kept")
    again = onset("bundle", "12", str(file))
    assert "exists already" in str(again.exception)
    assert file.read_bytes() == b"kept"
