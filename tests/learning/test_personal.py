"""One device in four means "wave" by what the others mean by "fist", and so on."""

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cache

import numpy as np
import pytest

from app.domain import Channel, LabelledWindow, Profile, RetrainPolicy
from app.learning.challenge import challenge
from app.learning.model import Model, classify
from app.learning.personal import (
    LEAST_NEW,
    RETIRE,
    Adaptation,
    Base,
    Standing,
    adapt,
)

T0 = datetime(2026, 1, 1, tzinfo=UTC)
PROFILE = Profile(
    "band",
    (Channel("x"), Channel("y")),
    50.0,
    retrain=RetrainPolicy(estimator="logistic", mode="full"),
)
LOUD = {"rest": 0.1, "fist": 1.0, "wave": 5.0}
SWAPPED = {"rest": "rest", "fist": "wave", "wave": "fist"}
USUAL = ("a", "b", "c")


def quiet(_: str, __: float) -> None:
    """Show no progress."""


def row(device: str, number: int, label: str, shows: str) -> LabelledWindow:
    noise = np.random.default_rng([number, *device.encode(), *shows.encode()])
    values = noise.normal((LOUD[shows], 0.0), LOUD[shows], (40, 2))
    return LabelledWindow(
        uuid.uuid5(uuid.NAMESPACE_OID, f"{device}/{number}"),
        device,
        T0 + timedelta(seconds=number),
        values.astype(np.float32),
        label,
        10,
        0,
    )


def rows_of(
    device: str, n: int, *, swapped_until: int = 0, labels: Sequence[str] = tuple(LOUD)
) -> list[LabelledWindow]:
    out = []
    for i in range(n):
        shows = labels[i % len(labels)]
        out.append(
            row(device, i, SWAPPED[shows] if i < swapped_until else shows, shows)
        )
    return out


@cache
def world(swapped_until: int = 60, labels: tuple[str, ...] = tuple(LOUD)):
    rows = [one for device in USUAL for one in rows_of(device, 45)]
    rows += rows_of("odd", 60, swapped_until=swapped_until, labels=labels)
    made = challenge(PROFILE, rows, kind="full", seed=1, progress=quiet)
    return rows, Base(Model.load(made.onnx, made.card), made.manifest)


def judged(
    rows: Sequence[LabelledWindow], base: Base, odd: Standing | None = None
) -> dict[str, Adaptation]:
    standing = {} if odd is None else {"odd": odd}
    said = adapt(PROFILE, rows, base, standing, seed=1, progress=quiet)
    return {one.device: one for one in said}


def test_a_device_that_differs_gets_a_model_of_its_own_and_nobody_else_does():
    rows, base = world()
    said = judged(rows, base)
    assert set(said) == {*USUAL, "odd"}
    assert [d for d, one in said.items() if one.challenger is not None] == ["odd"]
    odd = said["odd"]
    assert odd.decision.verdict == "promote"
    assert odd.decision.numbers["challenger_accuracy"] > 0.9
    assert odd.decision.numbers["champion_accuracy"] < 0.6
    assert all(one.decision.numbers["losses"] == 0 for one in said.values())


def test_a_model_of_its_own_follows_new_labels_while_it_is_ahead():
    rows, base = world()
    new = judged(rows, base, Standing(own=True, rows=50))["odd"]
    assert (new.decision.verdict, new.looks) == ("refresh", 0)
    assert new.challenger is not None
    nothing_new = judged(rows, base, Standing(own=True, rows=60))["odd"]
    assert (nothing_new.decision.verdict, nothing_new.challenger) == ("hold", None)


def test_a_model_of_its_own_that_is_no_longer_ahead_is_retired():
    """The band is worn like all others since the twenty newest labels."""
    rows, base = world(swapped_until=40)
    said = judged(rows, base, Standing(own=True, rows=50))["odd"]
    assert (said.decision.verdict, said.challenger) == (RETIRE, None)
    assert said.decision.numbers["losses"] > said.decision.numbers["wins"]
    gone = [one for one in rows if one.device != "odd"]
    assert judged(gone, base, Standing(own=True))["odd"].decision.verdict == RETIRE


def test_classes_that_a_device_never_showed_are_learnt_from_the_others():
    rows, base = world(labels=("fist", "wave"))
    made = judged(rows, base)["odd"].challenger
    assert made is not None
    model = Model.load(made.onnx, made.card)
    assert model.classes == ("fist", "rest", "wave")
    rest = [
        classify(model, row("odd", 900 + i, "", "rest").window, 10) for i in range(5)
    ]
    assert [one.label for one in rest] == ["rest"] * 5


def test_it_is_judged_by_labels_that_neither_side_learnt():
    rows, base = world()
    made = judged(rows, base)["odd"].challenger
    assert made is not None
    newest = {one.event for one in rows if one.device == "odd"} & {
        one.event for one in rows_of("odd", 60)[-20:]
    }
    assert {event for event, _ in made.manifest.holdout} == newest
    assert not newest & made.manifest.judged_without
    assert set(made.answers["holdout"].events) == newest
    again = judged(rows, base)["odd"].challenger
    assert again is not None
    assert (again.onnx, again.manifest.digest) == (made.onnx, made.manifest.digest)


@pytest.mark.parametrize(
    ("n", "so_far", "looked_at"),
    [
        (29, Standing(), False),
        (30, Standing(), True),
        (60, Standing(looks=1, rows=60 - LEAST_NEW + 1), False),
        (60, Standing(looks=1, rows=60 - LEAST_NEW), True),
    ],
)
def test_few_labels_or_few_new_ones_are_not_looked_at(
    n: int, so_far: Standing, looked_at: bool
):
    rows, base = world()
    few = [one for one in rows if one.device == "a"][:20] + rows_of("odd", n)
    assert ("odd" in judged(few, base, so_far)) == looked_at


def test_every_look_costs_and_a_promotion_begins_anew():
    rows, base = world()
    late = judged(rows, base, Standing(looks=7, rows=30))
    assert late["odd"].decision.numbers["looks"] == 8
    assert late["odd"].decision.verdict == "promote"  # 12 to 0 is enough even then
    assert late["odd"].looks == 0
    assert late["a"].looks == 1


def test_one_device_alone_needs_no_model_of_its_own():
    rows, base = world()
    assert judged([one for one in rows if one.device == "odd"], base) == {}
