"""The inner loops of the forward pass, compiled: joints of a pose, and skinning with sparse weights.

Shape letters: F frames, V vertices, S chosen vertices, J joints, P = 9 (J-1) pose features, L frames of one block.
"""

import numpy as np

from meshgait_data.compiled import compiled
from meshgait_data.types import FloatArray, IntArray


@compiled
def _turn(x: float, y: float, z: float, matrix: FloatArray) -> None:
    """Rodrigues' formula into ``matrix`` (3, 3), as in :func:`meshgait_data.rotations.exp`."""
    squared = x * x + y * y + z * z
    angle = np.sqrt(squared)
    if angle < 1e-4:
        a, b = 1.0 - squared / 6.0, 0.5 - squared / 24.0
    else:
        a, b = np.sin(angle) / angle, (1.0 - np.cos(angle)) / squared
    matrix[0, 0], matrix[0, 1], matrix[0, 2] = 1 - b * (y * y + z * z), b * x * y - a * z, b * x * z + a * y
    matrix[1, 0], matrix[1, 1], matrix[1, 2] = b * x * y + a * z, 1 - b * (x * x + z * z), b * y * z - a * x
    matrix[2, 0], matrix[2, 1], matrix[2, 2] = b * x * z - a * y, b * y * z + a * x, 1 - b * (x * x + y * y)


@compiled
def pose_joints(
    axis_angle: FloatArray,
    parents: IntArray,
    rest: FloatArray,
    world: FloatArray,
    joints: FloatArray,
    feature: FloatArray,
) -> None:
    """Forward kinematics of F frames; the last three arrays are filled.

    Parameters
    ----------
    axis_angle
        (F, J, 3) float64 rotations, each relative to the parent.
    parents
        (J,) parent of each joint, before its children; -1 for the root.
    rest
        (J, 3) float64 joints in the rest pose, metres.
    world
        (F, J, 12) rows of the 3x4 matrix that takes a point of the rest pose to where the joint moves it.
    joints
        (F, J, 3) metres.
    feature
        (F, P) ``R - I`` of all joints but the root.
    """
    count = len(parents)
    turns, places, local = np.zeros((count, 3, 3)), np.zeros((count, 3)), np.zeros((3, 3))
    for frame in range(len(axis_angle)):
        for joint in range(count):
            _turn(axis_angle[frame, joint, 0], axis_angle[frame, joint, 1], axis_angle[frame, joint, 2], local)
            parent = parents[joint]
            if parent < 0:
                turns[joint], places[joint] = local, rest[joint]
            else:
                for i in range(3):
                    place = places[parent, i]
                    for k in range(3):
                        place += turns[parent, i, k] * (rest[joint, k] - rest[parent, k])
                        turns[joint, i, k] = (
                            turns[parent, i, 0] * local[0, k]
                            + turns[parent, i, 1] * local[1, k]
                            + turns[parent, i, 2] * local[2, k]
                        )
                    places[joint, i] = place
            for i in range(3):
                shift = places[joint, i]
                joints[frame, joint, i] = shift
                for k in range(3):
                    world[frame, joint, 4 * i + k] = turns[joint, i, k]
                    shift -= turns[joint, i, k] * rest[joint, k]
                    if joint > 0:
                        feature[frame, 9 * (joint - 1) + 3 * i + k] = local[i, k] - (i == k)
                world[frame, joint, 4 * i + 3] = shift


@compiled
def _start(place: FloatArray, sums: FloatArray, shaped: FloatArray, offsets: FloatArray, index: int) -> None:
    """A vertex at rest, with its offsets if there are any, into ``place`` (3, L); zero into ``sums``."""
    for axis in range(3):
        for frame in range(place.shape[1]):
            place[axis, frame] = shaped[index, axis]
            sums[axis, frame] = 0
    if len(offsets) > 0:
        for axis in range(3):
            for frame in range(place.shape[1]):
                place[axis, frame] += offsets[index, axis, frame]


