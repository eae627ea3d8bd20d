"""The free body: what ships keeps its promises, and the steps that build it do what their names say."""

import importlib.util
import json
from importlib.resources import files

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from meshgait_data.body import free_pose, free_shape
from meshgait_data.body.files import load_body
from meshgait_data.body.free_mesh import is_closed, largest_component
from meshgait_data.body.free_source import joint_of_bone
from meshgait_data.body.free_walks import Walk, joint_rotations
from meshgait_data.body.model import forward, rest_joints
from meshgait_data.conventions import SMPL_JOINTS, SMPL_MIRROR, SMPL_PARENTS
from meshgait_data.rotations import log
from meshgait_data.types import BodyParams

BODIES = files("meshgait_data") / "assets" / "bodies"
FLIP = np.array([-1, 1, 1], np.float32)
SMPLX_NAMES = {
    "nose", "reye", "leye", "rear", "lear", "LBigToe", "LSmallToe", "LHeel", "RBigToe", "RSmallToe", "RHeel",
    "lthumb", "lindex", "lmiddle", "lring", "lpinky", "rthumb", "rindex", "rmiddle", "rring", "rpinky",
}  # fmt: skip


@pytest.fixture(scope="module")
def free():
    return load_body("free")


@pytest.fixture(scope="module")
def card():
    with np.load(BODIES / "free.npz", allow_pickle=False) as arrays:
        return json.loads(str(arrays["card"]))


def posed(body, **given):
    zero = {"betas": np.zeros(10), "global_orient": np.zeros((1, 3)), "body_pose": np.zeros((1, 69))}
    return forward(body, BodyParams(**(zero | {"transl": np.zeros((1, 3))} | given)))


def test_it_ships_small_and_with_its_licence():
    assert (BODIES / "free.npz").stat().st_size < 2_600_000
    text = (BODIES / "LICENCE-free-body.txt").read_text()
    assert "CC0 1.0 Universal" in text
    assert "MakeHuman" in text


def test_it_has_fewer_vertices_than_smpls_own_vertex_numbers_reach(free):
    assert 6000 < free.num_vertices < 6788
    assert free.num_betas == 10
    assert free.licence.startswith("CC0")


def test_the_surface_is_closed_connected_and_turned_outwards(free):
    assert is_closed(free.faces)
    assert len(largest_component(free.faces)) == len(free.faces)
    assert len(free.faces) == 2 * free.num_vertices - 4
    assert np.array_equal(np.unique(free.faces), np.arange(free.num_vertices))
    assert 0.05 < free_shape.volume(free.v_template, free.faces) < 0.09


def test_it_is_its_own_mirror_image_bit_by_bit(free):
    mirror = free.mirror
    assert np.array_equal(free.v_template, free.v_template[mirror] * FLIP)
    assert np.array_equal(free.shapedirs, free.shapedirs[mirror] * FLIP[:, None])
    assert np.array_equal(free.weights, free.weights[mirror][:, SMPL_MIRROR])
    assert np.array_equal(free.J_regressor, free.J_regressor[SMPL_MIRROR][:, mirror])
    assert np.array_equal(free.posedirs, free_pose.mirrored_correctives(free.posedirs, mirror))
    triangles = {tuple(np.roll(face, -np.argmin(face))) for face in free.faces}
    assert {tuple(np.roll(face, -np.argmin(face))) for face in mirror[free.faces][:, ::-1]} == triangles


def test_mirrored_poses_give_mirrored_bodies(free, rng):
    angles = rng.normal(scale=0.3, size=(1, 24, 3))
    # A rotation vector is a pseudo-vector: its component along the mirrored axis stays.
    other = angles[:, SMPL_MIRROR] * -FLIP
    left, right = (
        posed(free, betas=np.ones(10), global_orient=a[:, 0], body_pose=a[:, 1:].reshape(1, 69))
        for a in (angles, other)
    )
    np.testing.assert_allclose(right.vertices, left.vertices[:, free.mirror] * FLIP, atol=2e-6)
    np.testing.assert_allclose(right.joints, left.joints[:, SMPL_MIRROR] * FLIP, atol=2e-6)


