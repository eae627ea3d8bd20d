"""The free body: what ships keeps its promises, and the steps that build it do what their names say."""

import importlib.util
import json
from importlib.resources import files

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from meshgait_data.body import free_fingers, free_population, free_pose, free_shape
from meshgait_data.body.compare_surface import surface_distances
from meshgait_data.body.files import load_body
from meshgait_data.body.free_coarse import coarse_mesh
from meshgait_data.body.free_crossings import crossing_triangles
from meshgait_data.body.free_mesh import Topology, is_closed, largest_component
from meshgait_data.body.free_source import joint_of_bone
from meshgait_data.body.free_walks import Walk, joint_rotations
from meshgait_data.body.measure_sections import volume as body_volume
from meshgait_data.body.measure_ways import DENSITY
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
def lite():
    return load_body("free-lite")


@pytest.fixture(scope="module", params=["free", "free-lite"])
def level(request):
    return load_body(request.param)


def stored(name):
    with np.load(BODIES / f"{name}.npz", allow_pickle=False) as arrays:
        return dict(arrays)


@pytest.fixture(scope="module")
def card():
    return json.loads(str(stored("free")["card"]))


def posed(body, **given):
    zero = {"betas": np.zeros(10), "global_orient": np.zeros((1, 3)), "body_pose": np.zeros((1, 69))}
    return forward(body, BodyParams(**(zero | {"transl": np.zeros((1, 3))} | given)))


def test_it_ships_small_and_with_its_licence():
    assert (BODIES / "free.npz").stat().st_size < 2_500_000
    assert (BODIES / "free-lite.npz").stat().st_size < 700_000
    text = (BODIES / "LICENCE-free-body.txt").read_text()
    assert "CC0 1.0 Universal" in text
    assert "MakeHuman" in text


def test_it_has_fewer_vertices_than_smpls_own_vertex_numbers_reach(free, lite):
    # Definitions by vertex number, made on any build, rely on these.
    assert (free.num_vertices, len(free.faces)) == (6658, 13312)
    assert 1600 < lite.num_vertices < 1723
    assert free.num_betas == lite.num_betas == 30
    assert free.licence.startswith("CC0")
    assert lite.licence == free.licence


def test_the_surface_is_closed_connected_and_turned_outwards(level):
    assert is_closed(level.faces)
    assert len(largest_component(level.faces)) == len(level.faces)
    assert len(level.faces) == 2 * level.num_vertices - 4
    assert np.array_equal(np.unique(level.faces), np.arange(level.num_vertices))
    assert 0.05 < body_volume(level.v_template, level.faces) < 0.09
    a, b, c = (level.v_template[level.faces[:, corner]] for corner in range(3))
    assert np.linalg.norm(np.cross(b - a, c - a), axis=1).min() > 1e-7  # square metres


def test_it_is_its_own_mirror_image_bit_by_bit(level):
    mirror = level.mirror
    assert np.array_equal(level.v_template, level.v_template[mirror] * FLIP)
    assert np.array_equal(level.shapedirs, level.shapedirs[mirror] * FLIP[:, None])
    assert np.array_equal(level.weights, level.weights[mirror][:, SMPL_MIRROR])
    assert np.array_equal(level.J_regressor, level.J_regressor[SMPL_MIRROR][:, mirror])
    assert np.array_equal(level.posedirs, free_pose.mirrored_correctives(level.posedirs, mirror))
    triangles = {tuple(np.roll(face, -np.argmin(face))) for face in level.faces}
    assert {tuple(np.roll(face, -np.argmin(face))) for face in mirror[level.faces][:, ::-1]} == triangles


def test_the_coarse_level_is_the_standard_one_at_some_of_its_vertices(free, lite):
    fine, thin = stored("free"), stored("free-lite")
    place = np.flatnonzero(np.isin(fine["source_vertex"], thin["source_vertex"]))
    assert np.array_equal(fine["source_vertex"][place], thin["source_vertex"])
    for key in ("v_template", "shapedirs", "posedirs", "weights"):
        assert np.array_equal(fine[key][place], thin[key]), key
    assert {name: place[index] for name, index in lite.vertex_ids.items()} == free.vertex_ids


