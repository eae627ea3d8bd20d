import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshgait_model.metrics import cross_view_ranks, mean_average_precision, part_distances

VIEWS = np.array(["000", "045", "090"])


def labels(rng, count, people):
    return np.array([f"p{i}" for i in rng.integers(0, people, count)]), rng.choice(VIEWS, count)


@given(st.integers(0, 10**6), st.booleans())
def test_ranks_equal_a_search_probe_by_probe(seed, exclude):
    rng = np.random.default_rng(seed)
    probe, gallery = labels(rng, 20, 4), labels(rng, 15, 4)
    distances = rng.random((20, 15))
    found = cross_view_ranks(distances, probe, gallery, ranks=(1, 2), exclude_identical_view=exclude)
    for row, probe_view in enumerate(found.views):
        for column, gallery_view in enumerate(found.views):
            hits = []
            for i in np.flatnonzero(probe[1] == probe_view):
                candidates = np.flatnonzero(gallery[1] == gallery_view)
                if probe[0][i] in gallery[0][candidates]:
                    order = candidates[np.argsort(distances[i, candidates])]
                    hits.append([probe[0][i] in gallery[0][order[:k]] for k in (1, 2)])
            expected = np.mean(hits, axis=0) if hits and not (exclude and row == column) else [np.nan] * 2
            np.testing.assert_allclose(found.table[:, row, column], expected)


def test_chance_is_what_random_distances_reach():
    rng = np.random.default_rng(0)
    probe = (np.repeat([f"p{i}" for i in range(5)], 400), np.repeat("000", 2000))
    gallery = (np.array(["p0", "p0", "p1", "p2", "p3", "p4"]), np.repeat("090", 6))
    found = cross_view_ranks(rng.random((2000, 6)), probe, gallery, ranks=(1, 3), exclude_identical_view=True)
    np.testing.assert_allclose(found.mean(), found.mean_chance(), atol=0.04)


def test_perfect_embeddings_score_one_and_equal_ones_score_nothing():
    people = np.array(["a", "b", "c"])
    probe, gallery = (people, np.repeat("000", 3)), (people, np.repeat("090", 3))
    perfect = cross_view_ranks(1 - np.eye(3), probe, gallery, ranks=(1,), exclude_identical_view=True)
    collapsed = cross_view_ranks(np.zeros((3, 3)), probe, gallery, ranks=(1,), exclude_identical_view=True)
    assert perfect.mean()[0] == 1
    assert collapsed.mean()[0] == 0


def test_probes_without_their_person_in_a_view_are_counted_not_scored():
    probe = (np.array(["a", "b"]), np.array(["000", "000"]))
    gallery = (np.array(["a", "c"]), np.array(["090", "090"]))
    found = cross_view_ranks(np.array([[0.0, 1], [0, 1]]), probe, gallery, ranks=(1,), exclude_identical_view=True)
    assert found.mean()[0] == 1
    assert found.unscorable == 1


def test_average_precision_of_a_known_order():
    matches = np.array([[True, False, True, False]])
    allowed = np.array([[True, True, True, False]])
    value = mean_average_precision(np.array([[0.1, 0.2, 0.3, 0.0]]), matches, allowed)
    assert value == pytest.approx((1 + 2 / 3) / 2)


def test_distance_is_the_mean_over_strips():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(4, 3, 5)), rng.normal(size=(6, 3, 5))
    expected = np.linalg.norm(a[:, None] - b[None], axis=-1).mean(-1)
    np.testing.assert_allclose(part_distances(a, b), expected, rtol=1e-9)
