"""Joint sets by name: published orders, and where their joints lie on the free bodies, at rest and posed."""

from dataclasses import replace

import numpy as np
import pytest
import yaml
from random_body import make_params
from scipy.spatial.transform import Rotation

from meshgait_data.body.files import load_body
from meshgait_data.body.joint_files import (
    joint_set_names,
    load_joint_set,
    load_regressor,
    load_skin_points,
    mesh_sha256,
    read_errors,
)
from meshgait_data.body.joint_rows import corrected, nearest_on_surface, offset_row
from meshgait_data.body.joints import posed_joints, regress, rest_points, torch_matrix
from meshgait_data.body.model import forward
from meshgait_data.conventions import SMPL_JOINTS, SMPL_MIRROR, mirror_names
from meshgait_data.errors import InvalidData, ManifestError, UsageError
from meshgait_data.manifest import load_joint_map
from meshgait_data.pipeline.joint_sets import build_joint_files, walking_poses
from meshgait_data.types import BodyParams

SETS = joint_set_names()
ORDERS = {
    "coco17": "nose left_eye right_eye left_ear right_ear left_shoulder right_shoulder left_elbow right_elbow "
    "left_wrist right_wrist left_hip right_hip left_knee right_knee left_ankle right_ankle",
    "openpose25": "Nose Neck RShoulder RElbow RWrist LShoulder LElbow LWrist MidHip RHip RKnee RAnkle LHip LKnee "
    "LAnkle REye LEye REar LEar LBigToe LSmallToe LHeel RBigToe RSmallToe RHeel",
    "openpose18": "Nose Neck RShoulder RElbow RWrist LShoulder LElbow LWrist RHip RKnee RAnkle LHip LKnee LAnkle "
    "REye LEye REar LEar",
    "h36m17": "Pelvis R_Hip R_Knee R_Ankle L_Hip L_Knee L_Ankle Torso Neck Nose Head_top L_Shoulder L_Elbow L_Wrist "
    "R_Shoulder R_Elbow R_Wrist",
    "blazepose33": "nose left_eye_inner left_eye left_eye_outer right_eye_inner right_eye right_eye_outer left_ear "
    "right_ear mouth_left mouth_right left_shoulder right_shoulder left_elbow right_elbow left_wrist right_wrist "
    "left_pinky right_pinky left_index right_index left_thumb right_thumb left_hip right_hip left_knee right_knee "
    "left_ankle right_ankle left_heel right_heel left_foot_index right_foot_index",
}
GREW = (
    "head", "chin", "R shoulder", "R elbow", "R wrist", "L shoulder", "L elbow", "L wrist", "R hip", "R knee",
    "R ankle", "L hip", "L knee", "L ankle",
)  # fmt: skip
PLUG_IN_GAIT = {
    "LFHD", "RFHD", "LBHD", "RBHD", "C7", "T10", "CLAV", "STRN", "RBAK",
    *(side + name for side in "LR" for name in (
        "SHO", "UPA", "ELB", "FRM", "WRA", "WRB", "FIN", "ASI", "PSI", "THI", "KNE", "TIB", "ANK", "HEE", "TOE",
    )),
}  # fmt: skip
ONE_SIDED = {"back_off_centre"}


@pytest.fixture(scope="module")
def free():
    return load_body("free")


@pytest.fixture(scope="module")
def lite():
    return load_body("free-lite")


@pytest.mark.parametrize("name", ORDERS)
def test_names_and_order_are_the_published_ones(name):
    assert load_joint_set(name).originals == tuple(ORDERS[name].split())


def test_names_of_the_other_sets():
    assert load_joint_set("smpl24").names == SMPL_JOINTS
    assert load_joint_set("grew14").originals == GREW
    assert set(load_joint_set("plug_in_gait").originals) == PLUG_IN_GAIT
    assert len(load_joint_set("plug_in_gait")) == 39


def test_cmu_is_exactly_the_joint_map_that_walks_are_fitted_with():
    rows = {row.observed: (row.body, row.offset) for row in load_joint_map("cmu").joints}
    assert {joint.original: (joint.moves_with, joint.offset) for joint in load_joint_set("cmu").joints} == rows


@pytest.mark.parametrize("name", SETS)
def test_sets_are_sound(name):
    joints = load_joint_set(name)
    assert joints.name == name
    mirror = mirror_names(joints.names)
    assert np.array_equal(mirror[mirror], np.arange(len(joints)))
    assert np.array_equal(joints.carriers[mirror], SMPL_MIRROR[joints.carriers]) or name == "plug_in_gait"
    parents = {child: parent for parent, child in joints.bones}
    for joint in range(len(joints)):
        seen = {joint}
        while joint in parents:
            joint = parents[joint]
            assert joint not in seen, "lines between joints run in a circle"
            seen.add(joint)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"joints": [{"name": "a", "moves_with": "tail", "at": ["head"], "what": ""}]}, "tail"),
        ({"joints": [{"name": "a", "moves_with": "head", "at": ["horn.a"], "what": ""}]}, "horn"),
        ({"joints": [{"name": "left_a", "moves_with": "head", "at": ["head"], "what": ""}]}, "right_a"),
        ({"joints": [{"name": "a", "moves_with": "head", "at": ["head"], "what": "", "parent": "b"}]}, "parent"),
        ({"joints": [{"name": "a", "moves_with": "head", "at": [], "what": ""}]}, "empty"),
        ({"joints": 2 * [{"name": "a", "moves_with": "head", "at": ["head"], "what": ""}]}, "twice"),
        ({"jonts": []}, "did you mean"),
    ],
)
def test_a_wrong_definition_is_refused(tmp_path, change, message):
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump({"name": "mine", "title": "", "origin": "", "joints": [], **change}))
    with pytest.raises(ManifestError) as error:
        load_joint_set(str(path))
    assert message in str(error.value) + error.value.hint