def test_betas_and_poses_mean_the_same_in_both_levels(free, lite, rng):
    for _ in range(3):
        betas, angles = rng.normal(size=30), rng.normal(scale=0.2, size=(1, 69))
        here, there = (posed(body, betas=betas, body_pose=angles) for body in (free, lite))
        np.testing.assert_allclose(there.joints, here.joints, atol=2e-6)
        apart = surface_distances(here.vertices[0], there.vertices[0], lite.faces)
        assert apart.mean() < 0.0025
        assert apart.max() < 0.03


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


def test_weights_are_convex_and_sparse_and_joints_come_from_near_vertices(level):
    assert level.weights.min() >= 0
    assert (level.weights > 0).sum(axis=1).max() <= 5  # four, or five where a mid-line tie would break symmetry
    for array in (level.weights, level.J_regressor):
        np.testing.assert_allclose(array.sum(axis=1), 1, atol=1e-5)
    assert (level.J_regressor != 0).sum(axis=1).max() <= 1000
    assert np.abs(level.J_regressor).sum(axis=1).max() < 10


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
    fuller = body_volume(shapes, free.faces) - body_volume(free.v_template, free.faces)
    assert 0.08 < taller[0] < 0.12
    assert np.abs(taller[1:10]).max() < 0.002
    assert 0.010 < fuller[1] < 0.016
    assert np.abs(fuller[2:10]).max() < 0.0005
    said = [component["height_mm"] for component in card["components"]]
    np.testing.assert_allclose(said, 1000 * taller, atol=2)


def test_later_components_are_orthogonal_to_the_first_ten_and_ordered(free):
    flat = free.shapedirs.reshape(-1, 30).astype(float)
    sizes = np.linalg.norm(flat, axis=0)
    cosines = (flat.T @ flat) / np.outer(sizes, sizes)
    assert np.abs(cosines[10:, :10]).max() < 0.01
    assert np.abs(cosines[10:, 10:] - np.eye(20)).max() < 0.02
    assert (np.diff(sizes[2:10]) < 0).all()
    assert (np.diff(sizes[10:]) < 0).all()


@pytest.mark.parametrize("beta", [-2.0, 2.0])
def test_every_component_stays_a_plausible_person(level, beta):
    for betas in beta * np.eye(30):
        shape = level.v_template + level.shapedirs @ betas
        assert 1.4 < free_shape.stature(shape) < 2.0
        assert 0.03 < body_volume(shape, level.faces) < 0.13


def test_the_examples_are_the_people_that_they_are_called(free, card):
    shapes = {name: free.v_template + free.shapedirs @ np.array(betas) for name, betas in card["examples"].items()}
    heights = {name: float(free_shape.stature(shape)) for name, shape in shapes.items()}
    bmi = {name: DENSITY * float(body_volume(shape, free.faces)) / heights[name] ** 2 for name, shape in shapes.items()}
    assert 1.0 < heights["child"] < 1.2 < heights["adolescent"] < 1.6
    assert heights["short"] < heights["mean"] - 0.15 < heights["tall"] - 0.3
    assert bmi["child"] < 18
    assert bmi["light"] < 18.5 < 22 < bmi["mean"] < 26 < 30 < bmi["heavy"]


def test_the_sampled_adults_have_published_statures_and_masses(card):
    for kind in ("plain", "varied"):
        for sex, figures in (("men", free_population.MEN), ("women", free_population.WOMEN)):
            found = card["population"][kind][sex]
            assert found["height_m"]["mean"] == pytest.approx(figures.height_m, abs=0.015)
            assert found["height_m"]["sd"] == pytest.approx(figures.height_sd, abs=0.01)
            assert found["bmi"]["mean"] == pytest.approx(figures.bmi, abs=0.5)
            assert found["bmi"]["sd"] == pytest.approx(figures.bmi_sd, abs=0.5)
    assert card["population"]["heavy"]["all"]["bmi_range"][0] > 29


