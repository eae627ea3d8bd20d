"""Joint maps: which joint of a source corresponds to which point of SMPL's body."""

from dataclasses import dataclass

from meshgait_data.conventions import SMPL_JOINTS


@dataclass(frozen=True, slots=True)
class MappedJoint:
    """One row of a joint map: an observed joint and the point of the body that it corresponds to."""

    observed: str
    """Name in the source's joint set."""
    body: str
    """SMPL joint that the point moves with."""
    weight: float = 1.0
    """Relative trust; 0 keeps the row for reports only."""
    offset: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Metres in the rest frame of the SMPL joint: where in the body the source's joint centre lies."""

    def __post_init__(self) -> None:
        if self.body not in SMPL_JOINTS:
            raise ValueError(f"body={self.body!r} is not one of SMPL's joints: {', '.join(SMPL_JOINTS)}")
        if self.weight < 0:
            raise ValueError(f"weight={self.weight} of {self.observed!r} is negative")


@dataclass(frozen=True, slots=True)
class JointMap:
    """Explicit correspondence between a source's joint set and SMPL's."""

    joint_set: str
    origin: str
    """Where the numbers come from."""
    joints: tuple[MappedJoint, ...]
