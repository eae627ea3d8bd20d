"""Compiled loops of the differentiable silhouette: draw a closed mesh finely, and integrate along its outline.

Shape letters: N images, V vertices, T triangles, E edges, H and W of the image, h and w of its samples.

All positions are in samples: sample centres at integers, vertices rounded to 1/4096 of a sample as in
:mod:`meshgait_data.render.raster`, whose rule for which centres a triangle covers is the same here.
"""

import numpy as np

from meshgait_data.compiled import compiled
from meshgait_data.types import BoolArray, ByteArray, FloatArray, IntArray

GRID = 4096.0
"""Steps per sample, the rasteriser's; a constant of this file, for numba watches one file at a time."""

NEAR_M = 0.05
"""As the rasteriser's."""

_SNAP = 1e-9
"""A crossing this close to a sample's centre runs through it: what rounding of the division leaves."""


@compiled
def draw_frames(
    vertices_NV3: FloatArray,
    matrices_N34: FloatArray,
    faces_T3: IntArray,
    fine_Nhw: ByteArray,
    facing_NT: BoolArray,
    points_NV3: FloatArray,
    coverage_NHW: FloatArray,
) -> None:
    """Project, draw what faces the camera, and average samples; all but the first three are results.

    ``points`` are x and y in samples and one over depth; NaN where a vertex is too near.
    """
    for n in range(vertices_NV3.shape[0]):
        points = points_NV3[n]
        _project(vertices_NV3[n], matrices_N34[n], points)
        box = np.array([fine_Nhw.shape[1], -1, fine_Nhw.shape[2], -1])
        for t in range(faces_T3.shape[0]):
            a, b, c = np.uint64(faces_T3[t, 0]), np.uint64(faces_T3[t, 1]), np.uint64(faces_T3[t, 2])
            ax, ay, bx, by, cx, cy = points[a, 0], points[a, 1], points[b, 0], points[b, 1], points[c, 0], points[c, 1]
            # Seen from outside corners run against the clock: negative where y points down. NaN is not.
            front = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax) < 0.0
            facing_NT[n, t] = front
            if front:
                _fill(ax, ay, cx, cy, bx, by, fine_Nhw[n], box)
        _average(fine_Nhw[n], box, coverage_NHW[n])


@compiled
def _project(vertices_V3: FloatArray, matrix_34: FloatArray, points_V3: FloatArray) -> None:
    m = matrix_34
    for i in range(vertices_V3.shape[0]):
        x = np.float64(vertices_V3[i, 0])
        y = np.float64(vertices_V3[i, 1])
        z = np.float64(vertices_V3[i, 2])
        depth = m[2, 0] * x + m[2, 1] * y + m[2, 2] * z + m[2, 3]
        steps = GRID / depth if depth >= NEAR_M else np.nan
        points_V3[i, 0] = np.floor((m[0, 0] * x + m[0, 1] * y + m[0, 2] * z + m[0, 3]) * steps + 0.5) / GRID
        points_V3[i, 1] = np.floor((m[1, 0] * x + m[1, 1] * y + m[1, 2] * z + m[1, 3]) * steps + 0.5) / GRID
        points_V3[i, 2] = steps / GRID


@compiled
def _fill(
    ax: float, ay: float, bx: float, by: float, cx: float, cy: float, mask_hw: ByteArray, box_4: IntArray
) -> None:
    """One triangle of positive area; ``box`` grows to the least and greatest row and column that were touched.

    Clamped on both sides before the conversion, which a corner far outside would overflow.
    """
    x0 = np.int32(np.ceil(min(mask_hw.shape[1] * 1.0, max(0.0, min(ax, bx, cx)))))
    x1 = np.int32(np.floor(max(-1.0, min(mask_hw.shape[1] - 1.0, max(ax, bx, cx)))))
    y0 = np.int32(np.ceil(min(mask_hw.shape[0] * 1.0, max(0.0, min(ay, by, cy)))))
    y1 = np.int32(np.floor(max(-1.0, min(mask_hw.shape[0] - 1.0, max(ay, by, cy)))))
    if (x0 > x1) | (y0 > y1):
        return
    box_4[0], box_4[1] = min(box_4[0], y0), max(box_4[1], y1)
    box_4[2], box_4[3] = min(box_4[2], x0), max(box_4[3], x1)
    for y in range(y0, y1 + 1):
        for x in range(x0, x1 + 1):
            if (
                ((bx - ax) * (y - ay) - (by - ay) * (x - ax) >= 0.0)
                & ((cx - bx) * (y - by) - (cy - by) * (x - bx) >= 0.0)
                & ((ax - cx) * (y - cy) - (ay - cy) * (x - cx) >= 0.0)
            ):
                mask_hw[np.uint64(y), np.uint64(x)] = 1


