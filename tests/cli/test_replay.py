"""Replays by the command line: of what a service recorded, and of a folder."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from click.testing import Result

from app.cli.rest import Refused
from app.detection import Stream
from app.domain import Channel, DetectorVersion, Event, Profile, Readings
from app.simulate.recordings import read_folder
from tests.cli.conftest import Told

Run = Callable[..., Result]
DEAF = '{"kind": "energy", "on": 500}'
SAID: dict[str, Any] = {
    "classification": {
        "labelled": 40,
        "compared": 40,
        "agree": 30,
        "comparison": {
            "measure": "accuracy",
            "former": 0.7,
            "latter": 0.9,
            "difference": 0.2,
            "low": 0.1,
            "high": 0.3,
        },
    },
    "verdict": "better",
    "reason": "accuracy: better",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven recordings of two minutes at 10 Hz, with a burst every fifteen seconds."""
    place = tmp_path_factory.mktemp("recordings")
    truth = ["recording,label,start,end"]
    for n in range(7):
        values = np.random.default_rng(n).normal(0, 0.1, (1200, 2))
        for begin in range(300, 1100, 150):
            values[begin : begin + 40] *= 30
            truth.append(f"d{n}_1,burst,{begin / 10},{(begin + 40) / 10}")
        rows = np.column_stack([np.arange(1200) / 10, values])
        text = "\n".join(",".join(f"{v:.4f}" for v in row) for row in rows)
        (place / f"d{n}_1.csv").write_text(f"t,x,y\n{text}\n")
    (place / "events.csv").write_text("\n".join(truth) + "\n")
    return place


def test_a_folder_is_compared_without_a_service(folder: Path, onset: Run):
    words = ("replay", "--recordings", str(folder), "--settings", DEAF)
    said = onset(*words)
    assert said.exit_code == 0, said.exception
    assert said.output.splitlines()[-1].startswith("worse: event F1: worse: over 7")
    result = msgspec.json.decode(onset(*words, "--json").output)
    found = result["detection"]
    assert (found["streams"], found["readings"], found["true_events"]) == (7, 8400, 42)
    assert found["comparison"]["former"] > 0.9
    assert found["comparison"]["latter"] == 0.0
    assert found["comparison"]["high"] < 0
    assert found["only_against"] >= 40


def test_a_folder_gives_what_a_live_stream_gives(folder: Path, onset: Run):
    words = ("compare", "any", DEAF, '{"kind": "energy"}', "--recordings", str(folder))
    result = msgspec.json.decode(onset(*words, "--json").output)
    live = 0
    for one in read_folder(folder):
        profile = Profile("any", tuple(map(Channel, one.channels)), one.rate_hz)
        version = DetectorVersion(1, "any", {"kind": "energy"})
        stream = Stream(profile, version, "d", "b")
        for at in range(0, len(one.t), 7):
            rows = slice(at, at + 7)
            said = stream.receive(Readings(at + 1, one.values[rows], one.t[rows]))
            live += sum(isinstance(event, Event) for event in said)
        live += sum(isinstance(event, Event) for event in stream.close())
    assert result["detection"]["only_side"] == live
    assert result["verdict"] == "better"


def test_versions_of_a_profile_are_asked_of_its_service(
    folder: Path, told: Told, onset: Run
):
    path = "/profiles/arm/detectors"
    told.answers["GET /profiles/arm"] = {"detector_version": 4}
    for number, settings in ((4, {"kind": "energy"}), (5, {"kind": "sta_lta"})):
        told.answers[f"GET {path}/{number}"] = {"settings": settings}
    words = ("--recordings", str(folder), "--json")
    said = onset("replay", "arm", "--detector", "5", *words)
    assert said.exit_code == 0, said.exception
    other = onset("compare", "arm", "detector:4", "detector:5", *words)
    assert (
        msgspec.json.decode(other.output)["verdict"]
        == msgspec.json.decode(said.output)["verdict"]
    )


@pytest.mark.parametrize(
    ("words", "former"),
    [
        (("replay", "arm", "--model", "5"), None),
        (("compare", "arm", "model:4", "model:5"), 4),
    ],
)
def test_two_models_name_what_is_found_in_a_folder(
    folder: Path, told: Told, onset: Run, words: tuple[str, ...], former: int | None
):
    told.answers["GET /profiles/arm"] = {"detector_version": 4}
    told.answers["GET /profiles/arm/detectors/4"] = {"settings": {"kind": "energy"}}

    def answer(body: dict[str, Any]) -> dict[str, Any]:
        n = len(body["windows"])
        assert len(body["pre_roll"]) == len(body["post_roll"]) == n <= 16
        assert body["profile"] == "arm"
        # the former is right, the latter knows nothing
        assert body.get("model_version") in (former, 5)
        blank = body.get("model_version") == 5
        return {"predictions": [{"label": "burst", "unknown": blank}] * n}

    told.answers["POST /classify"] = answer
    said = onset(*words, "--recordings", str(folder), "--json")
    assert said.exit_code == 0, said.exception
    result = msgspec.json.decode(said.output)
    assert result["verdict"] == "worse"
    assert result["reason"].startswith("end-to-end F1: worse: over 7")
    whole = result["end_to_end"]["comparison"]
    assert whole["former"] > 0.9
    assert whole["latter"] == 0.0
    found = result["detection"]
    assert found["only_side"] == found["only_against"] == 0


def test_a_folder_without_truth_proves_nothing(
    folder: Path, tmp_path: Path, onset: Run
):
    (tmp_path / "d1_1.csv").write_bytes((folder / "d1_1.csv").read_bytes())
    words = ("replay", "--recordings", str(tmp_path), "--settings", DEAF)
    assert "no evidence: the folder has no events.csv" in onset(*words).output


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("replay",), "name a profile, or a folder"),
        (("replay", "--recordings", "FOLDER"), "name a version"),
        (("replay", "--recordings", "FOLDER", "--model", "3"), "name a profile"),
        (("replay", "--recordings", "nowhere", "--settings", "{}"), "is not a folder"),
        (("compare", "arm", "served", "{}", "--recordings", "FOLDER"), "never served"),
        (("compare", "arm", "version 3", "detector:4"), "must be detector:NUMBER"),
    ],
)
def test_what_cannot_be_replayed_is_said_in_one_line(
    folder: Path, onset: Run, words: tuple[str, ...], why: str
):
    named = [str(folder) if word == "FOLDER" else word for word in words]
    refused = onset(*named).exception
    assert isinstance(refused, Refused)
    assert why in str(refused)


def test_two_models_are_compared_over_what_the_service_recorded(told: Told, onset: Run):
    told.job("/replay", SAID)
    said = onset("compare", "arm", "model:3", "model:4").output.splitlines()
    assert said[-1] == "better: accuracy: better"
    numbers = "accuracy 0.700 -> 0.900 (+0.200, +0.100 to +0.300)"
    assert " ".join(said[-2].split()) == numbers
    assert told.asked[0][2] == {
        "profile": "arm",
        "model_version": 4,
        "against": {"model_version": 3},
    }
    told.job("/replay", SAID)
    onset("compare", "arm", "served", '{"on": 8}')
    assert told.asked[-3][2] == {"profile": "arm", "detector": {"on": 8}}
