"""SMPL-H and SMPL-X as bodies of 24 joints say what the stock package says; other models are named and refused."""

import numpy as np
import pytest
import torch
from family_files import SMPLH_PARENTS, SMPLX_PARENTS, family_arrays, smplh_arrays, smplx_arrays
from old_pickles import write_smpl_1_0
from random_body import make_params

from meshgait_data.body.family import MEMBERS
from meshgait_data.body.files import load_body
from meshgait_data.body.model import forward
from meshgait_data.body.torch_body import TorchBody
from meshgait_data.conventions import SMPL_JOINTS, SMPL_PARENTS
from meshgait_data.errors import BodyFileError

COUNT = 5


def save(path, arrays):
    np.savez(path, **arrays)
    return path


def stock(kind, path, num_betas):
    """The whole model in the stock package, which loads the very same file: hands flat, mouth closed."""
    smplx = pytest.importorskip("smplx")
    options = {"batch_size": COUNT, "num_betas": num_betas, "use_pca": False, "flat_hand_mean": True, "ext": "npz"}
    if kind == "smplx":
        return smplx.SMPLX(str(path), **options)
    return smplx.SMPLH(str(path), vertex_ids=dict.fromkeys(smplx.vertex_ids.vertex_ids["smplh"], 0), **options)


def params_of(num_betas):
    params = make_params(COUNT, betas=num_betas)
    params.body_pose[:, 63:] = 0.0
    return params


@pytest.fixture
def small_vertex_ids(monkeypatch):
    """SMPL-X takes its named vertices from a table for 10475 of them, which 60 vertices do not have."""
    smplx = pytest.importorskip("smplx")
    table = smplx.vertex_ids.vertex_ids
    monkeypatch.setitem(table, "smplx", dict.fromkeys(table["smplx"], 0))


@pytest.mark.parametrize(
    ("kind", "arrays", "num_betas"),
    [
        ("smplh", smplh_arrays(16), 16),
        ("smplh", smplh_arrays(10), 10),
        ("smplx", smplx_arrays(400), 300),
        ("smplx", smplx_arrays(20), 10),
    ],
    ids=["smplh-16", "smplh-10", "smplx-1.1", "smplx-1.0"],
)
def test_the_stock_package_agrees(tmp_path, small_vertex_ids, kind, arrays, num_betas):
    path = save(tmp_path / "model.npz", arrays)
    body = load_body(path)
    assert body.num_betas == num_betas
    assert body.parents.tolist() == list(SMPL_PARENTS)
    params = params_of(min(num_betas, 10 if kind == "smplh" else num_betas))
    tensors = {name: torch.from_numpy(getattr(params, name)) for name in ("global_orient", "transl")}
    tensors["betas"] = torch.from_numpy(params.betas).expand(COUNT, -1)
    tensors["body_pose"] = torch.from_numpy(params.body_pose[:, :63])
    with torch.no_grad():
        theirs = stock(kind, path, len(params.betas))(**tensors)
        tensors["body_pose"] = torch.from_numpy(params.body_pose)
        ours = TorchBody(body)(*(tensors[name] for name in ("betas", "global_orient", "body_pose", "transl")))
    output = forward(body, params)
    for vertices, joints in ((output.vertices, output.joints), ours):
        np.testing.assert_allclose(vertices, theirs.vertices, atol=1e-5)
        np.testing.assert_allclose(joints[:, :22], theirs.joints[:, :22], atol=1e-5)
    # Flat hands move with the wrist, so that the knuckles of the whole model say where the hands' joints must be.
    first = 22 if kind == "smplh" else 25
    for hand, start in ((22, first), (23, first + 15)):
        knuckles = theirs.joints[:, start : start + 12 : 3].mean(1)
        np.testing.assert_allclose(output.joints[:, hand], knuckles, atol=1e-5)


@pytest.mark.parametrize("arrays", [smplh_arrays(10), smplx_arrays(20)], ids=["smplh", "smplx"])
def test_the_pickle_is_the_same_body_as_the_npz(tmp_path, arrays):
    write_smpl_1_0(tmp_path / "a.pkl", arrays)
    assert load_body(tmp_path / "a.pkl").sha256 == load_body(save(tmp_path / "b.npz", arrays)).sha256


@pytest.mark.parametrize("root", [2**32 - 1, -1, 0])
@pytest.mark.parametrize("kind", [np.int64, np.uint32])
def test_the_roots_parent_and_the_type_of_the_tree_do_not_matter(tmp_path, root, kind):
    arrays = smplh_arrays()
    arrays["kintree_table"][0, 0] = root
    arrays["kintree_table"] = arrays["kintree_table"].astype(kind)
    assert load_body(save(tmp_path / "a.npz", arrays)).num_betas == 16


def test_the_trees_are_the_released_ones():
    assert [member.parents for member in MEMBERS] == [SMPL_PARENTS, SMPLH_PARENTS, SMPLX_PARENTS]


def test_a_hand_turns_as_one(tmp_path):
    body = load_body(save(tmp_path / "a.npz", smplh_arrays()))
    hand = SMPL_JOINTS.index("left_hand")
    still, turned = params_of(10), params_of(10)
    turned.body_pose[:, 3 * hand - 3 : 3 * hand] = 0.5
    moved = np.abs(forward(body, turned).vertices - forward(body, still).vertices).max((0, 2)) > 1e-6
    np.testing.assert_array_equal(moved, body.weights[:, hand] > 1e-5)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (family_arrays((-1, *[0, 1, 2] * 5), 10), "MANO, a hand without a body"),
        (family_arrays((-1, 0, 1, 1, 1), 400), "FLAME, a head without a body"),
        (family_arrays((-1, *range(74)), 300), "SUPR"),
        ({**family_arrays(SMPL_PARENTS, 300), "posedirs": np.zeros((60, 3, 93))}, "STAR"),
        (family_arrays((-1, *range(22)), 10), r"kintree_table has shape \(2, 23\)"),
        (family_arrays((-1, *range(23)), 10), "kintree_table differs from SMPL's tree"),
        (family_arrays((*SMPLH_PARENTS[:-1], 5), 10), "kintree_table differs"),
    ],
    ids=["mano", "flame", "supr", "star", "22 joints", "other tree", "other hand"],
)
def test_other_models_are_named(tmp_path, arrays, message):
    with pytest.raises(BodyFileError, match=message) as caught:
        load_body(save(tmp_path / "a.npz", arrays))
    assert "SMPL-X (55)" in caught.value.hint


def test_skel_is_named(tmp_path):
    write_smpl_1_0(tmp_path / "a.pkl", {**smplh_arrays(10), "skin_template_v": np.zeros((60, 3))})
    with pytest.raises(BodyFileError, match="SKEL"):
        load_body(tmp_path / "a.pkl")
