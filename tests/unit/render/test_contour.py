"""The far-reaching term: plain distances, exact derivatives, and a pull that brings shapes together."""

import numpy as np
import pytest
import torch

from meshgait_data.errors import InvalidData
from meshgait_data.render.contour import ContourTarget, contour_distance


def disc(x: float, y: float, radius: float, side: int = 64) -> np.ndarray:
    rows, columns = np.mgrid[:side, :side]
    return (columns - x) ** 2 + (rows - y) ** 2 <= radius**2


def plain(points: np.ndarray, mask: np.ndarray, contour: np.ndarray) -> float:
    """For points on pixels: the mean over points of the distance to white, and over contour points to points."""
    white = np.argwhere(mask)[:, ::-1]
    inwards = [((white - p) ** 2).sum(1).min() for p in points]
    outwards = [((points - c) ** 2).sum(1).min() for c in contour]
    return np.mean(inwards) + np.mean(outwards)


def test_equals_the_plain_distances(rng):
    masks = np.stack([disc(30, 25, 12), disc(20, 40, 6) | disc(45, 20, 8)])
    points = rng.integers(2, 62, (2, 40, 2)).astype(float)
    target = ContourTarget.of(masks, points=30)
    found = contour_distance(torch.tensor(points), target)
    for n in range(2):
        assert found[n].item() == pytest.approx(plain(points[n], masks[n], target.contour[n].numpy()), rel=1e-5)


def test_derivatives_are_exact(rng):
    target = ContourTarget.of(np.stack([disc(15, 12, 7, 30), disc(10, 20, 5, 30)]), points=12)
    points = torch.tensor(rng.uniform(-3, 33, (2, 9, 2)), requires_grad=True)
    assert torch.autograd.gradcheck(lambda p: contour_distance(p, target), (points,), eps=1e-5, atol=1e-4)


def test_holes_and_the_border_of_the_image():
    ring = disc(30, 30, 15) & ~disc(30, 30, 8)
    contour = ContourTarget.of(ring[None]).contour[0].numpy()
    radius = np.hypot(*(contour - 30).T)
    assert (radius < 10).any()
    assert (radius > 13).any()
    cut = disc(30, 60, 15)
    contour = ContourTarget.of(cut[None]).contour[0].numpy()
    assert contour[:, 1].max() < 63
    # Below the border the body may well go on.
    below = torch.tensor([[[30.0, 90.0]]])
    target = ContourTarget(ContourTarget.of(cut[None]).outside, torch.full((1, 4, 2), torch.nan))
    assert contour_distance(below, target).item() == 0


def test_what_is_not_known_pulls_at_nothing():
    mask, known = disc(30, 40, 15), np.ones((64, 64), bool)
    known[45:] = False
    target = ContourTarget.of((mask & known)[None], known=known[None])
    assert target.contour[..., 1].max() < 44
    assert contour_distance(torch.tensor([[[30.0, 60.0]]]), ContourTarget(target.outside, target.contour * np.nan)) == 0
    nothing = ContourTarget.of(mask[None], known=np.zeros((1, 64, 64), bool))
    assert contour_distance(torch.zeros(1, 3, 2), nothing).item() == 0


def test_empty_and_full_masks_and_points_behind_the_camera(rng):
    points = torch.tensor(rng.uniform(0, 63, (3, 20, 2)), requires_grad=True)
    masks = np.stack([np.zeros((64, 64), bool), np.ones((64, 64), bool), disc(30, 30, 9)])
    target = ContourTarget.of(masks)
    values = contour_distance(points, target)
    assert values[:2].tolist() == [0, 0]
    values.sum().backward()
    assert not points.grad[:2].any()
    with_hidden = torch.cat([points.detach(), torch.full((3, 5, 2), torch.nan)], 1).requires_grad_()
    again = contour_distance(with_hidden, target)
    assert torch.equal(again, values.detach())
    again.sum().backward()
    assert torch.equal(with_hidden.grad[:, :20], points.grad)
    assert not with_hidden.grad[:, 20:].any()
    assert contour_distance(torch.full((3, 5, 2), torch.nan), target).tolist() == [0, 0, 0]


def test_brings_a_shape_home_from_far_away(rng):
    mask = disc(40, 22, 9)
    shape = torch.tensor(rng.normal(size=(300, 2)))
    shape = shape / shape.norm(dim=1, keepdim=True) * torch.tensor(rng.uniform(size=(300, 1))) ** 0.5
    target = ContourTarget.of(mask[None])
    place = torch.tensor([10.0, 55.0, np.log(15.0)], dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.Adam([place], 1.0)
    for _ in range(400):
        optimiser.zero_grad()
        contour_distance((shape * place[2].exp() + place[:2])[None], target).sum().backward()
        optimiser.step()
        for group in optimiser.param_groups:
            group["lr"] *= 0.99
    x, y, size = place.detach().tolist()
    assert np.hypot(x - 40, y - 22) < 1
    assert np.exp(size) == pytest.approx(9, abs=1)


def test_shapes_must_fit():
    with pytest.raises(InvalidData, match="masks"):
        ContourTarget.of(np.zeros((4, 4), bool))
    target = ContourTarget.of(np.ones((2, 4, 4), bool))
    with pytest.raises(InvalidData, match="points"):
        contour_distance(torch.zeros(1, 3, 2), target)
