import uuid
from typing import Any

import numpy as np
import pytest

from app.simulate.operator import Ended, Operator, chosen, true_event
from app.simulate.recording import Recording, Truth


@pytest.fixture
def recording() -> Recording:
    t = np.arange(1000) / 10
    truth = (Truth(10, 20, "up"), Truth(20.5, 22, "down"))
    return Recording("d", "s1", ("x",), 10.0, t, np.zeros((1000, 1), np.float32), truth)


class Place:
    """Answers as the service does, and remembers what was posted."""

    def __init__(self, listed: list[dict[str, Any]]) -> None:
        self.listed = listed
        self.said: dict[str, str] = {}

    async def events(self, **asked: Any):
        for event in self.listed:
            if event["device"] == asked["device"]:
                yield event

    async def labels(self, labels: dict[str, str]) -> None:
        assert not labels.keys() & self.said.keys()
        self.said |= labels


def ended(number: int, first: int, stop: int, boot: str = "b") -> Ended:
    return Ended(str(uuid.UUID(int=number)), "d", boot, first, stop)


def test_the_label_is_that_of_the_best_overlap(recording: Recording):
    assert true_event(recording, 101, 216) == recording.truth[0]
    assert true_event(recording, 200, 221) == recording.truth[1]


def test_what_overlaps_nothing_much_has_no_label(recording: Recording):
    assert true_event(recording, 500, 520) is None
    assert true_event(recording, 1, 600) is None


def test_share_of_events_is_kept_and_fixed():
    ids = [str(uuid.uuid5(uuid.NAMESPACE_DNS, str(i))) for i in range(2000)]
    share = np.mean([chosen(i, 0.3) for i in ids])
    assert share == pytest.approx(0.3, abs=0.05)
    assert all(chosen(i, 1.0) for i in ids)
    assert not any(chosen(i, 0.0) for i in ids)


async def test_each_event_of_a_labelled_boot_is_labelled_once(recording: Recording):
    listed = [
        {"id": e.id, "device": "d", "boot": e.boot, "onset_seq": 101, "offset_seq": 201}
        for e in (ended(1, 101, 201), ended(2, 101, 201), ended(3, 0, 0, boot="other"))
    ]
    place = Place(listed)
    operator = Operator(place, lambda r: r.part == "s1")  # type: ignore[arg-type]
    operator.watch("b", recording)
    operator.hear(ended(1, 101, 201))
    operator.hear(ended(1, 101, 201))
    await operator.settle()
    assert place.said == {e["id"]: "up" for e in listed[:2]}
    assert operator.labelled == 2


async def test_parts_that_the_person_does_not_look_at_get_no_label(
    recording: Recording,
):
    place = Place([])
    operator = Operator(place, lambda r: r.part == "s2")  # type: ignore[arg-type]
    operator.watch("b", recording)
    operator.hear(ended(1, 101, 201))
    await operator.settle()
    assert place.said == {}


async def test_only_so_many_parts_are_remembered(recording: Recording):
    place = Place([])
    operator = Operator(place, lambda r: True, kept_parts=1)  # type: ignore[arg-type]
    for boot in ("old", "b"):
        operator.watch(boot, recording)
    operator.hear(ended(1, 101, 201, boot="old"))
    operator.hear(ended(2, 101, 201))
    await operator.settle()
    assert list(place.said) == [ended(2, 0, 0).id]
