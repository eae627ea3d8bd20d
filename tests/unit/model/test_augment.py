import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from meshgait_data.body.files import load_body
from meshgait_data.body.model import forward
from meshgait_data.conventions import SMPL_MIRROR
from meshgait_data.types import BodyParams
from meshgait_model.config.data import AugmentConfig
from meshgait_model.data.augment import draw, move_points, move_silhouettes

WINDOW = (64, 44)
WILD = AugmentConfig(flip=0.5, affine=1.0, rotate_deg=30, scale=0.2, shift_px=4, perspective=0.5, perspective_px=8)
TURNED = AugmentConfig(flip=0.5, affine=1.0, rotate_deg=30, scale=0.2, shift_px=4)
NOTHING = AugmentConfig(flip=0, affine=0)


def blob(points: torch.Tensor) -> torch.Tensor:
    """Images (B, T, 64, 44) of one soft dot about each of the points (B, T, 2)."""
    v, u = torch.meshgrid(torch.arange(64.0), torch.arange(44.0), indexing="ij")
    squared = (u - points[..., 0, None, None]) ** 2 + (v - points[..., 1, None, None]) ** 2
    return torch.exp(-squared / 8)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10**6))
def test_labels_move_with_the_pixels_that_they_name(seed):
    rng = np.random.default_rng(seed)
    points = torch.tensor(rng.uniform([16, 24], [28, 40], (6, 3, 2)), dtype=torch.float32)
    changes = draw(WILD, 6, WINDOW, rng)
    images = move_silhouettes(blob(points), changes)
    v, u = torch.meshgrid(torch.arange(64.0), torch.arange(44.0), indexing="ij")
    mass = images.sum((2, 3))
    seen = torch.stack([(images * u).sum((2, 3)), (images * v).sum((2, 3))], -1) / mass[..., None]
    uvd = torch.cat([points, torch.zeros(6, 3, 1)], -1)[:, :, None]
    moved = move_points(uvd, changes, torch.tensor([0]), 44)[:, :, 0, :2]
    torch.testing.assert_close(seen, moved, atol=0.15, rtol=0)


def test_the_mirror_image_exchanges_left_and_right():
    joints = torch.rand(2, 1, 24, 3) * 40
    changes = draw(AugmentConfig(flip=1, affine=0), 2, WINDOW, np.random.default_rng(0))
    mirror = torch.from_numpy(SMPL_MIRROR)
    once = move_points(joints, changes, mirror, 44)
    torch.testing.assert_close(once[0, 0, 4], joints[0, 0, 5] * torch.tensor([-1, 1, 1]) + torch.tensor([43.0, 0, 0]))
    torch.testing.assert_close(move_points(once, changes, mirror, 44), joints)
    images = torch.rand(2, 3, 64, 44)
    torch.testing.assert_close(move_silhouettes(images, changes), images.flip(-1))


def test_depth_follows_the_size():
    changes = draw(TURNED, 8, WINDOW, np.random.default_rng(3))
    points = torch.zeros(8, 1, 2, 3)
    points[:, :, 1] = torch.tensor([3.0, 0.0, 4.0])
    moved = move_points(points, changes, torch.tensor([0, 1]), 44)
    length = (moved[:, 0, 1] - moved[:, 0, 0]).norm(dim=-1)
    torch.testing.assert_close(length, 5 * torch.tensor(changes.size, dtype=torch.float32))


