"""Depth, parts and layers in the window: against the silhouette, against rays, and against joints ."""

import numpy as np
import pytest
from walking import walk

from meshgait_data.body.files import load_body
from meshgait_data.body.model import BodyOutput, forward
from meshgait_data.conventions import SMPL_JOINTS
from meshgait_data.errors import UsageError
from meshgait_data.manifest import load_rig
from meshgait_data.render.align import align, inverse, through
from meshgait_data.render.cameras import project, to_camera
from meshgait_data.render.channels import channels, layer_maps, nearest_pixels
from meshgait_data.render.depth import depth_maps
from meshgait_data.render.rigs import ring_cameras
from meshgait_data.types import Camera

BODY = load_body("free-lite")


@pytest.fixture(scope="module")
def posed() -> BodyOutput:
    return forward(BODY, walk(BODY, frames=5, wild=0.1))


@pytest.fixture(scope="module", params=[0, 5, 9])
def camera(posed, request) -> Camera:
    cameras = ring_cameras(load_rig("casia_b").cameras, posed.joints[:, 0], float(posed.vertices[..., 1].min()))
    return cameras[request.param]


def maps(posed: BodyOutput, camera: Camera, size: int = 64):
    depth = depth_maps(posed.vertices, BODY.faces, camera)
    aligned = align(depth.masks(), size)
    names = ("depth", "parts", "layers")
    return aligned, channels(names, BODY, posed.vertices, camera, depth, aligned.windows, size=size)


@pytest.mark.parametrize("size", [64, 128])
def test_channels_lie_on_the_silhouette(posed, camera, size):
    aligned, found = maps(posed, camera, size)
    assert {name: (array.dtype.name, array.shape) for name, array in found.items()} == {
        "depth": ("uint16", (5, size, size)),
        "parts": ("uint8", (5, size, size)),
        "layers": ("uint8", (5, size, size)),
    }
    there = found["depth"] > 0
    np.testing.assert_array_equal(found["parts"] > 0, there)
    assert not np.any(found["layers"][~there])
    # The nearest pixel is white where the silhouette is surely so, and black where it is surely not.
    assert np.mean(there[aligned.silhouettes == 255]) > 0.98
    assert np.mean(there[aligned.silhouettes == 0]) < 0.01


def test_parts_are_where_the_joints_are(posed, camera):
    aligned, found = maps(posed, camera)
    u, v = np.moveaxis(through(aligned.windows, project(camera, posed.joints)[0]).round().astype(int), -1, 0)
    depth = to_camera(camera, posed.joints)[..., 2]
    for name in ("head", "spine2"):
        joint = SMPL_JOINTS.index(name)
        for frame in range(5):
            part = SMPL_JOINTS[int(found["parts"][frame, v[frame, joint], u[frame, joint]]) - 1]
            assert part in {"head", "neck"} if name == "head" else part.startswith(("spine", "left_", "right_"))
            skin = found["depth"][frame, v[frame, joint], u[frame, joint]] / 1000
            assert depth[frame, joint] - 0.6 < skin < depth[frame, joint] + 0.02


def test_a_value_is_that_of_the_nearest_pixel(posed, camera):
    depth = depth_maps(posed.vertices, BODY.faces, camera)
    aligned, found = maps(posed, camera)
    columns, rows = nearest_pixels(aligned.windows, 64)
    whole = depth.whole()
    height, width = whole.shape[1:]
    back = inverse(aligned.windows)
    for frame, v, u in ((0, 10, 30), (2, 40, 33), (4, 60, 25), (1, 0, 0)):
        x, y = back[frame] @ [u, v, 1.0]
        i = 64 * v + u
        assert (columns[frame, i], rows[frame, i]) == (round(x), round(y))
        inside = 0 <= columns[frame, i] < width and 0 <= rows[frame, i] < height
        metres = whole[frame, rows[frame, i], columns[frame, i]] if inside else np.inf
        expected = round(1000 * float(metres)) if np.isfinite(metres) else 0
        assert found["depth"][frame, v, u] == expected


def test_layers_count_what_a_ray_meets(posed, camera):
    depth = depth_maps(posed.vertices, BODY.faces, camera)
    layers = layer_maps(posed.vertices, BODY.faces, camera, depth)
    rng = np.random.default_rng(5)
    position = -camera.rotation.T @ camera.translation
    for frame in range(2):
        rows, columns = np.nonzero(np.isfinite(depth.depth[frame]))
        for i in rng.choice(len(rows), 60, replace=False):
            pixel = np.array([*(depth.corner[frame] + [columns[i], rows[i]]), 1.0])
            way = camera.rotation.T @ np.linalg.solve(camera.intrinsics, pixel)
            hits = front_hits(position, way, posed.vertices[frame][BODY.faces].astype(float))
            # The first layer does not count; the renderer rounds corners to 1/4096 px, which may turn a graze around.
            assert abs(int(layers[frame, rows[i], columns[i]]) - max(hits - 1, 0)) <= (1 if hits > 3 else 0)
    assert 0 < np.mean(layers > 0) < 0.5


def front_hits(origin: np.ndarray, way: np.ndarray, corners: np.ndarray) -> int:
    """Triangles (T, 3, 3) that a ray meets from outside, by Cramer's rule in 3D."""
    edge1, edge2 = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    across = np.cross(way, edge2)
    area = (edge1 * across).sum(-1)
    safe = np.where(area == 0, 1.0, area)
    offset = origin - corners[:, 0]
    u = (offset * across).sum(-1) / safe
    v = (way * np.cross(offset, edge1)).sum(-1) / safe
    return int(np.count_nonzero((area > 0) & (u >= 0) & (v >= 0) & (u + v <= 1)))


def test_one_ball_hides_another():
    # A closed mesh twice, one copy behind the other: one layer where they overlap, and none elsewhere.
    rows, columns = 12, 24
    v, u = np.meshgrid(np.linspace(0, np.pi, rows), np.arange(columns) * 2 * np.pi / columns, indexing="ij")
    ball = 0.5 * np.stack([np.sin(v) * np.cos(u), np.cos(v), np.sin(v) * np.sin(u)], -1).reshape(-1, 3)
    a = np.arange((rows - 1) * columns).reshape(rows - 1, columns)
    b, c, d = np.roll(a, -1, 1), a + columns, np.roll(a, -1, 1) + columns
    faces = np.concatenate([np.stack([a, b, c], -1).reshape(-1, 3), np.stack([b, d, c], -1).reshape(-1, 3)])
    both = np.concatenate([ball, ball + np.array([0.4, 0.0, 2.0])]).astype(np.float32)[None]
    every = np.concatenate([faces, faces + len(ball)])
    camera = Camera(
        "x", np.array([[200.0, 0, 80], [0, 200, 60], [0, 0, 1]]), np.eye(3), np.array([0, 0, 4.0]), (160, 120)
    )
    depth = depth_maps(both, every, camera)
    layers = layer_maps(both, every, camera, depth)[0]
    shape = (1, *layers.shape)
    alone = [np.zeros(shape, bool) for _ in range(2)]
    for which, part in enumerate((faces, faces + len(ball))):
        one = depth_maps(both, part, camera).masks()[0] > 0
        x, y = depth.corner[0]
        alone[which][0] = one[y : y + layers.shape[0], x : x + layers.shape[1]]
    np.testing.assert_array_equal(layers, (alone[0] & alone[1])[0].astype(np.uint8))


def test_unknown_channels_are_refused():
    with pytest.raises(UsageError, match="no channel is called 'normals'"):
        channels(("normals",), BODY, None, None, None, None, size=64)  # type: ignore[arg-type]
