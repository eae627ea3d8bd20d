import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshgait_model.metrics import (
    LUCKY,
    STABLE,
    UNLUCKY,
    chance_of_match,
    chance_of_precision,
    first_matches,
    match_ranks,
)
from meshgait_model.protocols.distances import blocks

EVERYBODY = 0


def ranked(distances, people, gallery, *, cameras=None, gallery_cameras=None, rule=EVERYBODY):
    distances = np.atleast_2d(np.array(distances, float))
    probes, total = distances.shape
    scores, counts = np.zeros((probes, 3, 3)), np.zeros((probes, 2), np.int64)
    cameras = np.zeros(probes, np.int64) if cameras is None else np.array(cameras)
    gallery_cameras = np.zeros(total, np.int64) if gallery_cameras is None else np.array(gallery_cameras)
    match_ranks(distances, np.array(people), cameras, np.array(gallery), gallery_cameras, rule, scores, counts)
    return scores, counts


def test_scores_of_a_known_order():
    scores, counts = ranked([0.1, 0.2, 0.3, 0.4], [7], [7, 1, 7, 2])
    assert scores[0, :, STABLE].tolist() == [0, (1 + 2 / 3) / 2, 2 / 3]
    assert counts.tolist() == [[2, 4]]


def test_equal_distances_keep_the_order_of_the_gallery():
    scores, _ = ranked([0.5, 0.5, 0.5], [7], [1, 7, 2])
    assert scores[0, 0, [STABLE, LUCKY, UNLUCKY]].tolist() == [1, 0, 2]
    assert scores[0, 1, [STABLE, LUCKY, UNLUCKY]].tolist() == [1 / 2, 1, 1 / 3]


def test_what_a_probe_is_not_compared_with():
    facts = {"cameras": [0], "gallery_cameras": [0, 1, 0, 1]}
    near, people = [0.1, 0.2, 0.3, 0.4], [7, 7, 1, 1]
    everybody, no_camera, no_same = (ranked(near, [7], people, rule=rule, **facts) for rule in range(3))
    assert [counts.tolist() for _, counts in (everybody, no_camera, no_same)] == [[[2, 4]], [[1, 2]], [[1, 3]]]
    nobody, counts = ranked(near, [7], [7, 1, 1, 1], rule=2, **facts)
    assert np.isnan(nobody).all()
    assert counts.tolist() == [[0, 3]]


@given(st.integers(0, 10**6), st.integers(1, 4))
def test_ranks_equal_a_search_probe_by_probe(seed, levels):
    rng = np.random.default_rng(seed)
    distances = rng.integers(0, levels + 1, (8, 15)).astype(float)
    people, gallery, cameras = (rng.integers(0, 4, n) for n in (8, 15, 15))
    before, matches = np.zeros((8, 4, 3), np.int64), np.zeros((8, 4), np.int64)
    first_matches(distances, people, gallery, cameras, before, matches)
    scores, _ = ranked(distances, people, gallery)
    for i in range(8):
        order = np.argsort(distances[i], kind="stable")
        found = np.flatnonzero(gallery[order] == people[i])
        assert (scores[i, 0, STABLE] == found[0]) if len(found) else np.isnan(scores[i, 0, STABLE])
        for v in range(4):
            hits = np.flatnonzero(gallery[order[cameras[order] == v]] == people[i])
            assert matches[i, v] == len(hits)
            assert before[i, v, STABLE] == (hits[0] if len(hits) else -1)
            if len(hits):
                assert before[i, v, LUCKY] <= before[i, v, STABLE] <= before[i, v, UNLUCKY]


def test_chance_is_what_random_orders_reach():
    rng = np.random.default_rng(0)
    gallery = np.array([0, 0, 0, 1, 2, 3])
    scores, counts = ranked(rng.random((20_000, 6)), np.zeros(20_000, np.int64), gallery)
    for k in (1, 3):
        assert (scores[:, 0, STABLE] < k).mean() == pytest.approx(chance_of_match(3, 6, k), abs=0.01)
    assert scores[:, 1, STABLE].mean() == pytest.approx(chance_of_precision(counts[:1, 0], counts[:1, 1])[0], abs=0.005)


def distances_of(a, b, metric="euclidean", rows=0):
    whole = np.concatenate([a, b])
    places = np.arange(len(a)), len(a) + np.arange(len(b))
    return np.concatenate([found for _, found in blocks(whole, *places, metric, rows=rows)])


@pytest.mark.parametrize("rows", [0, 1, 3])
def test_distance_is_the_mean_over_strips(rows):
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(4, 3, 5)), rng.normal(size=(6, 3, 5))
    expected = np.linalg.norm(a[:, None] - b[None], axis=-1).mean(-1)
    np.testing.assert_allclose(distances_of(a, b, rows=rows), expected, rtol=1e-9)
    unit_a, unit_b = (x / np.linalg.norm(x, axis=2, keepdims=True) for x in (a, b))
    cosine = 1 - np.einsum("pse,gse->pg", unit_a, unit_b) / 3
    np.testing.assert_allclose(distances_of(a, b, "cosine", rows=rows), cosine, rtol=1e-9)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_equal_embeddings_are_equally_far_to_the_last_bit(metric):
    """Products of whole matrices differ in the last bit from one column to the next."""
    rng = np.random.default_rng(0)
    kinds = rng.normal(size=(40, 4, 64)).astype(np.float32)
    which = rng.integers(0, 40, 3000)
    found = distances_of(rng.normal(size=(7, 4, 64)).astype(np.float32), kinds[which], metric)
    for kind in range(40):
        assert (found[:, which == kind] == found[:, which == kind][:, :1]).all()


def test_the_largest_block_is_bounded(monkeypatch):
    monkeypatch.setattr("meshgait_model.protocols.distances._BLOCK_BYTES", 8 * 50 * 3)
    values = np.random.default_rng(0).normal(size=(60, 1, 2))
    parts = [part for part, _ in blocks(values, np.arange(10), np.arange(10, 60), "euclidean")]
    assert [part.stop - part.start for part in parts] == [3, 3, 3, 1]
