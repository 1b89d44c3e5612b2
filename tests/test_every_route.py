"""Every route can be asked by the Python client and by the command line."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from app.api.access import RULES
from tests.client.test_verbs import VERBS, asked

CLI = Path(__file__).resolve().parent.parent / "app" / "cli"
PROBE = "for probes and scrapers: `onset doctor` asks it"
PAGE = "the page, or what describes the interface"
INFERENCE = "for tools that speak the Open Inference Protocol; ours is POST /classify"
NOWHERE = {
    ("GET", "/"): PAGE,
    ("GET", "/static/{path:path}"): PAGE,
    ("GET", "/openapi.json"): PAGE,
    ("GET", "/asyncapi.json"): PAGE,
    ("GET", "/health/live"): PROBE,
    ("GET", "/health/ready"): PROBE,
    ("GET", "/health/startup"): PROBE,
    ("GET", "/metrics"): PROBE,
    ("WS", "/devices/{device_id}/stream"): "`DeviceStream`; `onset simulate`",
    ("GET", "/devices/{device_id}/signal"): "`signals(device=...)` says the same",
} | {rule: INFERENCE for rule in RULES if rule[1].startswith("/v2")}
NOT_TYPED = {
    ("GET", "/signals"): "hundreds of numbers a second are drawn, not read",
    ("POST", "/devices/{device_id}/readings"): "sent by devices; `onset simulate`",
    ("POST", "/tickets"): "for browsers: one is good for 30 seconds",
}
"""Routes that the command line leaves out, each with the reason."""
BY_HAND = {("GET", "/live"), ("GET", "/signals"), ("GET", "/export")}
"""The client's streams are no `Call`."""


def bare(path: str) -> str:
    return re.sub(r"\{[^}]*\}", "{}", path)


def routes() -> set[tuple[str, str]]:
    return {(way, bare(path)) for way, path in set(RULES) - set(NOWHERE)}


def of_client() -> Iterator[tuple[str, str]]:
    for name in VERBS:
        call = asked(name)
        fits = [
            (way, path)
            for way, path in RULES
            if way == call.way
            and re.fullmatch(re.sub(r"\{[^}]+\}", "[^/]+", path), call.path)
        ]
        exact = [one for one in fits if one[1] == call.path] or fits
        yield from ((way, bare(path)) for way, path in exact)


def test_the_python_client_has_a_verb_for_every_route() -> None:
    missing = routes() - set(of_client()) - BY_HAND
    assert missing == set(), "give it a verb in app/client, or a reason above"


def written(function: ast.AST) -> Iterator[str]:
    """The paths that stand in a function, their parts left open."""
    for node in ast.walk(function):
        parts = node.values if isinstance(node, ast.JoinedStr) else [node]
        text = "".join(
            part.value if isinstance(part, ast.Constant) else "{}"
            for part in parts
            if not isinstance(part, ast.Constant) or isinstance(part.value, str)
        )
        if text.startswith("/"):
            yield text


def of_command_line() -> Iterator[tuple[str, str]]:
    for file in CLI.glob("*.py"):
        body = ast.parse(file.read_text()).body
        functions = {f.name: f for f in body if isinstance(f, ast.FunctionDef)}
        for function in functions.values():
            called = {n.id for n in ast.walk(function) if isinstance(n, ast.Name)}
            through = [function, *(functions[n] for n in called & set(functions))]
            nodes = [node for one in through for node in ast.walk(one)]
            words = {n.value for n in nodes if isinstance(n, ast.Constant)}
            names = {n.attr for n in nodes if isinstance(n, ast.Attribute)}
            ways = words & {"GET", "PUT", "POST", "PATCH", "DELETE"}
            if names & {"items", "stream", "fetch", "feed"}:
                ways.add("GET")
            for path in written(function):
                yield from ((str(way), path) for way in ways)


def test_the_command_line_has_a_command_for_every_route() -> None:
    left_out = {(way, bare(path)) for way, path in NOT_TYPED}
    missing = routes() - set(of_command_line()) - left_out
    assert missing == set(), "give it a command in app/cli, or a reason above"


def test_reasons_are_given_for_routes_that_there_are() -> None:
    assert set(NOWHERE) | set(NOT_TYPED) <= set(RULES)
