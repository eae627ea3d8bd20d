"""Points in space from their images in two views or more, with how uncertain they are.

Linear triangulation in undistorted rays (Hartley & Sturm, *Triangulation*, CVIU 68(2), 1997: each ray ``(u, v)``
gives the rows ``R_0 - u R_2`` and ``R_1 - v R_2``), scaled by depth so that its residuals are angles, then Gauss-Newton
on the pixels. Outliers lose their weight in both by iterated reweighting (Geman-McClure); there is no random sampling.
Where the first solution of all views is drawn off by one of them, pairs of views are tried and the best pair starts.
"""

from dataclasses import dataclass
from itertools import combinations

import torch
from torch import Tensor

from meshgait_data.fit.cameras import Views
from meshgait_data.fit.terms.kernels import geman_mcclure

_LINEAR_STEPS, _STEPS = 3, 4
"""Linear solutions, each with the depths and weights of the one before; Gauss-Newton steps on the pixels."""
_PAIRS_ABOVE = 3.0
"""Root mean square residual, in units of the kernel's scale, above which pairs of views are tried."""
_LEAST_PARALLAX = 1e-4
"""Ratio of the least to the largest eigenvalue of a point's information below which its place is not known: rays that
meet at under about half a degree."""


@dataclass(frozen=True, slots=True)
class Triangulated:
    """Points in space."""

    points: Tensor
    """(T, P, 3) metres, world frame; NaN where fewer than two views see the point, or their rays hardly meet."""
    covariance: Tensor
    """(T, P, 3, 3) square metres for noise of one pixel at confidence one; NaN likewise. Times the variance."""
    residual: Tensor
    """(T, V, P) pixels between the observed point and the image of the triangulated one; NaN where there is none."""
    inlying: Tensor
    """(T, V, P) weight between 0 and 1 that the view kept; 0 where it did not see the point."""


def triangulate(
    views: Views,
    pixels: Tensor,
    confidence: Tensor,
    capture: Tensor,
    *,
    scale: float | Tensor = 15.0,
    robust: bool = True,
) -> Triangulated:
    """Triangulate all points of all frames.

    Parameters
    ----------
    views
        Known cameras of each capture.
    pixels
        (T, V, P, 2) as the cameras took them (distorted); anything where confidence is 0, NaN included.
    confidence
        (T, V, P) relative weight; 0 where not seen.
    capture
        (T,) capture of each frame.
    scale
        Pixels at which a view's weight has dropped to a quarter; one number, or (N,) one for each capture.
    robust
        Whether outliers lose weight; if not, this is plain weighted least squares.
    """
    normal, weights = _prepared(views, pixels, confidence, capture)
    safe = torch.where((weights > 0)[..., None], pixels, 0.0)
    points = _linear(normal, weights)
    each = torch.as_tensor(scale, dtype=points.dtype, device=points.device).expand(len(views.present))
    limit = (each if robust else torch.full_like(each, torch.inf))[capture, None, None]
    for _ in range(_LINEAR_STEPS - 1):
        kept = weights * _inlying(views, points, safe, capture, limit)
        points = _linear(normal, _by_depth(views, points, kept, capture))
    if robust and len(views) > 2:
        points = _best_of_pairs(views, normal, points, safe, weights, capture, limit)
    return _refined(views, points, safe, weights, capture, limit)


def triangulate_linear(views: Views, pixels: Tensor, confidence: Tensor, capture: Tensor) -> Tensor:
    """(T, P, 3) one linear solution, as a yardstick; what fewer than two views see is anywhere."""
    return _linear(*_prepared(views, pixels, confidence, capture))


def _prepared(
    views: Views, pixels: Tensor, confidence: Tensor, capture: Tensor
) -> tuple[tuple[Tensor, Tensor], Tensor]:
    """Rows and right sides of all rays, and weights, zero where there is no ray."""
    rays = views.rays(torch.nan_to_num(pixels), capture)
    seen = (confidence > 0) & pixels.isfinite().all(-1) & rays.isfinite().all(-1) & views.present[capture][..., None]
    return _rows(views, torch.nan_to_num(rays), capture), torch.where(seen, confidence, 0.0)


def _rows(views: Views, rays: Tensor, capture: Tensor) -> tuple[Tensor, Tensor]:
    """(T, V, P, 2, 3) rows A and (T, V, P, 2) right sides b: ``A x = b`` for the point on each ray."""
    rotation, offset = views.rotation[capture][:, :, None], views.offset[capture][:, :, None]
    offset = offset - (rotation @ views.target[capture][:, :, None, :, None])[..., 0]
    depth = (views.divisor[capture] == 0)[:, :, None, None]
    u = rays[..., None]
    # Affine cameras: the divisor is a constant and stands on the right.
    rows = rotation[..., :2, :] - torch.where(depth[..., None], u * rotation[..., 2:, :], 0.0)
    fixed = views.divisor[capture][:, :, None, None]
    right = torch.where(depth, rays * offset[..., 2:], rays * fixed) - offset[..., :2]
    focal = views.lens[capture].diagonal(dim1=-2, dim2=-1).mean(-1)[:, :, None, None]
    return rows * focal[..., None], right * focal


