"""What synthetic walkers are made of: settings of the population, a person, one of their walks.

Shape letters: F frames, B shape components, K styles of the gait space.
"""

from dataclasses import dataclass
from typing import ClassVar

from meshgait_data.strict import run_checks
from meshgait_data.types import BodyParams, FloatArray, Worn

KINDS = ("nm", "bg", "cl")
"""Kinds of walks with CASIA-B's names: normal, with a bag, in a coat or skirt."""


@dataclass(frozen=True, slots=True)
class Population:
    """How people and their walks differ. Spreads are standard deviations."""

    seed: int = 0
    frames: int = 60
    """Of each walk."""
    fps: float = 30.0
    shape_limit: float = 2.2
    """Betas are standard normal, as those of the adults that the body was learned from, and drawn again beyond this."""
    style: float = 0.9
    """Of each style of the gait space in the population; the people that the space was learned from have 1."""
    style_limit: float = 4.2
    """Length of a style that is not exceeded: theirs are 2.0 to 3.8 long."""
    style_within: float = 0.3
    """Of each style among the walks of one person. Theirs spread by 0.43 (some were asked to walk differently)."""
    wander_deg: float = 1.0
    """Of what a joint turns beside its cycle, slowly: theirs have 1 to 4 degrees, with what the cycle cannot follow."""

    CHECKS: ClassVar[tuple[str, ...]] = ("_check_numbers",)

    def __post_init__(self) -> None:
        run_checks(self)

    def _check_numbers(self) -> None:
        if self.seed < 0 or self.frames < 2 or self.fps <= 0:
            raise ValueError(
                f"seed={self.seed}, frames={self.frames} and fps={self.fps:g} must be 0, 2 and more than 0"
            )


@dataclass(frozen=True, slots=True, eq=False)
class Person:
    """What all walks of one person share."""

    betas: FloatArray
    """(10,) shape."""
    style: FloatArray
    """(K,) of the gait space."""
    pace: FloatArray
    """(2,) what the style does not tell of log cadence and log stride."""
    arm_swing: FloatArray
    """(2,) factor of the swing of the left and the right arm."""
    lean: float
    """Radians that the trunk leans forward more than the style has it."""


@dataclass(frozen=True, slots=True, eq=False)
class Take:
    """What is special about one walk of a person."""

    style: FloatArray
    """(K,) added to the person's."""
    pace: FloatArray
    """(2,) added to the person's."""
    phase: float
    """Radians in the gait cycle at the first frame."""
    heading: float
    """Radians about the vertical of the direction of the walk; 0 is +z."""
    wander: FloatArray
    """(3, 24, 3, 2) amplitudes in radians of slow turns: cosine and sine of each of three rates."""
    rates: FloatArray
    """(3,) hertz."""


@dataclass(frozen=True, slots=True, eq=False)
class Outfit:
    """What somebody wears or carries, and what that does to their walk."""

    worn: Worn
    arm_swing: FloatArray
    """(2,) factor of the swing of the left and the right arm."""
    arm_away: FloatArray
    """(2,) radians that each arm is farther from the trunk."""
    arm_straight: FloatArray
    """(2,) share of its bend that each elbow loses under a load."""
    lean: float
    """Radians that the trunk leans forward more."""


@dataclass(frozen=True, slots=True, eq=False)
class SynthWalk:
    """One walk as it is written."""

    params: BodyParams
    """World frame, y up, ground at 0."""
    worn: Worn | None
    """What is carried or worn; None in normal walks."""
    fps: float