def test_an_unknown_set_lists_the_known_ones():
    with pytest.raises(UsageError) as error:
        load_joint_set("coco")
    assert "coco17" in error.value.hint


@pytest.mark.parametrize("body_name", ["free", "free-lite"])
@pytest.mark.parametrize("name", SETS)
def test_shipped_rows_sum_to_one_and_are_mirror_images(body_name, name, request):
    body = request.getfixturevalue(body_name.removeprefix("free-"))
    found, known = load_regressor(body, name), load_joint_set(name)
    assert (found.names, found.body_sha256, found.approximate) == (known.names, body.sha256, False)
    matrix = found.matrix.toarray()
    np.testing.assert_allclose(matrix.sum(axis=1), 1.0, atol=2e-6)
    columns = np.concatenate([body.mirror, body.num_vertices + SMPL_MIRROR])
    both = [i for i, joint in enumerate(found.names) if joint not in ONE_SIDED]
    other = mirror_names(found.names)
    # On the coarse mesh the rows of the mid-line are sums in another order.
    np.testing.assert_allclose(matrix[other][:, columns][both], matrix[both], atol=0 if body_name == "free" else 1e-7)


@pytest.mark.parametrize("name", SETS)
def test_joints_lie_on_their_side_and_near_the_joint_that_they_move_with(free, name):
    known, points = load_joint_set(name), rest_points(free, load_regressor(free, name))
    carriers = rest_points(free, load_regressor(free, "smpl24"))[known.carriers]
    for joint, point, carrier in zip(known.joints, points, carriers, strict=True):
        if joint.name.startswith("left_"):
            assert point[0] > 0.005
        elif joint.name not in ONE_SIDED:
            assert abs(point[0]) < 1e-4 or joint.name.startswith("right_")
        assert np.linalg.norm(point - carrier) < 0.48, joint.name


def test_landmarks_lie_where_anatomy_says(free):
    def at(name):
        found = load_regressor(free, name)
        return dict(zip(load_joint_set(name).originals, rest_points(free, found), strict=True))

    markers, smpl, coco = at("plug_in_gait"), at("smpl24"), at("coco17")
    assert markers["LASI"][2] > smpl["left_hip"][2] + 0.05 > markers["LPSI"][2] + 0.1
    assert markers["LWRA"][2] > smpl["left_wrist"][2] > markers["LWRB"][2]
    assert markers["C7"][1] > markers["CLAV"][1] > markers["STRN"][1]
    assert markers["RBAK"][0] < -0.05
    assert markers["LKNE"][0] > smpl["left_knee"][0] + 0.03
    assert markers["LHEE"][2] < smpl["left_ankle"][2] < markers["LTOE"][2]
    assert at("grew14")["head"][1] > coco["left_eye"][1] > coco["nose"][1] > at("grew14")["chin"][1]
    feet = at("openpose25")
    assert feet["LBigToe"][0] < feet["LSmallToe"][0]
    assert feet["LHeel"][2] < feet["LAnkle"][2] < feet["LBigToe"][2]


def test_markers_stand_off_the_skin_by_their_radius(free):
    from meshgait_data.body.compare_surface import surface_distances

    points = rest_points(free, load_regressor(free, "plug_in_gait"))
    apart = surface_distances(points, free.v_template, free.faces)
    np.testing.assert_allclose(apart, 0.007, atol=0.0015)


def test_smpl24_is_the_joints_themselves(free):
    output = forward(free, make_params(3))
    np.testing.assert_array_equal(regress(load_regressor(free, "smpl24"), output), output.joints)


def test_regress_is_the_product_with_vertices_and_joints(free):
    found, output = load_regressor(free, "openpose25"), forward(free, make_params(2))
    points = np.concatenate([output.vertices, output.joints], axis=1)
    np.testing.assert_allclose(regress(found, output), torch_matrix(found) @ points, atol=1e-5)
    assert regress(found, output).dtype == np.float32
    np.testing.assert_allclose(posed_joints(free, make_params(2), found), regress(found, output), atol=1e-6)


@pytest.mark.parametrize("name", SETS)
def test_joints_move_with_the_world(free, name, rng):
    found, still = load_regressor(free, name), make_params(2)
    turn, shift = Rotation.random(rng=rng).as_matrix(), rng.normal(size=3)
    output = forward(free, still)
    moved = replace(output, vertices=output.vertices @ turn.T + shift, joints=output.joints @ turn.T + shift)
    np.testing.assert_allclose(regress(found, moved), regress(found, output) @ turn.T + shift, atol=2e-5)


