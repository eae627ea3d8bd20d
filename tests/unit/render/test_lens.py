"""Lenses and camera models: OpenCV's projection to 1e-4 px, inverses, folds, and renderers that draw all of them."""

import json

import cv2
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from meshgait_data import rotations
from meshgait_data.errors import InvalidData
from meshgait_data.render.cameras import plain_scene, project, require_plain, to_camera, unproject
from meshgait_data.render.depth import depth_maps
from meshgait_data.render.lens import distort, fold_radius, undistort
from meshgait_data.render.raster import image_points, silhouettes
from meshgait_data.shards.records import plain_camera, restore_camera
from meshgait_data.types import Camera

K = np.array([[700.0, 0.0, 319.5], [0.0, 650.0, 239.5], [0.0, 0.0, 1.0]])
LENSES = {
    "none": (),
    "barrel": (-0.28, 0.09, 0.001, -0.0007),
    "pincushion": (0.12, 0.02, -0.002, 0.001, 0.01),
    "rational": (0.4, -0.05, 0.0004, 0.0002, 0.006, 0.7, 0.02, -0.003),
}

small = st.floats(-1.0, 1.0, allow_nan=False)
vector = st.tuples(small, small, small).map(np.array)
coefficients = st.sampled_from([0, 4, 5, 8]).flatmap(
    lambda count: st.tuples(
        *[st.floats(-0.15, 0.15) if i not in (2, 3) else st.floats(-0.01, 0.01) for i in range(count)]
    )
)


def eye(**changes: object) -> Camera:
    rotation = rotations.exp(np.array([0.1, -0.4, 0.05]))
    return Camera("x", K, rotation, np.array([0.2, -0.3, 6.0]), (640, 480), **changes)  # type: ignore[arg-type]


@given(vector, st.lists(vector, min_size=1, max_size=5), vector, coefficients)
def test_project_agrees_with_opencv(turn, points, offset, lens):
    world = np.stack(points)
    rotation, translation = rotations.exp(turn), offset + np.array([0, 0, 6.0])
    camera = Camera("x", K, rotation, translation, (640, 480), distortion=lens)
    found, _ = project(camera, world)
    assume(not np.isnan(found).any())
    expected, _ = cv2.projectPoints(world, turn, translation, K, np.array(lens))
    np.testing.assert_allclose(found, expected[:, 0], atol=1e-4)


@given(st.sampled_from(list(LENSES)), st.floats(0, 640), st.floats(0, 480), st.floats(1.0, 20.0))
def test_unproject_is_the_inverse(lens, x, y, depth):
    for model, reference in (("perspective", 0.0), ("weak_perspective", 5.0), ("orthographic", 0.0)):
        if model == "orthographic" and LENSES[lens]:
            continue
        camera = eye(model=model, reference_m=reference, distortion=LENSES[lens])
        point = unproject(camera, np.array([[x, y]]), np.array([depth]))
        pixels, found = project(camera, point)
        np.testing.assert_allclose(pixels, [[x, y]], atol=1e-7)
        np.testing.assert_allclose(found, depth, atol=1e-9)


def test_weak_perspective_is_orthographic_of_its_scale():
    points = np.random.default_rng(0).normal(size=(50, 3))
    weak = eye(model="weak_perspective", reference_m=6.5)
    scaled = Camera("x", K * [[1 / 6.5, 0, 1], [0, 1 / 6.5, 1], [0, 0, 1]], weak.rotation, weak.translation, weak.size,
                    model="orthographic")  # fmt: skip
    np.testing.assert_allclose(project(weak, points)[0], project(scaled, points)[0], atol=1e-9)
    # At its depth it agrees with perspective, before and behind it does not.
    along = (np.array([[0.3, 0.2, 6.5], [0.3, 0.2, 7.5]]) - weak.translation) @ weak.rotation
    away = np.abs(project(weak, along)[0] - project(eye(), along)[0]).max(axis=1)
    assert away[0] < 1e-9 < 1 < away[1]


def test_weak_perspective_is_the_limit_of_a_long_lens():
    points = np.random.default_rng(0).normal(size=(50, 3))
    worst = []
    for far in (10.0, 100.0, 1000.0):
        intrinsics = K * [[far, 0, 1], [0, far, 1], [0, 0, 1]]
        views = [
            Camera("x", intrinsics, np.eye(3), np.array([0, 0, far]), (640, 480), **model)
            for model in ({}, {"model": "weak_perspective", "reference_m": far})
        ]
        worst.append(np.abs(np.subtract(*(project(view, points)[0] for view in views))).max())
    assert worst[0] > 8 * worst[1] > 64 * worst[2] > 0


@given(coefficients)
def test_the_fold_is_where_points_turn_back(lens):
    limit = fold_radius(lens)
    radius = np.linspace(0, min(limit, 3.0), 400)[1:-1]
    straight = np.array(lens) * [0 if i in (2, 3) else 1 for i in range(len(lens))]
    image = distort(np.stack([radius, 0 * radius], -1), straight)[:, 0]
    assert np.all(np.diff(image) > 0)
    if limit < 2:
        outside = distort(np.array([[limit * 1.01, 0.0]]), lens)
        assert np.isnan(outside).all()


@pytest.mark.parametrize("lens", ["barrel", "pincushion", "rational"])
def test_undistort_inverts_and_knows_its_limits(lens):
    points = np.random.default_rng(1).uniform(-0.6, 0.6, (200, 2))
    np.testing.assert_allclose(undistort(distort(points, LENSES[lens]), LENSES[lens]), points, atol=1e-10)