@compiled
def _average(mask_hw: ByteArray, box_4: IntArray, coverage_HW: FloatArray) -> None:
    samples = mask_hw.shape[0] // coverage_HW.shape[0]
    total = samples * samples
    for row in range(box_4[0] // samples, box_4[1] // samples + 1):
        for column in range(box_4[2] // samples, box_4[3] // samples + 1):
            count = 0
            for y in range(row * samples, (row + 1) * samples):
                for x in range(column * samples, (column + 1) * samples):
                    count += mask_hw[y, x]
            coverage_HW[row, column] = count / total


@compiled
def pull_frames(
    matrices_N34: FloatArray,
    edges_E4: IntArray,
    fine_Nhw: ByteArray,
    facing_NT: BoolArray,
    points_NV3: FloatArray,
    pull_NHW: FloatArray,
    vertices_NV3: FloatArray,
    pull_NV3: FloatArray,
    pull_N34: FloatArray,
) -> None:
    """From the derivative by the coverage (``pull_NHW``) to those by vertices and matrices, which are added to.

    The derivative of an area is the integral of the outline's velocity along its normal:
    ``dA = int (v_x n_x + v_y n_y) ds``, and ``n_x ds`` is ``dy``. So every row of samples in which covered turns into
    uncovered moves the area by v_x at that place, and every such column by v_y. The place is where the outermost
    edge crosses the row between the two samples.
    """
    outlines = np.zeros((edges_E4.shape[0], 2), np.int32)
    # Farthest crossing that each transition has seen, 0 to 1 between its two samples.
    farthest = np.full(fine_Nhw.shape[1:], -1.0)
    flat = np.zeros((points_NV3.shape[1], 2))
    claims = np.zeros((1, 3), np.int32)
    places = np.zeros((1, 2))
    for n in range(points_NV3.shape[0]):
        count, room = _outlines(edges_E4, facing_NT[n], points_NV3[n], fine_Nhw.shape[1:], outlines)
        if room > claims.shape[0]:
            claims, places = np.zeros((2 * room, 3), np.int32), np.zeros((2 * room, 2))
        flat[:] = 0.0
        for axis in range(2):
            found = _claim(points_NV3[n], outlines[:count], axis, fine_Nhw[n], farthest, claims, places)
            _take(claims[:found], places[:found], outlines, axis, farthest, pull_NHW[n], flat)
        _unproject(matrices_N34[n], points_NV3[n], flat, vertices_NV3[n], pull_NV3[n], pull_N34[n])


@compiled
def _outlines(
    edges_E4: IntArray, facing_T: BoolArray, points_V3: FloatArray, size: tuple[int, int], outlines_E2: IntArray
) -> tuple[int, int]:
    """Edges between a drawn and an undrawn triangle, in the direction of the drawn one.

    Returns how many there are, and how many rows or columns of an image of this size they can cross at most.
    """
    count = 0
    rows = columns = 0.0
    for e in range(edges_E4.shape[0]):
        along, against = facing_T[np.uint64(edges_E4[e, 2])], facing_T[np.uint64(edges_E4[e, 3])]
        if along != against:
            a = edges_E4[e, 0] if along else edges_E4[e, 1]
            b = edges_E4[e, 1] if along else edges_E4[e, 0]
            outlines_E2[count, 0], outlines_E2[count, 1] = a, b
            count += 1
            rows += min(size[0], abs(points_V3[a, 1] - points_V3[b, 1]) + 1.0)
            columns += min(size[1], abs(points_V3[a, 0] - points_V3[b, 0]) + 1.0)
    return count, int(max(rows, columns)) + 1


@compiled
def _claim(
    points_V3: FloatArray,
    outlines_E2: IntArray,
    axis: int,
    fine_hw: ByteArray,
    farthest_hw: FloatArray,
    claims_C3: IntArray,
    places_C2: FloatArray,
) -> int:
    """Find where outline edges cross rows (axis 0, which move in x) or columns (axis 1, y) at transitions.

    Returns how many claims there are. A claim is the edge, negative if the outside is at smaller coordinates, and the
    row and column of the transition's first sample; its place is the position on the edge, 0 to 1, and how far out
    it lies.
    """
    found = 0
    lines, length = fine_hw.shape[axis], fine_hw.shape[1 - axis]
    for e in range(outlines_E2.shape[0]):
        a, b = np.uint64(outlines_E2[e, 0]), np.uint64(outlines_E2[e, 1])
        p0, q0 = points_V3[a, axis], points_V3[a, 1 - axis]
        p1, q1 = points_V3[b, axis], points_V3[b, 1 - axis]
        first = np.int64(np.ceil(max(0.0, min(q0, q1))))
        last = np.int64(np.floor(min(lines - 1.0, max(q0, q1))))
        if (first > last) | (q0 == q1):
            continue
        # The drawn triangle lies on the left of a -> b, as one sees it; rows and columns differ in handedness.
        outward = (q1 < q0) == (axis == 0)
        for line in range(first, last + 1):
            s = (line - q0) / (q1 - q0)
            p = p0 + s * (p1 - p0)
            near = np.floor(p + 0.5)
            p = near if abs(p - near) < _SNAP else p
            # Centres on the outline are covered: the last covered sample is at or before it.
            left = np.floor(p) if outward else np.ceil(p) - 1.0
            if not ((left >= 0.0) & (left <= length - 2.0)):
                continue
            row, column = (line, np.int64(left)) if axis == 0 else (np.int64(left), line)
            before, after = fine_hw[row, column], fine_hw[row + axis, column + 1 - axis]
            if (before == after) | ((before != 0) != outward):
                continue
            reach = p - left if outward else left + 1.0 - p
            farthest_hw[row, column] = max(farthest_hw[row, column], reach)
            claims_C3[found, 0] = e if outward else ~e
            claims_C3[found, 1], claims_C3[found, 2] = row, column
            places_C2[found, 0], places_C2[found, 1] = s, reach
            found += 1
    return found


@compiled
def _take(
    claims_C3: IntArray,
    places_C2: FloatArray,
    outlines_E2: IntArray,
    axis: int,
    farthest_hw: FloatArray,
    pull_HW: FloatArray,
    flat_V2: FloatArray,
) -> None:
    """Let every transition pull at the edge whose claim lies farthest out, at the first of several equal ones.

    Each takes its entry out of the table, which thus is clean for the next image.
    """
    samples = farthest_hw.shape[0] // pull_HW.shape[0]
    share = 1.0 / (samples * samples)
    for c in range(claims_C3.shape[0]):
        row, column = claims_C3[c, 1], claims_C3[c, 2]
        s, reach = places_C2[c, 0], places_C2[c, 1]
        if farthest_hw[row, column] != reach:
            continue
        farthest_hw[row, column] = -1.0
        outward = claims_C3[c, 0] >= 0
        e = claims_C3[c, 0] if outward else ~claims_C3[c, 0]
        # The area changes in the pixel that the crossing itself lies in.
        step = np.int32((reach >= 0.5) == outward)
        y, x = (row, column + step) if axis == 0 else (row + step, column)
        pull = pull_HW[y // samples, x // samples] * (share if outward else -share)
        flat_V2[outlines_E2[e, 0], axis] += (1.0 - s) * pull
        flat_V2[outlines_E2[e, 1], axis] += s * pull


@compiled
def _unproject(
    matrix_34: FloatArray,
    points_V3: FloatArray,
    flat_V2: FloatArray,
    vertices_V3: FloatArray,
    pull_V3: FloatArray,
    pull_34: FloatArray,
) -> None:
    """Through the perspective division: x = h0 / h2, y = h1 / h2, h = matrix (X, 1)."""
    for i in range(flat_V2.shape[0]):
        if (flat_V2[i, 0] == 0.0) & (flat_V2[i, 1] == 0.0):
            continue
        h0, h1 = flat_V2[i, 0] * points_V3[i, 2], flat_V2[i, 1] * points_V3[i, 2]
        h2 = -(h0 * points_V3[i, 0] + h1 * points_V3[i, 1])
        for k in range(3):
            pull_V3[i, k] += h0 * matrix_34[0, k] + h1 * matrix_34[1, k] + h2 * matrix_34[2, k]
            pull_34[0, k] += h0 * vertices_V3[i, k]
            pull_34[1, k] += h1 * vertices_V3[i, k]
            pull_34[2, k] += h2 * vertices_V3[i, k]
        pull_34[0, 3] += h0
        pull_34[1, 3] += h1
        pull_34[2, 3] += h2
