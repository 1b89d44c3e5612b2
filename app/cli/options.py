"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

Url: TypeAlias = Annotated[
    str | None,
    typer.Option(help="Where the service answers; default: ONSET_HOST and ONSET_PORT."),
]

AsJson: TypeAlias = Annotated[
    bool, typer.Option("--json", help="As JSON, for programs.")
]
Reason: TypeAlias = Annotated[str, typer.Option(help="Kept in the ledger.")]

Recordings: TypeAlias = Annotated[
    Path | None, typer.Option(help="Folder of recordings to play.")
]
Speed: TypeAlias = Annotated[
    float | None,
    typer.Option(min=0.01, help="Times faster than life; default: 1, of the demo 4."),
]
Devices: TypeAlias = Annotated[
    int | None,
    typer.Option(
        min=0, help="How many devices; of recordings the first so many. 0: none."
    ),
]
Pack: TypeAlias = Annotated[
    str | None,
    typer.Option(help="Synthetic signals: arm-band, smart-plug or pump."),
]
Operator: TypeAlias = Annotated[
    float | None,
    typer.Option(
        min=0,
        max=1,
        help="Share of events that a person labels; default: nobody does, except "
        "in `up`: all of a folder's, two thirds of the rest.",
    ),
]
OperatorParts: TypeAlias = Annotated[
    str,
    typer.Option(
        help="Parts that the person labels, with commas. Default: the first part "
        "of each device if there are several, else all."
    ),
]
Seed: TypeAlias = Annotated[int, typer.Option(help="Of all that is random.")]
Again: TypeAlias = Annotated[
    bool,
    typer.Option("--again", help="Play what was played before, as new boots."),
]
Report: TypeAlias = Annotated[
    Path | None, typer.Option(help="Write the table as JSON, too.")
]
