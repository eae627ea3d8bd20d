"""Compiled loops of the silhouette term's equations: what pulls at an outline, by the unknowns of the body.

Shape letters: T frames, S of them at a time, K views, V vertices, R rows, J joints, B shape components, U unknowns of a
frame, W of a frame, the shape and a camera.
"""

import numpy as np

from meshgait_data.compiled import compiled
from meshgait_data.types import FloatArray, IntArray


@compiled
def build_rows(
    span: tuple[int, int],
    weights: tuple[IntArray, IntArray, FloatArray],
    pose: tuple[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray, IntArray],
    vertices: tuple[FloatArray, FloatArray],
    slopes: tuple[FloatArray, FloatArray, FloatArray, IntArray, IntArray],
    optics: tuple[FloatArray, FloatArray, FloatArray, FloatArray],
    found: tuple[IntArray, FloatArray, IntArray, FloatArray],
    forces: FloatArray,
    rows: tuple[FloatArray, FloatArray, IntArray],
) -> None:
    """Square-root information by the unknowns: ``A^T A`` is the matrix, ``push`` the downhill force.

    What pulls at a sample, pulls at the two vertices of its edge by their shares. The force is exact; the matrix takes
    the two for independent, which differs little, for they are neighbours.

    Parameters
    ----------
    span
        First frame and the one after the last.
    weights, pose, found
        As in ``silhouette_kernels.measure_frames``.
    vertices
        From frame ``span[0]`` on, (S, V, 3) in the rest pose with correctives, and in the world.
    slopes
        Shape directions (V, 3, B) and (J, 3, B); how the joints move with the shape (T, J, 3, B); first column of each
        joint's rotation or -1 (J,); parents (J,).
    optics
        Matrices (N, K, 3, 4); and for cameras that are unknown, else with no views: frames (N, K, 3, 4) from world to
        camera, targets (N, K, 3), right Jacobians of their turns (N, K, 3, 3).
    forces
        (T, K, V, 3) further forces at vertices in the world, or of no frames.
    rows
        Filled, from frame ``span[0]`` on: A (S, K or 1, R, W), push (S, K or 1, W), number of rows (S, K or 1).
        Columns: rotations and translation U, shape B, seven of the camera where it is unknown.
    """
    capture = pose[5]
    matrices, frames, _, _ = optics
    counts, samples, owners, _ = found
    A, push, used = rows
    unknown = frames.shape[1] > 0
    count = vertices[0].shape[1]
    # Information (xx, xy, xz, yy, yz, zz) and force in the world; and in the image of one view: (xx, xy, yy), force.
    pull_V9, flat_V5 = np.zeros((count, 9)), np.zeros((count, 5))
    work = _room(slopes)
    for t in range(span[0], span[1]):
        n, row = capture[t], t - span[0]
        if counts[t].sum() == 0:
            continue
        bent, placed = vertices[0][row], vertices[1][row]
        pull_V9[:] = 0.0
        for k in range(matrices.shape[1]):
            flat_V5[:] = 0.0
            for r in range(counts[t, k]):
                for end in range(2):
                    v = owners[t, k, r, end]
                    part = samples[t, k, r, 5] if end == 1 else 1.0 - samples[t, k, r, 5]
                    for i in range(5):
                        flat_V5[v, i] += part * samples[t, k, r, 6 + i]
            _lift(flat_V5, placed, matrices[n, k], pull_V9)
            if len(forces) > 0:
                pull_V9[:, 6:] += forces[t, k]
            if unknown:
                _emit(
                    (t, n, k), bent, placed, pull_V9, weights, pose, slopes, optics, work, A[row], push[row], used[row]
                )
                pull_V9[:] = 0.0
        if not unknown:
            _emit((t, n, 0), bent, placed, pull_V9, weights, pose, slopes, optics, work, A[row], push[row], used[row])


