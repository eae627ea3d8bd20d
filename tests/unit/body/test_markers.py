"""Virtual markers: the solvers find optima, the search finds planted corners, sets keep their promises."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_body import FLIP, make_body, make_params

from meshgait_data.body.marker_files import load_markers, read_markers, save_markers
from meshgait_data.body.marker_report import errors_mm, regions, report, spread
from meshgait_data.body.marker_sample import random_meshes
from meshgait_data.body.marker_search import Problem, SwapSearch, gains, greedy_hull, neighbours
from meshgait_data.body.marker_solvers import affine_coefficients, convex_coefficients, project_simplex, sparsest
from meshgait_data.body.markers import (
    MarkerSettings,
    learn_markers,
    place,
    reconstruct,
    trajectories,
    vertex_areas,
)
from meshgait_data.errors import InvalidData, UsageError
from meshgait_data.rotations import exp

seeds = st.integers(0, 2**32 - 1)
SMALL = MarkerSettings(count=14, midline=2, rounds=3, spacing_mm=10.0)


def quiet(_step, _share):
    pass


@pytest.fixture(scope="module")
def meshes():
    body, rng = make_body(), np.random.default_rng(0)
    return random_meshes(body, make_params(40).body_pose, rng)


@pytest.fixture(scope="module")
def learned(meshes):
    return learn_markers(make_body(), meshes[:25], SMALL, name="small")


# --- solvers


@given(seeds, st.floats(0.01, 100))
def test_projection_is_the_nearest_point_of_the_simplex(seed, scale):
    rng = np.random.default_rng(seed)
    rows = scale * rng.normal(size=(5, 7))
    near = project_simplex(rows)
    assert near.min() >= 0
    np.testing.assert_allclose(near.sum(1), 1)
    # Optimal over a convex set: no corner of the simplex lies on the near side of the tangent plane.
    towards = np.eye(7)[None] - near[:, None]
    assert np.einsum("nk,nck->nc", rows - near, towards).max() <= 1e-9 * max(scale, 1)


@settings(deadline=None, max_examples=20)
@given(seeds)
def test_convex_coefficients_are_optimal(seed):
    rng = np.random.default_rng(seed)
    markers, points = rng.normal(size=(6, 4)), rng.normal(size=(9, 4))
    coefficients = convex_coefficients(points, markers, iterations=3000)
    rest = points - coefficients @ markers
    # No marker lies farther along the residual than the reconstruction does.
    gain = rest @ markers.T - np.sum(rest * (coefficients @ markers), axis=1, keepdims=True)
    assert gain.max() < 1e-4
    np.testing.assert_allclose(coefficients.sum(1), 1)


def test_convex_coefficients_are_exact_inside_and_keep_to_what_is_allowed(rng):
    markers, truth = rng.normal(size=(5, 8)), rng.dirichlet(np.ones(5), size=30)
    np.testing.assert_allclose(convex_coefficients(truth @ markers, markers, iterations=3000), truth, atol=1e-6)
    allowed = sparsest(truth, 3)
    kept = convex_coefficients(truth @ markers, markers, iterations=100, allowed=allowed)
    assert np.all(kept[~allowed] == 0)
    np.testing.assert_array_equal(allowed.sum(1), 3)


@settings(deadline=None, max_examples=20)
@given(seeds, st.floats(1e-3, 0.3))
def test_affine_coefficients_have_the_least_expected_error_under_noise(seed, noise):
    rng = np.random.default_rng(seed)
    markers, points = rng.normal(size=(6, 30)), rng.normal(size=(4, 30))

    def expected_error(rows):
        return np.sum((points - rows @ markers) ** 2, 1) + 3 * noise**2 * np.sum(rows**2, 1)

    best = affine_coefficients(points, markers, noise)
    np.testing.assert_allclose(best.sum(1), 1)
    step = rng.normal(size=best.shape)
    step -= step.mean(1, keepdims=True)
    for size in (1e-2, -1e-2):
        assert np.all(expected_error(best + size * step) > expected_error(best))


def test_affine_coefficients_are_exact_without_noise(rng):
    markers, truth = rng.normal(size=(5, 12)), rng.normal(size=(7, 5))
    truth /= truth.sum(1, keepdims=True)
    np.testing.assert_allclose(affine_coefficients(truth @ markers, markers, 0.0), truth, atol=1e-9)


# --- search


def planted(seed):
    """Points inside the hull of eight corners, and a problem of them."""
    rng = np.random.default_rng(seed)
    corners = rng.normal(size=(8, 20))
    inside = rng.dirichlet(np.full(8, 0.5), size=100) @ corners
    points = np.concatenate([inside[:50], corners, inside[50:]]).astype(np.float32)
    return Problem(points, np.full(108, 1 / 108, np.float32), np.arange(108), midline=8, spacing=0.0)


def mean_error(problem, ids):
    markers = problem.points[ids]
    rebuilt = convex_coefficients(problem.points, markers, iterations=1500) @ markers
    return np.linalg.norm(problem.points - rebuilt, axis=1).mean()


@settings(deadline=None, max_examples=10)
@given(seeds)
def test_greedy_does_better_than_chance(seed):
    problem, rng = planted(seed), np.random.default_rng(seed)
    chance = min(mean_error(problem, rng.choice(108, 8, replace=False)) for _ in range(10))
    assert mean_error(problem, greedy_hull(problem, 8, quiet)) < 0.8 * chance


@settings(deadline=None, max_examples=10)
@given(seeds)
def test_gains_are_reached(seed):
    """The error falls by at least what was foreseen when a vertex becomes a marker."""
    problem, rng = planted(seed), np.random.default_rng(seed)
    ids = [*rng.choice(108, 4, replace=False)]
    coefficients = convex_coefficients(problem.points, problem.points[ids], iterations=1500)
    foreseen = gains(problem, coefficients @ problem.points[ids])
    before = mean_error(problem, ids)
    for vertex in (int(np.argmax(foreseen)), *rng.choice(108, 3)):
        assert before - mean_error(problem, [*ids, vertex]) > foreseen[vertex] - 1e-3


def test_swaps_only_ever_help(meshes):
    body = make_body()
    weights = np.full(60, 1 / 60, np.float32)
    problem = Problem(trajectories(meshes, body.mirror), weights, body.mirror, midline=2, spacing=0.01)
    start = greedy_hull(problem, 14, quiet)
    search = SwapSearch(problem, start, body.faces)
    before = search.cost
    moved = search.run(4, np.random.default_rng(0), quiet)
    assert search.cost < before
    assert SwapSearch(problem, moved, body.faces).cost == pytest.approx(search.cost, rel=0.05)


def test_no_room_for_markers(meshes):
    with pytest.raises(UsageError, match="no vertex is left"):
        learn_markers(make_body(), meshes, MarkerSettings(count=14, spacing_mm=5000.0))


def test_neighbours_share_an_edge():
    near = neighbours(np.array([[0, 1, 2], [2, 1, 3]]), 5)
    assert [list(ids) for ids in near] == [[1, 2], [0, 2, 3], [0, 1, 3], [1, 2], []]


def test_areas_sum_to_the_surface():
    square = np.array([[0, 0, 0], [2, 0, 0], [2, 3, 0], [0, 3, 0.0]])
    np.testing.assert_allclose(vertex_areas(square, np.array([[0, 1, 2], [0, 2, 3]])), [2, 1, 2, 1])


def test_trajectories_keep_distances(meshes):
    points = trajectories(meshes, None).astype(float)
    for a, b in ((0, 1), (5, 40), (59, 3)):
        expected = np.sqrt(np.mean(np.sum((meshes[:, a] - meshes[:, b]) ** 2, axis=-1)))
        assert np.linalg.norm(points[a] - points[b]) == pytest.approx(expected, abs=5e-3)


# --- sets


def test_a_learned_set_keeps_its_promises(learned):
    body = make_body()
    assert len(learned) == 14 == len(set(learned.vertex_ids))
    np.testing.assert_array_equal(learned.vertex_ids[learned.mirror], body.mirror[learned.vertex_ids])
    assert np.sum(learned.mirror == np.arange(14)) <= 2
    assert learned.convex.min() >= 0
    assert learned.convex.dtype == learned.signed.dtype == np.float32
    for rows in (learned.convex, learned.signed):
        np.testing.assert_allclose(rows.sum(1), 1, atol=1e-5)
        np.testing.assert_array_equal(rows[body.mirror], rows[:, learned.mirror])
    assert np.count_nonzero(learned.convex, axis=1).max() <= MarkerSettings().nonzeros + 1


def test_markers_are_vertices_and_reconstruct_themselves(learned, meshes):
    points = place(learned, meshes)
    np.testing.assert_array_equal(points, meshes[:, learned.vertex_ids])
    rebuilt = reconstruct(learned, points, signed=False)
    assert np.abs(rebuilt[:, learned.vertex_ids] - points).max() < 5e-3


@settings(deadline=None, max_examples=4)
@given(seeds)
def test_reconstruction_commutes_with_rigid_motion_and_mirror(seed):
    body, rng = make_body(), np.random.default_rng(seed)
    markers = learn_markers(body, random_meshes(body, make_params(6, seed=seed).body_pose, rng), SMALL)
    points, R, T = rng.normal(size=(2, 14, 3)), exp(rng.normal(size=3)), 3 * rng.normal(size=3)
    for signed in (False, True):
        vertices = reconstruct(markers, points, signed)
        np.testing.assert_allclose(reconstruct(markers, points @ R.T + T, signed), vertices @ R.T + T, atol=1e-4)
        mirrored = reconstruct(markers, FLIP * points[:, markers.mirror], signed)
        np.testing.assert_allclose(mirrored, FLIP * vertices[:, body.mirror], atol=1e-6)


def test_same_seed_same_set(learned, meshes):
    again = learn_markers(make_body(), meshes[:25], SMALL, name="small")
    np.testing.assert_array_equal(again.vertex_ids, learned.vertex_ids)
    np.testing.assert_array_equal(again.signed, learned.signed)


def test_signed_explains_more_than_convex_on_unseen_meshes(learned, meshes):
    table = report(make_body(), learned, meshes[25:])
    assert table["signed"]["mean"] < table["convex"]["mean"]
    assert table["signed"]["mean"] < table["signed_noise10"]["mean"]


def test_area_means_weigh_vertices_by_their_skin(learned, meshes):
    body = make_body()
    areas = vertex_areas(body.v_template, body.faces)
    errors = errors_mm(learned, meshes[25:], signed=True)
    table = report(body, learned, meshes[25:])
    assert table["signed"]["area_mean"] == pytest.approx(np.average(errors, axis=1, weights=areas).mean(), abs=1e-3)
    assert table["signed"]["mean"] == pytest.approx(errors.mean(), abs=1e-3)


def test_spread_counts_every_marker_once(learned):
    body = make_body()
    found = spread(body, learned)
    points = body.v_template[learned.vertex_ids]
    nearest = min(np.linalg.norm(points[i] - points[j]) for i in range(14) for j in range(i))
    assert found["least_distance_mm"] == pytest.approx(1e3 * nearest, abs=0.06)
    assert sum(found["parts"].values()) == 14
    assert found["midline"] == np.sum(learned.mirror == np.arange(14))


def test_a_body_without_mirror_can_be_learned(meshes):
    body = make_body()
    lopsided = type(body)(**{**vars(body), "mirror": None})
    markers = learn_markers(lopsided, meshes, SMALL)
    np.testing.assert_array_equal(markers.mirror, np.arange(14))
    assert len(set(markers.names)) == 14


def test_meshes_of_another_body_are_refused(meshes):
    with pytest.raises(InvalidData, match="60 vertices"):
        learn_markers(make_body(), meshes[:, 1:], SMALL)


def test_settings_that_make_no_sense():
    with pytest.raises(UsageError):
        MarkerSettings(count=2)


def test_regions_cover_the_body_once():
    masks = regions(make_body())
    np.testing.assert_array_equal(sum(mask.astype(int) for mask in masks.values()), 1)


# --- files


def test_file_round_trip(learned, tmp_path):
    path = tmp_path / "set.npz"
    save_markers(path, learned)
    found = load_markers(make_body(), path)
    np.testing.assert_array_equal(found.vertex_ids, learned.vertex_ids)
    np.testing.assert_array_equal(found.mirror, learned.mirror)
    for rows, written in ((found.convex, learned.convex), (found.signed, learned.signed)):
        np.testing.assert_allclose(rows, written, atol=2e-3)
        np.testing.assert_allclose(rows.sum(1), 1, atol=1e-6)
    np.testing.assert_array_equal(found.signed[make_body().mirror], found.signed[:, found.mirror])
    assert (found.name, found.names, dict(found.provenance)) == (
        learned.name,
        learned.names,
        dict(learned.provenance),
    )
    with np.load(path) as file:
        # 27 pairs and 6 vertices on the mid-line, which are their own images.
        assert len(file["signed"]) == 33
    again = tmp_path / "again.npz"
    save_markers(again, found)
    np.testing.assert_allclose(read_markers(again).convex, found.convex, atol=1e-3)


def test_a_set_without_symmetry_keeps_all_its_rows(learned, tmp_path):
    rng = np.random.default_rng(0)
    lopsided = replace(learned, convex=rng.dirichlet(np.ones(14), size=60), signed=rng.dirichlet(np.ones(14), size=60))
    save_markers(tmp_path / "set.npz", lopsided)
    found = read_markers(tmp_path / "set.npz")
    np.testing.assert_allclose(found.convex, lopsided.convex, atol=2e-3)
    np.testing.assert_allclose(found.signed, lopsided.signed, atol=2e-3)


def test_files_of_schema_one_are_read(learned, tmp_path):
    path, (rows, columns) = tmp_path / "old.npz", np.nonzero(learned.convex)
    meta = {"schema": 1, "name": "old", "body_sha256": learned.body_sha256, "provenance": {}}
    np.savez(
        path,
        vertex_ids=learned.vertex_ids,
        mirror=learned.mirror,
        convex_counts=np.bincount(rows, minlength=60).astype(np.uint8),
        convex_columns=columns.astype(np.uint16),
        convex_values=learned.convex[rows, columns],
        signed=learned.signed.astype(np.float16),
        meta=np.array(json.dumps(meta)),
    )
    found = load_markers(make_body(), path)
    np.testing.assert_allclose(found.convex, learned.convex, atol=1e-6)
    assert found.names[:2] == ("marker_01", "marker_02")


def test_another_body_is_refused_with_the_way_out(learned, tmp_path):
    path = tmp_path / "set.npz"
    save_markers(path, learned)
    with pytest.raises(UsageError, match="'small' were learned on body 'random'") as caught:
        load_markers(make_body(seed=1), path)
    assert "mgdata markers learn" in caught.value.hint


def test_no_such_set():
    with pytest.raises(UsageError) as caught:
        load_markers(make_body(), "nowhere")
    assert "free-64" in caught.value.hint


def put(key, where, value):
    """Damage one number of an array."""

    def change(arrays):
        arrays[key][where] = value(arrays[key]) if callable(value) else value

    return change


def replaced(key, value):
    """Damage a whole array."""
    return lambda arrays: arrays.update({key: value(arrays[key])})


DAMAGES = {
    "missing": lambda arrays: arrays.pop("signed"),
    "nan": put("signed", (3, 2), np.nan),
    "sums": replaced("convex_values", lambda values: values * 2),
    "ids": put("vertex_ids", 0, 60),
    "columns": put("convex_columns", 0, 14),
    "mirror": replaced("mirror", lambda values: np.roll(values, 1)),
    "names": put("names", 1, lambda names: names[0]),
    "rows": put("row", 5, 33),
    "schema": replaced("meta", lambda _: np.array('{"schema": 99}')),
    "meta": replaced("meta", lambda _: np.array("no json")),
    "pickle": replaced("meta", lambda _: np.array({"schema": 1}, dtype=object)),
}


@pytest.mark.parametrize("case", DAMAGES)
def test_damaged_files_are_refused(learned, tmp_path, case):
    path = tmp_path / "set.npz"
    save_markers(path, learned)
    with np.load(path) as file:
        arrays = dict(file)
    DAMAGES[case](arrays)
    np.savez(path, **arrays)
    with pytest.raises(InvalidData) as caught:
        read_markers(path)
    assert str(path) in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize("content", [b"", b"PK", b"text"])
def test_files_that_are_no_npz(tmp_path, content):
    path = tmp_path / "set.npz"
    path.write_bytes(content)
    with pytest.raises(InvalidData):
        read_markers(path)
