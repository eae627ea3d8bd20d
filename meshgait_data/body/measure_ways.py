"""What can be measured on a body and how: one entry a quantity. Arrays in, numbers out.

Shape letters: V vertices, J joints (24), B shape components, E edges. Body frame (y up, facing +z), metres and kg.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from meshgait_data.body.measure_sections import (
    Loop,
    along,
    crossing,
    edges_of,
    edges_within,
    tape,
    volume,
    why_open,
)
from meshgait_data.body.model import Body, rest_joints
from meshgait_data.conventions import SMPL_JOINTS, WORLD_UP
from meshgait_data.types import FloatArray, IntArray

DENSITY = 985.0
"""kg/m^3 of a whole body, air in the lungs included: people just float. The SMPL authors' tools use it."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """One thing that can be measured."""

    unit: str
    """``m``, ``kg`` or ``kg/m²``."""
    definition: str
    """How it is taken on the body in its rest pose (arms sideways)."""
    standard: str = ""
    """The measurement of ISO 7250-1 or ISO 8559-1 that it approximates; empty where it lies between joint centres."""


class NoValueError(Exception):
    """Something cannot be measured; its text is the reason."""


@dataclass(frozen=True, slots=True, eq=False)
class _Parts:
    """What is measured on one body, whatever its shape: edges of its parts, and points that move with the skin."""

    edges: Mapping[str, IntArray]  # (E, 2) of the part's name
    feet: Mapping[str, IntArray]  # side to its vertices
    crotch: tuple[IntArray, float] | None  # edge and share of the way along it
    open: str  # why there is no volume


@lru_cache(maxsize=4)
def _parts(body: Body) -> _Parts:
    edges = edges_of(body.faces)
    arms = {side: _held(body, side, _ARM) for side in _SIDES}
    legs = {side: _held(body, side, _LEG) for side in _SIDES}
    trunk = arms["left"] + arms["right"] < 0.5
    # Below the crotch all skin belongs to one of the legs, also what hangs partly on the pelvis.
    legs_only = {side: trunk & (legs[side] > legs[other]) for side, other in (_SIDES, _SIDES[::-1])}
    parts = {"trunk": edges_within(edges, trunk)}
    parts |= {f"{side}_leg": edges_within(edges, legs_only[side]) for side in _SIDES}
    parts |= {f"{side}_arm": edges_within(edges, arms[side] > 0.5) for side in _SIDES}
    feet = {side: np.flatnonzero(_held(body, side, _FOOT) > 0.5) for side in _SIDES}
    return _Parts(parts, feet, _find_crotch(body, parts["trunk"]), why_open(body.faces))


def _held(body: Body, side: str, stems: tuple[str, ...]) -> FloatArray:
    """(V,) share of the skinning weights that joints of one side have."""
    return body.weights[:, [SMPL_JOINTS.index(f"{side}_{stem}") for stem in stems]].sum(axis=1)


def _find_crotch(body: Body, trunk: IntArray) -> tuple[IntArray, float] | None:
    """Lowest skin of the mean body on the plane between left and right, as a point on an edge.

    It is the same point of the skin for every shape, so that levels move smoothly, even where thighs touch.
    """
    template = body.v_template.astype(np.float64)
    pelvis = rest_joints(body)[0][0]
    cut, share = crossing(template, trunk, pelvis, np.array([1.0, 0.0, 0.0]))
    if not len(cut):
        return None
    lowest = int(np.argmin(along(template, trunk[cut], share)[:, 1]))
    return trunk[cut[lowest]], float(share[lowest])