@compiled
def _room(
    slopes: tuple[FloatArray, FloatArray, FloatArray, IntArray, IntArray],
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Shape slopes of a vertex (3, B), what hangs below joints (J, 4), and slopes of a vertex by everything (3, W)."""
    betas, joints = slopes[0].shape[2], len(slopes[4])
    return np.zeros((3, betas)), np.zeros((joints, 4)), np.zeros((3, 3 * joints + 3 + betas + 7))


@compiled
def _lift(flat_V5: FloatArray, placed_V3: FloatArray, matrix_34: FloatArray, pull_V9: FloatArray) -> None:
    """Add information and force in an image to those in the world."""
    m = matrix_34
    g = np.zeros((2, 3))
    for v in range(flat_V5.shape[0]):
        xx, xy, yy, fx, fy = flat_V5[v, 0], flat_V5[v, 1], flat_V5[v, 2], flat_V5[v, 3], flat_V5[v, 4]
        if xx + yy < 1e-12:
            continue
        x, y, z = placed_V3[v, 0], placed_V3[v, 1], placed_V3[v, 2]
        depth = m[2, 0] * x + m[2, 1] * y + m[2, 2] * z + m[2, 3]
        px = (m[0, 0] * x + m[0, 1] * y + m[0, 2] * z + m[0, 3]) / depth
        py = (m[1, 0] * x + m[1, 1] * y + m[1, 2] * z + m[1, 3]) / depth
        for i in range(3):
            g[0, i] = (m[0, i] - px * m[2, i]) / depth
            g[1, i] = (m[1, i] - py * m[2, i]) / depth
        entry = 0
        for i in range(3):
            for j in range(i, 3):
                cross = g[0, i] * g[1, j] + g[1, i] * g[0, j]
                pull_V9[v, entry] += xx * g[0, i] * g[0, j] + xy * cross + yy * g[1, i] * g[1, j]
                entry += 1
            pull_V9[v, 6 + i] += fx * g[0, i] + fy * g[1, i]


@compiled
def _emit(
    place: tuple[int, int, int],
    bent_V3: FloatArray,
    placed_V3: FloatArray,
    pull_V9: FloatArray,
    weights: tuple[IntArray, IntArray, FloatArray],
    pose: tuple[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray, IntArray],
    slopes: tuple[FloatArray, FloatArray, FloatArray, IntArray, IntArray],
    optics: tuple[FloatArray, FloatArray, FloatArray, FloatArray],
    work: tuple[FloatArray, FloatArray, FloatArray],
    A_KRW: FloatArray,
    push_KW: FloatArray,
    used_K: IntArray,
) -> None:
    """Rows of all vertices that anything pulls at; ``place`` is frame, capture and slot of the rows."""
    root, k = np.zeros((3, 3)), place[2]
    basis, width = work[2], A_KRW.shape[2]
    for v in range(pull_V9.shape[0]):
        fx, fy, fz = pull_V9[v, 6], pull_V9[v, 7], pull_V9[v, 8]
        if (pull_V9[v, 0] + pull_V9[v, 3] + pull_V9[v, 5] < 1e-9) & (abs(fx) + abs(fy) + abs(fz) == 0.0):
            continue
        _slopes(place, v, bent_V3, placed_V3, weights, pose, slopes, optics, work)
        for i in range(width):
            push_KW[k, i] += fx * basis[0, i] + fy * basis[1, i] + fz * basis[2, i]
        for r in range(_root(pull_V9[v], root)):
            count = used_K[k]
            if count == A_KRW.shape[1]:
                return
            a, b, c = root[r, 0], root[r, 1], root[r, 2]
            for i in range(width):
                A_KRW[k, count, i] = a * basis[0, i] + b * basis[1, i] + c * basis[2, i]
            used_K[k] = count + 1


@compiled
def _root(own_9: FloatArray, root_33: FloatArray) -> int:
    """Rows L with ``L^T L`` the information, the largest first; returns how many are worth having."""
    left = np.zeros((3, 3))
    left[0, 0], left[0, 1], left[0, 2] = own_9[0], own_9[1], own_9[2]
    left[1, 0], left[1, 1], left[1, 2] = own_9[1], own_9[3], own_9[4]
    left[2, 0], left[2, 1], left[2, 2] = own_9[2], own_9[4], own_9[5]
    least = 0.03 * (own_9[0] + own_9[3] + own_9[5])
    for r in range(3):
        best = 0
        for i in range(1, 3):
            if left[i, i] > left[best, best]:
                best = i
        if left[best, best] <= least:
            return r
        pivot = np.sqrt(left[best, best])
        for i in range(3):
            root_33[r, i] = left[best, i] / pivot
        for i in range(3):
            for j in range(3):
                left[i, j] -= root_33[r, i] * root_33[r, j]
    return 3


@compiled
def _slopes(
    place: tuple[int, int, int],
    v: int,
    bent_V3: FloatArray,
    placed_V3: FloatArray,
    weights: tuple[IntArray, IntArray, FloatArray],
    pose: tuple[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray, IntArray],
    slopes: tuple[FloatArray, FloatArray, FloatArray, IntArray, IntArray],
    optics: tuple[FloatArray, FloatArray, FloatArray, FloatArray],
    work: tuple[FloatArray, FloatArray, FloatArray],
) -> None:
    """Slopes of one vertex by all unknowns into ``work[2]``, one row for each axis of the world."""
    t, n, k = place
    _, rest, _, world, joints, _ = pose
    directions, joint_directions, moved, columns, parents = slopes
    _, frames, targets, rights = optics
    shape, hanging, basis = work
    betas = directions.shape[2]
    shape[:] = 0.0
    hanging[:] = 0.0
    basis[:] = 0.0
    _hang(
        v,
        bent_V3,
        rest[n],
        weights,
        world[t],
        joints[t],
        directions,
        joint_directions,
        moved[t],
        parents,
        shape,
        hanging,
    )
    last = 0
    for j in range(len(parents)):
        column = columns[j]
        last = max(last, column + 3)
        if (hanging[j, 3] == 0.0) | (column < 0):
            continue
        lx = hanging[j, 0] - hanging[j, 3] * joints[t, j, 0]
        ly = hanging[j, 1] - hanging[j, 3] * joints[t, j, 1]
        lz = hanging[j, 2] - hanging[j, 3] * joints[t, j, 2]
        for i in range(3):
            # A turn about the joint's own axis i moves the vertex by cross(axis, lever).
            basis[0, column + i] = world[t, j, 1, i] * lz - world[t, j, 2, i] * ly
            basis[1, column + i] = world[t, j, 2, i] * lx - world[t, j, 0, i] * lz
            basis[2, column + i] = world[t, j, 0, i] * ly - world[t, j, 1, i] * lx
    for axis in range(3):
        basis[axis, last + axis] = 1.0
        for b in range(betas):
            basis[axis, last + 3 + b] = shape[axis, b]
    if frames.shape[1] > 0:
        _turn_camera(placed_V3[v], frames[n, k], targets[n, k], rights[n, k], basis, last + 3 + betas)


@compiled
def _hang(
    v: int,
    bent_V3: FloatArray,
    rest_J3: FloatArray,
    weights: tuple[IntArray, IntArray, FloatArray],
    world_J33: FloatArray,
    joints_J3: FloatArray,
    directions_V3B: FloatArray,
    joint_directions_J3B: FloatArray,
    moved_J3B: FloatArray,
    parents_J: IntArray,
    shape_3B: FloatArray,
    hanging_J4: FloatArray,
) -> None:
    """Add a vertex' slopes by the shape, and to each joint the first moment and weight of what hangs below it."""
    w_starts, w_joints, w_shares = weights
    w = world_J33
    for entry in range(w_starts[v], w_starts[v + 1]):
        j, share = w_joints[entry], w_shares[entry]
        dx, dy, dz = bent_V3[v, 0] - rest_J3[j, 0], bent_V3[v, 1] - rest_J3[j, 1], bent_V3[v, 2] - rest_J3[j, 2]
        px = share * (w[j, 0, 0] * dx + w[j, 0, 1] * dy + w[j, 0, 2] * dz + joints_J3[j, 0])
        py = share * (w[j, 1, 0] * dx + w[j, 1, 1] * dy + w[j, 1, 2] * dz + joints_J3[j, 1])
        pz = share * (w[j, 2, 0] * dx + w[j, 2, 1] * dy + w[j, 2, 2] * dz + joints_J3[j, 2])
        for b in range(shape_3B.shape[1]):
            sx = directions_V3B[v, 0, b] - joint_directions_J3B[j, 0, b]
            sy = directions_V3B[v, 1, b] - joint_directions_J3B[j, 1, b]
            sz = directions_V3B[v, 2, b] - joint_directions_J3B[j, 2, b]
            for i in range(3):
                shape_3B[i, b] += share * (w[j, i, 0] * sx + w[j, i, 1] * sy + w[j, i, 2] * sz + moved_J3B[j, i, b])
        while j >= 0:
            hanging_J4[j, 0] += px
            hanging_J4[j, 1] += py
            hanging_J4[j, 2] += pz
            hanging_J4[j, 3] += share
            j = parents_J[j]


@compiled
def _turn_camera(
    place_3: FloatArray,
    frame_34: FloatArray,
    target_3: FloatArray,
    right_33: FloatArray,
    basis_3W: FloatArray,
    column: int,
) -> None:
    """The seven unknowns of a camera (see ``meshgait_data.fit.cameras``) as movements of the vertex in the world.

    To turn or shift the camera is to move the body the same way before it; to zoom is to move it away from the axis.
    """
    ax, ay, az = place_3[0] - target_3[0], place_3[1] - target_3[1], place_3[2] - target_3[2]
    R = frame_34
    for i in range(3):
        # exp(turn) a: the turn by axis i of the right Jacobian's column moves a by cross(column, a).
        tx, ty, tz = right_33[0, i], right_33[1, i], right_33[2, i]
        cx, cy, cz = ty * az - tz * ay, tz * ax - tx * az, tx * ay - ty * ax
        basis_3W[0, column + i], basis_3W[1, column + i], basis_3W[2, column + i] = cx, cy, cz
        for axis in range(3):
            basis_3W[axis, column + 3 + i] = R[i, axis]
    x = R[0, 0] * place_3[0] + R[0, 1] * place_3[1] + R[0, 2] * place_3[2] + R[0, 3]
    y = R[1, 0] * place_3[0] + R[1, 1] * place_3[1] + R[1, 2] * place_3[2] + R[1, 3]
    for axis in range(3):
        basis_3W[axis, column + 6] = R[0, axis] * x + R[1, axis] * y
