"""Comparing bodies: zero to itself, known after known changes, exact distances to surfaces."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tape_bodies import prism_body

from meshgait_data.body.compare import REGIONS, compare, region_ids
from meshgait_data.body.compare_surface import surface_distances, triangle_distances
from meshgait_data.body.files import load_body
from meshgait_data.body.model import Body
from meshgait_data.pipeline.free_body import shipped_walks

PRISMS = prism_body()


def finer(body: Body) -> Body:
    """The same surface with four triangles for each: another topology, nothing else."""
    pairs = np.sort(body.faces[:, [[0, 1], [1, 2], [2, 0]]], axis=-1).reshape(-1, 2)
    edges, inverse = np.unique(pairs, axis=0, return_inverse=True)
    middle = inverse.reshape(-1, 3) + body.num_vertices
    a, b, c = body.faces.T
    ab, bc, ca = middle.T
    faces = np.concatenate([np.stack(f, 1) for f in ((a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca))])

    def halved(array: np.ndarray) -> np.ndarray:
        return np.concatenate([array, 0.5 * (array[edges[:, 0]] + array[edges[:, 1]])])

    arrays = {name: halved(getattr(body, name)) for name in ("v_template", "shapedirs", "posedirs", "weights")}
    regressor = np.pad(body.J_regressor, ((0, 0), (0, len(edges))))
    return replace(body, name="finer", J_regressor=regressor, faces=faces.astype(np.int32), **arrays)


@pytest.fixture(scope="module")
def walks():
    return shipped_walks(("35/35_01",), 150)


def test_a_body_is_at_no_distance_from_itself(walks):
    free = load_body("free")
    found = compare(free, free, walks, shapes=2)
    assert found.same_mesh
    assert found.shared == free.num_betas
    assert found.walking[0].regions["all"].max == 0.0
    assert set(found.walking[0].regions) == {*REGIONS, "all"}
    assert found.samples == (2, len(walks[0].rotations))


def test_a_shift_is_the_distance_unless_the_pelvis_is_aligned(walks):
    shifted = replace(PRISMS, v_template=PRISMS.v_template + np.array([0.0, 0.03, 0.04]))
    as_is = compare(PRISMS, shifted, walks, shapes=2, align=False)
    assert as_is.rest[0].vertices == pytest.approx(0.05, abs=1e-5)
    assert np.linalg.norm(as_is.joints, axis=1) == pytest.approx(0.05)
    aligned = compare(PRISMS, shifted, walks, shapes=2)
    assert aligned.walking[0].regions["all"].max < 1e-5
    assert np.abs(aligned.joints).max() < 1e-9


def test_another_triangulation_of_the_same_surface_is_at_no_distance(walks):
    one_pose = [replace(walks[0], rotations=walks[0].rotations[-1:])]
    found = compare(PRISMS, finer(PRISMS), one_pose, shapes=2)
    assert not found.same_mesh
    assert found.shared == PRISMS.num_betas
    for side in (*found.rest, *found.walking):
        assert side.regions["all"].max < 1e-5
    assert len(found.walking[1].vertices) == finer(PRISMS).num_vertices


def test_a_change_of_one_region_stays_there(walks):
    template = PRISMS.v_template.copy()
    head = region_ids(PRISMS) == list(REGIONS).index("head")
    template[head, 2] += 0.02
    found = compare(PRISMS, replace(PRISMS, v_template=template), walks, shapes=2)
    assert found.rest[0].regions["head"].mean == pytest.approx(0.02, abs=1e-6)
    assert max(found.rest[0].regions[name].max for name in REGIONS if name != "head") < 1e-6


def test_other_shape_components_are_not_shared():
    swapped = replace(PRISMS, shapedirs=PRISMS.shapedirs[..., ::-1])
    assert compare(PRISMS, swapped).shared == 0
    noted = compare(PRISMS, replace(PRISMS, shapedirs=PRISMS.shapedirs * [1.1, 1.0, -1.0]))
    assert noted.shared == 2
    assert noted.components[0][1] == pytest.approx(0.1 * noted.components[0][0])


@given(seed=st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_distance_to_a_triangle_is_that_of_its_nearest_point(seed):
    rng = np.random.default_rng(seed)
    corners, point = rng.normal(size=(3, 3)), 2 * rng.normal(size=3)
    shares = rng.dirichlet(np.ones(3), size=2000)
    sampled = np.linalg.norm(shares @ corners - point, axis=1).min()
    exact = float(triangle_distances(point, corners))
    assert exact <= sampled + 1e-9
    assert sampled - exact < 0.3


def test_distance_to_a_triangle_in_each_of_its_places():
    corners = np.array([[0, 0, 0], [2, 0, 0], [0, 2, 0]], float)
    points = {(0.5, 0.5, -3): 3, (1, -2, 0): 2, (-3, -4, 0): 5, (2, 2, 1): np.sqrt(3), (5, 0, 4): 5, (0.5, 0.5, 0): 0}
    for point, distance in points.items():
        assert triangle_distances(np.array(point, float), corners) == pytest.approx(distance)


@given(seed=st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_the_surface_search_gives_what_trying_all_triangles_gives(seed):
    rng = np.random.default_rng(seed)
    vertices = rng.normal(size=(60, 3)) * rng.choice([0.1, 1.0, 5.0], size=(60, 1))
    faces = np.array([rng.choice(60, 3, replace=False) for _ in range(90)])
    points = 2 * rng.normal(size=(40, 3))
    wanted = triangle_distances(points[:, None], vertices[faces][None]).min(axis=1)
    assert surface_distances(points, vertices, faces) == pytest.approx(wanted, abs=1e-9)


def test_regions_follow_the_skinning():
    names = np.array(list(REGIONS))[region_ids(load_body("free"))]
    template = load_body("free").v_template
    assert template[names == "head", 1].min() > template[names == "thighs", 1].max()
    assert set(names) == set(REGIONS)
