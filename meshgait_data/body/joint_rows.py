"""Rows that give points of a body as sums of its posed vertices and joints: on the skin, inside, beside a joint.

Every row sums to one and is made of vertices that move with the point, so that it follows shape and pose. Shape
letters: V vertices, J joints (24), B shape components, N examples. T-pose: y up, facing +z, metres.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from meshgait_data.body.model import Body, rest_joints
from meshgait_data.conventions import SMPL_JOINTS, SMPL_MIRROR
from meshgait_data.errors import InvalidData
from meshgait_data.types import FloatArray, IntArray

_REACH_M = 0.22
"""A place on the skin is looked for this far from where the search starts, unless its rule says less."""
_ON_LINE = 1e-5
"""A ray is moved sideways by this many metres, so that it does not run along an edge."""
_ALIKE = (0.02, 0.1, 0.3)
"""Vertices move alike whose skinning weights differ by less than this in sum; the first of these that gives enough."""
_LEAST_ALIKE = 40
_RIDGE = 1e-4
"""Penalty of coefficients; with a tenth of it offsets move twice as far in walking, with ten times as much no less."""
_SHAPES = 10
"""Shape components that offsets are fitted on."""


@dataclass(frozen=True, slots=True)
class SkinPoint:
    """A place that a rule finds: the skin in some direction from a point between joints."""

    name: str
    """``left_x`` also stands for its mirror image; a name without side is on the mid-line."""
    start: dict[str, float]
    """SMPL joints and their shares, which sum to one."""
    towards: tuple[float, float, float]
    """Direction in the T-pose."""
    rule: str
    """The same in words."""
    shift: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Metres from the joints to the start, on a body of the stature that the file names."""
    middle: bool = False
    """Half-way between the skin there and in the opposite direction, instead of on the skin."""
    reach_m: float = _REACH_M
    """How far from the start the skin may be, on a body of that stature: beyond lie other parts of the body."""

    def __post_init__(self) -> None:
        strangers = [joint for joint in self.start if joint not in SMPL_JOINTS]
        if strangers or abs(sum(self.start.values()) - 1.0) > 1e-6:
            raise ValueError(f"start of {self.name!r} must be SMPL joints whose shares sum to one")
        if not any(self.towards):
            raise ValueError(f"towards of {self.name!r} is no direction")


def skin_row(body: Body, point: SkinPoint, scale: float, off_skin_m: float = 0.0) -> FloatArray:
    """Row of a place on the skin, or of the middle below it.

    Parameters
    ----------
    body
        Any body.
    point
        What to look for.
    scale
        Size of the body by that of which the shifts are.
    off_skin_m
        How far it stands off the skin, metres.

    Returns
    -------
    (V + J,).

    Raises
    ------
    InvalidData
        Where there is no skin in that direction.
    """
    joints = rest_joints(body)[0]
    start = sum(share * joints[SMPL_JOINTS.index(joint)] for joint, share in point.start.items())
    start = start + scale * np.array(point.shift)
    along = np.array(point.towards) / np.linalg.norm(point.towards)
    here = _hits(body, start, along, scale * point.reach_m)
    if not len(here):
        raise InvalidData(f"no skin where {point.name!r} is looked for", where=body.name, hint="is it in the T-pose?")
    _, triangle, shares = max(here, key=lambda hit: hit[0])
    row = _hit_row(body, triangle, shares)
    if point.middle:
        behind = [hit for hit in _hits(body, start, -along, scale * point.reach_m) if hit[0] > 0]
        if not behind:
            raise InvalidData(f"no skin behind {point.name!r}", where=body.name, hint="is the mesh closed?")
        _, far, others = min(behind, key=lambda hit: hit[0])
        return 0.5 * (row + _hit_row(body, far, others))
    if off_skin_m:
        corner = body.v_template[body.faces[triangle]].astype(np.float64)
        normal = np.cross(corner[1] - corner[0], corner[2] - corner[0])
        alike = moving_alike(body, shares @ body.weights[body.faces[triangle]])
        row[alike] += beside(body, alike, off_skin_m * normal / np.linalg.norm(normal))
    return row


