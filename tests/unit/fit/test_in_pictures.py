"""Bodies put to where masks show them, and what aligned silhouettes and ``fit: false`` mean for a fit."""

from dataclasses import replace

import numpy as np
import pytest
from fakes.published import pretreated
from fakes.walkers import film

from meshgait_data.body.model import forward, move
from meshgait_data.fit.cameras import crop_camera
from meshgait_data.fit.in_pictures import placed_by_masks
from meshgait_data.fit.mask_check import body_iou
from meshgait_data.manifest import load_manifest
from meshgait_data.pipeline.fit_aligned import as_shown, is_aligned, set_apart
from meshgait_data.types import CaptureKey, Keypoints, Masks, Observations

FRAMES = 8


@pytest.fixture(scope="module")
def walk():
    return film(2, 0, rig="in_the_wild", views=("w1",), frames=FRAMES)


@pytest.fixture(scope="module")
def aligned(walk):
    images = np.stack([pretreated(mask) for mask in walk.views["w1"].masks])
    return Masks("w1", np.where(images > 127, 255, 0).astype(np.uint8), np.ones(FRAMES, bool))


def _anywhere(walk, camera):
    """The true poses as the camera of the view saw them, at a place that has nothing to do with the picture."""
    params = move(walk.body, walk.views["w1"].params, camera.rotation.T, np.array([3.0, -1.0, 20.0]))
    return replace(params, transl=params.transl + np.random.default_rng(0).normal(size=(FRAMES, 3)).astype(np.float32))


def test_true_poses_cover_their_silhouettes_wherever_they_came_from(walk, aligned):
    camera = crop_camera("w1", (64, 64))
    placed = placed_by_masks(walk.body, _anywhere(walk, camera), aligned, camera)
    overlap = body_iou(forward(walk.body, placed).vertices, walk.body.faces, aligned.images, camera)
    assert overlap.min() > 0.9


def test_frames_without_a_mask_lie_between_their_neighbours(walk, aligned):
    camera = crop_camera("w1", (64, 64))
    seen = aligned.seen.copy()
    seen[3] = False
    placed = placed_by_masks(walk.body, _anywhere(walk, camera), replace(aligned, seen=seen), camera).transl
    np.testing.assert_allclose(placed[3], (placed[2] + placed[4]) / 2, atol=1e-5)


def test_nothing_moves_where_there_is_no_mask(walk, aligned):
    camera = crop_camera("w1", (64, 64))
    params = _anywhere(walk, camera)
    unseen = replace(aligned, seen=np.zeros(FRAMES, bool))
    assert placed_by_masks(walk.body, params, unseen, camera) is params


def _observed(aligned, *, keypoints):
    points = Keypoints("w1", np.zeros((FRAMES, 17, 2)), np.ones((FRAMES, 17)), ("nose",) * 17, "coco17")
    empty = np.zeros((FRAMES, 0, 3), np.float32)
    views = (points,) if keypoints else ()
    key = CaptureKey("grew", "00001", "01", "w1")
    return Observations(key, empty, (), "", np.arange(FRAMES), 25.0, keypoints=views, masks=(aligned,))


def test_a_kind_that_is_not_to_be_fitted_steps_aside_for_another(aligned):
    manifest = load_manifest("grew")
    seen, aside = set_apart(_observed(aligned, keypoints=True), manifest)
    assert (seen.masks, len(seen.keypoints)) == ((), 1)
    shown = as_shown(seen, aside, manifest)
    np.testing.assert_array_equal(shown.masks[0].images, aligned.images)
    assert shown.keypoints == ()


def test_where_there_is_nothing_else_it_is_fitted_to(aligned):
    seen, aside = set_apart(_observed(aligned, keypoints=False), load_manifest("grew"))
    assert aside == ()
    images = seen.masks[0].images
    assert images.shape == (FRAMES, 72, 72)
    assert not images[:, [0, -1]].any()
    np.testing.assert_array_equal(images[:, 4:-4, 4:-4], aligned.images)


@pytest.mark.parametrize(
    ("name", "there"), [("grew", True), ("gait3d", False), ("gait3d_pkl", True), ("ccpg_raw", False), ("amass", False)]
)
def test_which_silhouettes_are_aligned(name, there):
    assert is_aligned(load_manifest(name).source.silhouettes) is there
