"""Bodies of prisms, whose lengths, girths and volumes are known exactly, in SMPL's schema."""

from dataclasses import dataclass, field

import numpy as np

from meshgait_data.body.model import Body
from meshgait_data.conventions import SMPL_JOINTS, SMPL_PARENTS

CORNERS = 48
RADII = {"neck": 0.06, "head": 0.09, "upper_arm": 0.05, "forearm": 0.04, "thigh": 0.08, "calf": 0.06}
TRUNK = (0.19, 0.12)
FOOT = 0.25


def ring_perimeter(radius: float) -> float:
    """Perimeter of a regular polygon with ``CORNERS`` corners at this radius."""
    return 2 * CORNERS * radius * np.sin(np.pi / CORNERS)


def ring_area(a: float, b: float) -> float:
    """Area of the polygon that a circle's becomes when it is stretched to half axes a and b."""
    return 0.5 * CORNERS * a * b * np.sin(2 * np.pi / CORNERS)


@dataclass
class _Builder:
    vertices: list = field(default_factory=list)
    faces: list = field(default_factory=list)
    holders: list = field(default_factory=list)
    rings: dict = field(default_factory=dict)

    def prism(self, name: str, holder: str, start, end, across: tuple[float, float], corners: int = CORNERS) -> None:
        """A closed prism from a point to another; remembers the rings at both ends."""
        start, end = np.array(start, float), np.array(end, float)
        axis = (end - start) / np.linalg.norm(end - start)
        u = np.array([1.0, 0, 0]) if abs(axis[0]) < 0.5 else np.array([0, 0, 1.0])
        w = np.cross(axis, u)
        angle = 2 * np.pi * (np.arange(corners) + 0.5) / corners
        ring = across[0] * np.cos(angle)[:, None] * u + across[1] * np.sin(angle)[:, None] * w
        first = sum(map(len, self.vertices))
        self.vertices += [start + ring, end + ring]
        this, following = np.arange(corners), (np.arange(corners) + 1) % corners
        sides = [
            np.stack([this, following, following + corners], 1),
            np.stack([this, following + corners, this + corners], 1),
        ]
        fan = np.stack([np.zeros(corners - 2, int), np.arange(1, corners - 1), np.arange(2, corners)], 1)
        self.faces.append(np.concatenate([*sides, fan[:, ::-1], fan + corners]) + first)
        self.holders += [holder] * (2 * corners)
        self.rings[f"{name}:start"] = np.arange(first, first + corners)
        self.rings[f"{name}:end"] = np.arange(first + corners, first + 2 * corners)


def prism_body(*, arms_down: bool = False) -> Body:
    """Trunk, neck, head and limbs, each a closed prism; crotch at the origin, T-pose or arms beside the trunk.

    beta 0 scales it by 10 % per SD, beta 1 widens the trunk by 10 %, beta 2 lowers the left foot by 2 cm.
    """
    made = _Builder()
    made.prism("trunk", "spine2", (0, 0, 0), (0, 0.6, 0), TRUNK)
    made.prism("neck", "neck", (0, 0.6, 0), (0, 0.7, 0), (RADII["neck"],) * 2)
    made.prism("head", "head", (0, 0.7, 0), (0, 0.95, 0), (RADII["head"],) * 2)
    for side, x in (("left", 1.0), ("right", -1.0)):
        along = (lambda d, x=x: (0.3 * x, 0.5 - d, 0)) if arms_down else (lambda d, x=x: (x * (0.2 + d), 0.5, 0))
        made.prism(f"{side}_upper_arm", f"{side}_shoulder", along(0.0), along(0.3), (RADII["upper_arm"],) * 2)
        made.prism(f"{side}_forearm", f"{side}_elbow", along(0.3), along(0.55), (RADII["forearm"],) * 2)
        made.prism(f"{side}_fingers", f"{side}_wrist", along(0.55), along(0.7), (0.02, 0.02))
        made.prism(f"{side}_thigh", f"{side}_hip", (0.1 * x, 0, 0), (0.1 * x, -0.4, 0), (RADII["thigh"],) * 2)
        made.prism(f"{side}_calf", f"{side}_knee", (0.1 * x, -0.4, 0), (0.1 * x, -0.8, 0), (RADII["calf"],) * 2)
        made.prism(
            f"{side}_toes", f"{side}_ankle", (0.1 * x, -0.85, -0.05), (0.1 * x, -0.85, FOOT - 0.05), (0.04, 0.03), 4
        )
    vertices = np.concatenate(made.vertices)
    return _body(made, vertices)


def _body(made: _Builder, vertices: np.ndarray) -> Body:
    at = {
        "pelvis": "trunk:start", "spine1": "trunk:start", "spine2": "trunk:start", "spine3": "trunk:end",
        "neck": "neck:start", "head": "head:start", "collar": "trunk:end", "shoulder": "upper_arm:start",
        "elbow": "forearm:start", "wrist": "fingers:start", "hand": "fingers:end", "hip": "thigh:start",
        "knee": "calf:start", "ankle": "calf:end", "foot": "toes:end",
    }  # fmt: skip
    regressor, weights = np.zeros((24, len(vertices))), np.zeros((len(vertices), 24))
    for joint, name in enumerate(SMPL_JOINTS):
        side, _, stem = name.rpartition("_")
        ring = made.rings[at[stem] if stem == "collar" or not side else f"{side}_{at[stem]}"]
        regressor[joint, ring] = 1 / len(ring)
    weights[np.arange(len(vertices)), [SMPL_JOINTS.index(name) for name in made.holders]] = 1.0
    holder = np.array(made.holders)
    shapedirs = np.zeros((len(vertices), 3, 3))
    shapedirs[..., 0] = 0.1 * vertices
    shapedirs[holder == "spine2", ::2, 1] = 0.1 * vertices[holder == "spine2", ::2]
    shapedirs[holder == "left_ankle", 1, 2] = -0.02
    shapedirs[made.rings["left_calf:end"], 1, 2] = -0.02
    return Body(
        name="prisms",
        sha256="prisms",
        licence="",
        v_template=vertices,
        shapedirs=shapedirs,
        posedirs=np.zeros((len(vertices), 3, 207), np.float32),
        J_regressor=regressor,
        weights=weights,
        parents=np.array(SMPL_PARENTS),
        faces=np.concatenate(made.faces).astype(np.int32),
    )