def _hits(body: Body, start: FloatArray, along: FloatArray, reach: float) -> list[tuple[float, int, FloatArray]]:
    """Triangles that a ray passes: distance, triangle and the (3,) shares of its corners (Möller, Trumbore 1997)."""
    corners = body.v_template.astype(np.float64)[body.faces]
    first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    offset = start + _ON_LINE * np.array([1.0, 0.7, 0.4]) - corners[:, 0]
    normal = np.cross(along, second)
    size = np.sum(first * normal, axis=1)
    flat = np.abs(size) < 1e-14
    size = np.where(flat, 1.0, size)
    b = np.sum(offset * normal, axis=1) / size
    turned = np.cross(offset, first)
    c = turned @ along / size
    distance = np.sum(second * turned, axis=1) / size
    found = ~flat & (b >= 0) & (c >= 0) & (b + c <= 1) & (distance >= 0) & (distance <= reach)
    return [(float(distance[t]), int(t), np.array([1 - b[t] - c[t], b[t], c[t]])) for t in np.flatnonzero(found)]


def _hit_row(body: Body, triangle: int, shares: FloatArray) -> FloatArray:
    row = np.zeros(body.num_vertices + len(SMPL_JOINTS))
    row[body.faces[triangle]] = shares
    return row


def offset_row(body: Body, joint: int, offset: FloatArray) -> FloatArray:
    """Row of a point that keeps its place in the rest frame of a joint: (V + J,).

    The joint plus a sum of vertices that move with it, whose coefficients sum to zero.
    """
    row = np.zeros(body.num_vertices + len(SMPL_JOINTS))
    row[body.num_vertices + joint] = 1.0
    if np.any(offset):
        pattern = np.eye(len(SMPL_JOINTS))[joint]
        holds = moving_alike(body, pattern)
        row[holds] = beside(body, holds, offset)
    return row


def moving_alike(body: Body, weights: FloatArray) -> IntArray:
    """Vertices whose skinning weights are closest to (J,) weights: all that are close, and at least forty."""
    apart = np.abs(body.weights - weights).sum(axis=1)
    for limit in _ALIKE:
        close = np.flatnonzero(apart < limit)
        if len(close) >= _LEAST_ALIKE:
            return close
    return np.sort(np.argsort(apart, kind="stable")[:_LEAST_ALIKE])


def beside(body: Body, holds: IntArray, offset: FloatArray, growth: FloatArray | None = None) -> FloatArray:
    """Coefficients of vertices that give an offset: small ones, whose sum is zero.

    Parameters
    ----------
    body
        The body.
    holds
        (H,) vertices that move alike.
    offset
        (3,) metres on the mean shape; met exactly.
    growth
        (3, B) change of the offset with each shape component; None keeps its length. Met as well as small
        coefficients allow, for large ones would also enlarge what the vertices do not do alike.

    Returns
    -------
    (H,), the solution of a least squares problem with equations that hold exactly (Lagrange).
    """
    size = min(_SHAPES, body.num_betas)
    exact = np.concatenate([np.ones((1, len(holds))), body.v_template[holds].astype(np.float64).T])
    soft = body.shapedirs[holds, :, :size].astype(np.float64).transpose(1, 2, 0).reshape(3 * size, len(holds))
    wanted = np.zeros(3 * size) if growth is None else growth[:, :size].reshape(-1)
    inner = np.linalg.inv(_RIDGE * np.eye(len(soft)) + soft @ soft.T)

    def solve(columns: FloatArray) -> FloatArray:
        return (columns - soft.T @ (inner @ (soft @ columns))) / _RIDGE

    start = solve(soft.T @ wanted)
    spread = solve(exact.T)
    missing = np.concatenate([[0.0], offset]) - exact @ start
    found: FloatArray = start + spread @ np.linalg.solve(exact @ spread, missing)
    return found


def mirrored_row(body: Body, row: FloatArray) -> FloatArray:
    """Row of the mirror image; the body must be symmetric."""
    return row[_columns(body)]


def symmetric_row(body: Body, row: FloatArray) -> FloatArray:
    """Mean of a row and its mirror image, for points on the mid-line; the row itself where the body has no mirror."""
    return row if body.mirror is None else 0.5 * (row + mirrored_row(body, row))


