"""Lens distortion as OpenCV defines it: forward, back, and how far from the axis the model means anything.

Points are where rays cross the plane at depth 1, (..., 2), without unit. Coefficients are those of OpenCV's camera
model, ``k1 k2 p1 p2 [k3 [k4 k5 k6]]`` (documentation of ``calib3d``; Brown, *Close-range camera calibration*, 1971).
"""

from collections.abc import Sequence

import numpy as np

from meshgait_data.errors import InvalidData
from meshgait_data.types import FloatArray

_STEPS, _TOLERANCE = 30, 1e-12
"""Newton steps at most, and the greatest error of an undistorted point that counts as found."""


def distort(points: FloatArray, coefficients: Sequence[float]) -> FloatArray:
    """Where a lens moves points (..., 2): exactly those of :func:`cv2.projectPoints`.

    Points beyond :func:`fold_radius` become NaN: the polynomial would fold them back into the image.
    """
    points = np.asarray(points, dtype=np.float64)
    if not any(coefficients):
        return points
    beyond = (points**2).sum(axis=-1) >= fold_radius(coefficients) ** 2
    return np.where(beyond[..., None], np.nan, _distort(points, coefficients)[0])


def undistort(points: FloatArray, coefficients: Sequence[float]) -> FloatArray:
    """Inverse of :func:`distort` by Newton's method.

    Raises
    ------
    InvalidData
        Where a point is the image of no point within the fold radius. Points that are NaN stay so.
    """
    wanted = np.asarray(points, dtype=np.float64)
    if not any(coefficients):
        return wanted
    limit = fold_radius(coefficients)
    found = wanted.copy()
    error = np.zeros_like(found)
    for _ in range(_STEPS):
        image, jacobian = _distort(found, coefficients)
        error = image - wanted
        # Only finite points decide when to stop: the others are nowhere from the start.
        if np.nanmax(np.abs(error), initial=0.0) <= _TOLERANCE:
            break
        (a, b), (c, d) = np.moveaxis(jacobian, (-2, -1), (0, 1))
        x, y = error[..., 0], error[..., 1]
        found = found - np.stack([d * x - b * y, a * y - c * x], axis=-1) / (a * d - b * c)[..., None]
    lost = ~np.isnan(wanted).any(axis=-1) & ~(
        (np.abs(error).max(axis=-1) <= 1e-9) & ((found**2).sum(axis=-1) < limit**2)
    )
    if lost.any():
        raise InvalidData(
            f"{np.count_nonzero(lost)} points lie where this lens ({list(coefficients)}) shows nothing",
            hint="use pixels within the image that the lens was calibrated with",
        )
    return found


def fold_radius(coefficients: Sequence[float]) -> float:
    """Distance from the axis up to which the radial part of a lens moves points further out; infinite if everywhere.

    Where the derivative of ``r (1 + k1 r² + k2 r⁴ + k3 r⁶) / (1 + k4 r² + k5 r⁴ + k6 r⁶)`` is first zero, or where
    the denominator is.
    """
    k1, k2, _, _, k3, k4, k5, k6 = _padded(coefficients)
    above, below = np.polynomial.Polynomial([1, k1, k2, k3]), np.polynomial.Polynomial([1, k4, k5, k6])
    square = np.polynomial.Polynomial([0, 1])
    slope = above * below + 2 * square * (above.deriv() * below - above * below.deriv())
    roots = np.concatenate([polynomial.trim(1e-15).roots() for polynomial in (slope, below)])
    real = roots.real[(np.abs(roots.imag) < 1e-9) & (roots.real > 0)]
    return float(np.sqrt(real.min())) if len(real) else np.inf


def _distort(points: FloatArray, coefficients: Sequence[float]) -> tuple[FloatArray, FloatArray]:
    """Distorted points (..., 2) and the derivative (..., 2, 2)."""
    k1, k2, p1, p2, k3, k4, k5, k6 = _padded(coefficients)
    x, y = points[..., 0], points[..., 1]
    r = x * x + y * y
    above, below = 1 + r * (k1 + r * (k2 + r * k3)), 1 + r * (k4 + r * (k5 + r * k6))
    radial = above / below
    # Of the radial factor by x is 2 x times this, by y 2 y times.
    change = (k1 + r * (2 * k2 + 3 * r * k3) - radial * (k4 + r * (2 * k5 + 3 * r * k6))) / below
    image = np.stack(
        [x * radial + 2 * p1 * x * y + p2 * (r + 2 * x * x), y * radial + p1 * (r + 2 * y * y) + 2 * p2 * x * y], -1
    )
    mixed = 2 * x * y * change + 2 * p1 * x + 2 * p2 * y
    rows = [
        np.stack([radial + 2 * x * x * change + 2 * p1 * y + 6 * p2 * x, mixed], -1),
        np.stack([mixed, radial + 2 * y * y * change + 6 * p1 * y + 2 * p2 * x], -1),
    ]
    return image, np.stack(rows, -2)


def _padded(coefficients: Sequence[float]) -> tuple[float, ...]:
    return (*coefficients, *((8 - len(coefficients)) * (0.0,)))
