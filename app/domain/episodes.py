"""Rules over labels: how grave each is, which are left out, what belongs together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

SEVERITIES = ("info", "warning", "critical")
"""From the least to the gravest."""


@dataclass(frozen=True, slots=True)
class LabelRule:
    """What is made of events with a label.

    Parameters
    ----------
    severity : {"info", "warning", "critical"}
    merge_seconds : float >= 0
        Events of one device that are no further apart are one episode.
    suppress : bool
        They are left out.
    """

    label: str
    severity: str = "info"
    merge_seconds: float = 0.0
    suppress: bool = False


@dataclass(frozen=True, slots=True)
class Labelled:
    """An event and what it is taken for."""

    event: UUID
    device: str
    label: str
    onset: datetime
    offset: datetime


@dataclass(frozen=True, slots=True)
class Episode:
    """Events of one device and label that belong together, in order of their onsets."""

    device: str
    label: str
    severity: str
    onset: datetime
    offset: datetime
    events: tuple[UUID, ...]


def episodes(events: Iterable[Labelled], rules: Iterable[LabelRule]) -> list[Episode]:
    """Apply rules to events.

    A label without a rule is of severity ``info``, kept and not merged.  What happens
    between two events, with another label or on another device, does not part them.

    Returns
    -------
    list of Episode
        In order of their onsets.

    Examples
    --------
    >>> from datetime import UTC
    >>> at = [datetime(2026, 1, 1, 0, 0, s, tzinfo=UTC) for s in (0, 1, 3, 4)]
    >>> knocks = [Labelled(UUID(int=i), "d", "knock", at[2 * i], at[2 * i + 1])
    ...           for i in range(2)]
    >>> rule = LabelRule("knock", "warning", merge_seconds=2)
    >>> [len(one.events) for one in episodes(knocks, [rule])]
    [2]
    """
    known: Mapping[str, LabelRule] = {rule.label: rule for rule in rules}
    last: dict[tuple[str, str], int] = {}
    found: list[Episode] = []
    for one in sorted(events, key=lambda e: (e.onset, e.offset, e.event)):
        rule = known.get(one.label, LabelRule(one.label))
        if rule.suppress:
            continue
        place = last.get((one.device, one.label))
        if place is not None and rule.merge_seconds > 0:
            before = found[place]
            if one.onset - before.offset <= timedelta(seconds=rule.merge_seconds):
                found[place] = replace(
                    before,
                    offset=max(before.offset, one.offset),
                    events=(*before.events, one.event),
                )
                continue
        last[one.device, one.label] = len(found)
        found.append(
            Episode(
                one.device,
                one.label,
                rule.severity,
                one.onset,
                one.offset,
                (one.event,),
            )
        )
    return found
