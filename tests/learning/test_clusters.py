"""Clusters of unknown events: planted ones are found, and nothing hangs on order."""

from uuid import UUID

import numpy as np
import pytest

from app.learning.clusters import LEAST_SIZE, MOST_CLUSTERS, gather


def planted(sizes: list[int], seed: int = 0, spread: float = 0.3):
    """Rows around centres far from one another; returns ids, table, truth."""
    random = np.random.default_rng(seed)
    truth = np.repeat(np.arange(len(sizes)), sizes)
    centres = random.normal(0, 3, (len(sizes), 20))
    table = centres[truth] + random.normal(0, spread, (len(truth), 20))
    ids = [UUID(int=int(n)) for n in random.permutation(len(truth))]
    return ids, table.astype(np.float32), dict(zip(ids, truth.tolist(), strict=True))


@pytest.mark.parametrize("sizes", [[20, 12, 7], [30, 5], [9, 8, 7, 6, 5]])
def test_planted_clusters_are_found_whole_and_apart(sizes: list[int]) -> None:
    ids, table, truth = planted(sizes)
    found = gather(ids, table)
    assert [len(cluster.members) for cluster in found] == sizes
    for cluster in found:
        assert len({truth[event] for event in cluster.members}) == 1
        assert cluster.tightness > 0.5


def test_the_first_member_is_the_most_typical() -> None:
    ids, table, _ = planted([15, 15])
    for cluster in gather(ids, table):
        rows = table[[ids.index(event) for event in cluster.members]]
        apart = np.linalg.norm(rows[:, None] - rows, axis=2).sum(axis=1)
        assert apart[0] <= np.median(apart)


def test_order_does_not_matter_and_the_id_is_that_of_the_members() -> None:
    ids, table, _ = planted([10, 10])
    turn = np.random.default_rng(1).permutation(20)
    again = gather([ids[i] for i in turn], table[turn])
    first = gather(ids, table)
    assert {c.id: set(c.members) for c in first} == {
        c.id: set(c.members) for c in again
    }
    assert len({cluster.id for cluster in first}) == 2
    assert not {c.id for c in gather(ids[1:], table[1:])} >= {c.id for c in first}


def test_one_kind_of_event_is_one_cluster_without_the_stray_ones() -> None:
    random = np.random.default_rng(2)
    table = random.normal(0, 1, (30, 6)).astype(np.float32)
    found = gather([UUID(int=i) for i in range(30)], table)
    assert sum(len(cluster.members) for cluster in found) >= 15
    assert len(found) <= MOST_CLUSTERS


def test_too_few_events_and_events_without_any_difference() -> None:
    ids, table, _ = planted([LEAST_SIZE - 1])
    assert gather(ids, table) == []
    same = np.ones((8, 4), np.float32)
    (one,) = gather([UUID(int=i) for i in range(8)], same)
    assert len(one.members) == 8


def test_strangers_stay_alone() -> None:
    ids, table, _ = planted([12, 12, 1, 1])
    found = gather(ids, table)
    assert [len(cluster.members) for cluster in found] == [12, 12]
