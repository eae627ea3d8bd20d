"""The free body's hands: fingers that the source spreads in its rest pose are closed and bent a little. Arrays only.

Shape letters: N bodies, V vertices, B bones of the source. Metres.
"""

from collections.abc import Sequence

import numpy as np

from meshgait_data.rotations import exp
from meshgait_data.types import FloatArray

_CLOSE = {1: 0.45, 2: 0.85, 4: 0.85, 5: 0.85}
"""Part of its angle to the middle finger that each finger loses, the thumb (1) least."""
_BEND = 0.1
"""Radians that each of the three joints of fingers 2 to 5 bends: a hand at rest, not a flat one."""
_JOINTS = (1, 2, 3)


def relaxed(vertices: FloatArray, heads: FloatArray, bones: Sequence[str], weights: FloatArray) -> FloatArray:
    """Close and bend the fingers by skinning; everything else stays.

    Parameters
    ----------
    vertices, heads
        (N, V, 3) and (N, B, 3) in the source's rest pose.
    bones
        Names of the bones, ``finger2-1.L`` is the index finger's first one.
    weights
        (V, B) the source's skinning weights.

    Returns
    -------
    (N, V, 3).
    """
    index = {bone: number for number, bone in enumerate(bones)}
    offsets = np.zeros_like(vertices)
    for side in "LR":
        for finger in range(1, 6):
            ids = [index[f"finger{finger}-{joint}.{side}"] for joint in _JOINTS]
            moved = np.flatnonzero(weights[:, ids].any(axis=1))
            points = vertices[:, moved].astype(np.float64)
            for bone, (turn, shift) in zip(ids, _motions(heads, index, finger, side), strict=True):
                there = np.einsum("nab,nvb->nva", turn, points) + shift[:, None]
                offsets[:, moved] += (weights[moved, bone, None] * (there - points)).astype(vertices.dtype)
    return vertices + offsets


def _motions(heads: FloatArray, index: dict[str, int], finger: int, side: str) -> list[tuple[FloatArray, FloatArray]]:
    """(N, 3, 3) rotations and (N, 3) shifts of one finger's three bones."""

    def head(number: int, joint: int) -> FloatArray:
        return heads[:, index[f"finger{number}-{joint}.{side}"]]

    middle = _unit(head(3, 3) - head(3, 1))
    across = head(2, 1) - head(5, 1)
    # Out of the back of the hand, on both sides: mirroring turns a cross product around.
    back = _unit(np.cross(across, middle)) * (1.0 if side == "L" else -1.0)
    along = _flat(head(finger, 3) - head(finger, 1), back)
    angle = np.einsum("na,na->n", np.cross(along, _flat(middle, back)), back)
    angle = np.arcsin(np.clip(angle, -1, 1)) * _CLOSE.get(finger, 0.0)
    turn = exp(back * angle[:, None])
    bend = 0.0 if finger == 1 else _BEND
    closed = np.einsum("nab,nb->na", turn, along)
    hinge = np.cross(closed, back) * -bend
    motions: list[tuple[FloatArray, FloatArray]] = []
    shift = head(finger, 1) - np.einsum("nab,nb->na", turn, head(finger, 1))
    for joint in _JOINTS:
        # Each joint bends about where the joints before it have brought it.
        here = np.einsum("nab,nb->na", turn, head(finger, joint)) + shift
        step = exp(hinge)
        turn = step @ turn
        shift = np.einsum("nab,nb->na", step, shift - here) + here
        motions.append((turn, shift))
    return motions


def _unit(vectors: FloatArray) -> FloatArray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def _flat(vectors: FloatArray, normal: FloatArray) -> FloatArray:
    """Directions within the palm's plane."""
    return _unit(vectors - np.einsum("na,na->n", vectors, normal)[:, None] * normal)
