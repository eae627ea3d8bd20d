"""Frozen values of skeletal motion capture: bones, skeletons, and the angles that move them."""

from dataclasses import dataclass

import numpy as np

from meshgait_data.types import BoolArray, FloatArray, IntArray

ROOT = "root"
"""Name of the joint that everything hangs on; its bone has no length."""


@dataclass(frozen=True, slots=True, eq=False)
class Bone:
    """One rigid segment; its joint is the END of the segment and carries the bone's name."""

    name: str
    parent: str
    """Name of the bone at whose end it starts; ``root`` for the first ones."""
    direction: FloatArray
    """(3,) unit vector from start to end in the rest pose, world frame."""
    length: float
    """Metres."""
    axis: FloatArray
    """(3, 3) frame that the angles turn about, in the rest pose: bone to world."""
    order: str
    """Order in which rotations are applied, first letter first; ``xyz`` is Rz Ry Rx."""
    dof: tuple[str, ...]
    """Axes (``x``, ``y``, ``z``) in the order of the values of a motion file; empty for a fixed bone."""


@dataclass(frozen=True, slots=True, eq=False)
class Skeleton:
    """A tree of bones under one root."""

    bones: tuple[Bone, ...]
    """Depth first: every bone comes after its parent."""
    root_channels: tuple[str, ...]
    """The six values of the root in the order of a motion file: ``tx ty tz rx ry rz``."""
    root_order: str
    """Order in which the root's rotations are applied, first letter first."""
    metres_per_unit: float
    """What a length or translation of its files is multiplied by."""
    radians: bool
    """Whether its file gives angles in radians."""

    @property
    def joint_names(self) -> tuple[str, ...]:
        """``root``, then the bones: the order of every array of joints."""
        return (ROOT, *(bone.name for bone in self.bones))


@dataclass(frozen=True, slots=True, eq=False)
class Motion:
    """Angles of a skeleton over time; a frame that holds a number that is not finite is NaN in ``transl``."""

    frame_ids: IntArray
    """(F,) as the file counts them, consecutive."""
    transl: FloatArray
    """(F, 3) metres: position of the root."""
    root_angles: FloatArray
    """(F, 3) radians about x, y, z."""
    angles: dict[str, FloatArray]
    """Bone name to (F, len(dof)) radians."""
    cut_frame: int | None = None
    """Id of a last frame that the file breaks off in; it is left out."""

    def __len__(self) -> int:
        return len(self.frame_ids)

    def finite(self) -> BoolArray:
        """(F,) frames in which every number is finite."""
        return np.asarray(np.isfinite(self.transl).all(axis=1))

    def take(self, every: int) -> "Motion":
        """Every n-th frame, from the first."""
        kept = slice(None, None, every)
        angles = {name: values[kept] for name, values in self.angles.items()}
        return Motion(self.frame_ids[kept], self.transl[kept], self.root_angles[kept], angles, self.cut_frame)
