import importlib.util
from pathlib import Path

import numpy as np
import pytest

from app.simulate.recording import Truth
from app.simulate.scoring import Found, by_version, match, score, total

HARNESS = Path(__file__).parents[3] / "shared" / "harness" / "scoring.py"


def random_case(rng: np.random.Generator) -> tuple[list[Truth], list[Found]]:
    edges = np.sort(rng.uniform(0, 100, 2 * rng.integers(0, 12)))
    spans = edges.reshape(-1, 2).tolist()
    true = [Truth(a, b, "xyz"[rng.integers(3)]) for a, b in spans]
    found = []
    end = 0.0
    for event in true:
        start = max(end, event.start + rng.normal(0, 1))
        end = event.end + rng.normal(0, 1)
        if rng.uniform() < 0.8 and end > start:
            label = "xyz"[rng.integers(3)]
            found.append(Found(start, end, label, int(rng.integers(3))))
    return true, found


def test_most_pairs_come_before_the_largest_overlap():
    true = [Truth(0, 10, "a"), Truth(10, 20, "b")]
    found = [Found(4, 16), Found(0.5, 3)]
    assert match(true, found, iou=0.2) == [(0, 1), (1, 0)]


def test_counts_become_rates():
    true = [Truth(0, 10, "a"), Truth(20, 30, "b"), Truth(40, 50, "a")]
    found = [Found(1, 10, "a", 1), Found(20, 30, "a", 1), Found(60, 61)]
    got = score(true, found, seconds=3600)
    assert (got.matched, got.predicted, got.right) == (2, 2, 1)
    assert got.f1 == pytest.approx(2 / 3)
    assert got.end_to_end_f1 == pytest.approx(1 / 3)
    assert got.accuracy == 0.5
    assert got.false_alarms_per_hour == 1
    assert got.onset_error_seconds == 0.5


def test_shares_of_the_versions_sum_to_the_whole():
    rng = np.random.default_rng(3)
    for _ in range(200):
        true, found = random_case(rng)
        whole = score(true, found, 100.0)
        parts = total(by_version(true, found, 100.0).values())
        assert (parts.found, parts.true) == (whole.found, whole.true)
        assert (parts.matched, parts.right) == (whole.matched, whole.right)


@pytest.mark.skipif(not HARNESS.exists(), reason="the harness is not at hand")
@pytest.mark.parametrize("iou", [0.5, 0.2])
def test_numbers_equal_those_of_the_harness(iou: float):
    pytest.importorskip("pandas")
    spec = importlib.util.spec_from_file_location("harness_scoring", HARNESS)
    assert spec
    assert spec.loader
    harness = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(harness)
    rng = np.random.default_rng(11)
    cases = {f"r{i}": random_case(rng) for i in range(60)}
    theirs = harness.score(
        {
            k: [(e.start, e.end, e.label) for e in true]
            for k, (true, _) in cases.items()
        },
        {
            k: [(f.start, f.end, f.label) for f in found]
            for k, (_, found) in cases.items()
        },
        dict.fromkeys(cases, 100.0),
        ious=(iou,),
    )
    ours = total(score(true, found, 100.0, iou) for true, found in cases.values())
    assert ours.f1 == pytest.approx(theirs[f"f1@{iou}"])
    assert ours.end_to_end_f1 == pytest.approx(theirs["e2e_f1"])
    assert ours.onset_error_seconds == pytest.approx(theirs["onset_abs_median_s"])
    assert ours.false_alarms_per_hour == pytest.approx(theirs["false_alarms_per_h"])
