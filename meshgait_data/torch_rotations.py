"""Rotations in torch: exponential, logarithm and the derivative of the logarithm; any leading batch axes."""

import torch
from torch import Tensor


def skew(vectors: Tensor) -> Tensor:
    """Matrices K with ``K @ x == cross(v, x)``; (..., 3) to (..., 3, 3)."""
    x, y, z = vectors.unbind(-1)
    zero = torch.zeros_like(x)
    return torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).reshape(*vectors.shape, 3)


def vee(matrices: Tensor) -> Tensor:
    """Vectors of the skew-symmetric part: ``vee(skew(v)) == v``; (..., 3, 3) to (..., 3)."""
    m = matrices
    parts = [m[..., 2, 1] - m[..., 1, 2], m[..., 0, 2] - m[..., 2, 0], m[..., 1, 0] - m[..., 0, 1]]
    return torch.stack(parts, -1) / 2


def exp(vectors: Tensor) -> Tensor:
    """Rotation matrices of axis-angle vectors (Rodrigues), with finite gradients at zero; (..., 3) to (..., 3, 3)."""
    squared = vectors.square().sum(-1)[..., None, None]
    small = squared < 1e-8
    # The square root has no derivative at zero, so that branch must never see it.
    safe = torch.where(small, torch.ones_like(squared), squared)
    angle = safe.sqrt()
    first = torch.where(small, 1 - squared / 6, angle.sin() / angle)
    second = torch.where(small, 0.5 - squared / 24, (1 - angle.cos()) / safe)
    K = skew(vectors)
    return torch.eye(3, dtype=vectors.dtype, device=vectors.device) + first * K + second * (K @ K)


def log(matrices: Tensor) -> Tensor:
    """Axis-angle vectors; (..., 3, 3) to (..., 3).

    For residuals, which are never near a half turn: there the axis is lost. For files use
    :func:`meshgait_data.rotations.log`.
    """
    vector = vee(matrices)
    sine = vector.norm(dim=-1, keepdim=True)
    cosine = (matrices.diagonal(dim1=-2, dim2=-1).sum(-1, keepdim=True) - 1) / 2
    small = sine < 1e-6
    ratio = torch.atan2(sine, cosine) / torch.where(small, torch.ones_like(sine), sine)
    return vector * torch.where(small, torch.ones_like(sine), ratio)


def log_jacobian(vectors: Tensor) -> Tensor:
    """Derivative of ``log(R exp(skew(delta)))`` by delta at zero, given ``log(R)``; (..., 3) to (..., 3, 3).

    The inverse of the right Jacobian of SO(3) (Chirikjian, *Stochastic Models*, vol. 2, 2012, eq. 10.86).
    """
    squared = vectors.square().sum(-1)[..., None, None]
    small = squared < 1e-6
    safe = torch.where(small, torch.ones_like(squared), squared)
    angle = safe.sqrt()
    # (1 + cos)/(2 angle sin) without the 0/0 of a half turn.
    exact = 1 / safe - 1 / (2 * angle * torch.tan(angle / 2))
    factor = torch.where(small, 1 / 12 + squared / 720, exact)
    K = skew(vectors)
    return torch.eye(3, dtype=vectors.dtype, device=vectors.device) + K / 2 + factor * (K @ K)