def test_nothing_changes_where_nothing_is_asked_for():
    changes = draw(NOTHING, 3, WINDOW, np.random.default_rng(0))
    images = torch.rand(3, 2, 64, 44)
    assert move_silhouettes(images, changes) is images


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10**6))
def test_clips_that_nothing_happens_to_keep_every_bit(seed):
    some = AugmentConfig(flip=0.3, affine=0.3, perspective=0.3, erase=0.3)
    changes = draw(some, 12, WINDOW, np.random.default_rng(seed))
    images = torch.rand(12, 2, 64, 44)
    moved = move_silhouettes(images, changes)
    still = ~changes.flip & (changes.warp == np.eye(3)).all((1, 2)) & ~changes.erased.any((1, 2))
    assert (moved[still] == images[still]).all()
    assert (moved[~still] != images[~still]).flatten(1).any(1).all()


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 10**6), st.booleans())
def test_a_body_drawn_from_moved_labels_covers_the_moved_silhouette(seed, mirrored):
    """The strongest predicate: labels that are moved and drawn, against silhouettes that are drawn and moved."""
    rng = np.random.default_rng(seed)
    body = load_body("free-lite")
    pose = rng.normal(0, 0.25, (1, 69)).astype(np.float32)
    turn = np.array([[0.0, rng.uniform(-np.pi, np.pi), 0.0]], np.float32)
    params = BodyParams(np.zeros(10, np.float32), turn, pose, np.zeros((1, 3), np.float32))
    vertices = forward(body, params).vertices[0]
    # A window of four times the usual size: blurred outlines count less. Feet down; depth in the same pixels.
    rows, columns = window = (256, 176)
    labels = vertices * [80, -80, -80]
    labels += [(columns - 1) / 2, (rows - 1) / 2, 0] - (labels.max(0) + labels.min(0)) / 2
    config = AugmentConfig(
        flip=float(mirrored), affine=1, rotate_deg=15, scale=0.1, shift_px=8, perspective=1, perspective_px=20
    )
    changes = draw(config, 1, window, rng)
    moved = move_silhouettes(drawn(labels, body, window)[None, None], changes)[0, 0]
    points = torch.from_numpy(labels.astype(np.float32))[None, None]
    points = move_points(points, changes, torch.from_numpy(np.array(body.mirror)), columns)
    again = drawn(points[0, 0].numpy(), body, window)
    both, either = torch.minimum(moved, again).sum(), torch.maximum(moved, again).sum()
    assert both / either > 0.96
    wrong = drawn(labels, body, window)
    assert torch.minimum(moved, wrong).sum() / torch.maximum(moved, wrong).sum() < both / either


def drawn(points, body, window):
    """Silhouette in [0, 1] of vertices (V, 3) in window pixels, each pixel the mean of 4x4 samples."""
    rows, columns = window
    image = np.zeros((rows * 4, columns * 4), np.uint8)
    for triangle in np.rint((points[body.faces, :2] * 4 + 1.5) * 16).astype(np.int32):
        cv2.fillConvexPoly(image, triangle, 1, shift=4)
    return torch.from_numpy(image.reshape(rows, 4, columns, 4).mean((1, 3)).astype(np.float32))


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10**6), st.floats(0.01, 0.5))
def test_erased_rectangles_have_the_area_that_was_asked_for(seed, area):
    config = AugmentConfig(flip=0, affine=0, erase=1, erase_area=(area, area))
    changes = draw(config, 20, WINDOW, np.random.default_rng(seed))
    assert move_silhouettes(torch.ones(20, 1, 64, 44), changes)[:, 0].eq(0).eq(torch.from_numpy(changes.erased)).all()
    rows, columns = changes.erased.any(2).sum(1), changes.erased.any(1).sum(1)
    np.testing.assert_array_equal(changes.erased.sum((1, 2)), rows * columns)
    free = (rows < 64) & (columns < 44)
    # Sides are whole pixels.
    assert (np.abs(rows * columns - area * 64 * 44)[free] <= (rows + columns)[free] / 2 + 1).all()


def test_the_perspective_takes_its_corners_to_those_of_the_square():
    config = AugmentConfig(flip=0, affine=0, perspective=1, perspective_px=10)
    rng = np.random.default_rng(4)
    changes = draw(config, 50, WINDOW, rng)
    corners = np.array([[-10.0, 0, 1], [53, 0, 1], [-10, 63, 1], [53, 63, 1]])
    origin = corners @ np.linalg.inv(changes.warp).swapaxes(1, 2)
    origin = origin[..., :2] / origin[..., 2:]
    inwards = (origin[..., 0] - corners[:, 0]) * [1, -1, 1, -1]
    assert (inwards > -1e-9).all()
    assert (inwards < 10).all()
    assert inwards.max() > 9
    np.testing.assert_allclose(origin[..., 1], np.broadcast_to(corners[:, 1], (50, 4)), atol=1e-9)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"flip": -0.1}, "probability"),
        ({"erase": 1.1}, "probability"),
        ({"perspective_px": 40.0}, "perspective_px"),
        ({"erase_area": (0.5, 0.2)}, "rising"),
        ({"scale": 1.0}, "scale"),
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong, says):
    with pytest.raises(ValueError, match=says):
        AugmentConfig(**wrong)
