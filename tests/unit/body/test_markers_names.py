"""Names of markers: right on a body of boxes, unique, the same on both sides."""

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from random_body import make_body

from meshgait_data.body.marker_names import marker_names, regular_names, vertex_normals, vertex_parts
from meshgait_data.conventions import SMPL_JOINTS

CORNERS = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
CUBE = np.array(
    [[0, 1, 3], [0, 3, 2], [4, 6, 7], [4, 7, 5], [0, 4, 5], [0, 5, 1],
     [2, 3, 7], [2, 7, 6], [0, 2, 6], [0, 6, 4], [1, 5, 7], [1, 7, 3]]
)  # fmt: skip
"""Corner numbers of a cube's triangles, counter-clockwise from outside. Corner i ^ 4 is the mirror image of i."""


def boxes():
    """A head and two thighs, one block each, and a body of them without mirror."""
    blocks = [([0, 0.5, 0], "head"), ([0.2, -0.5, 0], "left_hip"), ([-0.2, -0.5, 0], "right_hip")]
    weights = np.zeros((24, 24), np.float32)
    for index, (_, joint) in enumerate(blocks):
        weights[8 * index : 8 * index + 8, SMPL_JOINTS.index(joint)] = 1
    places = [0.05 * CORNERS * [1.0, 3.0, 1.5] + centre for centre, _ in blocks]
    # The right thigh is the exact mirror image of the left one, triangles too.
    faces = [CUBE, CUBE + 8, (CUBE ^ 4)[:, ::-1] + 16]
    return replace(
        make_body(),
        v_template=np.concatenate(places).astype(np.float32),
        faces=np.concatenate(faces),
        weights=weights,
        mirror=None,
    )


def test_normals_point_out_of_the_skin():
    body = boxes()
    normals = vertex_normals(body.v_template, body.faces)
    for start in (0, 8, 16):
        out = body.v_template[start : start + 8] - body.v_template[start : start + 8].mean(axis=0)
        assert np.all(np.sum(normals[start : start + 8] * out, axis=1) > 0)
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1)


def test_parts_and_sides():
    body = boxes()
    assert vertex_parts(body) == ("head",) * 8 + ("thigh",) * 16
    names = marker_names(body, np.arange(24))
    assert all(name.startswith(("left_head", "right_head")) for name in names[:8])
    assert all(name.startswith("left_thigh") for name in names[8:16])
    assert all(name.startswith("right_thigh") for name in names[16:])


def test_the_right_side_has_the_names_of_the_left():
    body = boxes()
    # Corners of the right thigh in the order of their mirror images.
    image = [20, 21, 22, 23, 16, 17, 18, 19]
    left = marker_names(body, np.arange(8, 16))
    swapped = tuple(name.replace("left_", "right_") for name in left)
    paired = replace(body, mirror=np.array([4, 5, 6, 7, 0, 1, 2, 3, *image, *(12, 13, 14, 15, 8, 9, 10, 11)]))
    assert marker_names(paired, np.array(image)) == swapped
    assert marker_names(body, np.array(image)) == swapped


def test_words_tell_top_from_bottom_and_front_from_rear():
    body = boxes()
    vertices = body.v_template
    flat = replace(body, faces=np.array([[0, 1, 2]]))  # without skin, all markers have one direction
    ids = np.array([8, 9, 10, 11])
    for axis, (first, second) in ((1, ("upper", "lower")), (2, ("fore", "rear"))):
        pair = next((a, b) for a in ids for b in ids if np.ptp(vertices[[a, b]], axis=0).argmax() == axis and a != b)
        words = dict(zip(pair, (name.rpartition("_")[2] for name in marker_names(flat, np.array(pair))), strict=True))
        top = max(pair, key=lambda vertex: vertices[vertex, axis])
        assert words[top] == first
        assert set(words.values()) == {first, second}
    names = marker_names(flat, np.arange(8, 16))
    assert {name.rpartition("_")[2] for name in names} == set(map(str, range(1, 9)))


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(1, 60))
def test_names_are_unique_and_mirrored_on_any_body(seed, count):
    body, rng = make_body(), np.random.default_rng(seed)
    ids = rng.choice(60, count, replace=False)
    ids = np.unique(np.concatenate([ids, body.mirror[ids]]))
    names = marker_names(body, ids)
    assert len(set(names)) == len(ids)
    by_vertex = dict(zip(ids.tolist(), names, strict=True))
    swap = {"left_": "right_", "right_": "left_"}
    for vertex, name in by_vertex.items():
        other = by_vertex[int(body.mirror[vertex])]
        side = next((side for side in swap if name.startswith(side)), "")
        if body.mirror[vertex] != vertex:
            assert other == swap[side] + name.removeprefix(side)


def test_regular_names():
    assert regular_names(2) == ("marker_01", "marker_02")
