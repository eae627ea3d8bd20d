"""Compiled loops of the silhouette term: the body's outline in a view, and its matches with the mask's.

Shape letters: T frames, K views, V vertices, E edges of the mesh, R samples of an outline, C points of a mask's
contour, J joints.
"""

import numpy as np

from meshgait_data.compiled import compiled
from meshgait_data.types import BoolArray, ByteArray, FloatArray, IntArray

NEAR_M = 0.05
"""As the rasteriser's: nothing nearer to the camera's plane is drawn."""

SAMPLE = 12
"""Columns of a sample: x, y, normal (2), length, place on its edge, information (xx, xy, yy), force (2), unused."""

_OUT = 0.75
"""Pixels of its own mask that the body must leave free beside its outline: no less than half a diagonal, lest a pixel
that the outline itself covers counts. Of 1 and 0.75 the latter fits better (3.3 for 3.6 mm)."""


@compiled
def place_vertices(
    shaped_V3: FloatArray,
    rest_J3: FloatArray,
    feature_P: FloatArray,
    correctives: tuple[IntArray, IntArray, FloatArray],
    weights: tuple[IntArray, IntArray, FloatArray],
    world_J33: FloatArray,
    joints_J3: FloatArray,
    bent_V3: FloatArray,
    placed_V3: FloatArray,
) -> None:
    """Pose correctives (``bent``, in the rest pose) and linear blend skinning (``placed``, metres) of one frame."""
    c_starts, c_features, c_moves = correctives
    w_starts, w_joints, w_shares = weights
    for v in range(shaped_V3.shape[0]):
        x, y, z = shaped_V3[v, 0], shaped_V3[v, 1], shaped_V3[v, 2]
        for entry in range(c_starts[v], c_starts[v + 1]):
            value = feature_P[c_features[entry]]
            x += c_moves[entry, 0] * value
            y += c_moves[entry, 1] * value
            z += c_moves[entry, 2] * value
        bent_V3[v, 0], bent_V3[v, 1], bent_V3[v, 2] = x, y, z
        placed_V3[v] = 0.0
        for entry in range(w_starts[v], w_starts[v + 1]):
            j, share = w_joints[entry], w_shares[entry]
            dx, dy, dz = x - rest_J3[j, 0], y - rest_J3[j, 1], z - rest_J3[j, 2]
            for i in range(3):
                turned = world_J33[j, i, 0] * dx + world_J33[j, i, 1] * dy + world_J33[j, i, 2] * dz
                placed_V3[v, i] += share * (turned + joints_J3[j, i])


@compiled
def find_rim(
    placed_V3: FloatArray,
    matrix_34: FloatArray,
    faces_T3: IntArray,
    edges_E4: IntArray,
    size: tuple[float, float],
    steps: tuple[float, float],
    flat_V2: FloatArray,
    facing_T: BoolArray,
    mask_HW: ByteArray,
    owners_R2: IntArray,
    samples_R12: FloatArray,
) -> int:
    """Samples of the outline that the body shows to one camera; returns how many.

    An edge between a triangle that faces the camera and one that does not is part of the outline where the body does
    not hide it: where the place just outside is not covered by the body's own mask. ``flat``, ``facing`` and ``mask``
    are room to work in; the mask is black before and after. ``size`` is width and height of the image; what lies
    outside has no counterpart. ``steps`` are the spacing of samples and the size of a pixel of the body's own mask.
    """
    spacing, fine = steps[0], 1.0 / steps[1]
    left, top = _project(placed_V3, matrix_34, flat_V2)
    if not (np.isfinite(left) and np.isfinite(top)):
        return 0
    # The mask holds the part of the image from here on; what does not fit into it counts as uncovered.
    x0, y0 = np.floor(max(left, -1.0)) - 2.0, np.floor(max(top, -1.0)) - 2.0
    for t in range(faces_T3.shape[0]):
        a, b, c = np.uint64(faces_T3[t, 0]), np.uint64(faces_T3[t, 1]), np.uint64(faces_T3[t, 2])
        facing_T[t] = _fill(
            fine * (flat_V2[a, 0] - x0), fine * (flat_V2[a, 1] - y0), fine * (flat_V2[b, 0] - x0),
            fine * (flat_V2[b, 1] - y0), fine * (flat_V2[c, 0] - x0), fine * (flat_V2[c, 1] - y0), mask_HW,
        )  # fmt: skip
    count = 0
    for e in range(edges_E4.shape[0]):
        along, against = facing_T[np.uint64(edges_E4[e, 2])], facing_T[np.uint64(edges_E4[e, 3])]
        if along == against:
            continue
        # The triangle that faces the camera lies on one side of a -> b, the outside on the other.
        a, b = (edges_E4[e, 0], edges_E4[e, 1]) if along else (edges_E4[e, 1], edges_E4[e, 0])
        ax, ay = flat_V2[a, 0], flat_V2[a, 1]
        dx, dy = flat_V2[b, 0] - ax, flat_V2[b, 1] - ay
        length = np.sqrt(dx * dx + dy * dy)
        if not ((length > 1e-3) & (length < 1e4)):
            continue
        nx, ny = -dy / length, dx / length
        parts = int(np.ceil(length / spacing))
        for i in range(parts):
            s = (i + 0.5) / parts
            x, y = ax + s * dx, ay + s * dy
            column = int(np.floor(fine * (x - x0) + _OUT * nx + 0.5))
            row = int(np.floor(fine * (y - y0) + _OUT * ny + 0.5))
            inside = (x > 0.0) & (y > 0.0) & (x < size[0] - 1.0) & (y < size[1] - 1.0)
            if (not inside) | (count == owners_R2.shape[0]) | _covered(mask_HW, row, column):
                continue
            owners_R2[count, 0], owners_R2[count, 1] = a, b
            samples_R12[count] = 0.0
            samples_R12[count, 0], samples_R12[count, 1] = x, y
            samples_R12[count, 2], samples_R12[count, 3] = nx, ny
            samples_R12[count, 4], samples_R12[count, 5] = length / parts, s
            count += 1
    mask_HW[:] = 0
    return count


