from dataclasses import replace

import numpy as np
import pytest

from app.errors import ArtefactError
from app.learning.dataset import build
from app.learning.export import export
from app.learning.incremental import train_incremental
from app.learning.model import Model

CLASSES = ("fist", "wave", "point")


@pytest.fixture(scope="module")
def parent(profile, rows_of, quiet):
    return train_incremental(None, build(profile, rows_of(60)), seed=1, progress=quiet)


def accuracy(trained, rows):
    best = trained.probabilities(rows.features).argmax(axis=1)
    return np.mean(np.array(trained.classes)[best] == np.array(rows.labels))


def test_goes_on_from_the_parent_and_keeps_the_old_classes(
    profile, rows_of, quiet, parent
):
    """All the new rows are of one class; the others must not be forgotten."""
    new = rows_of(60, classes=("fist",), first=60, seed=1)
    rows = build(profile, rows_of(60) + new)
    child = train_incremental(parent.state, rows, seed=1, progress=quiet)
    assert child.restarted == ""
    unseen = build(profile, rows_of(90, first=500, seed=3))
    assert accuracy(child, unseen) >= accuracy(parent, unseen) - 0.05
    assert accuracy(child, unseen) > 0.8


def test_reads_the_parent_without_changing_it(profile, rows_of, quiet, parent):
    rows = build(profile, rows_of(80))
    state = bytes(parent.state)
    one = train_incremental(state, rows, seed=1, progress=quiet)
    two = train_incremental(state, rows, seed=1, progress=quiet)
    table = rows.features
    assert (one.probabilities(table) == two.probabilities(table)).all()
    assert state == parent.state


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"classes": CLASSES[1:] + CLASSES[:1]}, "labels were corrected"),
    ],
)
def test_begins_anew_when_the_parent_cannot_be_continued(
    profile, rows_of, quiet, parent, change, why
):
    child = train_incremental(
        parent.state, build(profile, rows_of(80, **change)), seed=1, progress=quiet
    )
    assert why in child.restarted
    assert set(change.get("classes", CLASSES)) == set(child.classes)


@pytest.mark.parametrize("change", [{"classes": ("still",)}, {"devices": ("d8", "d9")}])
def test_grows_into_new_classes_and_devices(profile, rows_of, quiet, parent, change):
    rows = build(profile, rows_of(60) + rows_of(30, first=60, seed=1, **change))
    child = train_incremental(parent.state, rows, seed=1, progress=quiet)
    assert child.restarted == ""
    assert child.modes.names[: len(parent.modes.names)] == parent.modes.names
    assert len(child.modes.names) > len(parent.modes.names)
    new = build(profile, rows_of(60, first=900, seed=5, **change))
    assert accuracy(child, new) > 0.7
    old = build(profile, rows_of(60, first=700, seed=6))
    assert accuracy(child, old) >= accuracy(parent, old) - 0.05
    again = train_incremental(child.state, rows, seed=1, progress=quiet)
    assert again.restarted == ""


def test_two_modes_are_too_few_to_grow_from(profile, rows_of, quiet):
    two = {"classes": ("fist", "wave"), "devices": ("d1",)}
    parent = train_incremental(
        None, build(profile, rows_of(40, **two)), seed=1, progress=quiet
    )
    rows = build(profile, rows_of(40, **two) + rows_of(40, first=40))
    child = train_incremental(parent.state, rows, seed=1, progress=quiet)
    assert "grow" in child.restarted


def test_nothing_new_changes_nothing(profile, rows_of, quiet, parent):
    rows = build(profile, rows_of(60))
    same = train_incremental(parent.state, rows, seed=1, progress=quiet)
    table = rows.features
    assert (same.probabilities(table) == parent.probabilities(table)).all()


@pytest.mark.parametrize("state", [b"", b"rubbish", b"\x80\x04N."])
def test_a_state_that_is_not_readable_is_refused(profile, rows_of, quiet, state):
    with pytest.raises(ArtefactError, match="not readable"):
        train_incremental(state, build(profile, rows_of(9)), seed=1, progress=quiet)


def shifted(rows_of, first, turn, seed):
    """Rows whose classes have changed places by `turn`."""
    names = CLASSES[turn:] + CLASSES[:turn]
    rows = rows_of(90, first=first, seed=seed)
    return [replace(r, label=names[CLASSES.index(r.label)]) for r in rows]


def test_adaptive_follows_what_sgd_holds_on_to(profile, rows_of, quiet):
    before = shifted(rows_of, 0, 0, 1)
    after = shifted(rows_of, 90, 1, 2)
    unseen = build(profile, shifted(rows_of, 300, 1, 3))
    right = {}
    for name in ("adaptive", "sgd"):
        parent = train_incremental(
            None, build(profile, before), name, seed=1, progress=quiet
        )
        state = parent.state
        for step in range(0, 90, 15):
            rows = build(profile, before + after[: step + 15])
            child = train_incremental(state, rows, name, seed=1, progress=quiet)
            assert child.restarted == ""
            state = child.state
        right[name] = accuracy(child, unseen)
    assert right["adaptive"] > right["sgd"]


def test_online_auto_is_adaptive_and_its_graph_is_its_equal(profile, rows_of, quiet):
    rows = build(profile, rows_of(60) + rows_of(20, classes=("still",), first=60))
    first = train_incremental(
        None, build(profile, rows_of(60)), seed=1, progress=quiet, online=True
    )
    child = train_incremental(first.state, rows, seed=1, progress=quiet, online=True)
    assert (first.name, child.name) == ("adaptive", "adaptive")
    assert "still" in child.classes
    assert accuracy(child, rows) > 0.9
    data, card = export(child, profile, rows)  # refuses what differs by 1e-5
    assert Model.load(data, card).classes == child.classes
    said = child.probabilities(rows.features)
    assert np.allclose(said.sum(axis=1), 1.0)


def test_adaptive_looks_at_the_values_alone_where_events_are_one_reading(
    profile, rows_of, quiet
):
    def single(rows):
        return [replace(r, window=r.window[:1], pre_roll=0, post_roll=0) for r in rows]

    rows = build(profile, single(rows_of(60)))
    first = train_incremental(None, rows, "adaptive", seed=1, progress=quiet)
    table = rows.features.copy()
    table[:, [i for i in range(table.shape[1]) if i not in first.fitted.columns]] = 7.0
    assert (first.probabilities(table) == first.probabilities(rows.features)).all()
    Model.load(*export(first, profile, rows))  # refuses what differs by 1e-5
    more = build(profile, single(rows_of(80)))
    child = train_incremental(first.state, more, "adaptive", seed=1, progress=quiet)
    assert child.restarted == ""
    longer = build(profile, single(rows_of(60)) + rows_of(20, first=60))
    child = train_incremental(first.state, longer, "adaptive", seed=1, progress=quiet)
    assert "one reading" in child.restarted


@pytest.mark.parametrize("name", ["sgd", "adaptive"])
def test_a_class_that_comes_no_more_is_still_known(profile, rows_of, quiet, name):
    """Online looks at the newest rows only: a class may leave them."""
    parent = train_incremental(
        None, build(profile, rows_of(60)), name, seed=1, progress=quiet
    )
    rows = build(profile, rows_of(60, classes=("fist", "wave"), first=60))
    child = train_incremental(parent.state, rows, name, seed=1, progress=quiet)
    assert child.restarted == ""
    assert child.classes == tuple(sorted(CLASSES))
    assert accuracy(child, rows) > 0.8
