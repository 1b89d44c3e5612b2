"""What was known beside a window: facts of the session and the device, as columns."""

import json
from uuid import UUID

import numpy as np
import pytest

from app import features
from app.domain import Context, Earlier, Event, Past, Prediction, utc
from app.errors import InvalidInput
from app.features import Session
from app.features.session import COUNTED, TOLD

RATE_HZ = 50.0
WINDOW = np.random.default_rng(0).normal(0, 1, (80, 2)).astype(np.float32)
PAST = Past("2026-01-01T00:00:00+00:00", 40, (1.5, 0.25), {"a": 1.0}, ((0.0, 1.0),) * 2)


def event(onset: int, offset: int) -> Event:
    """The event of a stream with these readings."""
    at = utc(onset / RATE_HZ), utc(offset / RATE_HZ)
    return Event(UUID(int=onset), "d", "b", "p", 1, onset, offset, *at, 1.0, WINDOW)


def named(label: str, probability: float) -> Prediction:
    rest = 1.0 - probability
    classes, said = ("a", "b", "c"), [rest - 0.001, rest - 0.001, 0.001]
    said[classes.index(label)] = probability
    return Prediction(label, probability, classes, tuple(said), False, 3, "")


def told(n: int, session: Session | None = None) -> tuple[Session, list[Context]]:
    """What was known at each of so many events, ten seconds apart, a second long."""
    session = session or Session(RATE_HZ)
    known = []
    for i in range(n):
        one = event(500 * i + 1, 500 * i + 51)
        known.append(session.context(one.onset_seq))
        session.note(one, named("ab"[i % 2], 0.9) if i % 5 else None)
    return session, known


def test_a_context_tells_the_events_before_in_seconds_of_readings():
    _, known = told(12)
    assert known[0] == Context()
    last = known[11]
    assert (last.events, last.within) == (11, (1, 6, 11))
    assert len(last.earlier) == TOLD
    assert [round(one.seconds_ago) for one in last.earlier[:3]] == [9, 19, 29]
    unnamed, before = last.earlier[:2]
    assert (unnamed.label, unnamed.probability, unnamed.seconds) == ("", 0.0, 1.0)
    assert (before.label, before.probability, before.probabilities) == ("b", 0.9, None)
    assert known[10].earlier[0].probabilities == {"a": 0.099, "b": 0.9}


def test_a_session_that_is_restored_after_any_event_goes_on_exactly():
    whole, known = told(2 * TOLD)
    session, again = Session(RATE_HZ), []
    for i in range(2 * TOLD):
        one = event(500 * i + 1, 500 * i + 51)
        again.append(session.context(one.onset_seq))
        session.note(one, named("ab"[i % 2], 0.9) if i % 5 else None)
        session = Session.restore(RATE_HZ, session.state())
    assert again == known
    assert session.state() == whole.state()


def test_a_session_takes_bounded_memory_however_long_it_is():
    session, _ = told(COUNTED)
    short = len(session.state())
    session, _ = told(3 * COUNTED, session)
    assert len(session.state()) <= 1.5 * short


def test_a_context_survives_json_to_the_last_bit():
    known = Context(3, (Earlier(0.1, 1 / 3, "a", 0.7, True, {"a": 0.7}),), past=PAST)
    assert Context.from_json(json.loads(json.dumps(known.to_json()))) == known
    assert Context.from_json({}) == Context()


@pytest.mark.parametrize(
    "data",
    [
        {"events": -1},
        {"events": "3"},
        {"within": [1, 2]},
        {"earlier": [{"seconds": 1.0}]},
        {"earlier": [{"seconds": 1.0, "seconds_ago": 1.0, "probability": 1.5}]},
        {"earlier": [{"seconds": 1e300, "seconds_ago": 1.0}]},
        {"past": {"at": ""}},
    ],
)
def test_a_context_that_cannot_be_is_refused(data: dict[str, object]):
    with pytest.raises(InvalidInput, match="context"):
        Context.from_json(data)


def test_without_a_past_every_column_beside_the_window_is_zero():
    plain = features.extract(WINDOW, RATE_HZ, 10, 10)
    for known in (None, Context()):
        row = features.extract(WINDOW, RATE_HZ, 10, 10, "v1+c1", known)
        assert len(row) == features.width(2, "v1+c1")
        assert np.array_equal(row[: len(plain)], plain)
        assert not row[len(plain) :].any()


def test_what_a_device_did_in_the_past_is_joined_with_its_window():
    names = features.names(["x", "y"], "v1+c1")
    powers = [names.index(f"{c}.log_power") for c in "xy"]
    plain = features.extract(WINDOW, RATE_HZ, 10, 10)
    mean = tuple((float(plain[i]) - 2.0, 0.5) for i in powers)
    past = Past(PAST.at, 40, (0.2, 0.25), {"a": 0.75, "b": 0.25}, mean)
    row = dict(
        zip(
            names,
            features.extract(WINDOW, RATE_HZ, 10, 10, "v1+c1", Context(past=past)),
            strict=True,
        )
    )
    assert row["past.x"] == pytest.approx(4.0)  # two above the mean, in halves
    assert row["past.y"] == pytest.approx(4.0)
    assert row["past.events"] == pytest.approx(np.log1p(40))
    assert row["past.longer"] == pytest.approx(np.log1p(60 / 50) - np.log1p(0.2))
    assert row["previous.known"] == 0.0
    other = Past(PAST.at, 40, (0.2, 0.25), {"b": 1.0}, mean)
    known = Context(past=other)
    again = features.extract(WINDOW, RATE_HZ, 10, 10, "v1+c1", known)
    assert row["past.share0"] != again[names.index("past.share0")]


def test_a_wider_set_holds_the_columns_of_the_narrower_ones():
    _, known = told(4)
    rows = {
        name: features.extract(WINDOW, RATE_HZ, 10, 10, name, known[-1])[None]
        for name in features.FEATURE_SETS
    }
    wide = rows["v2+c1"]
    for name, row in rows.items():
        assert features.has(wide, 2, name)
        assert np.array_equal(features.columns(wide, 2, name), row)
    assert not features.has(rows["v2"], 2, "v1+c1")
    assert not features.has(rows["v1+c1"], 2, "v2")
    assert features.widest("v1+c1", "v2") == "v2+c1"


def test_the_fingerprint_sees_every_column_beside_the_window():
    """Code of `beside` that changes without a new name is noticed (E-07)."""
    row = features.extract(WINDOW, RATE_HZ, 0, 0, "v1+c1", features.vector._known(2))[
        features.width(2) :
    ]
    assert (row != 0).all()
    assert len({features.fingerprint(name) for name in features.FEATURE_SETS}) == 4
