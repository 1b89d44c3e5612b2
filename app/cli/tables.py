"""Tables for people: as wide as their terminal, uncut elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import typer
from rich.console import Console
from rich.table import Table

PIPE_COLUMNS = 160
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[.\d]*(Z|[+-]\d\d:\d\d)")
"""An RFC 3339 time: people read it to the second."""


def show_rows(
    rows: Iterable[Mapping[str, Any]], columns: Mapping[str, str], *, as_json: bool
) -> None:
    """Print rows as a table, or each as JSON on a line.

    Parameters
    ----------
    columns : mapping
        The head of each column and the field below it; ``a.b`` is field b of a.
    """
    if as_json:
        for row in rows:
            typer.echo(msgspec.json.encode(row))
        return
    table = Table(*columns)
    for row in rows:
        table.add_row(*(_cell(_field(row, path)) for path in columns.values()))
    show(table)


def show_answer(answer: Mapping[str, Any], *, as_json: bool) -> None:
    """Print what there is to say of one thing, or the answer as JSON."""
    if as_json:
        typer.echo(msgspec.json.encode(answer))
        return
    grid = Table.grid("", "", padding=(0, 2))
    for name, value in answer.items():
        grid.add_row(name.replace("_", " "), _cell(value))
    show(grid)


def _field(row: Any, path: str) -> Any:
    for name in path.split("."):
        row = None if row is None else row[name]
    return row


def _cell(value: Any) -> str:
    if value is None or value == "" or value == []:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, str) and _TIME.fullmatch(value):
        return f"{value[:10]} {value[11:19]}"
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return " ".join(value)
    if isinstance(value, (list, dict)):
        return msgspec.json.encode(value).decode()
    return str(value)


def show(table: Table) -> None:
    """Print a table."""
    console = Console()
    if not console.is_terminal:
        console.width = PIPE_COLUMNS
    console.print(table)
