"""When a profile is trained again: decisions only, time comes in as an argument.

A profile is due when enough labels are new (`every_labels`), when its schedule says so
and at least one label is new (`every_seconds`), when its champion has drifted and some
labels are new (`drift_labels`), or, online, when any label is new.
What counts as new is counted from the last attempt, whatever its verdict: "not enough
evidence" is not asked for again until there is more evidence.  Only an attempt that
*failed* is repeated with the same labels, later each time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.domain import RetrainPolicy
from app.learning import ONLINE

FAILED = "failed"
RUNNING = frozenset({"queued", "running"})
ONLINE_PAUSE_SECONDS = 1.0
"""Between two online updates of a profile: faster labels share one version."""
LONGEST_BACKOFF_SECONDS = 3600.0
"""A training that fails every time is tried every hour: what it needs may come back."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One retrain job of a profile, as the policy sees it.

    Parameters
    ----------
    state : {"queued", "running", "succeeded", "failed", "cancelled"}
    began_at : datetime, aware, UTC
        Labels up to this instant were seen by it.
    ended_at : datetime, aware, UTC, or None while it is under way
    """

    state: str
    began_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class History:
    """The attempts of a profile, boiled down.

    Parameters
    ----------
    under_way : bool
        A job is queued or running.
    seen_until : datetime or None
        When the last attempt that did not fail began; None if there was none.
    ended_at : datetime or None
        When the last attempt ended; None if there was none.
    failures : int >= 0
        Attempts in a row that failed, newest first.
    """

    under_way: bool = False
    seen_until: datetime | None = None
    ended_at: datetime | None = None
    failures: int = 0


def history(attempts: Sequence[Attempt]) -> History:
    """Boil down the attempts of one profile.

    Parameters
    ----------
    attempts : sequence of Attempt, newest first
    """
    if attempts and attempts[0].state in RUNNING:
        return History(under_way=True)
    failures = 0
    for attempt in attempts:
        if attempt.state != FAILED:
            break
        failures += 1
    seen = attempts[failures].began_at if failures < len(attempts) else None
    return History(
        seen_until=seen,
        ended_at=attempts[0].ended_at if attempts else None,
        failures=failures,
    )


def is_automatic(policy: RetrainPolicy) -> bool:
    """Say whether a profile is ever trained without being asked for."""
    if policy.mode == ONLINE:
        return True
    when = policy.every_labels, policy.every_seconds, policy.drift_labels
    return any(one is not None for one in when)


def due(
    policy: RetrainPolicy,
    past: History,
    *,
    new_labels: int,
    now: datetime,
    cooldown_seconds: float,
    drifted: bool = False,
) -> str | None:
    """Say why a profile must be trained now, or None.

    Parameters
    ----------
    past : History
        From `history`.
    new_labels : int >= 0
        Labels since ``past.seen_until`` (all of them if that is None).
    now : datetime, aware, UTC
    cooldown_seconds : float >= 0
        Least time between the end of one automatic training and the next; doubles
        with every failure in a row.  Online at most `ONLINE_PAUSE_SECONDS`.
    drifted : bool
        Whether a look at the champion has alarmed.

    Examples
    --------
    >>> from datetime import UTC
    >>> now = datetime(2026, 1, 1, tzinfo=UTC)
    >>> due(RetrainPolicy(every_labels=20), History(), new_labels=20, now=now,
    ...     cooldown_seconds=5)
    '20 new labels (every 20)'
    """
    if past.under_way or new_labels < 1:
        return None
    online = policy.mode == ONLINE
    if online:
        cooldown_seconds = min(cooldown_seconds, ONLINE_PAUSE_SECONDS)
    if past.ended_at is not None:
        pause = min(cooldown_seconds * 2.0**past.failures, LONGEST_BACKOFF_SECONDS)
        if now < past.ended_at + timedelta(seconds=pause):
            return None
    if online:
        return f"{new_labels} new labels (online)"
    if policy.every_labels is not None and new_labels >= policy.every_labels:
        return f"{new_labels} new labels (every {policy.every_labels})"
    if drifted and policy.drift_labels and new_labels >= policy.drift_labels:
        return f"{new_labels} new labels, and the champion has drifted"
    if policy.every_seconds is None:
        return None
    if past.seen_until is None:
        return f"never trained (every {policy.every_seconds:g} s)"
    waited = (now - past.seen_until).total_seconds()
    if waited >= policy.every_seconds:
        return f"{waited:.0f} s since the last (every {policy.every_seconds:g} s)"
    return None