def test_the_card_says_how_far_the_body_is_from_its_source(free, card):
    assert card["vertices"] == free.num_vertices
    assert card["faces"] == len(free.faces)
    errors = card["errors_mm"]
    most = {"plain": (3.5, 1.0), "varied": (6.5, 2.6), "elderly": (3.5, 1.1), "heavy": (4.5, 0.9), "children": (9, 1.4)}
    for kind, (ten, thirty) in most.items():
        means = [errors["shape"][kind][count]["mean"] for count in ("10", "20", "30")]
        assert means == sorted(means, reverse=True)
        assert means[0] < ten
        assert means[-1] < thirty
    assert errors["joints"]["plain"]["mean"] < 2.6
    for suffix in ("", "_wild"):
        bare, corrected = errors[f"skinning_without_correctives{suffix}"], errors[f"skinning{suffix}"]
        assert set(bare) == {"all", "hips", "knees", "ankles", "shoulders", "elbows", "rest"}
        for region in bare:
            assert corrected[region]["mean"] < bare[region]["mean"]
    assert errors["skinning"]["all"]["mean"] < 0.2
    assert errors["total"]["plain"]["30"]["mean"] < 2.6
    people = {name[:2] for name in card["walks"]["train"]} & {name[:2] for name in card["walks"]["test"]}
    assert not people


def test_the_card_says_that_skin_cuts_through_skin_only_where_the_sources_does(card):
    crossing = card["crossing_percent"]
    assert crossing["added"] < 0.1
    assert crossing["ours_walking"] == pytest.approx(crossing["source_walking"], abs=0.1)
    assert set(card["asymmetry"].values()) == {0.0}


def test_the_coarse_levels_card_says_how_far_it_is_from_the_standard_one():
    apart = json.loads(str(stored("free-lite")["card"]))["from_standard"]
    assert apart["joints_mm"] < 0.001
    assert apart["surface_mm"]["mean"] < 2
    assert 0.98 < apart["volume_ratio"] < 1.0


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
    moment = np.einsum("fp,fvk->pvk", features, offsets)
    found = free_pose.correctives(features.T @ features, moment, weights, mirror, 1e-9)
    np.testing.assert_allclose(found, true, atol=1e-8)


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
    people = free.v_template + np.tensordot(betas, free.shapedirs[..., :10], axes=(1, 2))
    space = free_shape.shape_space(people, free.faces, free.mirror, 10)
    assert space.kept > 0.999999
    found = space.betas(people)
    np.testing.assert_allclose(found.T @ found / len(found), np.eye(10), atol=1e-4)
    np.testing.assert_allclose(space.shapes(found), people, atol=1e-6)
    heights = free_shape.stature(people)
    assert np.corrcoef(heights, found[:, 0])[0, 1] > 0.999
    assert np.corrcoef(body_volume(people, free.faces), found[:, 1])[0, 1] > 0.3
    assert np.abs(np.corrcoef(heights, found[:, 1])[0, 1]) < 0.05


def test_appended_components_hold_what_the_first_leave(lite, rng):
    """Others who differ in three more ways: the first components stay, three more hold the rest, of unit size."""
    adults = lite.v_template + np.tensordot(rng.normal(size=(60, 4)), lite.shapedirs[..., :4], axes=(1, 2))
    first = free_shape.shape_space(adults, lite.faces, lite.mirror, 4)
    betas = rng.normal(size=(60, 7)) * [3, 1, 1, 1, 2, 2, 2]
    directions = np.concatenate([lite.shapedirs[..., :4], lite.shapedirs[..., 10:13]], axis=2)
    others = lite.v_template + np.tensordot(betas, directions, axes=(1, 2))
    space = free_shape.extended(first, others, lite.mirror, 3)
    assert np.array_equal(space.directions[..., :4], first.directions)
    np.testing.assert_allclose(space.shapes(space.betas(others)), others, atol=1e-6)
    assert np.abs(first.shapes(first.betas(others)) - others).max() > 0.005
    np.testing.assert_allclose((space.betas(others)[:, 4:] ** 2).mean(axis=0), 1, atol=1e-6)