class Shaped:
    """One shape of a body in the rest pose, and what several measurements need of it."""

    def __init__(self, body: Body, betas: FloatArray) -> None:
        template, directions = rest_joints(body)
        self.body, self.parts = body, _parts(body)
        self.vertices = body.v_template + body.shapedirs[..., : len(betas)] @ betas
        self.joints = template + directions[..., : len(betas)] @ betas

    def joint(self, name: str) -> FloatArray:
        """(3,) a joint by its name."""
        return self.joints[SMPL_JOINTS.index(name)]

    def crotch(self) -> float:
        """Height of the crotch in the body's frame."""
        if self.parts.crotch is None:
            raise NoValueError("no skin between the legs: the plane between left and right does not cut the body")
        edge, share = self.parts.crotch
        return float(self.vertices[edge[0], 1] * (1 - share) + self.vertices[edge[1], 1] * share)

    def trunk_level(self, share: float) -> FloatArray:
        """(3,) point of the horizontal plane at a share of the way from the crotch to the shoulder joints."""
        shoulders = 0.5 * (self.joint("left_shoulder") + self.joint("right_shoulder"))
        return np.array([0.0, self.crotch() + share * (shoulders[1] - self.crotch()), 0.0])

    def around_trunk(self, share: float) -> Loop | None:
        """The horizontal tape at a share of the way from the crotch to the shoulder joints, without the arms."""
        return tape(self.vertices, self.parts.edges["trunk"], self.trunk_level(share), WORLD_UP)

    def around_limb(self, part: str, start: str, end: str, share: float) -> Loop | None:
        """The tape square to a bone, at a share of the way along it."""
        bone = self.joint(end) - self.joint(start)
        length = float(np.linalg.norm(bone))
        if not length > 0:
            raise NoValueError(f"{start} and {end} are one point")
        return tape(self.vertices, self.parts.edges[part], self.joint(start) + share * bone, bone / length)


def _height(shaped: Shaped) -> float:
    return float(np.ptp(shaped.vertices[:, 1]))


def _sitting_height(shaped: Shaped) -> float:
    return float(shaped.vertices[:, 1].max()) - shaped.crotch()


def _mass(shaped: Shaped) -> float:
    if shaped.parts.open:
        raise NoValueError(shaped.parts.open)
    inside = volume(shaped.vertices, shaped.body.faces)
    if inside <= 0:
        raise NoValueError("the surface is inside out: its volume is not positive")
    return float(DENSITY * inside)


def _bmi(shaped: Shaped) -> float:
    return _mass(shaped) / _height(shaped) ** 2


def _between(start: str, end: str) -> "Way":
    return lambda shaped: float(np.linalg.norm(shaped.joint(end) - shaped.joint(start)))


def _foot(side: str) -> "Way":
    def length(shaped: Shaped) -> float:
        axis = (shaped.joint(f"{side}_foot") - shaped.joint(f"{side}_ankle")) * (1.0 - WORLD_UP)
        vertices = shaped.parts.feet[side]
        if not len(vertices) or not np.linalg.norm(axis) > 0:
            raise NoValueError("no skin follows the ankle, or the foot has no direction")
        return float(np.ptp(shaped.vertices[vertices] @ (axis / np.linalg.norm(axis))))

    return length


def _hip_breadth(shaped: Shaped) -> float:
    return max(float(np.ptp(loop.points[:, 0])) for loop in _some([shaped.around_trunk(at) for at in _HIPS]))


def _hip_girth(shaped: Shaped) -> Loop:
    return max(_some([shaped.around_trunk(at) for at in _HIPS]), key=lambda loop: loop.girth)


def _trunk_girth(share: float) -> "Way":
    return lambda shaped: _some([shaped.around_trunk(share)])[0]


def _neck_girth(shaped: Shaped) -> Loop:
    loops = _some([shaped.around_limb("trunk", "neck", "head", share) for share in _NECK])
    return min(loops, key=lambda loop: loop.girth)


def _thigh_girth(side: str) -> "Way":
    def girth(shaped: Shaped) -> Loop:
        hip, knee = shaped.joint(f"{side}_hip"), shaped.joint(f"{side}_knee")
        if hip[1] == knee[1]:
            raise NoValueError("the thigh does not hang down")
        share = float((hip[1] - shaped.crotch()) / (hip[1] - knee[1])) + _BELOW_CROTCH
        return _some([shaped.around_limb(f"{side}_leg", f"{side}_hip", f"{side}_knee", share)])[0]

    return girth


def _limb_girth(side: str, part: str, bone: tuple[str, str], shares: Sequence[float]) -> "Way":
    def girth(shaped: Shaped) -> Loop:
        start, end = (f"{side}_{stem}" for stem in bone)
        loops = _some([shaped.around_limb(f"{side}_{part}", start, end, share) for share in shares])
        return max(loops, key=lambda loop: loop.girth)

    return girth


def _some(loops: list[Loop | None]) -> list[Loop]:
    """The loops that exist, at least one."""
    found = [loop for loop in loops if loop is not None]
    if not found:
        raise NoValueError("the plane does not cut this part of the body")
    return found


Way = Callable[[Shaped], float | Loop]

