"""Lens distortion in torch, many lenses at once, with derivatives; the same lenses as ``render/lens.py``.

Points are where rays cross the plane at depth 1, (..., 2), without unit. Coefficients are (..., 8) in OpenCV's order
``k1 k2 p1 p2 k3 k4 k5 k6``, zero where a lens has fewer.
"""

import torch
from torch import Tensor

_STEPS, _TOLERANCE = 12, 1e-9
"""Newton steps, and the greatest error of an undistorted point that counts as found."""
_INSIDE = 0.95
"""Share of the fold radius up to which a lens is taken at its word."""


def distort(points: Tensor, coefficients: Tensor, fold: Tensor) -> tuple[Tensor, Tensor]:
    """Where lenses move points, and the derivative.

    Beyond 95 % of the fold radius the image goes on straight along the ray from there, with the scale that it has
    there: a fit that starts far off is then still pulled the right way, where the polynomial would fold it back.

    Parameters
    ----------
    points
        (..., 2)
    coefficients
        (..., 8), broadcast against the points.
    fold
        (...) of :func:`meshgait_data.render.lens.fold_radius`, broadcast too; infinite for lenses that never fold.

    Returns
    -------
    Distorted points (..., 2) and the derivative (..., 2, 2).
    """
    radius = points.square().sum(-1).sqrt()
    shrink = (_INSIDE * fold / radius.clamp(min=1e-12)).clamp(max=1.0)
    image, slope = polynomial(shrink[..., None] * points, coefficients)
    beyond = (shrink < 1)[..., None, None]
    # There the image is homogeneous of degree one: image(s p) / s with s = limit / |p|.
    along = points / radius.clamp(min=1e-12)[..., None]
    straight = slope - (slope @ along[..., None]) * along[..., None, :]
    straight = straight + image[..., :, None] * along[..., None, :] / (_INSIDE * fold)[..., None, None]
    return image / shrink[..., None], torch.where(beyond, straight, slope)


def undistort(points: Tensor, coefficients: Tensor, fold: Tensor) -> Tensor:
    """Inverse of a lens by Newton's method; NaN where a point is the image of nothing within the fold radius."""
    found = points.clone()
    for _ in range(_STEPS):
        image, slope = distort(found, coefficients, fold)
        x, y = (image - points).unbind(-1)
        (a, b), (c, d) = (row.unbind(-1) for row in slope.unbind(-2))
        found = found - torch.stack([d * x - b * y, a * y - c * x], -1) / (a * d - b * c)[..., None]
    error = (distort(found, coefficients, fold)[0] - points).abs().amax(-1)
    good = (error < _TOLERANCE) & (found.square().sum(-1) < fold**2)
    return torch.where(good[..., None], found, torch.nan)


def polynomial(points: Tensor, coefficients: Tensor) -> tuple[Tensor, Tensor]:
    """OpenCV's polynomial itself (documentation of ``calib3d``): distorted points and derivative."""
    k1, k2, p1, p2, k3, k4, k5, k6 = coefficients.unbind(-1)
    x, y = points.unbind(-1)
    r = x * x + y * y
    above, below = 1 + r * (k1 + r * (k2 + r * k3)), 1 + r * (k4 + r * (k5 + r * k6))
    radial = above / below
    # Of the radial factor by x is 2 x times this, by y 2 y times.
    change = (k1 + r * (2 * k2 + 3 * r * k3) - radial * (k4 + r * (2 * k5 + 3 * r * k6))) / below
    image = torch.stack(
        [x * radial + 2 * p1 * x * y + p2 * (r + 2 * x * x), y * radial + p1 * (r + 2 * y * y) + 2 * p2 * x * y], -1
    )
    mixed = 2 * x * y * change + 2 * p1 * x + 2 * p2 * y
    rows = [
        torch.stack([radial + 2 * x * x * change + 2 * p1 * y + 6 * p2 * x, mixed], -1),
        torch.stack([mixed, radial + 2 * y * y * change + 6 * p1 * y + 2 * p2 * x], -1),
    ]
    return image, torch.stack(rows, -2)
