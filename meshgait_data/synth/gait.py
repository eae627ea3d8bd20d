"""A person's gait cycle as joint rotations over time: style, swing of the arms, lean, and what no cycle repeats."""

from dataclasses import dataclass

import numpy as np

from meshgait_data.conventions import SMPL_JOINTS
from meshgait_data.fit.priors.gait import GRAVITY, GaitPrior
from meshgait_data.fit.priors.phase import harmonics
from meshgait_data.rotations import exp, log
from meshgait_data.synth.values import Outfit, Person, Take
from meshgait_data.types import FloatArray

_SIDES = ("left", "right")
_ARMS = [[SMPL_JOINTS.index(f"{side}_{joint}") for joint in ("collar", "shoulder", "elbow")] for side in _SIDES]
_SHOULDERS = [SMPL_JOINTS.index(f"{side}_shoulder") for side in _SIDES]
_ELBOWS = [SMPL_JOINTS.index(f"{side}_elbow") for side in _SIDES]
_LEGS = [SMPL_JOINTS.index(f"{side}_{joint}") for side in _SIDES for joint in ("hip", "knee", "ankle", "foot")]
_TRUNK = [SMPL_JOINTS.index(name) for name in ("spine1", "spine2", "spine3")]


@dataclass(frozen=True, slots=True, eq=False)
class GaitSpace:
    """The gait prior as plain arrays, see :class:`meshgait_data.fit.priors.gait.GaitPrior`."""

    mean: FloatArray
    """(24, 3, 3)"""
    cycle: FloatArray
    """(1 + 2 H, 75)"""
    styles: FloatArray
    """(K, 1 + 2 H, 75)"""
    rhythm: FloatArray
    """(2,)"""
    rhythm_styles: FloatArray
    """(K, 2)"""
    rhythm_covariance: FloatArray
    """(2, 2)"""

    @classmethod
    def of(cls, prior: GaitPrior) -> "GaitSpace":
        """The arrays of a prior."""
        names = ("mean", "cycle", "styles", "rhythm", "rhythm_styles", "rhythm_covariance")
        return cls(*(getattr(prior, name).numpy() for name in names))

    @property
    def size(self) -> int:
        """K."""
        return len(self.styles)


def phases(space: GaitSpace, person: Person, take: Take, seconds: FloatArray, *, leg_m: float) -> FloatArray:
    """(F,) radians in the gait cycle at times (F,) for legs (thigh and shank) of that length."""
    style = person.style + take.style
    log_cadence = (space.rhythm + style @ space.rhythm_styles + person.pace + take.pace)[0]
    strides = np.exp(log_cadence) * np.sqrt(GRAVITY / leg_m)
    return np.asarray(take.phase + 2 * np.pi * strides * seconds)


def cycle_of(space: GaitSpace, person: Person, take: Take, outfit: Outfit | None = None) -> FloatArray:
    """(1 + 2 H, 72) Fourier coefficients of the joints' rotation vectors of one walk."""
    coefficients = (space.cycle + np.tensordot(person.style + take.style, space.styles, 1))[:, :72]
    vectors = coefficients.reshape(len(coefficients), 24, 3).copy()
    # A longer stride than the style's swings the legs further, and the arms with them.
    stride = np.exp(person.pace[1] + take.pace[1])
    swing, lean = person.arm_swing * stride, person.lean
    if outfit is not None:
        swing, lean = swing * outfit.arm_swing, lean + outfit.lean
        # Rotations are relative to arms that hang: about z they rise sideways.
        vectors[0, _SHOULDERS, 2] += outfit.arm_away * [1, -1]
        bend = log(space.mean[_ELBOWS] @ exp(vectors[0, _ELBOWS]))
        straighter = exp(bend * (1 - outfit.arm_straight[:, None]))
        vectors[0, _ELBOWS] = log(space.mean[_ELBOWS].swapaxes(-1, -2) @ straighter)
    for side, joints in enumerate(_ARMS):
        vectors[1:, joints] *= swing[side]
    vectors[1:, _LEGS] *= stride
    vectors[0, _TRUNK, 0] += lean / len(_TRUNK)
    return vectors.reshape(len(coefficients), 72)


def rotations_at(space: GaitSpace, cycle: FloatArray, take: Take, phase: FloatArray, seconds: FloatArray) -> FloatArray:
    """(F, 24, 3, 3) joint rotations, the root's relative to the heading (y up, z ahead), at phases and times (F,)."""
    vectors = (harmonics(phase, (len(cycle) - 1) // 2) @ cycle).reshape(-1, 24, 3)
    angles = 2 * np.pi * seconds[:, None] * take.rates
    waves = np.stack([np.cos(angles), np.sin(angles)], -1)
    return np.asarray(space.mean @ exp(vectors + np.einsum("frw,rjcw->fjc", waves, take.wander)))
