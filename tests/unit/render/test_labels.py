"""Label coordinates and heatmaps: there and back in float32, with numpy and torch, for any camera and window."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from meshgait_data import rotations
from meshgait_data.render.cameras import to_camera
from meshgait_data.render.labels import (
    HeatmapGrid,
    from_window,
    grid_axes,
    heatmap_grid,
    heatmap_targets,
    pelvis_depth,
    soft_argmax,
    to_window,
    window_scale,
    window_to_world,
    world_to_window,
)
from meshgait_data.types import Camera

SEEDS = st.integers(0, 2**32 - 1)


@dataclass
class Scene:
    """People about a pelvis, seen by cameras of all kinds through windows that hold about one body."""

    points: Any
    pelvis_z: Any
    intrinsics: Any
    windows: Any


def scene(seed: int, batch: tuple[int, ...] = (6,), points: int = 20) -> Scene:
    rng = np.random.default_rng(seed)
    depth = rng.uniform(1.5, 15.0, batch)
    pelvis = np.stack([*(depth * rng.uniform(-0.5, 0.5, (2, *batch))), depth], -1)
    near = pelvis[..., None, :] + rng.uniform(-0.9, 0.9, (*batch, points, 3))
    focal = rng.uniform(300, 4000, batch)
    intrinsics = np.zeros((*batch, 3, 3))
    intrinsics[..., 0, 0], intrinsics[..., 1, 1] = focal, focal * rng.uniform(0.9, 1.1, batch)
    intrinsics[..., 0, 1] = rng.uniform(-2, 2, batch)
    intrinsics[..., :2, 2] = rng.uniform(100, 2000, (*batch, 2))
    intrinsics[..., 2, 2] = 1
    # Upright people of about 1.7 m fill 64 or 128 rows; a window may also turn or shear a little.
    size = rng.choice([64, 128]) / (focal * 1.7 / depth)
    windows = np.zeros((*batch, 2, 3))
    windows[..., :2] = rng.uniform(-0.05, 0.05, (*batch, 2, 2)) * size[..., None, None]
    windows[..., 0, 0] += size
    windows[..., 1, 1] += size
    image = np.einsum("...ij,...j->...i", intrinsics, pelvis / depth[..., None])[..., :2]
    windows[..., 2] = 32 - np.einsum("...ij,...j->...i", windows[..., :2], image)
    return Scene(*(array.astype(np.float32) for array in (near, depth, intrinsics, windows)))


def tensors(given: Scene) -> Scene:
    return Scene(*(torch.from_numpy(array) for array in vars(given).values()))


@pytest.mark.parametrize("kind", ["numpy", "torch"])
@given(seed=SEEDS, batch=st.sampled_from([(), (5,), (2, 3), (2, 1, 2)]))
def test_round_trips(kind: str, seed: int, batch: tuple[int, ...]):
    """Metres to labels to metres within 0.1 mm, and labels to metres to labels within 1e-4 px, all in float32."""
    s = scene(seed, batch)
    s = tensors(s) if kind == "torch" else s
    where = s.intrinsics, s.windows
    labels, scale = to_window(s.points, s.pelvis_z, *where), window_scale(s.pelvis_z, *where)
    assert labels.dtype == s.points.dtype
    assert tuple(labels.shape) == tuple(s.points.shape)
    back = from_window(labels, scale, *where)
    assert float(abs(back - s.points).max()) < 1e-4
    again = to_window(back, pelvis_depth(scale, *where), *where)
    assert float(abs(again - labels).max()) < 1e-4


@given(SEEDS)
def test_float32_is_as_good_as_float64_and_both_kinds_agree(seed: int):
    s = scene(seed)
    exact = to_window(*(array.astype(float) for array in vars(s).values()))
    np.testing.assert_allclose(to_window(**vars(s)), exact, atol=1e-3)
    np.testing.assert_allclose(to_window(**vars(tensors(s))).numpy(), to_window(**vars(s)), atol=2e-4)


@given(SEEDS)
def test_the_window_is_perspective_then_affine(seed: int):
    """The definition, written with matrices."""
    s = Scene(*(array.astype(float) for array in vars(scene(seed)).values()))
    image = s.points @ s.intrinsics.swapaxes(1, 2)
    uv = image / image[..., 2:] @ s.windows.swapaxes(1, 2)
    labels = to_window(**vars(s))
    np.testing.assert_allclose(labels[..., :2], uv, atol=1e-9)
    scale = s.windows[:, 1, 1] * s.intrinsics[:, 1, 1] / s.pelvis_z
    np.testing.assert_allclose(labels[..., 2], (s.points[..., 2] - s.pelvis_z[:, None]) * scale[:, None], atol=1e-9)


@given(SEEDS)
def test_one_camera_serves_all_frames(seed: int):
    s = scene(seed)
    each = np.repeat(s.intrinsics[:1], 6, axis=0)
    one = to_window(s.points, s.pelvis_z, s.intrinsics[0], s.windows)
    np.testing.assert_array_equal(one, to_window(s.points, s.pelvis_z, each, s.windows))


def test_points_behind_the_camera_have_no_place():
    s = scene(0, (), 3)
    s.points[1:, 2] = -1.0, 0.0
    for labels in (to_window(**vars(s)), to_window(**vars(tensors(s))).numpy()):
        assert np.isfinite(labels[0]).all()
        assert np.isnan(labels[1:, :2]).all()


def test_both_ways_are_differentiable():
    s = Scene(*(torch.from_numpy(array.astype(float)) for array in vars(scene(1, (2,), 3)).values()))
    s.points.requires_grad_()
    assert torch.autograd.gradcheck(lambda points: to_window(points, s.pelvis_z, s.intrinsics, s.windows), s.points)
    labels = to_window(**vars(s)).detach().requires_grad_()
    scale = window_scale(s.pelvis_z, s.intrinsics, s.windows)
    assert torch.autograd.gradcheck(lambda uvd: from_window(uvd, scale, s.intrinsics, s.windows), labels)


@given(SEEDS)
def test_world_and_window(seed: int):
    s = scene(seed)
    rng = np.random.default_rng(seed)
    camera = Camera("x", s.intrinsics[0], rotations.exp(rng.normal(size=3)), rng.normal(size=3), (640, 480))
    points, pelvis = (
        (given - camera.translation) @ camera.rotation
        for given in (s.points, np.stack([0 * s.pelvis_z, 0 * s.pelvis_z, s.pelvis_z], -1))
    )
    labels = world_to_window(points, pelvis, camera, s.windows)
    assert labels.dtype == np.float32
    np.testing.assert_allclose(
        labels, to_window(to_camera(camera, points), s.pelvis_z, camera.intrinsics, s.windows), atol=1e-4
    )
    scale = window_scale(s.pelvis_z, camera.intrinsics, s.windows)
    np.testing.assert_allclose(window_to_world(labels, scale, camera, s.windows), points, atol=1e-4)


@given(SEEDS)
def test_unit_is_the_window_pixel(seed: int):
    """A millimetre along any axis of the camera is as long in the window as the scale says."""
    s = Scene(*(array.astype(float) for array in vars(scene(seed)).values()))
    s.intrinsics[:, 0, 0], s.intrinsics[:, 0, 1] = s.intrinsics[:, 1, 1], 0
    s.windows[:, 0, 0] = s.windows[:, 1, 1]
    s.windows[:, 0, 1] = s.windows[:, 1, 0] = 0
    pelvis = np.stack([0 * s.pelvis_z, 0 * s.pelvis_z, s.pelvis_z], -1)[:, None]
    scale = window_scale(s.pelvis_z, s.intrinsics, s.windows)
    for axis in np.eye(3):
        step = to_window(np.concatenate([pelvis, pelvis + 1e-3 * axis], 1), s.pelvis_z, s.intrinsics, s.windows)
        np.testing.assert_allclose((step[:, 1] - step[:, 0]) @ axis / scale * 1000, 1.0, atol=1e-3)
    assert step[:, 0, 2] == pytest.approx(0, abs=1e-9)


GRID = heatmap_grid((16, 16, 11), (64, 44), 64.0, 2.0)


def inside(rng: np.random.Generator, grid: HeatmapGrid, shape: tuple[int, ...]) -> np.ndarray:
    return rng.uniform(grid.low, grid.high, (*shape, 3)).astype(np.float32)


@pytest.mark.parametrize("kind", ["numpy", "torch"])
@given(seed=SEEDS, sizes=st.tuples(*3 * [st.integers(2, 24)]))
def test_linear_heatmaps_give_the_coordinate_back(kind: str, seed: int, sizes: tuple[int, int, int]):
    rng = np.random.default_rng(seed)
    grid = heatmap_grid(sizes, (64, 44), 64.0, 2.0)
    truth: Any = inside(rng, grid, (2, 7))
    truth = torch.from_numpy(truth) if kind == "torch" else truth
    made = heatmap_targets(truth, grid)
    assert tuple(made.heatmaps.shape) == (2, 7, *sizes)
    assert made.inside.all()
    assert float(abs(made.heatmaps.sum((-3, -2, -1)) - 1).max()) < 1e-5
    assert int((made.heatmaps > 0).sum((-3, -2, -1)).max()) <= 8
    found = soft_argmax(made.heatmaps, grid)
    assert found.dtype == truth.dtype
    assert float(abs(found - truth).max()) < 1e-4


@given(SEEDS)
def test_gaussian_heatmaps_agree_away_from_the_border_and_sum_to_one(seed: int):
    rng = np.random.default_rng(seed)
    sigma = 6.0
    truth = rng.uniform((20.0, 22.0, -8.0), (23.0, 41.0, 8.0), (9, 3)).astype(np.float32)
    found = soft_argmax(heatmap_targets(truth, GRID, sigma).heatmaps, GRID)
    np.testing.assert_allclose(found, truth, atol=0.05)
    narrow = heatmap_targets(truth, GRID, 1e-3)  # far less than a voxel: all in the nearest one, not in none
    np.testing.assert_allclose(narrow.heatmaps.sum((-3, -2, -1)), 1, atol=1e-5)
    assert np.all(narrow.heatmaps.max((-3, -2, -1)) > 0.99)


def test_a_gaussian_cut_by_the_border_moves_inwards_as_documented():
    sigma = 6.0
    edge = np.array([[21.5, 31.5, GRID.high[2]]])
    found = soft_argmax(heatmap_targets(edge, GRID, sigma).heatmaps, GRID)
    assert 0.5 * sigma < GRID.high[2] - found[0, 2] < 0.8 * sigma


@pytest.mark.parametrize("sigma", [None, 3.0])
@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("side", ["low", "high"])
def test_points_outside_are_said_and_leave_no_trace(axis: int, side: str, sigma: float | None):
    points = np.tile(np.array([20.0, 30.0, 0.0]), (3, 1))
    border = getattr(GRID, side)[axis]
    points[:, axis] = border, border + (1e-3 if side == "high" else -1e-3), np.nan
    made = heatmap_targets(points, GRID, sigma)
    assert made.inside.tolist() == [True, False, False]
    assert made.heatmaps[0].sum() == pytest.approx(1)
    assert not made.heatmaps[1:].any()


def test_the_grid_is_where_it_says():
    u, v, d = grid_axes(GRID, torch.zeros(1))
    assert (u[0], u[-1], v[0], v[-1], d[0], d[-1]) == (-2, 45, -2, 65, -32, 32)
    np.testing.assert_allclose(GRID.steps, [float(a[1] - a[0]) for a in (u, v, d)], rtol=1e-5)
    heatmaps = np.zeros((2, 16, 16, 11))
    heatmaps[0, 15, 0, 10] = 1
    heatmaps[1, 0, 15, 0] = heatmaps[1, 0, 15, 1] = 0.5
    np.testing.assert_allclose(soft_argmax(heatmaps, GRID), [[45, -2, 32], [-2 + GRID.steps[0] / 2, 65, -32]])
    with pytest.raises(ValueError, match="no volume"):
        heatmap_grid((1, 16, 11), (64, 44), 64.0, 2.0)


@given(SEEDS)
def test_label_to_heatmap_to_metres(seed: int):
    """The whole way that a perfect network would go: metres, label, heatmap, soft-argmax, metres."""
    s = tensors(scene(seed, (4,), 30))
    where = s.intrinsics, s.windows
    labels, scale = to_window(s.points, s.pelvis_z, *where), window_scale(s.pelvis_z, *where)
    grid = heatmap_grid((16, 32, 32), (128, 128), 160.0, 30.0)
    made = heatmap_targets(labels, grid)
    back = from_window(soft_argmax(made.heatmaps, grid), scale, *where)
    assert made.inside.float().mean() > 0.5
    assert float((back - s.points).abs()[made.inside].max()) < 1e-4
