"""The table at the end of a run: what was found, and how well it was named."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.simulate.recording import Recording
from app.simulate.scoring import Found, Score, by_version, score, total

IOU = 0.5
MAX_PARTS = 8
"""A folder of more parts than that is summed up, not listed."""


@dataclass(frozen=True, slots=True)
class Played:
    """A recording that was played, what was found in it, and who labelled it."""

    recording: Recording
    found: tuple[Found, ...]
    labelled: bool


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: which recordings, predicted by which version."""

    what: str
    version: str
    score: Score


def rows(played: Sequence[Played]) -> list[Row]:
    """Score what was played: by part, then by who labelled it and by version.

    Recordings without any true event say nothing and are left out.
    """
    scored = [p for p in played if p.recording.truth]
    parts = list(dict.fromkeys(p.recording.part for p in scored))
    lines = []
    if 1 < len(parts) <= MAX_PARTS:
        for part in parts:
            mine = [p for p in scored if p.recording.part == part]
            lines.append(Row(f"part {part}", "all", _whole(mine)))
    for labelled, what in ((True, "labelled"), (False, "not labelled")):
        mine = [p for p in scored if p.labelled is labelled]
        if mine:
            lines += _versions(what, mine)
            lines.append(Row(what, "all", _whole(mine)))
    return lines


def cells(row: Row) -> tuple[str, ...]:
    """Format a row for people, in the order of `HEADINGS`."""
    s = row.score
    return (
        row.what,
        row.version,
        str(s.true),
        str(s.found),
        _number(s.f1),
        _number(s.accuracy),
        _number(s.end_to_end_f1),
        _number(s.onset_error_seconds, 2),
        _number(s.false_alarms_per_hour, 1),
    )


HEADINGS = (
    "recordings",
    "model",
    "true",
    "found",
    "F1@0.5",
    "accuracy",
    "end-to-end F1",
    "onset error s",
    "false alarms/h",
)


def to_json(lines: Iterable[Row]) -> list[dict[str, Any]]:
    """Write the rows as data for scripts."""
    return [
        {
            "recordings": row.what,
            "model_version": row.version,
            "true": row.score.true,
            "found": row.score.found,
            "matched": row.score.matched,
            "predicted": row.score.predicted,
            "f1": row.score.f1,
            "accuracy": _known(row.score.accuracy),
            "end_to_end_f1": row.score.end_to_end_f1,
            "onset_error_seconds": _known(row.score.onset_error_seconds),
            "false_alarms_per_hour": _known(row.score.false_alarms_per_hour),
        }
        for row in lines
    ]


def found_of(event: Mapping[str, Any], recording: Recording) -> Found:
    """Read an event of the REST interface on the recording's own clock."""
    start, end = recording.span_seconds(event["onset_seq"], event["offset_seq"])
    said = event["prediction"]
    if said is None:
        return Found(start, end)
    return Found(start, end, said["label"], said["model_version"])


def _whole(played: Iterable[Played]) -> Score:
    return total(
        score(p.recording.truth, p.found, p.recording.seconds, IOU) for p in played
    )


def _versions(what: str, played: Iterable[Played]) -> list[Row]:
    sums: dict[int | None, Score] = {}
    for p in played:
        shares = by_version(p.recording.truth, p.found, p.recording.seconds, IOU)
        for version, share in shares.items():
            sums[version] = sums.get(version, Score()) + share
    order = sorted(sums, key=lambda v: -1 if v is None else v)
    return [Row(what, "none" if v is None else str(v), sums[v]) for v in order]


def _number(value: float, digits: int = 3) -> str:
    return "-" if math.isnan(value) else f"{value:.{digits}f}"


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value
