"""Detectors by the command line."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from click.testing import Result

from app.cli.rest import Refused
from tests.cli.conftest import Told

Run = Callable[..., Result]
PATH = "/profiles/arm/detectors"
LEARNT: dict[str, Any] = {
    "number": 4,
    "state": "serving",
    "source": "learnt",
    "settings": {"kind": "scored", "model": "sha256:00"},
    "parent": 3,
    "verdict": "promote",
    "reason": "it finds more",
    "report": {"comparison": {"former": 0.5, "latter": 0.9}},
    "device": None,
    "devices": [],
    "n_devices": 0,
    "created_at": "2026-01-01T00:00:00Z",
}
SET = LEARNT | {
    "number": 3,
    "state": "retired",
    "source": "set",
    "settings": {"kind": "energy"},
    "verdict": None,
    "reason": None,
    "report": None,
}


@pytest.mark.parametrize(
    "command", ["list", "history", "set", "fit", "promote", "rollback", "explore"]
)
def test_every_detector_command_explains_itself(onset: Run, command: str):
    said = onset("detectors", command, "--help")
    assert said.exit_code == 0
    assert "Usage" in said.output


def test_versions_are_listed_with_what_they_are_worth(told: Told, onset: Run):
    told.page(PATH, LEARNT, SET)
    said = onset("detectors", "list", "arm").output
    assert [line.split()[1::2][:4] for line in said.splitlines() if "│" in line] == [
        ["4", "serving", "scored", "learnt"],
        ["3", "retired", "energy", "set"],
    ]
    assert "0.500 -> 0.900" in said
    lines = onset("detectors", "list", "arm", "--json").output.splitlines()
    assert [msgspec.json.decode(line) for line in lines] == [LEARNT, SET]


def test_who_let_which_version_serve_is_told(told: Told, onset: Run):
    entry = {
        "number": 4,
        "previous": 3,
        "act": "promote",
        "by": "ann",
        "reason": "it finds more",
        "at": "2026-01-01T10:00:00Z",
        "until": None,
    }
    told.page(f"{PATH}/history", entry)
    said = onset("detectors", "history", "arm").output
    assert "2026-01-01T10:00:00" in said
    assert "it finds more" in said


def test_a_fit_that_is_waited_for_tells_stages_and_verdict(told: Told, onset: Run):
    result = {
        "detector_version": 4,
        "verdict": "promote",
        "reason": "it finds more",
        "promoted": True,
    }
    told.job(f"{PATH}/fit", result)
    said = onset("detectors", "fit", "arm", "--reason", "new labels", "--wait")
    assert said.output.splitlines() == [
        " 50% running at work",
        "100% succeeded at work",
        "detector version 4: promote (it serves): it finds more",
    ]
    assert told.asked[0][2] == {"promote": "auto", "reason": "new labels"}


def test_a_fit_without_enough_labels_says_so_and_one_that_failed_is_refused(
    told: Told, onset: Run
):
    few = {"verdict": "not_enough_evidence", "reason": "4 labelled events"}
    told.job(f"{PATH}/fit", few | {"detector_version": None})
    said = onset("detectors", "fit", "arm", "--wait").output
    assert "no version: not_enough_evidence: 4 labelled events" in said
    told.job(f"{PATH}/fit", None, "the disk is full")
    refused = onset("detectors", "fit", "arm", "--wait").exception
    assert isinstance(refused, Refused)
    assert "the disk is full" in str(refused)


def test_a_fit_is_not_waited_for_unless_asked(told: Told, onset: Run):
    told.job(f"{PATH}/fit", {})
    assert onset("detectors", "fit", "arm").output == "job 7: queued\n"
    assert len(told.asked) == 1


def test_promotion_and_rollback_give_their_reason(told: Told, onset: Run):
    served = {"profile": "arm", "device": None, "number": 4, "previous": 3}
    told.answers[f"POST {PATH}/4/promote"] = served
    told.answers[f"POST {PATH}/rollback"] = served | {"number": 3, "previous": 4}
    said = onset("detectors", "promote", "arm", "4", "--reason", "fewer alarms")
    assert said.output == "detector version 4 serves arm\n"
    said = onset("detectors", "rollback", "arm", "--reason", "it was deaf")
    assert said.output == "detector version 3 serves arm\n"
    assert [body for _, _, body in told.asked] == [
        {"reason": "fewer alarms"},
        {"reason": "it was deaf"},
    ]
    moved = {"title": "Conflict", "detail": "version 4 serves already"}
    told.answers[f"POST {PATH}/4/promote"] = 409, moved
    refused = onset("detectors", "promote", "arm", "4").exception
    assert str(refused) == "409 Conflict: version 4 serves already"


def test_a_threshold_is_explored_as_a_table_that_marks_the_present_value(
    told: Told, onset: Run
):
    point = {"found": 9, "matched": 9, "precision": 1.0, "recall": 0.9, "f1": 0.947}
    none = {"found": 0, "matched": 0, "precision": None, "recall": 0.0, "f1": 0.0}
    result = {
        "setting": "on",
        "present": 6.0,
        "streams": 2,
        "events": 10,
        "hours": 0.5,
        "curve": [
            point | {"value": 6.0, "false_alarms_per_hour": 0.0},
            none | {"value": 99.0, "false_alarms_per_hour": 0.0},
        ],
    }
    told.job(f"{PATH}/explore", result)
    words = ("explore", "arm", "--setting", "on", "--values", "6,99")
    said = onset("detectors", *words, "--settings", '{"kind": "energy"}').output
    assert "10 labelled events in 2 recorded streams, 0.5 hours" in said
    assert "6 (now)" in said
    assert told.asked[0][2] == {
        "setting": "on",
        "values": [6.0, 99.0],
        "detector": {"kind": "energy"},
    }
    told.job(f"{PATH}/explore", result)
    said = onset("detectors", "explore", "arm", "--json").output
    assert msgspec.json.decode(said) == result


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--values", "6,loud"), "must be numbers"),
        (("--settings", "[6]"), "not a JSON object"),
    ],
)
def test_what_cannot_be_explored_is_said_in_one_line(
    told: Told, onset: Run, words: tuple[str, ...], why: str
):
    refused = onset("detectors", "explore", "arm", *words).exception
    assert isinstance(refused, Refused)
    assert why in str(refused)
    assert told.asked == []


def test_near_misses_are_listed_with_their_score(told: Told, onset: Run):
    near = {
        "device": "arm-1",
        "boot": "b1",
        "onset_seq": 100,
        "offset_seq": 140,
        "score": 0.82,
        "detector_version": 4,
    }
    told.page("/near-misses", near)
    said = onset("near-misses", "arm-1").output
    assert "0.82" in said
    assert "40" in said
    assert "device=arm-1" in told.asked[0][1]
    line = onset("near-misses", "arm-1", "--json").output
    assert msgspec.json.decode(line) == near


def test_everything_can_be_done_for_one_device(told: Told, onset: Run):
    own = LEARNT | {"state": "device", "devices": ["arm-1"], "n_devices": 3}
    told.page(PATH, own, SET)
    back = {"number": None, "previous": 4, "act": "rollback", "by": "ann"}
    entry = back | {"reason": "test", "at": "2026-01-01T10:00:00Z", "until": None}
    told.page(f"{PATH}/history", entry)
    served = {"profile": "arm", "device": "arm-1", "number": 4, "previous": 3}
    told.answers[f"POST {PATH}/4/promote"] = served
    told.answers[f"POST {PATH}/rollback"] = served
    told.job(f"{PATH}/fit", {})
    told.job(PATH, {})
    mine = ("--device", "arm-1")
    assert "device arm-1 +2" in onset("detectors", "list", "arm", *mine).output
    assert "the profile's" in onset("detectors", "history", "arm", *mine).output
    said = onset("detectors", "promote", "arm", "4", *mine).output
    assert said == "detector version 4 serves arm-1\n"
    onset("detectors", "rollback", "arm", *mine)
    onset("detectors", "fit", "arm", *mine)
    onset("detectors", "set", "arm", '{"on": 8}', *mine)
    lists, acts = told.asked[:2], told.asked[2:]
    assert all("device=arm-1" in path for _, path, _ in lists)
    assert [body["device"] for _, _, body in acts] == ["arm-1"] * 4
    assert acts[-1][2]["detector"] == {"on": 8}