def test_the_joint_regressor_finds_joints_that_are_convex_combinations(lite, rng):
    people = lite.v_template + np.tensordot(rng.normal(size=(40, 10)), lite.shapedirs[..., :10], axes=(1, 2))
    near = np.zeros((24, lite.num_vertices))
    for joint, place in enumerate(rest_joints(lite)[0]):
        near[joint, np.argsort(np.linalg.norm(lite.v_template - place, axis=1))[:8]] = 1 / 8
    near = 0.5 * (near + near[SMPL_MIRROR][:, lite.mirror])
    joints = np.einsum("jv,nvk->njk", near, people)
    every = np.arange(lite.num_vertices)
    convex = free_shape.joint_regressor(people, joints, lite.mirror, every, ridge=np.inf)
    assert convex.min() >= 0
    for regressor in (convex, free_shape.joint_regressor(people, joints, lite.mirror, every, ridge=0.05)):
        np.testing.assert_allclose(regressor.sum(axis=1), 1)
        np.testing.assert_allclose(np.einsum("jv,nvk->njk", regressor, people), joints, atol=2e-3)


def test_people_are_given_the_stature_and_mass_that_they_shall_have(rng):
    """With a body that is a cylinder whose girth grows with weight, and with muscle where there is fat."""

    def measure(traits):
        height = 1.25 + 1.05 * traits["height"]
        index = 12 + 8 * traits["weight"] + 10 * traits["muscle"] * (1 - traits["weight"])
        index += 16 * (1 - traits["muscle"]) * traits["weight"]
        return height, index * height**2 / DENSITY

    traits, wanted = free_population.draw(rng, 300, "plain")
    found = free_population.solve(traits, wanted, measure)
    height, volume = measure(found)
    reached = (wanted.bmi > 12.5) & (wanted.bmi < 35.5) & (wanted.height_m > 1.26)
    assert np.abs(height - wanted.height_m)[reached].max() < 0.005
    assert np.abs(DENSITY * volume / height**2 - wanted.bmi)[reached].max() < 0.3
    assert all(0 <= found[name].min() <= found[name].max() <= 1 for name in ("height", "weight", "muscle"))


@pytest.mark.parametrize("kind", ["plain", "heavy", "children", "elderly"])
def test_people_are_drawn_in_their_kinds_range(rng, kind):
    traits, wanted = free_population.draw(rng, 500, kind)
    assert {len(values) for values in traits.values()} == {500}
    if kind == "heavy":
        assert wanted.bmi.min() >= 30
    if kind == "children":
        assert 0.8 < wanted.height_m.min() < 1.1 < 1.6 < wanted.height_m.max() < 2.05
        assert traits["age"].max() < 0.68
    if kind == "elderly":
        assert traits["age"].min() > 0.85