def test_weights_and_regressor_are_convex_and_sparse(free):
    for array in (free.weights, free.J_regressor):
        assert array.min() >= 0
        np.testing.assert_allclose(array.sum(axis=1), 1, atol=1e-6)
    assert (free.weights > 0).sum(axis=1).max() <= 5  # four, or five where a mid-line tie would break symmetry
    assert (free.J_regressor > 0).sum(axis=1).max() < 60


def test_it_stands_in_the_t_pose_with_the_pelvis_off_the_origin(free):
    joints = dict(zip(SMPL_JOINTS, rest_joints(free)[0], strict=True))
    assert np.linalg.norm(joints["pelvis"]) > 0.1
    assert joints["left_wrist"][0] > 0.6
    assert joints["right_wrist"][0] < -0.6
    assert abs(joints["left_wrist"][1] - joints["left_shoulder"][1]) < 0.03
    assert joints["head"][1] > joints["neck"][1] > joints["pelvis"][1] > joints["left_knee"][1]
    assert free.v_template[free.vertex_ids["nose"], 2] > joints["head"][2] + 0.05
    assert joints["left_foot"][2] > joints["left_ankle"][2] + 0.05


def test_named_vertices_are_smplxs_and_lie_where_they_should(free):
    assert set(free.vertex_ids) == SMPLX_NAMES
    at = {name: free.v_template[index] for name, index in free.vertex_ids.items()}
    for name in SMPLX_NAMES - {"nose"}:
        assert (at[name][0] > 0) == (name[0] in "lL"), name
    assert at["nose"][0] == 0
    assert at["LHeel"][2] < at["LBigToe"][2] - 0.2
    assert at["LBigToe"][0] < at["LSmallToe"][0]
    floor = free.v_template[:, 1].min()
    assert max(at[name][1] for name in ("LHeel", "LBigToe", "LSmallToe")) < floor + 0.04
    assert at["lindex"][2] > at["lmiddle"][2] > at["lring"][2] > at["lpinky"][2]
    assert at["lmiddle"][0] == max(at[name][0] for name in SMPLX_NAMES)
    assert at["leye"][1] > at["nose"][1]


def test_beta0_is_height_and_beta1_is_girth_at_equal_height(free, card):
    shapes = free.v_template + np.moveaxis(free.shapedirs, -1, 0)
    taller = free_shape.stature(shapes) - free_shape.stature(free.v_template)
    fuller = free_shape.volume(shapes, free.faces) - free_shape.volume(free.v_template, free.faces)
    assert 0.10 < taller[0] < 0.14
    assert np.abs(taller[1:]).max() < 0.002
    assert fuller[1] > 0.005
    assert np.abs(fuller[2:]).max() < 0.0005
    said = [component["height_mm"] for component in card["components"]]
    np.testing.assert_allclose(said, 1000 * taller, atol=2)


@pytest.mark.parametrize("beta", [-2.0, 2.0])
def test_every_component_stays_a_plausible_person(free, beta):
    for component in range(10):
        betas = np.zeros(10)
        betas[component] = beta
        shape = free.v_template + free.shapedirs @ betas
        assert 1.4 < free_shape.stature(shape) < 2.0
        assert 0.03 < free_shape.volume(shape, free.faces) < 0.13


def test_the_card_says_how_far_the_body_is_from_its_source(free, card):
    assert card["vertices"] == free.num_vertices
    assert card["faces"] == len(free.faces)
    errors = card["errors_mm"]
    assert errors["shape"]["plain"]["mean"] < 3.2
    assert errors["shape"]["varied"]["mean"] < 6.5
    assert errors["shape"]["children"]["mean"] < 7.0
    assert errors["joints"]["plain"]["mean"] < 4.2
    assert errors["skinning"]["mean"] < 0.25 < errors["skinning_without_correctives"]["mean"] < 1.0
    assert errors["total"]["plain"]["mean"] < 6.0
    people = {name[:2] for name in card["walks"]["train"]} & {name[:2] for name in card["walks"]["test"]}
    assert not people


# The steps.


@pytest.mark.parametrize(
    ("bone", "joint"),
    [
        ("root", "pelvis"), ("pelvis.R", "pelvis"), ("spine03", "spine2"), ("upperleg02.L", "left_hip"),
        ("toe4-3.R", "right_foot"), ("lowerarm01.R", "right_elbow"), ("metacarpal2.L", "left_wrist"),
        ("finger1-1.L", "left_hand"), ("shoulder01.R", "right_collar"), ("neck02", "neck"), ("eye.L", "head"),
    ],
)  # fmt: skip
def test_bones_follow_their_joint(bone, joint):
    assert SMPL_JOINTS[joint_of_bone(bone)] == joint