def _columns(body: Body) -> IntArray:
    if body.mirror is None:
        raise InvalidData(f"body {body.name!r} is not symmetric")
    return np.concatenate([body.mirror, body.num_vertices + SMPL_MIRROR])


def skin_rows(
    body: Body, points: tuple[SkinPoint, ...], scale: float, off_skin_m: float = 0.0
) -> Mapping[str, FloatArray]:
    """Rows of all places, both sides, by name; exactly symmetric where the body is."""
    rows: dict[str, FloatArray] = {}
    for point in points:
        row = skin_row(body, point, scale, off_skin_m)
        side, _, stem = point.name.partition("_")
        if side == "left":
            rows[point.name] = row
            flipped = _flipped(point) if body.mirror is None else None
            rows[f"right_{stem}"] = (
                mirrored_row(body, row) if flipped is None else skin_row(body, flipped, scale, off_skin_m)
            )
        elif side == "right":
            rows[point.name] = row
        else:
            rows[point.name] = symmetric_row(body, row)
    return rows


def _flipped(point: SkinPoint) -> SkinPoint:
    start = {SMPL_JOINTS[SMPL_MIRROR[SMPL_JOINTS.index(joint)]]: share for joint, share in point.start.items()}
    x, y, z = point.towards
    u, v, w = point.shift
    return replace(point, start=start, towards=(-x, y, z), shift=(-u, v, w))


def nearest_on_surface(points: FloatArray, vertices: FloatArray, faces: IntArray) -> FloatArray:
    """(P, V) shares of the surface point that is nearest to each of (P, 3) points; rows sum to one."""
    from scipy.spatial import cKDTree

    corners = vertices[faces].astype(np.float64)
    count = min(24, len(faces))
    candidates = cKDTree(corners.mean(axis=1)).query(points, k=count)[1].reshape(len(points), count)
    triangles = corners[candidates]
    first, second = triangles[:, :, 1] - triangles[:, :, 0], triangles[:, :, 2] - triangles[:, :, 0]
    offset = points[:, None] - triangles[:, :, 0]
    aa, ab, bb = (np.sum(u * v, axis=-1) for u, v in ((first, first), (first, second), (second, second)))
    a, b = np.sum(offset * first, axis=-1), np.sum(offset * second, axis=-1)
    size = np.maximum(aa * bb - ab * ab, 1e-18)
    shares = np.stack([np.zeros_like(a), (bb * a - ab * b) / size, (aa * b - ab * a) / size], axis=-1)
    shares[..., 0] = 1.0 - shares.sum(axis=-1)
    # Outside of a triangle the nearest point is on its rim; cutting off what is negative comes close to it.
    shares = shares.clip(0.0)
    shares /= shares.sum(axis=-1, keepdims=True)
    apart = np.linalg.norm(np.einsum("pkc,pkcx->pkx", shares, triangles) - points[:, None], axis=-1)
    best = apart.argmin(axis=1)
    result = np.zeros((len(points), len(vertices)))
    each = np.arange(len(points))
    np.put_along_axis(result, faces[candidates[each, best]], shares[each, best], axis=1)
    return result


def corrected(row: FloatArray, examples: FloatArray, wanted: FloatArray, near: IntArray) -> FloatArray:
    """Change a row over V vertices as little as needed for it to give known points.

    Parameters
    ----------
    row
        (V,) that comes close.
    examples
        (N, V, 3) shapes.
    wanted
        (N, 3) the point on each.
    near
        Vertices whose coefficients may change.

    Returns
    -------
    (V,) with the same sum. Ridge regression: a millimetre less error must not cost large coefficients.
    """
    left = (wanted - np.einsum("v,nvx->nx", row, examples)).ravel()
    equations = examples[:, near].transpose(0, 2, 1).reshape(-1, len(near)).astype(np.float64)
    # Coefficients that sum to zero are those of vertices measured from their mean.
    equations = equations - equations.mean(axis=1, keepdims=True)
    normal = equations @ equations.T
    ridge = 1e-4 * np.trace(normal) / len(normal)
    change = equations.T @ np.linalg.solve(normal + ridge * np.eye(len(normal)), left)
    result = row.copy()
    result[near] += change - change.mean()
    return result