@compiled
def _project(placed_V3: FloatArray, matrix_34: FloatArray, flat_V2: FloatArray) -> tuple[float, float]:
    """Fill in image positions, NaN where too near; returns least x and y of what is in front of the camera."""
    m = matrix_34
    left = top = np.inf
    for v in range(placed_V3.shape[0]):
        x, y, z = placed_V3[v, 0], placed_V3[v, 1], placed_V3[v, 2]
        depth = m[2, 0] * x + m[2, 1] * y + m[2, 2] * z + m[2, 3]
        inverse = 1.0 / depth if depth >= NEAR_M else np.nan
        flat_V2[v, 0] = (m[0, 0] * x + m[0, 1] * y + m[0, 2] * z + m[0, 3]) * inverse
        flat_V2[v, 1] = (m[1, 0] * x + m[1, 1] * y + m[1, 2] * z + m[1, 3]) * inverse
        if depth >= NEAR_M:
            left, top = min(left, flat_V2[v, 0]), min(top, flat_V2[v, 1])
    return left, top


@compiled
def _covered(mask_HW: ByteArray, row: int, column: int) -> bool:
    """Whether a pixel is white; nothing beyond the mask is."""
    inside = (row >= 0) & (row < mask_HW.shape[0]) & (column >= 0) & (column < mask_HW.shape[1])
    return inside and mask_HW[row, column] != 0


@compiled
def _fill(ax: float, ay: float, bx: float, by: float, cx: float, cy: float, mask_HW: ByteArray) -> bool:
    """Draw one triangle if it faces the camera, and tell whether it does. NaN faces nobody."""
    if not ((bx - ax) * (cy - ay) - (by - ay) * (cx - ax) < 0.0):
        return False
    x0 = np.int32(np.ceil(min(mask_HW.shape[1] * 1.0, max(0.0, min(ax, bx, cx)))))
    x1 = np.int32(np.floor(max(-1.0, min(mask_HW.shape[1] - 1.0, max(ax, bx, cx)))))
    y0 = np.int32(np.ceil(min(mask_HW.shape[0] * 1.0, max(0.0, min(ay, by, cy)))))
    y1 = np.int32(np.floor(max(-1.0, min(mask_HW.shape[0] - 1.0, max(ay, by, cy)))))
    if (x0 > x1) | (y0 > y1):
        return True
    bx, by, cx, cy = cx, cy, bx, by
    for y in range(y0, y1 + 1):
        for x in range(x0, x1 + 1):
            if (
                ((bx - ax) * (y - ay) - (by - ay) * (x - ax) >= 0.0)
                & ((cx - bx) * (y - by) - (cy - by) * (x - bx) >= 0.0)
                & ((ax - cx) * (y - cy) - (ay - cy) * (x - cx) >= 0.0)
            ):
                mask_HW[np.uint64(y), np.uint64(x)] = 1
    return True