def test_undistort_refuses_what_the_lens_cannot_show():
    with pytest.raises(InvalidData, match="shows nothing"):
        undistort(np.array([[0.1, 0.1], [2.0, 0.0]]), (-0.28, 0.0, 0.0, 0.0))
    assert np.isnan(undistort(np.array([[np.nan, 0.0]]), (-0.28, 0.0, 0.0, 0.0))).any()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": "fisheye"}, "not one of perspective"),
        ({"distortion": (0.1, 0.2)}, "0, 4, 5 or 8"),
        ({"model": "orthographic", "distortion": (0.1, 0.0, 0.0, 0.0)}, "no lens"),
        ({"model": "weak_perspective"}, "reference_m"),
        ({"reference_m": 3.0}, "reference_m"),
    ],
)
def test_cameras_that_make_no_sense_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        eye(**changes)


def ball() -> tuple[np.ndarray, np.ndarray]:
    """A closed mesh: a sphere of 0.8 m with many small triangles, and its faces."""
    rows, columns = 40, 80
    v, u = np.meshgrid(np.linspace(0, np.pi, rows), np.linspace(0, 2 * np.pi, columns, endpoint=False), indexing="ij")
    points = 0.8 * np.stack([np.sin(v) * np.cos(u), np.cos(v), np.sin(v) * np.sin(u)], -1).reshape(-1, 3)
    a = np.arange((rows - 1) * columns).reshape(rows - 1, columns)
    b, c, d = np.roll(a, -1, 1), a + columns, np.roll(a, -1, 1) + columns
    faces = np.concatenate([np.stack([a, b, c], -1).reshape(-1, 3), np.stack([b, d, c], -1).reshape(-1, 3)])
    return points[None].astype(np.float32), faces


@pytest.mark.parametrize(
    "changes",
    [
        {"distortion": LENSES["barrel"]},
        {"distortion": LENSES["rational"]},
        {"model": "weak_perspective", "reference_m": 6.0, "distortion": LENSES["barrel"]},
        {"model": "weak_perspective", "reference_m": 6.0},
    ],
    ids=["barrel", "rational", "weak and barrel", "weak"],
)
def test_renderers_draw_every_camera(changes):
    vertices, faces = ball()
    camera = eye(**changes)
    flat, plain = plain_scene(vertices, camera)
    drawn = image_points(flat, plain)[0]
    pixels, depth = project(camera, vertices[0])
    np.testing.assert_allclose(drawn[:, :2], pixels, atol=1 / 4096 / 2 + 1e-4)
    np.testing.assert_allclose(drawn[:, 2], depth, atol=1e-5)
    mask = silhouettes(flat, faces, plain)[0] > 0
    # A pixel shows the ball where its ray meets it: rays by unproject, the ball by its equation.
    v, u = np.mgrid[: mask.shape[0], : mask.shape[1]].astype(float)
    rays = np.stack([u, v], -1)
    near, far = (unproject(camera, rays, np.full(u.shape, z)) for z in (4.0, 8.0))
    way = (far - near) / np.linalg.norm(far - near, axis=-1, keepdims=True)
    distance = np.linalg.norm(near - (near * way).sum(-1, keepdims=True) * way, axis=-1)
    assert not np.any(mask & (distance > 0.8 + 1e-4))
    assert not np.any(~mask & (distance < 0.8 * 0.996))
    maps = depth_maps(flat, faces, plain)
    np.testing.assert_array_equal(maps.masks()[0] > 0, mask)
    shown = maps.whole()[0]
    surface = unproject(camera, rays[mask], shown[mask].astype(float))
    np.testing.assert_allclose(np.linalg.norm(surface, axis=-1), 0.8, atol=0.004)


def test_plain_cameras_are_left_alone():
    vertices, _ = ball()
    camera = eye()
    assert plain_scene(vertices, camera) == (vertices, camera)
    require_plain(camera)
    with pytest.raises(InvalidData, match="weak-perspective with lens distortion") as caught:
        require_plain(eye(model="weak_perspective", reference_m=4.0, distortion=LENSES["barrel"]))
    assert "--format" in caught.value.hint


def test_affine_cameras_do_not_see_what_is_behind_them():
    camera = eye(model="orthographic")
    points = (np.array([[0.1, 0.2, 2.0], [0.1, 0.2, -2.0]]) - camera.translation) @ camera.rotation
    np.testing.assert_allclose(to_camera(camera, points)[:, 2], [2, -2])
    assert np.isnan(project(camera, points)[0]).any(axis=1).tolist() == [False, True]


@pytest.mark.parametrize("lens", list(LENSES))
def test_cameras_survive_json(lens):
    for model in ({}, {"model": "weak_perspective", "reference_m": 5.5}):
        camera = eye(distortion=LENSES[lens], **model)
        plain = json.loads(json.dumps(plain_camera(camera)))
        # A plain pinhole is written as it always was.
        assert (plain.keys() == {"name", "intrinsics", "rotation", "translation", "size"}) == camera.plain
        back = restore_camera(plain)
        points = np.random.default_rng(2).normal(size=(20, 3)) * 0.5
        np.testing.assert_array_equal(project(back, points)[0], project(camera, points)[0])
        assert (back.name, back.size, back.model, back.distortion) == ("x", (640, 480), camera.model, LENSES[lens])
