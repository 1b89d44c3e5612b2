"""How the long-running commands log: one line an event, key=value, no secrets.

Tracebacks carry no local variables: those may hold keys or readings.
"""

import logging
import sys

import structlog


def configure(level: str) -> None:
    """Send everything of at least `level` to standard error."""
    least = logging.getLevelNamesMapping()[level.upper()]
    logging.basicConfig(level=least, format="%(levelname)s %(name)s: %(message)s")
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
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