@compiled
def match(
    samples_R12: FloatArray,
    points_C2: FloatArray,
    normals_C2: FloatArray,
    rule: tuple[float, float, float, float],
    pairs_RC: tuple[IntArray, FloatArray, IntArray, FloatArray],
) -> None:
    """Nearest compatible partner of every sample and of every contour point, in (x, y, turn * normal) space.

    Contour points are sorted by y. ``rule`` is turn (px), least cosine between normals, reach (px) and slide.
    ``pairs`` is filled: the contour point of each sample or -1, and room; the sample of each contour point or -1, and
    room.
    """
    turn, cosine, reach = rule[0], rule[1], rule[2]
    to_point, best_point, to_sample, best_sample = pairs_RC
    for c in range(points_C2.shape[0]):
        to_sample[c], best_sample[c] = -1, np.inf
    for r in range(samples_R12.shape[0]):
        x, y, nx, ny = samples_R12[r, 0], samples_R12[r, 1], samples_R12[r, 2], samples_R12[r, 3]
        nearest, least = -1, np.inf
        low, high = 0, points_C2.shape[0]
        while low < high:
            middle = (low + high) // 2
            if points_C2[middle, 1] < y - reach:
                low = middle + 1
            else:
                high = middle
        for c in range(np.uint64(low), np.uint64(points_C2.shape[0])):
            dx, dy = points_C2[c, 0] - x, points_C2[c, 1] - y
            if dy > reach:
                break
            far = dx * dx + dy * dy
            agree = nx * normals_C2[c, 0] + ny * normals_C2[c, 1]
            if (far > reach * reach) | (agree < cosine):
                continue
            # |n - n'|^2 = 2 - 2 n.n'
            off = far + 2.0 * turn * turn * (1.0 - agree)
            if off < least:
                nearest, least = c, off
            if off < best_sample[c]:
                to_sample[c], best_sample[c] = r, off
        to_point[r], best_point[r] = nearest, least


@compiled
def pull(
    samples_R12: FloatArray,
    points_C2: FloatArray,
    normals_C2: FloatArray,
    lengths_C: FloatArray,
    rule: tuple[float, float, float, float],
    scale: float,
    to_point_R: IntArray,
    to_sample_C: IntArray,
    sums_4: FloatArray,
) -> None:
    """Add what matches say to the samples, and to the sums: cost, miss times length, length, matched length.

    The residual is the distance along the contour's normal, and ``slide`` times that along the contour, under
    Geman-McClure's kernel ``e^2 / (2 + 2 e^2 / scale^2)``; whoever finds no partner costs as much as an infinite one.
    """
    for r in range(samples_R12.shape[0]):
        _pull_one(samples_R12, points_C2, normals_C2, rule, scale, r, to_point_R[r], samples_R12[r, 4], sums_4)
    for c in range(points_C2.shape[0]):
        _pull_one(samples_R12, points_C2, normals_C2, rule, scale, to_sample_C[c], c, lengths_C[c], sums_4)


@compiled
def _pull_one(
    samples_R12: FloatArray,
    points_C2: FloatArray,
    normals_C2: FloatArray,
    rule: tuple[float, float, float, float],
    scale: float,
    r: int,
    c: int,
    length: float,
    sums_4: FloatArray,
) -> None:
    reach, slide = rule[2], rule[3]
    sums_4[2] += length
    if (r < 0) | (c < 0):
        sums_4[0] += 0.5 * length * scale * scale
        sums_4[1] += length * reach
        return
    nx, ny = normals_C2[c, 0], normals_C2[c, 1]
    dx, dy = points_C2[c, 0] - samples_R12[r, 0], points_C2[c, 1] - samples_R12[r, 1]
    across = nx * dx + ny * dy
    tx, ty = dx - across * nx, dy - across * ny
    squared = across * across + slide * (tx * tx + ty * ty)
    down = 1.0 / (1.0 + squared / (scale * scale))
    weight = length * down * down
    samples_R12[r, 6] += weight * (nx * nx + slide * ny * ny)
    samples_R12[r, 7] += weight * (1.0 - slide) * nx * ny
    samples_R12[r, 8] += weight * (ny * ny + slide * nx * nx)
    samples_R12[r, 9] += weight * (across * nx + slide * tx)
    samples_R12[r, 10] += weight * (across * ny + slide * ty)
    sums_4[0] += 0.5 * length * squared * down
    sums_4[1] += length * min(reach, np.sqrt(dx * dx + dy * dy))
    sums_4[3] += length


