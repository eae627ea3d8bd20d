"""The free body's named surface points, with smplx's 21 names: face, toes, heels, finger tips."""

import numpy as np

from meshgait_data.body.free_mesh import Topology
from meshgait_data.body.free_source import Skin
from meshgait_data.types import FloatArray

_FINGERS = {"thumb": 1, "index": 2, "middle": 3, "ring": 4, "pinky": 5}
_TOES = {"BigToe": "toe1-2.L", "SmallToe": "toe5-3.L"}


def landmarks(skin: Skin, topology: Topology) -> dict[str, int]:
    """Vertex of each named point; found on the left side by bone and direction, mirrored to the right.

    Parameters
    ----------
    skin
        The source's template (standing, facing +z).
    topology
        Which of its vertices the body has.
    """
    points = skin.vertices[topology.source]
    holder = np.array(skin.bones)[skin.bone_weights[topology.source].argmax(axis=1)]

    def furthest(bone: str, along: FloatArray) -> int:
        return int(np.argmax(np.where(holder == bone, points @ along, -np.inf)))

    forward, left = np.array([0.0, 0.0, 1.0]), np.array([1.0, 0.0, 0.0])
    on_line = topology.mirror == np.arange(len(points))
    found = {"nose": int(np.argmax(np.where((holder == "head") & on_line, points @ forward, -np.inf)))}
    eye = skin.vertices[skin.bone_weights[:, skin.bones.index("eye.L")] > 0.5]
    centre = np.array([*eye.mean(axis=0)[:2], eye[:, 2].max()])
    one_side = {
        "leye": int(np.argmin(np.linalg.norm(points - centre, axis=1))),
        "lear": furthest("head", left),
        "LHeel": furthest("foot.L", np.array([0.0, -0.5, -1.0])),
    }
    one_side |= {f"L{name}": furthest(bone, forward) for name, bone in _TOES.items()}
    wrist = points[holder == "wrist.L"].mean(axis=0)
    for name, number in _FINGERS.items():
        bone = f"finger{number}-3.L"
        one_side[f"l{name}"] = furthest(bone, points[holder == bone].mean(axis=0) - wrist)
    for name, vertex in one_side.items():
        found[name] = vertex
        found[("R" if name[0] == "L" else "r") + name[1:]] = int(topology.mirror[vertex])
    return found
