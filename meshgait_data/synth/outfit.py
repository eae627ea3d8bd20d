"""Bags and clothes drawn at random, and how they change the way somebody walks.

Everything is in the rest pose of the person's own shape: y up, facing +z, the left arm along +x.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from meshgait_data.body.model import Body, rest_joints
from meshgait_data.conventions import SMPL_JOINTS
from meshgait_data.synth.values import Outfit
from meshgait_data.types import FloatArray, IntArray, Worn

_AROUND, _ALONG = 16, 9
"""Vertices around and along a bag."""
_RING, _RINGS = 24, 9
"""Vertices around and along a skirt."""
_SLICE_M = 0.04
"""Half the height of a slice of the body that a skirt goes around."""
_SIDES = ("left", "right")


@dataclass(frozen=True, slots=True, eq=False)
class Figure:
    """A person in the rest pose."""

    body: Body
    vertices: FloatArray
    """(V, 3) metres."""
    joints: FloatArray
    """(24, 3) metres."""

    @classmethod
    def of(cls, body: Body, betas: FloatArray) -> "Figure":
        """The shape of a person."""
        template, directions = rest_joints(body)
        shape = body.v_template + body.shapedirs[..., : len(betas)] @ betas
        return cls(body, shape, template + directions[..., : len(betas)] @ betas)

    def joint(self, name: str) -> FloatArray:
        """(3,) place of a joint."""
        return np.asarray(self.joints[SMPL_JOINTS.index(name)])

    def trunk(self, low: float, high: float) -> FloatArray:
        """(N, 3) skin of the trunk and hips between two heights."""
        trunk = ("pelvis", "spine1", "spine2", "spine3", "left_hip", "right_hip")
        own = self.body.weights[:, [SMPL_JOINTS.index(name) for name in trunk]].sum(axis=1) > 0.5
        height = self.vertices[:, 1]
        return np.asarray(self.vertices[own & (height >= low) & (height <= high)])


def draw_bag(figure: Figure, rng: np.random.Generator) -> Outfit:
    """A bag in a hand, over a shoulder, or on the back, on either side."""
    kinds: tuple[Callable[[Figure, np.random.Generator, int], Outfit], ...] = (_hand_bag, _shoulder_bag, _backpack)
    return kinds[rng.integers(3)](figure, rng, int(rng.integers(2)))


def draw_clothes(figure: Figure, rng: np.random.Generator) -> Outfit:
    """A coat, a thick jacket, or a skirt."""
    kinds: tuple[Callable[[Figure, np.random.Generator], Outfit], ...] = (_coat, _jacket, _skirt)
    return kinds[rng.choice(3, p=[0.45, 0.35, 0.2])](figure, rng)


def _hand_bag(figure: Figure, rng: np.random.Generator, side: int) -> Outfit:
    high, long, wide = rng.uniform(0.2, 0.42), rng.uniform(0.25, 0.45), rng.uniform(0.08, 0.18)
    sign, hand = 1 - 2 * side, figure.joint(f"{_SIDES[side]}_hand")
    # The arm along x hangs down when somebody walks, and what lies beyond the hand hangs below it.
    centre = hand + np.array([sign * (high / 2 + rng.uniform(0.03, 0.12)), 0.0, 0.0])
    swing, away = _one_side(side, rng.uniform(0.15, 0.45), 1.0), _one_side(side, np.radians(rng.uniform(0, 4)), 0.0)
    straight = _one_side(side, rng.uniform(0.7, 1.0), 0.0)
    return Outfit(_rigid(centre, (high, wide, long), rng, f"{_SIDES[side]}_wrist"), swing, away, straight, 0.0)


def _shoulder_bag(figure: Figure, rng: np.random.Generator, side: int) -> Outfit:
    high, long, wide = rng.uniform(0.2, 0.35), rng.uniform(0.25, 0.4), rng.uniform(0.08, 0.16)
    sign, hip = 1 - 2 * side, float(figure.joint("pelvis")[1])
    height = hip + rng.uniform(-0.08, 0.15)
    skin = figure.trunk(height - high / 2, height + high / 2)
    centre = np.array(
        [sign * (np.abs(skin[:, 0]).max() + 0.35 * wide), height, skin[:, 2].mean() + rng.uniform(-0.1, 0.03)]
    )
    swing, away = _one_side(side, rng.uniform(0.5, 0.8), 1.0), _one_side(side, np.radians(rng.uniform(6, 12)), 0.0)
    return Outfit(_rigid(centre, (wide, high, long), rng, "pelvis"), swing, away, np.zeros(2), 0.0)


def _backpack(figure: Figure, rng: np.random.Generator, side: int) -> Outfit:
    del side
    high, wide, deep = rng.uniform(0.35, 0.52), rng.uniform(0.24, 0.34), rng.uniform(0.12, 0.26)
    top = float(figure.joint("neck")[1]) - rng.uniform(0.0, 0.08)
    skin = figure.trunk(top - high, top)
    near = skin[np.abs(skin[:, 0]) < wide / 2]
    centre = np.array([0.0, top - high / 2, near[:, 2].min() - 0.3 * deep])
    lean = np.radians(rng.uniform(1, 5))
    worn, swing = _rigid(centre, (wide, high, deep), rng, "spine2"), np.full(2, rng.uniform(0.7, 0.95))
    return Outfit(worn, swing, np.zeros(2), np.zeros(2), lean)


def _one_side(side: int, value: float, other: float) -> FloatArray:
    return np.where(np.arange(2) == side, value, other)


def _rigid(centre: FloatArray, size: tuple[float, float, float], rng: np.random.Generator, joint: str) -> Worn:
    """A bag of a size (x, y, z) that follows one joint, between a box and an ellipsoid."""
    vertices, faces = superellipsoid(float(rng.uniform(0.25, 0.8)))
    vertices = vertices * (0.5 * np.array(size)) + centre
    weights = np.zeros((len(vertices), len(SMPL_JOINTS)), np.float32)
    weights[:, SMPL_JOINTS.index(joint)] = 1
    return Worn(np.zeros(len(SMPL_JOINTS), np.float32), vertices.astype(np.float32), weights, faces)


def superellipsoid(roundness: float) -> tuple[FloatArray, IntArray]:
    """A closed surface from -1 to 1 along each axis: a ball where ``roundness`` is 1, nearly a box near 0.

    Returns
    -------
    (N, 3) vertices and (M, 3) faces. Barr, *Superquadrics and angle-preserving transformations*, IEEE CG&A 1, 1981.
    """
    up = np.linspace(-np.pi / 2, np.pi / 2, _ALONG)[:, None]
    around = np.linspace(0, 2 * np.pi, _AROUND, endpoint=False)

    def bent(value: FloatArray) -> FloatArray:
        return np.asarray(np.sign(value) * np.abs(value) ** roundness)

    rows = [
        bent(np.cos(up)) * bent(np.cos(around)),
        bent(np.sin(up)) + 0 * around,
        bent(np.cos(up)) * bent(np.sin(around)),
    ]
    return np.stack(rows, -1).reshape(-1, 3), tube(_ALONG, _AROUND)


def tube(rings: int, around: int) -> IntArray:
    """(M, 3) triangles between rings of vertices, ring after ring."""
    ring, place = np.meshgrid(np.arange(rings - 1), np.arange(around), indexing="ij")
    a, b = ring * around + place, ring * around + (place + 1) % around
    faces = np.stack([a, b, a + around, b, b + around, a + around], -1)
    return faces.reshape(-1, 3).astype(np.int32)


_TRUNK = ("pelvis", "spine1", "spine2", "spine3", "left_collar", "right_collar")
_PARTS: Mapping[str, tuple[str, ...]] = {
    "trunk": _TRUNK,
    "upper_arms": ("left_shoulder", "right_shoulder"),
    "forearms": ("left_elbow", "right_elbow"),
    "thighs": ("left_hip", "right_hip"),
    "shanks": ("left_knee", "right_knee"),
    "head": ("head",),
    "neck": ("neck",),
}
"""What follows which joints."""


def _thickness(**metres: float) -> FloatArray:
    values = np.zeros(len(SMPL_JOINTS), np.float32)
    for part, value in metres.items():
        values[[SMPL_JOINTS.index(name) for name in _PARTS[part]]] = value
    return values


def _coat(figure: Figure, rng: np.random.Generator) -> Outfit:
    thick = rng.uniform(0.015, 0.035)
    sleeve = thick * rng.uniform(0.5, 0.9)
    values = _thickness(
        trunk=thick, upper_arms=sleeve, forearms=0.8 * sleeve, thighs=0.6 * thick, shanks=rng.uniform(0.0, 0.012),
        neck=0.5 * thick, head=_hood(rng),
    )  # fmt: skip
    hem = rng.uniform(0.35, 1.15)
    return Outfit(_with_skirt(figure, values, hem, margin=thick, flare=rng.uniform(0.0, 0.06)), *_stiff(rng))


def _jacket(figure: Figure, rng: np.random.Generator) -> Outfit:
    thick = rng.uniform(0.03, 0.06)
    sleeve = thick * rng.uniform(0.6, 0.9)
    values = _thickness(
        trunk=thick, upper_arms=sleeve, forearms=0.8 * sleeve,
        thighs=rng.uniform(0.0, 0.02), shanks=rng.uniform(0.0, 0.015), neck=0.6 * thick, head=_hood(rng),
    )  # fmt: skip
    return Outfit(Worn(values, *_nothing()), *_stiff(rng))


def _skirt(figure: Figure, rng: np.random.Generator) -> Outfit:
    values = _thickness(trunk=rng.uniform(0.005, 0.02), upper_arms=rng.uniform(0.0, 0.015), head=_hood(rng))
    hem, flare = rng.uniform(0.7, 1.8), rng.uniform(0.03, 0.12)
    worn = _with_skirt(figure, values, hem, margin=0.02, flare=flare)
    return Outfit(worn, np.ones(2), np.full(2, np.radians(rng.uniform(0, 3))), np.zeros(2), 0.0)


def _hood(rng: np.random.Generator) -> float:
    return float(rng.uniform(0.01, 0.025)) if rng.random() < 0.25 else 0.0


def _stiff(rng: np.random.Generator) -> tuple[FloatArray, FloatArray, FloatArray, float]:
    """Thick sleeves: arms swing less and farther from the body."""
    return np.full(2, rng.uniform(0.75, 0.95)), np.full(2, np.radians(rng.uniform(2, 7))), np.zeros(2), 0.0


def _nothing() -> tuple[FloatArray, FloatArray, IntArray]:
    joints = len(SMPL_JOINTS)
    return np.zeros((0, 3), np.float32), np.zeros((0, joints), np.float32), np.zeros((0, 3), np.int32)


def _with_skirt(figure: Figure, thickness: FloatArray, hem: float, *, margin: float, flare: float) -> Worn:
    """A tube around hips and both legs.

    Parameters
    ----------
    hem
        Where it ends: 0 at the hips, 1 at the knees, 2 at the ankles.
    margin, flare
        Metres from the skin at the hips, and more at the hem.
    """
    places = [figure.joint(f"left_{name}")[1] for name in ("hip", "knee", "ankle")]
    top = float(figure.joint("spine1")[1])
    heights = np.linspace(top, np.interp(hem, [0, 1, 2], places), _RINGS)
    legs = ("pelvis", "spine1", "left_hip", "right_hip", "left_knee", "right_knee")
    own = figure.body.weights[:, [SMPL_JOINTS.index(name) for name in legs]].sum(axis=1) > 0.5
    skin = figure.vertices[own]
    angle = np.linspace(0, 2 * np.pi, _RING, endpoint=False)
    rings, least = [], np.zeros(2)
    for share, height in zip(np.linspace(0, 1, _RINGS), heights, strict=True):
        near = skin[np.abs(skin[:, 1] - height) < _SLICE_M][:, [0, 2]]
        centre, half = 0.5 * (near.max(0) + near.min(0)), 0.5 * np.ptp(near, axis=0)
        # Cloth hangs down from where the body is widest.
        least = np.maximum(least, half) if share < 0.5 else np.maximum(0.97 * least, half)
        reach = least + margin + flare * share
        ring = centre + reach * np.stack([np.cos(angle), np.sin(angle)], -1)
        rings.append(np.stack([ring[:, 0], np.full(_RING, height), ring[:, 1]], -1))
    vertices = np.concatenate(rings)
    weights = _leg_shares(vertices, places)
    return Worn(thickness, vertices.astype(np.float32), weights, tube(_RINGS, _RING))


def _leg_shares(vertices: FloatArray, places: list[float]) -> FloatArray:
    """(N, 24) float32: the pelvis at the top, then thighs and half the shanks; sides by how far left a vertex is."""
    widest = np.abs(vertices[:, 0]).max()
    left = 0.5 + 0.5 * np.sin(0.5 * np.pi * np.clip(vertices[:, 0] / widest, -1, 1))
    hip, knee, ankle = places
    thigh = np.clip((hip - vertices[:, 1]) / (0.5 * (hip - knee)), 0, 1)
    shank = 0.5 * np.clip((knee - vertices[:, 1]) / (knee - ankle), 0, 1)
    weights = np.zeros((len(vertices), len(SMPL_JOINTS)), np.float32)
    weights[:, SMPL_JOINTS.index("pelvis")] = 1 - thigh
    for side, share in (("left", left), ("right", 1 - left)):
        weights[:, SMPL_JOINTS.index(f"{side}_hip")] = thigh * share * (1 - shank)
        weights[:, SMPL_JOINTS.index(f"{side}_knee")] = thigh * share * shank
    return weights
