"""Routes, errors and metrics are documented, all of them."""

from prometheus_client import Metric

from app.service.metrics import Metrics
from tests.docs.api_table import PAGE, page
from tests.docs.pages import CHECKOUT

OPERATIONS = CHECKOUT / "docs" / "operations.md"


def name(metric: Metric) -> str:
    """Name a metric as Prometheus shows it."""
    return metric.name + ("_total" if metric.type == "counter" else "")


def test_page_of_the_routes_is_what_the_routes_say() -> None:
    assert PAGE.read_text() == page(), "run `python -m tests.docs.api_table`"


def test_every_metric_is_documented() -> None:
    said = OPERATIONS.read_text()
    counted = {name(metric) for metric in Metrics().registry.collect()}
    missing = {metric for metric in counted if f"| `{metric}` |" not in said}
    assert missing == set()
