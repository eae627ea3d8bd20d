"""Joint sets, left/right pairs and frames of reference: the one place where order has a meaning."""

import numpy as np

from meshgait_data.types import IntArray

SMPL_JOINTS = (
    "pelvis", "left_hip", "right_hip", "spine1", "left_knee", "right_knee", "spine2", "left_ankle",
    "right_ankle", "spine3", "left_foot", "right_foot", "neck", "left_collar", "right_collar", "head",
    "left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist",
    "left_hand", "right_hand",
)  # fmt: skip
"""The 24 joints of SMPL in the order of its model files (Loper et al. 2015)."""

SMPL_SET = "smpl24"
"""Name of this joint set wherever a file says in which one its joints are."""

SMPL_PARENTS = (-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21)
"""Parent of each SMPL joint; -1 for the root. Row 0 of ``kintree_table`` in the model files."""

WORLD_UP = np.array([0.0, 1.0, 0.0])
"""The world frame is y up, like SMPL's and CMU's."""


def mirror_names(names: tuple[str, ...]) -> IntArray:
    """Permutation that exchanges ``left_*`` and ``right_*``.

    Parameters
    ----------
    names
        J names; every ``left_x`` needs a ``right_x`` and the other way round.

    Returns
    -------
    (J,) indices ``m`` such that joint ``m[j]`` is the mirror image of joint ``j``.
    """
    swap = {"left_": "right_", "right_": "left_"}
    mirrored = [
        next((other + name.removeprefix(side) for side, other in swap.items() if name.startswith(side)), name)
        for name in names
    ]
    return np.array([names.index(name) for name in mirrored])


VERDICTS = ("accepted", "flagged", "rejected")
"""Names of the judgements of a fitted frame, by code."""
ACCEPTED, FLAGGED, REJECTED = range(len(VERDICTS))
"""Codes on disk. Rejected frames are never rendered, labelled or learned from."""

SMPL_MIRROR = mirror_names(SMPL_JOINTS)
"""(24,) joint on the other side of the body."""
