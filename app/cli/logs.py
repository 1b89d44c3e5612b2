"""How the long-running commands log: one line an event, key=value, no secrets.

Tracebacks carry no local variables: those may hold keys or readings.
"""

import logging
import sys
import time
from collections.abc import Callable

import structlog
from structlog.typing import EventDict, WrappedLogger

SELDOM_SECONDS = 30.0
KINDS = 1024
"""So many kinds of warnings are remembered at most."""


class Seldom:
    """Lets a warning of the same kind and error through every half minute only.

    While a database is away, everything that needs it would say so every second.  The
    next one that is said has the number of those that were not, as `unsaid`.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kinds: dict[tuple[object, ...], tuple[float, int]] = {}

    def __call__(self, _: WrappedLogger, method: str, said: EventDict) -> EventDict:
        """Pass on what is to be said, or raise `structlog.DropEvent`."""
        if method != "warning" or "error" not in said:
            return said
        kind = (said["event"], said.get("name"), said["error"])
        since, unsaid = self._kinds.get(kind, (-SELDOM_SECONDS, 0))
        now = self._clock()
        if now - since < SELDOM_SECONDS:
            self._kinds[kind] = since, unsaid + 1
            raise structlog.DropEvent
        if len(self._kinds) >= KINDS:
            self._kinds.clear()
        self._kinds[kind] = now, 0
        if unsaid:
            said["unsaid"] = unsaid
        return said


def configure(level: str) -> None:
    """Send everything of at least `level` to standard error."""
    least = logging.getLevelNamesMapping()[level.upper()]
    logging.basicConfig(level=least, format="%(levelname)s %(name)s: %(message)s")
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            Seldom(),
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.KeyValueRenderer(
                key_order=["timestamp", "level", "event"], drop_missing=True
            ),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
