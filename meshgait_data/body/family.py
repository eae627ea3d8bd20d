"""The SMPL family: which model a file holds, by its joints, and how SMPL-H and SMPL-X become bodies of 24 joints.

Joints 0..21 of SMPL-H (Romero et al., SIGGRAPH Asia 2017) and SMPL-X (Pavlakos et al., CVPR 2019) are SMPL's. What
follows is folded into SMPL's tree: jaw and eyes into the head, the fingers of a hand into SMPL's left_hand and
right_hand, which lie in the mean of the four knuckles. Weights are added up; the pose correctives of fingers, jaw and
eyes are left out. With flat hands, closed mouth and no expression the result is the whole model's, exactly.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meshgait_data.conventions import SMPL_JOINTS, SMPL_PARENTS
from meshgait_data.types import FloatArray

MOST_BETAS = 300
"""Shape components that are used: as many as the largest published files have."""

_SHARED = 22
"""Joints from the pelvis to the wrists, which all of the family have."""
_HEAD, _LEFT_WRIST, _RIGHT_WRIST, _LEFT_HAND, _RIGHT_HAND = (
    SMPL_JOINTS.index(name) for name in ("head", "left_wrist", "right_wrist", "left_hand", "right_hand")
)
_FINGERS = 5
"""Of three joints each, in the order index, middle, little, ring finger, thumb."""
_KNUCKLES = 4
"""First joints of the fingers without the thumb."""


def _hand(first: int, wrist: int) -> tuple[int, ...]:
    """Parents of a hand's 15 joints, the first of which has number ``first``."""
    return tuple(wrist if joint % 3 == 0 else first + joint - 1 for joint in range(3 * _FINGERS))


def _with_hands(face: tuple[int, ...]) -> tuple[int, ...]:
    first = _SHARED + len(face)
    return (*SMPL_PARENTS[:_SHARED], *face, *_hand(first, _LEFT_WRIST), *_hand(first + 15, _RIGHT_WRIST))


@dataclass(frozen=True, slots=True)
class Member:
    """A model of the family that can be used."""

    title: str
    parents: tuple[int, ...]
    """Parent of each of its joints; -1 for the root."""
    face: int = 0
    """Joints that move with the head: jaw and eyes."""

    @property
    def joints(self) -> int:
        """Joints of the file."""
        return len(self.parents)

    def shapes(self, columns: int) -> int:
        """How many of the columns of ``shapedirs`` are components of shape.

        SMPL-X has its expressions behind them: 300 + 100 columns, or 10 + 10 in its first release.
        """
        if not self.face:
            return min(columns, MOST_BETAS)
        return MOST_BETAS if columns >= MOST_BETAS + 100 else min(columns, 10)

    def fold_weights(self, weights: FloatArray) -> FloatArray:
        """(V, J) skinning weights to (V, 24)."""
        if self.joints == len(SMPL_PARENTS):
            return weights
        folded = np.zeros((len(weights), len(SMPL_PARENTS)), weights.dtype)
        folded[:, :_SHARED] = weights[:, :_SHARED]
        left = _SHARED + self.face
        folded[:, _HEAD] += weights[:, _SHARED:left].sum(1)
        folded[:, _LEFT_HAND] = weights[:, left : left + 15].sum(1)
        folded[:, _RIGHT_HAND] = weights[:, left + 15 :].sum(1)
        return folded

    def fold_regressor(self, regressor: FloatArray) -> FloatArray:
        """(J, V) joint regressor to (24, V)."""
        if self.joints == len(SMPL_PARENTS):
            return regressor
        left = _SHARED + self.face
        hands = [regressor[start : start + 3 * _KNUCKLES : 3].mean(0) for start in (left, left + 15)]
        return np.concatenate([regressor[:_SHARED], hands])

    def fold_correctives(self, posedirs: FloatArray) -> FloatArray:
        """(V, 3, 9 (J-1)) pose correctives to (V, 3, 207)."""
        if self.joints == len(SMPL_PARENTS):
            return posedirs
        folded = np.zeros((*posedirs.shape[:2], 9 * (len(SMPL_PARENTS) - 1)), posedirs.dtype)
        shared = 9 * (_SHARED - 1)
        folded[..., :shared] = posedirs[..., :shared]
        return folded


MEMBERS = (
    Member("SMPL", SMPL_PARENTS),
    Member("SMPL-H", _with_hands(())),
    Member("SMPL-X", _with_hands((_HEAD,) * 3), face=3),
)


def find_member(table: NDArray[Any]) -> Member | None:
    """The member of the family with the tree of a (2, J) ``kintree_table``; None where it is another tree."""
    if table.ndim != 2 or len(table) != 2 or table.dtype.kind not in "iuf":
        return None
    for member in MEMBERS:
        # The root's parent is -1 or 2^32 - 1, depending on who wrote the file.
        same = table.shape[1] == member.joints and np.array_equal(table[0, 1:], member.parents[1:])
        if same and np.array_equal(table[1], np.arange(member.joints)):
            return member
    return None


STRANGER_KEYS = ("skin_template_v",)
"""Arrays by which files of other families are known; no body that can be used has them."""

_Shapes = Mapping[str, tuple[int, ...]]


def _joints(shapes: _Shapes) -> int:
    table = shapes.get("kintree_table", ())
    return table[1] if len(table) == 2 else 0


_STRANGERS: tuple[tuple[str, Callable[[_Shapes], bool]], ...] = (
    ("SKEL, whose bones turn about anatomical axes", lambda shapes: "skin_template_v" in shapes),
    ("STAR, whose pose correctives depend on quaternions", lambda shapes: shapes.get("posedirs", ())[2:] == (93,)),
    ("MANO, a hand without a body", lambda shapes: _joints(shapes) == 16),
    ("FLAME, a head without a body", lambda shapes: _joints(shapes) == 5),
    ("SUPR, whose feet have joints of their own", lambda shapes: _joints(shapes) == 75),
)


def name_stranger(shapes: _Shapes) -> str:
    """What a file of these arrays (key to shape) is where it is known but cannot be used; else empty."""
    return next((name for name, fits in _STRANGERS if fits(shapes)), "")