def _linear(rows: tuple[Tensor, Tensor], weights: Tensor) -> Tensor:
    """(T, P, 3) weighted least squares; points that nothing determines come out at the damping's choice."""
    matrix, right = rows
    weighted = weights[..., None, None] * matrix
    normal = torch.einsum("tvpki,tvpkj->tpij", weighted, matrix)
    wanted = torch.einsum("tvpki,tvpk->tpi", weighted, right)
    size = normal.diagonal(dim1=-2, dim2=-1).sum(-1).clamp(min=1e-30)
    eye = torch.eye(3, dtype=normal.dtype, device=normal.device)
    return torch.linalg.solve(normal + (1e-12 * size + 1e-30)[..., None, None] * eye, wanted)


def _by_depth(views: Views, points: Tensor, weights: Tensor, capture: Tensor) -> Tensor:
    """Weights that turn the rows' residuals, which grow with depth, into pixels."""
    depth = views.project(points, capture, slopes=False).depth
    perspective = (views.divisor[capture] == 0)[..., None]
    return weights / torch.where(perspective, depth.clamp(min=0.1) ** 2, views.divisor[capture][..., None] ** 2 + 1e-12)


def _misses(views: Views, points: Tensor, pixels: Tensor, capture: Tensor) -> Tensor:
    """(T, V, P) pixels, far more than any scale behind a camera."""
    seen = views.project(points, capture, slopes=False)
    return torch.where(seen.in_front, (pixels - seen.pixels).norm(dim=-1), 1e6)


def _inlying(views: Views, points: Tensor, pixels: Tensor, capture: Tensor, limit: Tensor) -> Tensor:
    return geman_mcclure((_misses(views, points, pixels, capture) / limit).square())[1]


def _best_of_pairs(
    views: Views,
    rows: tuple[Tensor, Tensor],
    points: Tensor,
    pixels: Tensor,
    weights: Tensor,
    capture: Tensor,
    limit: Tensor,
) -> Tensor:
    """Where the views disagree, the pair of them that all together agree with best."""

    def cost(at: Tensor, frames: Tensor | slice = slice(None)) -> Tensor:
        misses = _misses(views, at, pixels[frames], capture[frames]) / limit[frames]
        return (weights[frames] * geman_mcclure(misses.square())[0]).sum(1)

    best = cost(points)
    doubtful = (best > _PAIRS_ABOVE * 0.05 * weights.sum(1)).any(1).nonzero()[:, 0]
    if not len(doubtful):
        return points
    points = points.clone()
    matrix, right = (part[doubtful] for part in rows)
    for pair in combinations(range(len(views)), 2):
        chosen = torch.zeros_like(weights[doubtful])
        chosen[:, list(pair)] = weights[doubtful][:, list(pair)]
        trial = _linear((matrix, right), chosen)
        known = (chosen > 0).sum(1) == 2  # a pair
        costs = torch.where(known, cost(trial, doubtful), torch.inf)
        better = costs < best[doubtful]
        points[doubtful] = torch.where(better[..., None], trial, points[doubtful])
        best[doubtful] = torch.where(better, costs, best[doubtful])
    return points


def _refined(
    views: Views, points: Tensor, pixels: Tensor, weights: Tensor, capture: Tensor, limit: Tensor
) -> Triangulated:
    """Gauss-Newton on the pixels with fresh weights in each step."""
    eye = torch.eye(3, dtype=points.dtype, device=points.device)
    at = _linearised(views, points, pixels, weights, capture, limit)
    for _ in range(_STEPS):
        size = at.information.diagonal(dim1=-2, dim2=-1).sum(-1).clamp(min=1e-30)
        points = points + torch.linalg.solve(at.information + (1e-6 * size)[..., None, None] * eye, at.force)
        at = _linearised(views, points, pixels, weights, capture, limit)
    return _judged(points, at, weights > 0)


@dataclass(frozen=True, slots=True)
class _Linear:
    information: Tensor
    """(T, P, 3, 3) 1/m^2 for noise of one pixel."""
    force: Tensor
    """(T, P, 3)"""
    miss: Tensor
    """(T, V, P) pixels."""
    inlying: Tensor
    """(T, V, P)"""


def _linearised(
    views: Views, points: Tensor, pixels: Tensor, weights: Tensor, capture: Tensor, limit: Tensor
) -> _Linear:
    seen = views.project(points, capture)
    miss = torch.where(seen.in_front[..., None], pixels - seen.pixels, 0.0)
    inlying = geman_mcclure(miss.square().sum(-1) / limit**2)[1] * seen.in_front
    weighted = (weights * inlying)[..., None, None] * seen.slope
    return _Linear(
        torch.einsum("tvpki,tvpkj->tpij", weighted, seen.slope),
        torch.einsum("tvpki,tvpk->tpi", weighted, miss),
        miss.norm(dim=-1),
        torch.where(weights > 0, inlying, 0.0),
    )


def _judged(points: Tensor, at: _Linear, seen: Tensor) -> Triangulated:
    spread = torch.linalg.eigvalsh(at.information)
    known = (seen.sum(1) >= 2) & (spread[..., 0] > _LEAST_PARALLAX * spread[..., 2]) & points.isfinite().all(-1)
    eye = torch.eye(3, dtype=points.dtype, device=points.device)
    covariance = torch.linalg.inv(torch.where(known[..., None, None], at.information, eye))
    return Triangulated(
        points=torch.where(known[..., None], points, torch.nan),
        covariance=torch.where(known[..., None, None], covariance, torch.nan),
        residual=torch.where(seen & known[:, None], at.miss, torch.nan),
        inlying=at.inlying,
    )
