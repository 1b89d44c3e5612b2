"""`onset report` tells what was known of a version at a time."""

from collections.abc import Callable
from typing import Any

import msgspec
from click.testing import Result

from tests.cli.conftest import Told

THEN = "2026-11-27T18:00:00Z"
SAID: dict[str, Any] = {
    "version": 7,
    "profile": "arm",
    "as_of": THEN,
    "holdout": {"accuracy": 0.9, "n": 40},
    "gold": None,
    "served": {"n": 12, "right": 11},
    "training": {"rows": 200, "holdout": 40, "same": False, "n_changed": 3},
}


def test_a_report_is_told_as_it_was_known(told: Told, onset: Callable[..., Result]):
    told.answers["GET /models/7/report"] = SAID
    said = onset("report", "7", "--as-of", THEN)
    assert said.exit_code == 0
    assert said.output.splitlines() == [
        f"version 7 of arm, as known {THEN}",
        "holdout: 0.900 of 40 events",
        "live: 11 of 12 labelled answers were right",
        "training set: 200 rows, 40 held out: 3 labels differ",
    ]
    assert msgspec.json.decode(onset("report", "7", "--json").output) == SAID
