"""The fit to masks: masks of a known body give that body back, and what they do not show stays as it was."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from toy_walk import gait

from meshgait_data.body.files import load_body
from meshgait_data.body.model import forward
from meshgait_data.errors import FitError, InvalidData
from meshgait_data.fit.mask_views import MaskViews
from meshgait_data.fit.masks import MaskSettings, refine_masks, refine_views
from meshgait_data.render.cameras import look_at
from meshgait_data.render.raster import silhouettes
from meshgait_data.render.soft import Topology, coverage
from meshgait_data.types import BodyParams, Camera

FAST = MaskSettings(side=64, place_iterations=10, contour_iterations=20, edge_iterations=40)


def cameras(side: int = 160) -> list[Camera]:
    views = []
    for name, azimuth in (("front", 0.0), ("left", 0.5 * np.pi), ("back", 0.9 * np.pi)):
        target = np.array([0.0, 1.0, 0.0])
        position = target + 5 * np.array([np.sin(azimuth), 0.05, np.cos(azimuth)])
        rotation = look_at(position, target)
        intrinsics = np.array([[1.7 * side, 0, side / 2], [0, 1.7 * side, side / 2], [0, 0, 1]])
        views.append(Camera(name, intrinsics, rotation, -rotation @ position, (side, side)))
    return views


@pytest.fixture(scope="module")
def scene():
    """The small free body in three frames of a walk, three cameras, and what they see."""
    body = load_body("free-lite")
    truth = gait(3, np.array([0.5, -0.8, 0.3, 0, 0, 0, 0, 0, 0, 0]))
    views = cameras()
    vertices = forward(body, truth).vertices
    return body, truth, views, [silhouettes(vertices, body.faces, view) for view in views]


def moved(truth: BodyParams, metres: float = 0.03, radians: float = 0.1) -> BodyParams:
    rng = np.random.default_rng(3)
    shift = rng.normal(size=3)
    turn = rng.normal(size=69) * radians / np.sqrt(3)
    return BodyParams(
        np.zeros(10, np.float32),
        truth.global_orient,
        (truth.body_pose + turn).astype(np.float32),
        (truth.transl + metres * shift / np.linalg.norm(shift)).astype(np.float32),
    )


def joints_mm(body, found: BodyParams, truth: BodyParams) -> float:
    pair = [forward(body, params, np.array([0])).joints for params in (found, truth)]
    return 1e3 * float(np.linalg.norm(pair[0] - pair[1], axis=-1).mean())


def test_a_body_rendered_and_fitted_again_is_that_body(scene):
    body, truth, views, masks = scene
    start = moved(truth)
    found, report = refine_masks(body, start, masks, views, FAST)
    assert joints_mm(body, start, truth) > 40
    assert joints_mm(body, found, truth) < 15
    assert report.iou.shape == report.iou_before.shape == (len(truth), 3)
    assert report.iou_before.mean() < 0.8
    assert report.iou.min() > 0.87
    assert report.iterations == 70
    again, _ = refine_masks(body, start, masks, views, FAST)
    assert all(np.array_equal(getattr(found, n), getattr(again, n)) for n in ("betas", "body_pose", "transl"))


def test_the_contour_term_brings_a_far_start_home(scene):
    body, truth, views, masks = scene
    start = moved(truth, metres=0.5)
    far, _ = refine_masks(
        body, start, masks, views, replace(FAST, place_iterations=0, contour_iterations=0, start_sd_m=1)
    )
    near, _ = refine_masks(body, start, masks, views, replace(FAST, place_iterations=20, start_sd_m=1))
    assert joints_mm(body, near, truth) < 20
    assert joints_mm(body, far, truth) > 2 * joints_mm(body, near, truth)


def test_frames_that_no_camera_saw_follow_their_neighbours(scene):
    body, truth, views, masks = scene
    blind = [mask.copy() for mask in masks]
    for mask in blind:
        mask[1] = 0
    blind[2][:] = 0
    found, report = refine_masks(body, moved(truth), blind, views, FAST)
    assert np.isnan(report.iou[1]).all()
    assert np.isnan(report.iou[:, 2]).all()
    assert np.isfinite(report.iou[[0, 2], :2]).all()
    assert joints_mm(body, found.take([1]), truth.take([1])) < 40


def test_windows_show_what_the_images_show(scene):
    body, truth, views, masks = scene
    seen = MaskViews.of_images(masks, views, 48)
    assert seen.seen.all()
    vertices = torch.tensor(forward(body, truth).vertices)
    topology = Topology.of(body.faces)
    for c in range(3):
        drawn = coverage(vertices, topology, seen.matrices[c], (48, 48), samples=8)
        assert (drawn - seen.targets[c]).abs().mean() < 0.01
        # A shift by half a window pixel would be seen.
        assert abs((drawn - seen.targets[c]).sum().item()) < 0.02 * drawn.sum().item()


def test_aligned_silhouettes_are_windows_too(scene):
    body, truth, views, masks = scene
    images = MaskViews.of_images(masks, views, 64)
    windows, grey = [], []
    for c, view in enumerate(views):
        pose = np.column_stack([view.rotation, view.translation])
        matrices = images.matrices[c].numpy()
        windows.append(np.stack([(m @ np.linalg.pinv(view.intrinsics @ pose))[:2] for m in matrices]))
        grey.append(np.round(255 * images.targets[c].numpy()).astype(np.uint8))
    aligned = MaskViews.of_aligned(grey, windows, views)
    torch.testing.assert_close(aligned.matrices, images.matrices)
    found, report = refine_views(body, moved(truth), aligned, FAST)
    assert joints_mm(body, found, truth) < 15
    assert report.iou.min() > 0.87


def test_the_image_border_hides_and_does_not_push(scene):
    body, truth, views, _ = scene
    cut = replace(views[0], size=(160, 110))
    masks = silhouettes(forward(body, truth).vertices, body.faces, cut)
    assert masks[:, -1].any()
    seen = MaskViews.of_images([masks], [cut], 64)
    assert (seen.weights == 0).any()
    found, _ = refine_views(body, truth, seen, FAST)
    pair = [forward(body, params, np.array([0])).joints[..., 1] for params in (found, truth)]
    # Legs that end at the border would look 30 cm too long.
    assert np.abs(pair[0] - pair[1]).max() < 0.05


def test_bad_input_is_told(scene):
    body, truth, views, masks = scene
    with pytest.raises(InvalidData, match="2 stacks of masks for 3 cameras"):
        refine_masks(body, truth, masks[:2], views)
    with pytest.raises(InvalidData, match="expected"):
        refine_masks(body, truth, [mask[:, :-1] for mask in masks], views)
    with pytest.raises(InvalidData, match="frames"):
        refine_masks(body, truth.take(slice(0, 2)), masks, views)
    with pytest.raises(FitError, match="no mask shows"):
        refine_masks(body, truth, [0 * mask for mask in masks], views)
