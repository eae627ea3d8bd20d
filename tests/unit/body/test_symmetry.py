"""The mirror of a mesh is found from its triangles, even where its template is only nearly symmetric."""

import numpy as np
import pytest

from meshgait_data.body.files import load_body
from meshgait_data.body.symmetry import find_mirror


@pytest.fixture(scope="module")
def body():
    return load_body("free")


@pytest.mark.parametrize("crooked_mm", [0, 3, 8])
def test_found_although_the_template_is_crooked(body, rng, crooked_mm):
    moved = body.v_template + rng.normal(0, crooked_mm / 1e3, body.v_template.shape)
    np.testing.assert_array_equal(find_mirror(moved, body.faces), body.mirror)


def test_numbering_does_not_matter(body, rng):
    order = rng.permutation(body.num_vertices)
    place = np.argsort(order)
    found = find_mirror(body.v_template[order], place[body.faces])
    np.testing.assert_array_equal(found, place[body.mirror[order]])


def test_none_where_the_triangles_are_not_symmetric(body):
    # Flip the edge between two triangles on one side: still closed, no longer symmetric.
    first = body.faces[100]
    second = next(f for f in body.faces if len(set(f) & set(first)) == 2 and list(f) != list(first))
    a, b = sorted(set(first) & set(second))
    ends = [next(iter(set(face) - {a, b})) for face in (first, second)]
    rest = [f for f in body.faces.tolist() if f not in (first.tolist(), second.tolist())]
    flipped = np.array([*rest, [ends[0], ends[1], a], [ends[1], ends[0], b]])
    assert find_mirror(body.v_template, flipped) is None


def test_a_body_file_without_a_mirror_gets_one(body, tmp_path):
    parents = np.where(body.parents < 0, 2**32 - 1, body.parents)
    keys = ("v_template", "shapedirs", "posedirs", "J_regressor", "weights")
    tree = np.stack([parents, np.arange(24)])
    np.savez(tmp_path / "mine.npz", **{k: getattr(body, k) for k in keys}, f=body.faces, kintree_table=tree)
    mine = load_body(tmp_path / "mine.npz")
    assert mine.sha256 == body.sha256
    np.testing.assert_array_equal(mine.mirror, body.mirror)
