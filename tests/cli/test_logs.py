"""What the long-running commands write down."""

import pytest
import structlog

from app.cli.logs import SELDOM_SECONDS, Seldom


def test_a_warning_that_repeats_itself_is_said_every_half_minute_with_its_count():
    now = [100.0]
    seldom = Seldom(lambda: now[0])
    away = {"event": "database_away", "name": "gauges", "error": "OperationalError"}
    assert seldom(None, "warning", dict(away)) == away
    for _ in range(3):
        now[0] += 1
        with pytest.raises(structlog.DropEvent):
            seldom(None, "warning", dict(away))
    other = away | {"error": "PoolTimeout"}
    assert seldom(None, "warning", dict(other)) == other
    now[0] += SELDOM_SECONDS
    assert seldom(None, "warning", dict(away)) == away | {"unsaid": 3}


def test_what_is_no_repeated_fault_is_always_said():
    seldom = Seldom(lambda: 0.0)
    for method, said in [
        ("info", {"event": "x", "error": "E"}),
        ("warning", {"event": "promoted"}),
        ("error", {"event": "x", "error": "E"}),
    ]:
        assert seldom(None, method, dict(said)) == seldom(None, method, dict(said))
