"""What terms on joint rotations share: rotation vectors from a mean pose, and their normal equations."""

from collections.abc import Sequence

import torch
from torch import Tensor

from meshgait_data.fit.system import System

_FRAMES_AT_A_TIME = 64


def rows_of(joints: Sequence[int]) -> list[int]:
    """Places of the joints' rotation vectors in a vector of all joints."""
    return [3 * joint + axis for joint in joints for axis in range(3)]


def columns_of(system: System, joints: Sequence[int]) -> slice:
    """Unknowns of some joints, which must follow each other in ``system.free``; raises ValueError where they do not."""
    first = system.free.index(joints[0])
    if tuple(system.free[first : first + len(joints)]) != tuple(joints):
        raise ValueError(f"joints {tuple(joints)} do not follow each other in {system.free}")
    return slice(3 * first, 3 * (first + len(joints)))


def turned(precision: Tensor, jacobian: Tensor) -> Tensor:
    """Precision of rotation vectors as that of the rotations: ``D^T P D`` with D block-diagonal.

    Parameters
    ----------
    precision
        (3 L, 3 L)
    jacobian
        (T, L, 3, 3) of ``log_jacobian``.

    Returns
    -------
    (T, 3 L, 3 L)
    """
    # Dense blocks of few frames, which stay in the cache: far faster than many products of 3 x 3.
    parts = [_turned(precision, part) for part in torch.split(jacobian, _FRAMES_AT_A_TIME)]
    return torch.cat(parts) if parts else precision.new_zeros(0, *precision.shape)


def _turned(precision: Tensor, jacobian: Tensor) -> Tensor:
    size = len(precision)
    across = jacobian.new_zeros(len(jacobian), size, size)
    view = (len(jacobian), size // 3, 3, 3), (size**2, 3 * size + 3, size, 1)
    across.as_strided(*view).copy_(jacobian.mT)
    half = across.reshape(-1, size) @ precision
    return half.reshape(across.shape) @ across.mT


def pulled(jacobian: Tensor, vectors: Tensor) -> Tensor:
    """``D^T v`` with D block-diagonal: (T, L, 3, 3) and (T, 3 L, ...) to (T, 3 L, ...)."""
    frames, count = jacobian.shape[:2]
    result = jacobian.mT @ vectors.reshape(frames, count, 3, -1)
    return result.reshape(vectors.shape)