def test_unknown_bones_are_errors():
    with pytest.raises(KeyError, match="tail"):
        joint_of_bone("tail.L")


def test_relevant_joints_are_those_between_the_holders():
    weights = np.zeros((3, 24))
    index = SMPL_JOINTS.index
    weights[0, [index("pelvis"), index("left_hip")]] = 0.5
    weights[1, [index("left_collar"), index("neck")]] = 0.5
    weights[2, index("head")] = 1.0
    found = [{SMPL_JOINTS[j] for j in np.flatnonzero(row)} for row in free_pose.relevant_joints(weights)]
    assert found == [{"left_hip"}, {"left_collar", "neck"}, set()]


def test_joints_that_are_not_relevant_never_deform_the_skin(free, rng):
    """Turning an irrelevant joint moves a vertex with its part of the body, without any strain: distances stay."""
    relevant = free_pose.relevant_joints(free.weights)
    knee = SMPL_JOINTS.index("left_knee")
    angles = np.zeros((1, 23, 3))
    angles[0, knee - 1] = [0.7, 0.1, 0.2]
    moved = posed(free, body_pose=angles.reshape(1, 69)).vertices[0]
    still = free.v_template
    edges = free.faces[:, :2][~relevant[free.faces[:, :2]][:, :, knee].any(axis=1)]
    held = free.weights > 0
    edges = edges[(held[edges[:, 0]] == held[edges[:, 1]]).all(axis=1)]
    lengths = [np.linalg.norm(points[edges[:, 0]] - points[edges[:, 1]], axis=1) for points in (still, moved)]
    np.testing.assert_allclose(lengths[0], lengths[1], atol=1e-6)
    assert len(edges) > 5000


def test_correctives_undo_a_known_linear_error(rng):
    weights = np.zeros((4, 24))
    weights[:, 0], weights[:, 1] = 0.5, 0.5
    weights[2:] = weights[2:][:, SMPL_MIRROR]
    mirror = np.array([2, 3, 0, 1])
    features = rng.normal(size=(80, 207))
    true = np.zeros((4, 3, 207))
    true[:2, :, :9] = rng.normal(size=(2, 3, 9))
    true = true + free_pose.mirrored_correctives(true, mirror)
    offsets = np.einsum("vkp,fp->fvk", true, features)
    np.testing.assert_allclose(free_pose.correctives(features, offsets, weights, mirror, 1e-9), true, atol=1e-8)


def test_mirroring_correctives_twice_changes_nothing(rng):
    mirror = np.array([1, 0, 2])
    values = rng.normal(size=(3, 3, 207))
    assert np.array_equal(
        free_pose.mirrored_correctives(free_pose.mirrored_correctives(values, mirror), mirror), values
    )


def test_unposed_is_the_inverse_of_posing(free, rng):
    rotations = Rotation.random(48, random_state=3).as_matrix().reshape(2, 24, 3, 3)
    rest = rest_joints(free)[0]
    # Averages of opposite rotations are singular, so only vertices that one or two joints hold take part.
    some = np.flatnonzero(free.weights.max(axis=1) > 0.9)[::10]
    weights, points = free.weights[some].astype(float), free.v_template[some].astype(float)
    there = free_pose.pose_vertices(rotations, rest, weights, points)
    np.testing.assert_allclose(free_pose.unposed(rotations, rest, weights, there), points[None].repeat(2, 0), atol=1e-9)


def test_skinning_of_the_build_is_the_bodys_forward(free, rng):
    angles = rng.normal(scale=0.4, size=(3, 24, 3))
    rotations = Rotation.from_rotvec(angles.reshape(-1, 3)).as_matrix().reshape(3, 24, 3, 3)
    offsets = np.tensordot(free_pose.pose_features(rotations), free.posedirs, axes=(1, 2))
    built = free_pose.pose_vertices(rotations, rest_joints(free)[0], free.weights, free.v_template + offsets)
    zeros = np.zeros((3, 3))
    params = BodyParams(np.zeros(10), angles[:, 0], angles[:, 1:].reshape(3, 69), zeros)
    np.testing.assert_allclose(forward(free, params).vertices, built, atol=5e-6)


