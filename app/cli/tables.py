"""Tables for people: as wide as their terminal, uncut elsewhere."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

PIPE_COLUMNS = 160


def show(table: Table) -> None:
    """Print a table."""
    console = Console()
    if not console.is_terminal:
        console.width = PIPE_COLUMNS
    console.print(table)
