import random
from dataclasses import replace

from app.learning.dataset import HOLDOUT_SHARE, Manifest, Recipe, build, manifest, split


def held(profile, rows):
    dataset = build(profile, rows)
    return {dataset.events[i] for i in split(dataset).holdout}


def test_rows_come_in_the_order_of_time_however_they_are_given(profile, rows_of):
    rows = rows_of(40)
    shuffled = random.Random(0).sample(rows, len(rows))
    one, other = build(profile, rows), build(profile, shuffled)
    assert one.events == other.events
    assert one.features.tobytes() == other.features.tobytes()
    assert list(one.at) == sorted(one.at)


def test_an_event_counts_once_and_its_last_row_wins(profile, rows_of):
    rows = rows_of(6)
    assert len(build(profile, rows + rows)) == 6


def test_the_holdout_has_its_share_and_is_stable_while_labels_come(profile, rows_of):
    rows = rows_of(300)
    before, after = held(profile, rows[:200]), held(profile, rows)
    assert before == {e for e in after if e in {r.event for r in rows[:200]}}
    assert abs(len(after) / 300 - HOLDOUT_SHARE) < 0.06
    assert held(profile, rows[::-1]) == after


def test_only_the_newest_of_a_device_are_held_and_the_others_are_released(
    profile, rows_of, monkeypatch
):
    monkeypatch.setattr("app.learning.dataset.HOLDOUT_PER_DEVICE", 5)
    dataset = build(profile, rows_of(200))
    parts = split(dataset)
    per_device = [dataset.devices[i] for i in parts.holdout]
    assert per_device.count("d1") == per_device.count("d2") == 5
    assert len(parts.train) + len(parts.holdout) == 200


def test_every_class_with_two_rows_keeps_two_in_training(profile, rows_of):
    for first in range(40):
        rows = rows_of(4, classes=("fist", "wave"), first=first)
        dataset = build(profile, rows)
        parts = split(dataset)
        kept = [dataset.labels[i] for i in parts.train]
        assert kept.count("fist") == kept.count("wave") == 2


def test_a_manifest_survives_json_and_its_digest_follows_rows_and_labels(
    profile, rows_of
):
    def of(rows):
        dataset = build(profile, rows)
        return manifest(dataset, split(dataset), "v1")

    one = of(rows_of(30))
    assert Manifest.from_json(one.to_json()) == one
    again = replace(one, refitted=Recipe("logistic", 3, 0.7))
    assert Manifest.from_json(again.to_json()) == again
    assert again.digest == one.digest
    assert of(rows_of(30)[::-1]).digest == one.digest
    assert of(rows_of(29)).digest != one.digest
    assert of(rows_of(30, classes=("fist", "wave", "snap"))).digest != one.digest
    assert len(one.judged_without) == len(one.train)