def test_cmu_joints_keep_their_offsets_in_walking(free):
    errors = read_errors(free)["cmu"]["rigid"]
    assert np.mean(errors) < 0.5
    assert max(errors) < 6.0


def test_cmu_offsets_are_those_of_the_map(free):
    known, found = load_joint_set("cmu"), load_regressor(free, "cmu")
    carriers = rest_points(free, load_regressor(free, "smpl24"))[known.carriers]
    offsets = np.array([joint.offset for joint in known.joints])
    np.testing.assert_allclose(rest_points(free, found) - carriers, offsets, atol=1e-4)


@pytest.mark.parametrize("name", SETS)
def test_the_coarse_body_has_its_joints_in_the_same_places(free, lite, name, rng):
    poses = walking_poses(free, 200)
    params = BodyParams(rng.normal(size=6).astype(np.float32), poses.global_orient, poses.body_pose, poses.transl)
    apart = posed_joints(free, params, load_regressor(free, name)) - posed_joints(
        lite, params, load_regressor(lite, name)
    )
    assert 1000 * np.linalg.norm(apart, axis=-1).max() < 8.0


def test_the_shipped_files_are_what_the_definitions_give(free, tmp_path):
    from meshgait_data.body import joint_files

    written = build_joint_files(tmp_path)
    assert [path.name for path in written] == ["free.npz", "free-lite.npz"]
    arrays, meta = joint_files._opened(written[0])
    assert meta["mesh_sha256"] == mesh_sha256(free)
    for name in SETS:
        built = joint_files._unpacked(free, arrays, meta["sets"][name], name, written[0])
        shipped = load_regressor(free, name)
        assert abs(built.matrix - shipped.matrix).max() < 1e-4, "run 'mgdata body joints --build' again"


def test_another_body_gets_stand_ins_and_says_so(free):
    # The same body with its triangles in another order: nothing ships for that mesh.
    stranger = replace(free, faces=free.faces[::-1].copy(), sha256="f" * 64)
    for name in SETS:
        found = load_regressor(stranger, name)
        apart = rest_points(free, found) - rest_points(free, load_regressor(free, name))
        assert np.linalg.norm(apart, axis=1).max() < 0.06
        assert found.approximate == (name != "smpl24")
        assert len(found.how) == len(found)


def test_a_body_without_named_points_says_what_it_lacks(random_body):
    assert len(load_regressor(random_body, "smpl24")) == 24
    with pytest.raises(UsageError) as error:
        load_regressor(random_body, "coco17")
    assert "left_eye" in error.value.what
    assert "--regressor" in error.value.hint


def test_joints_of_another_body_are_refused(free, lite):
    with pytest.raises(InvalidData, match="6658 vertices"):
        regress(load_regressor(free, "coco17"), forward(lite, make_params(1)))
    with pytest.raises(InvalidData, match="another body"):
        posed_joints(lite, make_params(1), load_regressor(free, "coco17"))


def test_skin_points_are_sound():
    skin = load_skin_points()
    assert len({point.name for point in skin.points}) == len(skin.points)
    assert all(point.rule for point in skin.points)


def test_an_offset_turns_with_its_joint_and_keeps_its_length_on_other_bodies(free):
    row = offset_row(free, SMPL_JOINTS.index("left_knee"), np.array([0.03, -0.01, 0.02]))
    assert row.sum() == pytest.approx(1.0)
    for beta in (-2.0, 2.0):
        shaped = forward(free, replace(make_params(1), betas=np.array([beta], np.float32)))
        points = np.concatenate([shaped.vertices[0], shaped.joints[0]])
        apart = row @ points - shaped.joints[0, SMPL_JOINTS.index("left_knee")]
        assert np.linalg.norm(apart) == pytest.approx(0.0374, abs=0.006)


def test_the_nearest_point_on_a_surface_is_a_point_of_it(free, rng):
    shares = rng.dirichlet([1, 1, 1], size=20)
    chosen = free.faces[rng.integers(len(free.faces), size=20)]
    points = np.einsum("pc,pcx->px", shares, free.v_template[chosen].astype(np.float64))
    rows = nearest_on_surface(points, free.v_template, free.faces)
    np.testing.assert_allclose(rows.sum(axis=1), 1.0)
    np.testing.assert_allclose(rows @ free.v_template, points, atol=2e-4)


def test_corrected_rows_give_the_known_points(rng):
    shapes = rng.normal(size=(5, 60, 3))
    row = rng.dirichlet(np.ones(60))
    wanted = np.einsum("v,nvx->nx", row, shapes) + 0.02 * rng.normal(size=(5, 3))
    better = corrected(row, shapes, wanted, np.arange(60))
    assert better.sum() == pytest.approx(1.0)
    assert np.abs(np.einsum("v,nvx->nx", better, shapes) - wanted).max() < 2e-3
