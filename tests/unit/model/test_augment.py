import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from meshgait_data.conventions import SMPL_MIRROR
from meshgait_model.config.data import AugmentConfig
from meshgait_model.data.augment import draw, move_points, move_silhouettes

WINDOW = (64, 44)
WILD = AugmentConfig(flip=0.5, affine=1.0, rotate_deg=30, scale=0.2, shift_px=4)


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
    changes = draw(WILD, 8, WINDOW, np.random.default_rng(3))
    points = torch.zeros(8, 1, 2, 3)
    points[:, :, 1] = torch.tensor([3.0, 0.0, 4.0])
    moved = move_points(points, changes, torch.tensor([0, 1]), 44)
    length = (moved[:, 0, 1] - moved[:, 0, 0]).norm(dim=-1)
    torch.testing.assert_close(length, 5 * torch.tensor(changes.size, dtype=torch.float32))


def test_nothing_changes_where_nothing_is_asked_for():
    changes = draw(AugmentConfig(flip=0, affine=0), 3, WINDOW, np.random.default_rng(0))
    images = torch.rand(3, 2, 64, 44)
    torch.testing.assert_close(move_silhouettes(images, changes), images)
    with pytest.raises(ValueError, match="probability"):
        AugmentConfig(flip=-0.1)
