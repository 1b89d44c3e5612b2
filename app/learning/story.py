"""The report of a version: what it learnt from, how it was judged, its limits."""

from __future__ import annotations

from datetime import datetime, timedelta

from app.domain import Profile
from app.learning.catalogue import FULL, kinds
from app.learning.dataset import Dataset, Manifest
from app.learning.evaluate import Report
from app.learning.promotion import MIN_ROWS, Candidate, Decision
from app.learning.train import Trained

WEAK_RECALL = 0.7
SURE_ROWS = 5
"""With fewer held-out events than these nothing is said of a class."""

ONE_FOR_ALL = (
    "Devices have no models of their own beside it: full trainings alone judge those."
)


def _unknown(trained: Trained, report: Report) -> dict[str, object]:
    """Say by what a window is unknown, and how often right answers were."""
    if trained.rule is None:
        return {"by": "probability", "below": report.unknown_below}
    return {
        "by": "distance and probability",
        "rate": trained.rule.rate,
        "above": trained.rule.above,
        "holdout_rejected": report.rejected,
    }


def tell(
    profile: Profile,
    kind: str,
    trained: Trained,
    train: Dataset,
    ours: Candidate,
    champion: Candidate | None,
    decision: Decision,
    listed: Manifest,
) -> dict[str, object]:
    """Return the report of a version as plain JSON: scores, verdict, model card."""
    through: datetime | None = max(train.at, default=None)
    report = ours.report
    theirs = (None, None) if champion is None else (champion.report, champion.gold)
    return {
        "kind": kind,
        "estimator": trained.name,
        "seed": trained.seed,
        "n_train": len(train),
        "n_holdout": report.n,
        "trained_through": None if through is None else through.isoformat(),
        "split": listed.rule,
        "served": (
            "the model that was judged"
            if listed.refitted is None
            else "refitted on training and held-out rows after the judgement; "
            "the scores are those of the model that had not seen the hold-out"
        ),
        "search": trained.search,
        "context": _context(trained),
        "restarted": trained.restarted,
        "modes": len(trained.modes.names),
        "sharpness": trained.sharpness,
        "unknown": _unknown(trained, report),
        "holdout": report.to_json(),
        "champion_holdout": _told(theirs[0]),
        "gold": _told(ours.gold),
        "champion_gold": _told(theirs[1]),
        "verdict": decision.verdict,
        "reason": decision.reason,
        "numbers": decision.numbers,
        "card": _card(profile, train, report),
        "floors": [floor.to_json() for floor in decision.floors],
    }


def _context(trained: Trained) -> dict[str, object] | None:
    """Say whether what was known beside the windows is read, and what it brings."""
    reads = trained.reads_context
    if trained.tried is None:
        return {"reads": True} if reads else None
    without, beside = trained.tried
    return {"reads": reads, "accuracy_without": without, "accuracy_with": beside}


def _told(report: Report | None) -> dict[str, object] | None:
    return None if report is None else report.to_json()


def _card(profile: Profile, train: Dataset, report: Report) -> dict[str, object]:
    """Say what the model is for, for how long, and what it is not known to do."""
    asked = profile.retrain
    first: datetime | None = min(train.at, default=None)
    through: datetime | None = max(train.at, default=None)
    until = None
    if through is not None and asked.valid_days is not None:
        until = through + timedelta(days=asked.valid_days)
    return {
        "intended_use": asked.intended_use
        or f"Names events of devices of profile {profile.name!r}: {profile.n_channels} "
        f"channels at {profile.rate_hz:g} Hz.",
        "classes": list(train.classes),
        "devices": len(set(train.devices)),
        "learnt_from": None if first is None else first.isoformat(),
        "learnt_through": None if through is None else through.isoformat(),
        "valid_until": None if until is None else until.isoformat(),
        "limits": [
            *_limits(train, report),
            *([ONE_FOR_ALL] if asked.personal and FULL not in kinds(profile) else []),
        ],
    }


def _limits(train: Dataset, report: Report) -> list[str]:
    said = [
        f"It names nothing but {', '.join(train.classes)}; what is unlike all of them "
        "may be called unknown, or one of them.",
        f"It has learnt from {len(set(train.devices))} devices; how it does on others "
        "was not measured.",
    ]
    if report.n < MIN_ROWS:
        said.append(f"Only {report.n} held-out events: how good it is is not known.")
    few = [y for y in train.classes if _held(report, y) < SURE_ROWS]
    if few:
        said.append(
            f"Fewer than {SURE_ROWS} held-out events, so nothing is known, of: "
            f"{', '.join(few)}."
        )
    weak = [
        f"{name} ({one.recall:.2f} of {one.n})"
        for name, one in report.per_class.items()
        if one.n >= SURE_ROWS and one.recall < WEAK_RECALL
    ]
    if weak:
        said.append(f"It misses many of: {', '.join(weak)}.")
    return said


def _held(report: Report, label: str) -> int:
    one = report.per_class.get(label)
    return 0 if one is None else one.n
