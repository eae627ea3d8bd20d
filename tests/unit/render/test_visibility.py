"""What is seen: scenes whose answer is known, and real bodies from all sides."""

import numpy as np
import pytest
from test_depth import eye
from test_raster import icosphere
from walking import make_fit, make_markers, walk

from meshgait_data.body.files import load_body
from meshgait_data.body.model import Body, forward
from meshgait_data.conventions import SMPL_JOINTS, SMPL_MIRROR
from meshgait_data.manifest import load_manifest
from meshgait_data.render.depth import depth_maps
from meshgait_data.render.labelling import flesh, make_labels
from meshgait_data.render.sequence import pose_capture
from meshgait_data.render.visibility import SLACK_M, Flesh, joints_visible, skin_visible, thickness
from meshgait_data.types import BodyParams, Camera


@pytest.fixture(scope="module")
def body() -> Body:
    return load_body("free")


def spheres(*places: tuple[tuple[float, float, float], float]) -> tuple[np.ndarray, np.ndarray]:
    """One mesh of spheres: centre and radius of each."""
    vertices, faces = icosphere(3)
    count = len(vertices)
    points = np.concatenate([radius * vertices + np.array(centre) for centre, radius in places])
    return points, np.concatenate([faces + count * i for i in range(len(places))])


def parts(number: int, reach: list[float], part_of_joint: list[int]) -> Flesh:
    """Each sphere is a part of its own."""
    faces = len(icosphere(3)[1])
    return Flesh(np.array(reach), np.array(part_of_joint), np.repeat(np.arange(number), faces))


def test_a_sphere_behind_a_sphere_is_hidden():
    """The camera looks along -z from z = 5."""
    points, faces = spheres(((0, 0, 1), 0.5), ((0, 0, -1), 0.3), ((1.2, 0, -1), 0.3))
    camera = eye(focal=300, size=(320, 240))
    maps = depth_maps(points[None], faces, camera)
    centres = np.array([[[0, 0, 1], [0, 0, -1], [1.2, 0, -1.0]]])
    own = parts(3, [0.6, 0.6, 0.6], [0, 1, 2])
    assert joints_visible(centres, camera, maps, own).tolist() == [[True, False, True]]
    skin = skin_visible(points[None], camera, maps)[0].reshape(3, -1)
    towards = np.array([0, 0, 5.0]) - points.reshape(3, -1, 3)
    normals = points.reshape(3, -1, 3) - centres[0][:, None]
    facing = (towards * normals).sum(-1) / np.linalg.norm(towards, axis=-1) / np.linalg.norm(normals, axis=-1)
    assert not skin[1].any()
    for sphere in (0, 2):
        assert skin[sphere][facing[sphere] > 0.2].all()
        assert not skin[sphere][facing[sphere] < -0.35].any()


def test_near_enough_or_own_skin_is_needed():
    points, faces = spheres(((0, 0, 0), 0.5))
    camera = eye()
    maps = depth_maps(points[None], faces, camera)
    deep = np.array([[[0, 0, -0.3], [0, 0, -0.3], [0, 0, -0.3]]])  # 0.8 m behind the skin in front of it
    assert joints_visible(deep, camera, maps, parts(1, [0.7, 0.9, 0.7], [5, 5, 0])).tolist() == [[False, True, True]]


def test_outside_the_image_and_behind_the_camera_nothing_is_seen():
    points, faces = spheres(((0, 0, 0), 0.5))
    camera = eye()
    maps = depth_maps(points[None], faces, camera)
    places = np.array([[[0, 0, 7.0], [30, 0, 0], [0, -30, 0], [1.0, 0, 0], [0, 0, 4.0]]])
    expected = [[False, False, False, True, True]]
    assert skin_visible(places, camera, maps).tolist() == expected
    assert joints_visible(places, camera, maps, parts(1, [9.0] * 5, [0] * 5)).tolist() == expected


def test_thickness_is_the_shortest_chord():
    points, faces = icosphere(4)
    within = np.array([[0, 0, 0], [0, 0, 0.5], [0, 0, 0.9], [3, 0, 0]])
    found = thickness(within, points * (0.5, 1, 2), faces)  # an ellipsoid, thinnest along x
    expected = [1.0, np.sqrt(1 - 0.5**2 / 4), np.sqrt(1 - 0.9**2 / 4), 0]
    np.testing.assert_allclose(found, expected, rtol=0.02)
    assert thickness(points[:1] * (0.5, 1, 2), points * (0.5, 1, 2), faces)[0] == pytest.approx(0, abs=0.02)