@compiled
def skin_block(
    chosen: IntArray,
    shaped: FloatArray,
    moved: tuple[IntArray, IntArray, FloatArray],
    offsets: FloatArray,
    weights: tuple[IntArray, IntArray, FloatArray],
    feature: FloatArray,
    world: FloatArray,
    transl: FloatArray,
    result: FloatArray,
) -> None:
    """Pose correctives and linear blend skinning of a block of frames, which lie innermost: one long sweep each.

    Parameters
    ----------
    chosen
        (S,) vertices.
    shaped
        (S, 3) these in the rest pose.
    moved
        Sparse pose correctives of all V vertices: where each vertex' entries begin (V+1,), the feature of each (N,) and
        what it moves the vertex by (N, 3).
    offsets
        (S, 3, L) pose correctives that come on top, or nothing (0, 3, 0).
    weights
        Sparse skinning weights of all V vertices: where each begins (V+1,), joint (N,) and weight (N,).
    feature, world
        (P, L) and (J, 12, L), see :func:`pose_joints`.
    transl
        (L, 3) is added at the end, so that weights that do not sum to one exactly do not scale it.
    result
        (L, S, 3) is filled.
    """
    frames = len(result)
    place, sums = np.zeros((3, frames), result.dtype), np.zeros((3, frames), result.dtype)
    starts, features, moves = moved
    begins, joints, shares = weights
    for index in range(len(chosen)):
        vertex = chosen[index]
        _start(place, sums, shaped, offsets, index)
        for entry in range(starts[vertex], starts[vertex + 1]):
            x, y, z = moves[entry, 0], moves[entry, 1], moves[entry, 2]
            values = feature[features[entry]]
            for f in range(frames):
                place[0, f] += x * values[f]
                place[1, f] += y * values[f]
                place[2, f] += z * values[f]
        for entry in range(begins[vertex], begins[vertex + 1]):
            share, m = shares[entry], world[joints[entry]]
            for f in range(frames):
                x, y, z = place[0, f], place[1, f], place[2, f]
                sums[0, f] += share * (m[0, f] * x + m[1, f] * y + m[2, f] * z + m[3, f])
                sums[1, f] += share * (m[4, f] * x + m[5, f] * y + m[6, f] * z + m[7, f])
                sums[2, f] += share * (m[8, f] * x + m[9, f] * y + m[10, f] * z + m[11, f])
        for frame in range(frames):
            for axis in range(3):
                result[frame, index, axis] = sums[axis, frame] + transl[frame, axis]


@compiled
def skin_frame(
    chosen: IntArray,
    shaped: FloatArray,
    moved: tuple[IntArray, IntArray, FloatArray],
    offsets: FloatArray,
    weights: tuple[IntArray, IntArray, FloatArray],
    feature: FloatArray,
    world: FloatArray,
    transl: FloatArray,
    result: FloatArray,
) -> None:
    """The same for one frame: no L in any shape.

    Same sums in the same order, hence the same bits.
    """
    starts, features, moves = moved
    begins, joints, shares = weights
    for index in range(len(chosen)):
        vertex = chosen[index]
        x, y, z = shaped[index, 0], shaped[index, 1], shaped[index, 2]
        if len(offsets) > 0:
            x += offsets[index, 0]
            y += offsets[index, 1]
            z += offsets[index, 2]
        for entry in range(starts[vertex], starts[vertex + 1]):
            value = feature[features[entry]]
            x += moves[entry, 0] * value
            y += moves[entry, 1] * value
            z += moves[entry, 2] * value
        result[index] = 0
        for entry in range(begins[vertex], begins[vertex + 1]):
            share, m = shares[entry], world[joints[entry]]
            result[index, 0] += share * (m[0] * x + m[1] * y + m[2] * z + m[3])
            result[index, 1] += share * (m[4] * x + m[5] * y + m[6] * z + m[7])
            result[index, 2] += share * (m[8] * x + m[9] * y + m[10] * z + m[11])
        for axis in range(3):
            result[index, axis] += transl[axis]