_SIDES = ("left", "right")
_ARM, _LEG, _FOOT = ("shoulder", "elbow", "wrist", "hand"), ("hip", "knee", "ankle", "foot"), ("ankle", "foot")

_CHEST, _WAIST = 0.75, 0.5
"""Levels between crotch and shoulder joints: the fullest chest, just below what raised arms lift; and midway,
between the lowest rib and the hip bone."""
_HIPS = tuple(np.linspace(0.0, 0.25, 16))
_NECK = tuple(np.linspace(0.0, 1.0, 21))
_CALF = tuple(np.linspace(0.2, 0.55, 11))
"""Where the largest hip, the smallest neck and the largest calf are looked for; finer changes them by about 1 mm."""
_BELOW_CROTCH = 0.05
"""Shares of the thigh that its tape lies below the crotch."""


def _table() -> dict[str, tuple[Quantity, Way]]:
    table: dict[str, tuple[Quantity, Way]] = {
        "height": (Quantity("m", "top of the head above the soles, barefoot", "stature (body height)"), _height),
        "sitting_height": (Quantity("m", "top of the head above the crotch", "sitting height"), _sitting_height),
        "mass": (Quantity("kg", f"volume inside the surface times {DENSITY:g} kg/m³", "body mass"), _mass),
        "bmi": (Quantity("kg/m²", "mass over height squared"), _bmi),
        "shoulder_breadth": (
            Quantity("m", "between the shoulder joints; the acromia lie further out"),
            _between("left_shoulder", "right_shoulder"),
        ),
        "hip_breadth": (
            Quantity("m", "widest in the lowest quarter from crotch to shoulder joints", "hip breadth, standing"),
            _hip_breadth,
        ),
    }
    for name, start, end in (("upper_leg", "hip", "knee"), ("lower_leg", "knee", "ankle")):
        for side in _SIDES:
            text = f"from the {start} to the {end} joint"
            table[f"{side}_{name}"] = (Quantity("m", text), _between(f"{side}_{start}", f"{side}_{end}"))
    for side in _SIDES:
        text = "extent of heel and toes along the horizontal direction from ankle to ball"
        table[f"{side}_foot"] = (Quantity("m", text, "foot length"), _foot(side))
    for name, start, end in (("upper_arm", "shoulder", "elbow"), ("forearm", "elbow", "wrist")):
        for side in _SIDES:
            text = f"from the {start} to the {end} joint"
            table[f"{side}_{name}"] = (Quantity("m", text), _between(f"{side}_{start}", f"{side}_{end}"))
    return table | _girths()


def _girths() -> dict[str, tuple[Quantity, Way]]:
    table: dict[str, tuple[Quantity, Way]] = {
        "neck_girth": (
            Quantity("m", "smallest, square to the line from neck to head joint", "neck girth"),
            _neck_girth,
        ),
        "chest_girth": (
            Quantity("m", "horizontal, 75 % of the way from crotch to shoulder joints, without arms", "bust girth"),
            _trunk_girth(_CHEST),
        ),
        "waist_girth": (
            Quantity("m", "horizontal, midway between crotch and shoulder joints", "waist girth"),
            _trunk_girth(_WAIST),
        ),
        "hip_girth": (
            Quantity("m", "largest horizontal in the lowest quarter from crotch to shoulder joints", "hip girth"),
            _hip_girth,
        ),
    }
    for side in _SIDES:
        text = "square to the thigh, 5 % of its length below the crotch"
        table[f"{side}_thigh_girth"] = (Quantity("m", text, "thigh girth"), _thigh_girth(side))
    for side in _SIDES:
        way = _limb_girth(side, "leg", ("knee", "ankle"), _CALF)
        text = "largest, square to the lower leg, 20 to 55 % below the knee"
        table[f"{side}_calf_girth"] = (Quantity("m", text, "calf girth"), way)
    for side in _SIDES:
        way = _limb_girth(side, "arm", ("shoulder", "elbow"), (0.5,))
        text = "square to the upper arm, midway"
        table[f"{side}_upper_arm_girth"] = (Quantity("m", text, "upper arm girth"), way)
    return table


_TABLE = _table()
QUANTITIES: Mapping[str, Quantity] = {name: quantity for name, (quantity, _) in _TABLE.items()}
"""Everything that can be measured, by name."""
WAYS: Mapping[str, Way] = {name: way for name, (_, way) in _TABLE.items()}
"""How each is measured; raises NoValueError where it cannot be."""