def test_flesh_of_the_free_body(body: Body):
    """Symmetric, larger for a larger body, and never less than the skin in front of a joint on the way out."""
    found = flesh(body, np.zeros(10))
    np.testing.assert_allclose(found.reach, found.reach[SMPL_MIRROR], atol=1e-4)
    assert found.part_of_joint.tolist() == list(range(24))
    by_name = dict(zip(SMPL_JOINTS, found.reach - SLACK_M, strict=True))
    limits = {"left_knee": (0.09, 0.14), "left_wrist": (0.03, 0.06), "spine2": (0.16, 0.26), "left_hip": (0.15, 0.25)}
    assert {name: low < by_name[name] < high for name, (low, high) in limits.items()} == dict.fromkeys(limits, True)
    heavy = flesh(body, np.array([0.0, 2.0])).reach
    assert heavy[SMPL_JOINTS.index("spine1")] > found.reach[SMPL_JOINTS.index("spine1")]


def seen_share(body: Body, azimuth_view: str, frames: int = 30) -> dict[str, float]:
    params = walk(body, frames=frames, seed=1)
    fit = make_fit(body, BodyParams(0 * params.betas, params.global_orient, params.body_pose, params.transl))
    posed, cameras = pose_capture(body, fit, load_manifest("cmu_walk").cameras)
    camera = next(camera for camera in cameras if camera.name == azimuth_view)
    windows = np.tile(np.eye(2, 3), (frames, 1, 1))
    labels = make_labels(body, make_markers(body), fit.params, camera, windows, posed=posed)
    return dict(zip(SMPL_JOINTS, labels.joints_visible.mean(0).tolist(), strict=True))


def test_a_walk_from_the_front_shows_everything(body: Body):
    share = seen_share(body, "000")
    assert min(share.values()) > 0.6
    assert np.mean(list(share.values())) > 0.95


def test_a_walk_from_its_left_hides_the_right_arm_and_crossing_legs(body: Body):
    share = seen_share(body, "090")
    near = [f"left_{name}" for name in ("hip", "knee", "ankle", "foot", "shoulder", "elbow", "wrist")]
    assert min(share[name] for name in near) > 0.95
    assert max(share["right_shoulder"], share["right_hip"]) < 0.05
    assert share["right_elbow"] < 0.6
    for name in ("right_knee", "right_ankle"):
        assert 0.5 < share[name] < 1.0, name
    assert min(share["head"], share["neck"]) > 0.95


def test_mirrored_people_seen_from_the_other_side_show_the_same(body: Body):
    params = walk(body, frames=8, seed=2, wild=0.1)
    posed = forward(body, params)
    flip = np.diag([-1.0, 1.0, 1.0])
    camera = eye((480, 480), 500)
    posed.vertices[..., 1] -= 1.0
    posed.joints[..., 1] -= 1.0
    other = Camera("m", camera.intrinsics, flip @ camera.rotation @ flip, flip @ camera.translation, camera.size)
    assert body.mirror is not None
    mirrored = (posed.vertices @ flip)[:, body.mirror].astype(np.float32), (posed.joints @ flip)[:, SMPL_MIRROR]
    found = flesh(body, params.betas)
    here = joints_visible(posed.joints, camera, depth_maps(posed.vertices, body.faces, camera), found)
    there = joints_visible(mirrored[1], other, depth_maps(mirrored[0], body.faces, other), found)
    assert np.mean(here[:, SMPL_MIRROR] == there) > 0.98


def test_resolution_hardly_matters(body: Body):
    """Eight times as many pixels change the judgement of few points, and of joints not to one side."""
    params = walk(body, frames=12, seed=3)
    fit, markers = make_fit(body, params), make_markers(body, 64)
    posed, cameras = pose_capture(body, fit, load_manifest("cmu_walk").cameras)
    found, changed = flesh(body, params.betas), []
    for camera in cameras[::3]:
        zoom = np.array([[8, 0, 3.5], [0, 8, 3.5], [0, 0, 1.0]])
        width, height = camera.size
        fine = Camera(
            camera.name, zoom @ camera.intrinsics, camera.rotation, camera.translation, (8 * width, 8 * height)
        )
        points = posed.vertices[:, markers.vertex_ids]
        answers = []
        for looking in (camera, fine):
            maps = depth_maps(posed.vertices, body.faces, looking)
            joints = joints_visible(posed.joints, looking, maps, found)
            answers.append(np.concatenate([skin_visible(points, looking, maps), joints], axis=1))
        changed.append(answers[0].astype(int) - answers[1])
    difference = np.concatenate(changed)
    assert np.abs(difference[:, :64]).mean() < 0.12  # many of these lie on fingers and toes
    assert np.abs(difference[:, 64:]).mean() < 0.03
    assert abs(difference[:, :64].mean()) < 0.09
    assert abs(difference[:, 64:].mean()) < 0.015