def test_fingers_close_towards_the_middle_one_and_bend_towards_the_palm():
    bones, heads = [], []
    for side, x in (("L", 1.0), ("R", -1.0)):
        for finger, spread in ((1, 0.6), (2, 0.2), (3, 0.0), (4, -0.2), (5, -0.4)):
            base = np.array([0.7, 0, 0.03 * (3 - finger)])
            for joint in (1, 2, 3):
                bones.append(f"finger{finger}-{joint}.{side}")
                way = np.array([np.cos(spread), 0, np.sin(spread)])
                heads.append((base + 0.03 * (joint - 1) * way) * [x, 1, 1])
    heads = np.array(heads)[None]
    # One vertex at the head of each bone, held by the bone before it.
    weights = np.eye(len(bones))[[max(i - 1, 3 * (i // 3)) for i in range(len(bones))]]
    moved = free_fingers.relaxed(heads, heads, bones, weights)[0]
    tips = moved[2::3].reshape(2, 5, 3)
    bases = moved[::3].reshape(2, 5, 3)
    np.testing.assert_allclose(bases, heads[0][::3].reshape(2, 5, 3), atol=1e-12)
    np.testing.assert_allclose(tips[0], tips[1] * [-1, 1, 1], atol=1e-12)
    assert (tips[0, 1:, 1] < -0.001).all()
    before = np.ptp(heads[0][2::3].reshape(2, 5, 3)[0, 1:, 2])
    assert 0.05 < np.ptp(tips[0, 1:, 2]) < before


def test_crossing_triangles_are_found_and_neighbours_are_not():
    def tetrahedron(at):
        return np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], float) + at

    faces = np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]])
    both = np.concatenate([faces, faces + 4])
    assert not crossing_triangles(tetrahedron(0), faces).any()
    assert not crossing_triangles(np.concatenate([tetrahedron(0), tetrahedron([1.1, 0, 0])]), both).any()
    cut = crossing_triangles(np.concatenate([tetrahedron(0), tetrahedron([0.2, 0.21, 0.22])]), both)
    assert cut[3]
    assert cut[4:7].all()
    assert not cut[:3].any()


def test_the_coarse_mesh_keeps_what_it_is_told_to_and_stays_closed_and_symmetric(lite):
    half = lite.faces[: len(lite.faces) // 2]
    topology = Topology(np.arange(lite.num_vertices), np.concatenate([half, lite.mirror[half][:, ::-1]]), lite.mirror)
    keep = [lite.vertex_ids["nose"], lite.vertex_ids["LHeel"]]
    thin, kept = coarse_mesh(topology, lite.v_template.astype(float), 700, keep)
    assert 690 < len(kept) <= 700
    assert is_closed(thin.faces)
    assert {*keep, lite.vertex_ids["RHeel"]} <= set(kept)
    points = lite.v_template[kept]
    assert np.array_equal(points, points[thin.mirror] * FLIP)
    assert surface_distances(lite.v_template, points, thin.faces).mean() < 0.004


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
def test_a_tiny_rebuild_has_every_level_and_repeats_itself(tmp_path, mgdata):
    small = ("--adults", 30, "--others", 12, "--held-out", 5)
    result = mgdata("body", "build", tmp_path / "all", "--detail", "all", "--pictures", tmp_path, *small)
    assert result.exit_code == 0, result.output
    assert len(list(tmp_path.glob("free_body_*.png"))) == 4
    result = mgdata("body", "build", tmp_path / "again.npz", *small)
    assert result.exit_code == 0, result.output
    assert (tmp_path / "all" / "free.npz").read_bytes() == (tmp_path / "again.npz").read_bytes()
    tiny, shipped = load_body(tmp_path / "again.npz"), load_body("free")
    assert np.array_equal(tiny.faces, shipped.faces)
    assert np.array_equal(tiny.weights, shipped.weights)
    assert np.abs(tiny.v_template - shipped.v_template).mean() < 0.03
    assert free_shape.stature(tiny.shapedirs[..., 0] + tiny.v_template) > free_shape.stature(tiny.v_template) + 0.06
    whole = load_body(tmp_path / "all" / "free-full.npz")
    assert whole.num_vertices == 13348
    assert is_closed(whole.faces)
    np.testing.assert_allclose(rest_joints(whole)[0], rest_joints(tiny)[0], atol=1e-6)
    np.testing.assert_allclose(rest_joints(whole)[1], rest_joints(tiny)[1], atol=1e-6)


@pytest.mark.anny
@pytest.mark.skipif(importlib.util.find_spec("anny") is None, reason="needs the anny extra")
def test_the_shipped_files_are_what_the_command_makes(tmp_path, mgdata):
    result = mgdata("body", "build", tmp_path, "--detail", "all")
    assert result.exit_code == 0, result.output
    for name in ("free.npz", "free-lite.npz"):
        assert (tmp_path / name).read_bytes() == (BODIES / name).read_bytes(), name
