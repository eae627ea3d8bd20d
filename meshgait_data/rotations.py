"""Rotations in numpy: exponential, logarithm, minimal rotation, Euler angles. Any leading batch axes."""

import numpy as np

from meshgait_data.types import FloatArray


def skew(vectors: FloatArray) -> FloatArray:
    """Matrices K with ``K @ x == cross(v, x)``; (..., 3) to (..., 3, 3)."""
    x, y, z = np.moveaxis(vectors, -1, 0)
    zero = np.zeros_like(x)
    return np.stack([zero, -z, y, z, zero, -x, -y, x, zero], axis=-1).reshape(*vectors.shape, 3)


def exp(axis_angle: FloatArray) -> FloatArray:
    """Rotation matrices of axis-angle vectors (Rodrigues); (..., 3) to (..., 3, 3)."""
    squared = np.sum(axis_angle**2, axis=-1)[..., None, None]
    angle = np.sqrt(squared)
    # Taylor series below 1e-4, where the closed forms lose half their digits.
    small = angle < 1e-4
    safe = np.where(small, 1.0, angle)
    first = np.where(small, 1.0 - squared / 6.0, np.sin(safe) / safe)
    second = np.where(small, 0.5 - squared / 24.0, (1.0 - np.cos(safe)) / safe**2)
    K = skew(axis_angle)
    return np.eye(3, dtype=axis_angle.dtype) + first * K + second * (K @ K)


def log(matrices: FloatArray) -> FloatArray:
    """Axis-angle vectors of rotation matrices, angles in [0, pi]; (..., 3, 3) to (..., 3)."""
    quaternions = to_quaternions(matrices)
    vector, scalar = quaternions[..., 1:], quaternions[..., :1]
    length = np.linalg.norm(vector, axis=-1, keepdims=True)
    angle = 2.0 * np.arctan2(length, scalar)
    return vector * np.where(length < 1e-7, 2.0, angle / np.maximum(length, 1e-7))


def to_quaternions(matrices: FloatArray) -> FloatArray:
    """Unit quaternions (w, x, y, z) with w >= 0; (..., 3, 3) to (..., 4).

    Takes the eigenvector of the largest eigenvalue of Bar-Itzhack's matrix (J. Guidance 23(6), 2000) in closed
    form: of the four rows of ``q q^T`` the one with the largest diagonal, which never divides by a small number.
    """
    m = matrices
    d0, d1, d2 = m[..., 0, 0], m[..., 1, 1], m[..., 2, 2]
    a, b, c = m[..., 2, 1] - m[..., 1, 2], m[..., 0, 2] - m[..., 2, 0], m[..., 1, 0] - m[..., 0, 1]
    p, q, r = m[..., 1, 0] + m[..., 0, 1], m[..., 0, 2] + m[..., 2, 0], m[..., 2, 1] + m[..., 1, 2]
    outer = np.stack(
        [
            np.stack([1 + d0 + d1 + d2, a, b, c], -1),
            np.stack([a, 1 + d0 - d1 - d2, p, q], -1),
            np.stack([b, p, 1 - d0 + d1 - d2, r], -1),
            np.stack([c, q, r, 1 - d0 - d1 + d2], -1),
        ],
        axis=-2,
    )
    best = np.argmax(np.diagonal(outer, axis1=-2, axis2=-1), axis=-1)
    rows = np.take_along_axis(outer, best[..., None, None], axis=-2)[..., 0, :]
    rows = rows / np.linalg.norm(rows, axis=-1, keepdims=True)
    return np.where(rows[..., :1] < 0, -rows, rows)


def between(source: FloatArray, target: FloatArray) -> FloatArray:
    """Smallest rotations that take directions ``source`` to ``target``; (..., 3) each to (..., 3, 3).

    Opposite directions have no unique answer; the half turn about some perpendicular axis is given.
    """
    a = source / np.linalg.norm(source, axis=-1, keepdims=True)
    b = target / np.linalg.norm(target, axis=-1, keepdims=True)
    a, b = np.broadcast_arrays(a, b)
    cosine = np.sum(a * b, axis=-1)[..., None, None]
    K = skew(np.cross(a, b))
    eye = np.eye(3)
    turn = eye + K + K @ K / np.maximum(1.0 + cosine, 1e-12)
    least = np.eye(3)[np.argmin(np.abs(a), axis=-1)]
    axis = np.cross(a, least)
    axis /= np.linalg.norm(axis, axis=-1, keepdims=True)
    half_turn = 2.0 * axis[..., :, None] * axis[..., None, :] - eye
    return np.where(cosine < -1.0 + 1e-9, half_turn, turn)


def euler(angles: FloatArray, order: str = "xyz") -> FloatArray:
    """Rotations about fixed axes, the first letter applied first; (..., n) radians to (..., 3, 3).

    ``order="xyz"`` is Rz Ry Rx, the convention of ASF/AMC files.
    """
    result = np.broadcast_to(np.eye(3), (*angles.shape[:-1], 3, 3))
    for index, letter in enumerate(order):
        axis = np.eye(3)["xyz".index(letter)]
        result = exp(angles[..., index, None] * axis) @ result
    return result
