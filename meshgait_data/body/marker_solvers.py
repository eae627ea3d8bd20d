"""Least-squares coefficients that give points from markers: convex (FISTA on the simplex) and affine (ridge).

Shape letters: N points, K markers, r coordinates of the space that both live in.
"""

import numpy as np

from meshgait_data.types import BoolArray, FloatArray


def project_simplex(rows: FloatArray) -> FloatArray:
    """Nearest points with non-negative entries that sum to one; (N, K) to (N, K).

    Sorts each row, as in Duchi et al., *Efficient projections onto the l1-ball*, ICML 2008.
    """
    count = rows.shape[1]
    descending = -np.sort(-rows, axis=1)
    excess = np.cumsum(descending, axis=1) - 1.0
    kept = np.count_nonzero(descending * np.arange(1, count + 1, dtype=rows.dtype) > excess, axis=1)
    threshold = excess[np.arange(len(rows)), kept - 1] / kept.astype(rows.dtype)
    return np.maximum(rows - threshold[:, None], 0.0)


def convex_coefficients(
    points: FloatArray,
    markers: FloatArray,
    *,
    iterations: int,
    start: FloatArray | None = None,
    allowed: BoolArray | None = None,
) -> FloatArray:
    """Each point as the nearest convex combination of markers, by FISTA (Beck and Teboulle, 2009).

    Parameters
    ----------
    points, markers
        (N, r) and (K, r), metres.
    iterations
        Gradient steps; momentum starts anew whenever it points uphill (O'Donoghue and Candes, 2015).
    start
        (N, K) coefficients to start from; None: all equal.
    allowed
        (N, K) coefficients that may differ from zero, at least one a row; None: all.

    Returns
    -------
    (N, K) non-negative, rows sum to one, in the dtype of ``points``.
    """
    gram, cross = markers @ markers.T, points @ markers.T
    step = 1.0 / max(float(np.linalg.eigvalsh(gram)[-1]), 1e-12)
    step = cross.dtype.type(step)
    barrier = None if allowed is None else np.where(allowed, 0.0, -1e3).astype(cross.dtype)
    current = np.full_like(cross, 1.0 / len(markers)) if start is None else start
    ahead, momentum = current, 1.0
    for _ in range(iterations):
        target = ahead - (ahead @ gram - cross) * step
        if barrier is not None:
            target = target + barrier
        following = project_simplex(target)
        uphill = float(np.vdot(ahead - following, following - current)) > 0.0
        faster = 1.0 if uphill else 0.5 * (1.0 + np.sqrt(1.0 + 4.0 * momentum**2))
        push = 0.0 if uphill else (momentum - 1.0) / faster
        ahead = following + cross.dtype.type(push) * (following - current)
        current, momentum = following, faster
    return current


def sparsest(coefficients: FloatArray, count: int) -> BoolArray:
    """(N, K) mask of the ``count`` largest entries of each row."""
    if count >= coefficients.shape[1]:
        return np.ones(coefficients.shape, bool)
    bound = -np.partition(-coefficients, count - 1, axis=1)[:, count - 1 : count]
    return (coefficients >= bound) & (coefficients > 0)


def affine_coefficients(points: FloatArray, markers: FloatArray, noise: float) -> FloatArray:
    """Each point as the affine combination of markers with the least expected squared error under marker noise.

    Independent noise of variance s^2 on each coordinate of each marker adds ``s^2 |a|^2`` a coordinate to the
    squared error of a point with coefficients a, so the ridge is the noise itself and not a number to tune.

    Parameters
    ----------
    points, markers
        (N, r) and (K, r), metres; scaled so that squared distances are means over meshes.
    noise
        Standard deviation in metres of each of a marker's three coordinates.

    Returns
    -------
    (N, K) float64 whose rows sum to one; entries may be negative.
    """
    count = len(markers)
    gram = markers.astype(np.float64) @ markers.T.astype(np.float64)
    system = np.ones((count + 1, count + 1))
    system[:count, :count] = gram + 3.0 * noise**2 * np.eye(count)
    system[count, count] = 0.0
    sides = np.ones((count + 1, len(points)))
    sides[:count] = markers.astype(np.float64) @ points.T.astype(np.float64)
    return np.linalg.solve(system, sides)[:count].T