@compiled
def measure_frames(
    chosen: IntArray,
    body: tuple[IntArray, IntArray, tuple[IntArray, IntArray, FloatArray], tuple[IntArray, IntArray, FloatArray]],
    pose: tuple[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray, IntArray],
    optics: tuple[FloatArray, FloatArray],
    contours: tuple[FloatArray, FloatArray, FloatArray, IntArray, IntArray],
    rule: tuple[float, float, float, float],
    scales: FloatArray,
    steps: tuple[float, float],
    found: tuple[IntArray, FloatArray, IntArray, FloatArray],
) -> None:
    """Outlines of some frames, matched with the contours.

    Parameters
    ----------
    chosen
        Frames.
    body
        Faces (T, 3), edges (E, 4), sparse pose correctives, sparse skinning weights.
    pose
        Shaped vertices (N, V, 3), rest joints (N, J, 3), pose features (T, P), world rotations (T, J, 3, 3), joints
        (T, J, 3), capture (T,).
    optics
        (N, K, 3, 4) matrices to homogeneous pixels; (N, K, 2) width and height.
    contours
        Points (C, 2), normals (C, 2), lengths (C,); where those of each view and source frame start (K, F + 1); source
        frame (T,).
    rule, scales, steps
        See :func:`match`, :func:`pull` (N,) and :func:`find_rim`.
    found
        Filled: number of samples (T, K), samples (T, K, R, 12), their edges' vertices (T, K, R, 2), sums (T, K, 4).
    """
    faces, edges, correctives, weights = body
    shaped, rest, feature, world, joints, capture = pose
    matrices, sizes = optics
    points, normals, lengths, starts, source = contours
    counts, samples, owners, sums = found
    bent, placed, flat = np.zeros_like(shaped[0]), np.zeros_like(shaped[0]), np.zeros((shaped.shape[1], 2))
    facing, mask = np.zeros(len(faces), np.bool_), np.zeros((256, 256), np.uint8)
    most = 1
    for k in range(starts.shape[0]):
        for f in range(starts.shape[1] - 1):
            most = max(most, starts[k, f + 1] - starts[k, f])
    room = samples.shape[2]
    pairs = (np.zeros(room, np.int64), np.zeros(room), np.zeros(most, np.int64), np.zeros(most))
    for t in chosen:
        n = capture[t]
        if source[t] < 0:
            continue
        place_vertices(shaped[n], rest[n], feature[t], correctives, weights, world[t], joints[t], bent, placed)
        for k in range(matrices.shape[1]):
            first, last = starts[k, source[t]], starts[k, source[t] + 1]
            sums[t, k] = 0.0
            counts[t, k] = 0
            if first == last:
                continue
            size = (sizes[n, k, 0], sizes[n, k, 1])
            count = find_rim(
                placed, matrices[n, k], faces, edges, size, steps, flat, facing, mask, owners[t, k], samples[t, k]
            )
            counts[t, k] = count
            own = samples[t, k, :count]
            match(own, points[first:last], normals[first:last], rule, pairs)
            pull(
                own, points[first:last], normals[first:last], lengths[first:last], rule, scales[n],
                pairs[0][:count], pairs[2][: last - first], sums[t, k],
            )  # fmt: skip


@compiled
def place_frames(
    span: tuple[int, int],
    body: tuple[IntArray, IntArray, tuple[IntArray, IntArray, FloatArray], tuple[IntArray, IntArray, FloatArray]],
    pose: tuple[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray, IntArray],
    bent_SV3: FloatArray,
    placed_SV3: FloatArray,
) -> None:
    """:func:`place_vertices` for frames ``span``; body and pose as in :func:`measure_frames`."""
    _, _, correctives, weights = body
    shaped, rest, feature, world, joints, capture = pose
    for t in range(span[0], span[1]):
        n, row = capture[t], t - span[0]
        place_vertices(
            shaped[n], rest[n], feature[t], correctives, weights, world[t], joints[t], bent_SV3[row], placed_SV3[row]
        )
