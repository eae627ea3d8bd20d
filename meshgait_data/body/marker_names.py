"""Names of virtual markers: side, part of the body, direction of the skin, e.g. ``left_thigh_front``.

Shape letters: V vertices, K markers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from meshgait_data.body.model import Body
from meshgait_data.conventions import SMPL_JOINTS
from meshgait_data.rotations import exp
from meshgait_data.types import FloatArray, IntArray

PARTS = {
    "pelvis": "hips", "spine1": "belly", "spine2": "chest", "spine3": "chest", "neck": "neck", "head": "head",
    "collar": "shoulder", "shoulder": "upper_arm", "elbow": "forearm", "wrist": "hand", "hand": "hand",
    "hip": "thigh", "knee": "shank", "ankle": "foot", "foot": "toes",
}  # fmt: skip
"""SMPL joint without its side to the part of the body whose skin follows it most."""

_ARM = ("upper_arm", "forearm", "hand")
_HANGING_RAD = np.deg2rad(80.0)
"""Arms are level in the rest pose; directions on them are named as if they hung."""
_FLIP = np.array([-1.0, 1.0, 1.0])
"""Mirror image of a point: the body is symmetric about x = 0."""
_MIDDLE_M = 0.01
"""A vertex this near to the plane of symmetry has no side."""
_ORDER = {
    1: (("upper", "lower"), ("upper", "middle", "lower")),
    2: (("fore", "rear"), ("fore", "mid", "rear")),
}
"""Words for two or three markers of one part and direction, by the axis (y, z) on which they lie farthest apart."""


@lru_cache(maxsize=4)
def vertex_parts(body: Body) -> tuple[str, ...]:
    """Part of the body (:data:`PARTS`) of each of V vertices, without its side."""
    parts = [PARTS[name.removeprefix("left_").removeprefix("right_")] for name in SMPL_JOINTS]
    return tuple(parts[joint] for joint in np.argmax(body.weights, axis=1))


def vertex_normals(vertices: FloatArray, faces: IntArray) -> FloatArray:
    """(V, 3) unit vectors out of the skin; zero at vertices without triangles."""
    corners = vertices[faces].astype(np.float64)
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    total = np.stack([np.bincount(faces.ravel(), np.repeat(c, 3), len(vertices)) for c in across.T], axis=1)
    return total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-12)


@lru_cache(maxsize=4)
def _rest_normals(body: Body) -> FloatArray:
    return vertex_normals(body.v_template, body.faces)


def marker_names(body: Body, vertex_ids: IntArray) -> tuple[str, ...]:
    """Name markers after where they are on the standing body.

    The direction is the one that the skin faces most: front, back, top, bottom, outer or inner. Several markers with
    one part and direction are told apart from top to bottom, or from front to rear.

    Parameters
    ----------
    body
        The body; on one with ``mirror``, both markers of a pair get the same name but for the side.
    vertex_ids
        (K,) the vertex that each marker is.

    Returns
    -------
    K names, no two alike.
    """
    found = [_seen(body, int(vertex)) for vertex in vertex_ids]
    groups: dict[str, list[int]] = {}
    for index, one in enumerate(found):
        groups.setdefault(f"{one.side}{one.part}_{_direction(one.normal, bool(one.side))}", []).append(index)
    names = [""] * len(found)
    for stem, group in groups.items():
        for index, word in zip(group, _words(np.array([found[i].place for i in group])), strict=True):
            names[index] = f"{stem}_{word}" if word else stem
    return tuple(names)


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """A marker as it is on the left half of a body with hanging arms, whichever side it is on."""

    side: str
    part: str
    normal: FloatArray
    place: FloatArray


def _seen(body: Body, vertex: int) -> _Seen:
    side, flip = _side(body, vertex), np.ones(3)
    if side == "right_":
        # Named from its mirror image, so that names of a pair agree whatever the mesh's small asymmetries.
        vertex, flip = (vertex, _FLIP) if body.mirror is None else (int(body.mirror[vertex]), flip)
    part = vertex_parts(body)[vertex]
    turn = exp(np.array([0.0, 0.0, -_HANGING_RAD if part in _ARM else 0.0]))
    normal = _rest_normals(body)[vertex]
    return _Seen(side, part, turn @ (normal * flip), turn @ (body.v_template[vertex] * flip))


def _side(body: Body, vertex: int) -> str:
    x = float(body.v_template[vertex, 0])
    if body.mirror is not None and body.mirror[vertex] != vertex:
        return "left_" if x > body.v_template[body.mirror[vertex], 0] else "right_"
    return "" if abs(x) < _MIDDLE_M else "left_" if x > 0 else "right_"


def _direction(normal: FloatArray, sided: bool) -> str:
    """Word for a direction on the left half of the body, or on its middle."""
    axis = int(np.argmax(np.abs(normal) * [1.0 if sided else 0.0, 1.0, 1.0]))
    return (("inner", "outer"), ("bottom", "top"), ("back", "front"))[axis][int(normal[axis] > 0)]


def _words(points: FloatArray) -> Sequence[str]:
    """What tells (G, 3) points apart: nothing, two or three words, or numbers."""
    if len(points) == 1:
        return ("",)
    axis = 1 + int(np.ptp(points[:, 2]) > np.ptp(points[:, 1]))
    rank = np.argsort(np.argsort(-points[:, axis], kind="stable"))
    if len(points) <= 3:
        words = _ORDER[axis][len(points) - 2]
        return [words[place] for place in rank]
    return [str(place + 1) for place in rank]


def regular_names(count: int) -> tuple[str, ...]:
    """``marker_01``, ... for sets that were written before markers had names."""
    return tuple(f"marker_{index + 1:02d}" for index in range(count))
