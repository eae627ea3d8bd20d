"""Published joint regressors that users supply: every layout, and what is refused."""

import numpy as np
import pytest
import scipy.sparse
import yaml

from meshgait_data.body.files import load_body
from meshgait_data.body.joint_files import load_joint_set, load_regressor
from meshgait_data.body.joints import regress
from meshgait_data.body.model import BodyParams, forward
from meshgait_data.conventions import mirror_names
from meshgait_data.errors import InvalidData


@pytest.fixture(scope="module")
def body():
    return load_body("free-lite")


@pytest.fixture(scope="module")
def h36m(body):
    """(17, V) rows as a published file has them: over vertices only."""
    return vertices_only(body, "h36m17")


def vertices_only(body, name):
    matrix = load_regressor(body, name).matrix.toarray()
    return matrix[:, : body.num_vertices] + matrix[:, body.num_vertices :] @ body.J_regressor


def sparse(layout, key):
    return lambda path, rows: scipy.sparse.save_npz(path, getattr(scipy.sparse, layout)(rows), compressed=key)


WRITERS = {
    "plain.npy": np.save,
    "transposed.npy": lambda path, rows: np.save(path, rows.T),
    "single.npz": lambda path, rows: np.savez(path, rows),
    "csr.npz": sparse("csr_matrix", True),
    "csc.npz": sparse("csc_matrix", False),
    "coo.npz": sparse("coo_matrix", True),
    "rows.txt": np.savetxt,
    "rows.csv": lambda path, rows: np.savetxt(path, rows, delimiter=","),
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_layout_gives_the_same_joints(body, h36m, tmp_path, name):
    WRITERS[name](tmp_path / name, h36m)
    found = load_regressor(body, "h36m17", tmp_path / name)
    assert found.names == load_joint_set("h36m17").names
    assert found.how[0] == f"published: {name}"
    assert not found.approximate
    rest = forward(body, BodyParams(np.zeros(1), np.zeros((1, 3)), np.zeros((1, 69)), np.zeros((1, 3))))
    np.testing.assert_allclose(regress(found, rest)[0], h36m @ rest.vertices[0], atol=1e-4)


def test_exchanged_sides_are_noticed_put_right_and_said(body, h36m, tmp_path):
    other = mirror_names(load_joint_set("h36m17").names)
    np.save(tmp_path / "rows.npy", h36m[other])
    found = load_regressor(body, "h36m17", tmp_path / "rows.npy")
    assert "sides exchanged" in found.how[0]
    np.save(tmp_path / "right.npy", h36m)
    assert abs(found.matrix - load_regressor(body, "h36m17", tmp_path / "right.npy").matrix).max() == 0


def test_a_file_of_a_larger_set_gives_the_joints_that_are_asked_for(body, tmp_path):
    np.save(tmp_path / "SMPL_to_J19.npy", vertices_only(body, "cocoplus19"))
    np.save(tmp_path / "coco.npy", vertices_only(body, "coco17"))
    found = load_regressor(body, "coco17", tmp_path / "SMPL_to_J19.npy")
    wanted = load_regressor(body, "coco17", tmp_path / "coco.npy")
    assert abs(found.matrix - wanted.matrix).max() < 1e-6


def test_the_nine_extra_rows_have_a_set_of_their_own(body, tmp_path):
    np.save(tmp_path / "J_regressor_extra.npy", vertices_only(body, "spin_extra9"))
    assert len(load_regressor(body, "spin_extra9", tmp_path / "J_regressor_extra.npy")) == 9


def test_a_yaml_of_vertices_and_joints(body, tmp_path):
    known = load_joint_set("openpose18")
    places = {"nose": "nose", "eye": "leye", "ear": "lear"}
    content = {}
    for joint in known.joints:
        stem = joint.name.removeprefix("left_").removeprefix("right_")
        name = places.get(stem, "")
        name = "r" + name[1:] if joint.name.startswith("right_") and name else name
        content[joint.original] = body.vertex_ids[name] if name else joint.moves_with
    content["Neck"] = ["left_shoulder", "right_shoulder"]
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(content))
    found = load_regressor(body, "openpose18", path)
    np.testing.assert_allclose(found.matrix.sum(axis=1), 1.0)
    assert found.matrix.toarray()[0].argmax() == body.vertex_ids["nose"]
    for wrong in ({**content, "Nose": body.num_vertices}, {**content, "Nose": "horn"}, {**content, "Nose": True}):
        path.write_text(yaml.safe_dump(wrong))
        with pytest.raises(InvalidData, match="'nose' is"):
            load_regressor(body, "openpose18", path)
    path.write_text("- 1\n")
    with pytest.raises(InvalidData, match="names and vertices"):
        load_regressor(body, "openpose18", path)


def test_rounded_rows_are_scaled_to_sum_to_one(body, h36m, tmp_path):
    np.save(tmp_path / "rows.npy", 1.01 * h36m)
    np.testing.assert_allclose(load_regressor(body, "h36m17", tmp_path / "rows.npy").matrix.sum(axis=1), 1.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: 1.1 * rows, "sums to 1.1"),
        (lambda rows: rows[:, :-1], "has shape"),
        (lambda rows: rows[:5], "5 rows"),
        (lambda rows: rows[::-1], "another order"),
        (lambda rows: np.roll(rows, 3, axis=0), "another order"),
        (lambda rows: np.where(np.eye(*rows.shape) > 0, np.nan, rows), "not finite"),
        (lambda rows: rows[0], "has shape"),
        (lambda rows: rows.astype(complex), "not a readable array"),
        (lambda rows: np.array([{"a": 1}], dtype=object), "not a readable array"),
    ],
)
def test_what_is_refused(body, h36m, tmp_path, change, message):
    np.save(tmp_path / "rows.npy", change(h36m), allow_pickle=True)
    with pytest.raises(InvalidData, match=message) as error:
        load_regressor(body, "h36m17", tmp_path / "rows.npy")
    assert error.value.hint


@pytest.mark.parametrize("name", ["rows.pkl", "rows.pth", "rows.npy", "rows.npz", "rows.txt", "absent.npy"])
def test_files_that_are_no_arrays(body, tmp_path, name):
    if not name.startswith("absent"):
        (tmp_path / name).write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(InvalidData) as error:
        load_regressor(body, "h36m17", tmp_path / name)
    assert str(tmp_path / name) in str(error.value)


@pytest.mark.parametrize("change", [{"shape": np.array([10**6, 10**6])}, {"indices": np.array([10**7])}])
def test_a_damaged_sparse_file(body, h36m, tmp_path, change):
    scipy.sparse.save_npz(tmp_path / "rows.npz", scipy.sparse.csr_matrix(h36m))
    with np.load(tmp_path / "rows.npz") as file:
        arrays = dict(file)
    np.savez(tmp_path / "rows.npz", **{**arrays, **change})
    with pytest.raises(InvalidData, match="not a readable array"):
        load_regressor(body, "h36m17", tmp_path / "rows.npz")
