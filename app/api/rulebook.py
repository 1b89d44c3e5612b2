"""Which rules of the access table a request's path meets."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.routing import compile_path

from app.api.access import Rule


class RuleBook:
    """Looks up the rules of a request's path.

    What a path names literally is not taken for a parameter: `/models/import` is no
    version of a model.  Where several rows fit, each must be met: a mistake here denies
    too much.
    """

    def __init__(self, rules: Mapping[tuple[str, str], Rule]) -> None:
        self._rows = [
            (method, compile_path(path)[0], _literal(path), rule)
            for (method, path), rule in rules.items()
        ]
        self._known = {
            (method, path): self._find(method, path)
            for method, path in rules
            if "{" not in path
        }

    def find(self, method: str, path: str) -> list[tuple[Rule, Mapping[str, str]]]:
        """Return the rules for a method on a path, with the path's parameters."""
        known = self._known.get((method, path))
        return self._find(method, path) if known is None else known

    def _find(self, method: str, path: str) -> list[tuple[Rule, Mapping[str, str]]]:
        if method == "HEAD":
            method = "GET"
        fits = [row for row in self._rows if row[1].match(path)]
        best = max((row[2] for row in fits), default=())
        mine = [row for row in fits if row[0] == method]
        if not any(row[2] == best for row in mine):
            return []
        found: list[tuple[Rule, Mapping[str, str]]] = []
        for _, regex, _, rule in mine:
            match = regex.match(path)
            found.append((rule, match.groupdict() if match else {}))
        return found

    def methods(self, path: str) -> list[str]:
        """Return the methods that the table knows for what a path names."""
        found = [row for row in self._rows if row[1].match(path)]
        best = max((literal for _, _, literal, _ in found), default=())
        return sorted({method for method, _, literal, _ in found if literal == best})


def _literal(path: str) -> tuple[bool, ...]:
    """Say which parts of a path are not parameters."""
    return tuple("{" not in part for part in path.split("/"))