def test_the_shape_space_finds_height_and_girth(free, rng):
    """People made of ten true components: the space holds them all, and its coordinates are uncorrelated."""
    betas = rng.normal(size=(200, 10))
    people = free.v_template + np.tensordot(betas, free.shapedirs, axes=(1, 2))
    space = free_shape.shape_space(people, free.faces, free.mirror, 10)
    assert space.kept > 0.999999
    found = space.betas(people)
    np.testing.assert_allclose(found.T @ found / len(found), np.eye(10), atol=1e-4)
    np.testing.assert_allclose(space.shapes(found), people, atol=1e-6)
    heights = free_shape.stature(people)
    assert np.corrcoef(heights, found[:, 0])[0, 1] > 0.999
    assert np.corrcoef(free_shape.volume(people, free.faces), found[:, 1])[0, 1] > 0.3
    assert np.abs(np.corrcoef(heights, found[:, 1])[0, 1]) < 0.05


def test_the_joint_regressor_finds_joints_that_are_convex_combinations(free, rng):
    people = free.v_template + np.tensordot(rng.normal(size=(40, 10)), free.shapedirs, axes=(1, 2))
    joints = np.einsum("jv,nvk->njk", free.J_regressor, people)
    regressor = free_shape.joint_regressor(people, joints, free.mirror)
    assert regressor.min() >= 0
    np.testing.assert_allclose(regressor.sum(axis=1), 1)
    np.testing.assert_allclose(np.einsum("jv,nvk->njk", regressor, people), joints, atol=2e-3)


def test_walks_at_rest_leave_the_limbs_in_the_skeletons_directions(free):
    """A skeleton in its rest pose has identity rotations; then our limbs must point where its bones do."""
    limbs = ("femur", "tibia", "humerus", "radius")
    names = ["root", "lowerback", "upperback", "thorax", "lowerneck", "head"]
    names += [s + b for s in "lr" for b in (*limbs, "foot", "toes", "clavicle", "hand")]
    directions = {s + b: np.array([0.3 * (1 if s == "l" else -1), -1, 0.1]) for s in "lr" for b in limbs}
    walk = Walk("rest", names, np.broadcast_to(np.eye(3), (1, len(names), 3, 3)), directions)
    rotations = joint_rotations(walk, rest_joints(free)[0])
    angles = log(rotations)
    joints = posed(free, global_orient=angles[:, 0], body_pose=angles[:, 1:].reshape(1, 69)).joints[0]
    for end in ("left_knee", "left_ankle", "right_elbow", "right_wrist"):
        bone = joints[SMPL_JOINTS.index(end)] - joints[SMPL_PARENTS[SMPL_JOINTS.index(end)]]
        wanted = np.array([0.3 if end[0] == "l" else -0.3, -1, 0.1])
        np.testing.assert_allclose(bone / np.linalg.norm(bone), wanted / np.linalg.norm(wanted), atol=1e-5)


@pytest.mark.anny
@pytest.mark.skipif(importlib.util.find_spec("anny") is None, reason="needs the anny extra")
def test_a_tiny_rebuild_is_a_body_and_repeats_itself(tmp_path, mgdata):
    for name in ("a.npz", "b.npz"):
        result = mgdata("body", "build", tmp_path / name, "--adults", 30, "--held-out", 5)
        assert result.exit_code == 0, result.output
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    tiny, shipped = load_body(tmp_path / "a.npz"), load_body("free")
    assert np.array_equal(tiny.faces, shipped.faces)
    assert np.array_equal(tiny.weights, shipped.weights)
    assert np.abs(tiny.v_template - shipped.v_template).mean() < 0.03
    assert free_shape.stature(tiny.shapedirs[..., 0] + tiny.v_template) > free_shape.stature(tiny.v_template) + 0.08


@pytest.mark.anny
@pytest.mark.skipif(importlib.util.find_spec("anny") is None, reason="needs the anny extra")
def test_the_shipped_file_is_what_the_command_makes(tmp_path, mgdata):
    result = mgdata("body", "build", tmp_path / "free.npz")
    assert result.exit_code == 0, result.output
    assert load_body(tmp_path / "free.npz").sha256 == load_body("free").sha256
