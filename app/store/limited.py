"""What a key that is limited sees: every table through a view of the same name.

    search_path = onset_limited, public        in each transaction of such a key

The views stand before the tables, so a query that nobody thought of is limited, too.
What is read, changed or deleted must be visible; what is written must stay visible.
They are made anew with each migration (`migrations/env.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, event, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.domain.reach import Reach, expression

SCHEMA = "onset_limited"
_OPTION = "onset_reach"

_PROFILE = f"profile IN (SELECT name FROM {SCHEMA}.profiles)"
_DEVICE = f"device IN (SELECT id FROM {SCHEMA}.devices)"
_NAMED = "device ~ current_setting('onset.devices')"
_OF_PROFILE = f"{_PROFILE} AND (device IS NULL OR {_NAMED})"
_NO_NAMES = "current_setting('onset.devices') = ''"
_EVENT = f"event IN (SELECT id FROM {SCHEMA}.events)"
_HOOK = f"webhook IN (SELECT id FROM {SCHEMA}.webhooks)"
_RULE = f"rule IN (SELECT id FROM {SCHEMA}.alert_rules)"

VISIBLE: Mapping[str, str] = {
    "profiles": "name ~ current_setting('onset.profiles')",
    "devices": f"{_PROFILE} AND id ~ current_setting('onset.devices')",
    "detector_versions": _OF_PROFILE,
    "detector_promotions": _OF_PROFILE,
    "api_keys": _DEVICE,
    "streams": _DEVICE,
    "gaps": _DEVICE,
    "quarantine": _DEVICE,
    "recordings": _DEVICE,
    "events": f"{_PROFILE} AND {_NAMED}",
    "device_pasts": f"{_PROFILE} AND {_NAMED}",
    "predictions": _EVENT,
    "explanations": _EVENT,
    "labels": _EVENT,
    "gold": _EVENT,
    "event_revisions": _EVENT,
    "shadow_predictions": _EVENT,
    "model_versions": _OF_PROFILE,
    "promotions": _OF_PROFILE,
    "shadows": _PROFILE,
    "canaries": _PROFILE,
    "jobs": _PROFILE,
    "drift_looks": _PROFILE,
    "label_rules": _PROFILE,
    "alert_rules": f"(profile IS NULL OR {_PROFILE}) AND (device IS NULL OR {_DEVICE})"
    f" AND (profile IS NOT NULL OR device IS NOT NULL)"
    f" AND (device IS NOT NULL OR {_NO_NAMES})",
    "alerts": f"{_PROFILE} AND ({_NAMED} OR device IS NULL AND {_NO_NAMES})",
    "alert_firings": _RULE,
    "webhooks": f"{_PROFILE} AND {_NO_NAMES}",
    "deliveries": _HOOK,
}
"""Which rows of a table are visible; each view after those that it needs."""
WHOLE = {
    "audit": "written by everybody; read with keys that are not limited only",
    "idempotency_keys": "answers to a key's own requests, found by the key",
    "event_blocks": "two times of every 1,024 events, which no route answers",
}
"""The tables without a view, each with the reason."""
PLAIN = ("devices", "events", "predictions", "labels")
"""Tables that can also be read whole, as ``whole_events``: by lists, which ask for no
more than a key reaches, and read what they answer through the views (`listing`)."""


def install(connection: Connection) -> None:
    """Make the views; of a database that has the newest form."""
    connection.execute(text(f"CREATE SCHEMA {SCHEMA}"))
    for table, visible in VISIBLE.items():
        view = f"CREATE VIEW {SCHEMA}.{table} AS SELECT * FROM {table} WHERE {visible}"
        connection.exec_driver_sql(f"{view} WITH LOCAL CHECK OPTION")
    for table in PLAIN:
        view = f"CREATE VIEW {SCHEMA}.whole_{table} AS SELECT * FROM {table}"
        connection.exec_driver_sql(view)


def remove(connection: Connection) -> None:
    """Take the views away, so that the tables can be changed."""
    connection.execute(text(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE"))


_LIMIT = text(
    "SELECT set_config('search_path', :schema || ', ' || "
    "current_setting('search_path'), true), "
    "set_config('onset.profiles', :profiles, true), "
    "set_config('onset.devices', :devices, true)"
)


def heed(engine: AsyncEngine) -> None:
    """Let an engine know of limits: `within` gives it one."""

    @event.listens_for(engine.sync_engine, "begin")
    def begin(connection: Connection) -> None:
        reach: Reach | None = connection.get_execution_options().get(_OPTION)
        if reach is not None:
            said: dict[str, Any] = {
                "schema": SCHEMA,
                "profiles": expression(reach.profiles),
                "devices": expression(reach.devices),
            }
            connection.execute(_LIMIT, said)


def within(engine: AsyncEngine, reach: Reach) -> AsyncEngine:
    """Give the engine whose transactions see what a key reaches, and no more."""
    if not reach.limited:
        return engine
    return engine.execution_options(**{_OPTION: reach})


def reach_of(conn: AsyncConnection) -> Reach | None:
    """Return how far a transaction sees; None: all."""
    options = (
        conn.sync_connection.get_execution_options() if conn.sync_connection else {}
    )
    found: Reach | None = options.get(_OPTION)
    return found
