"""What joints can do whether anybody was seen doing it or not: their limits, and how sure a learned prior may be."""

import numpy as np

from meshgait_data.conventions import SMPL_JOINTS
from meshgait_data.types import FloatArray

_FLOOR_DEG = {
    "pelvis": (3, 3, 3),
    "hip": (3, 3, 3),
    # Hinges: side bend and twist of a knee, side bend of an elbow hardly exist.
    "knee": (3, 1.5, 1.5),
    "ankle": (3, 3, 3),
    "foot": (6, 2, 2),
    "spine1": (2, 2, 2),
    "spine2": (2, 2, 2),
    "spine3": (2, 2, 2),
    "neck": (4, 4, 3),
    "head": (6, 6, 4),
    "collar": (2, 3, 3),
    "shoulder": (5, 5, 4),
    "elbow": (6, 4, 1.5),
    "wrist": (6, 6, 6),
    "hand": (4, 4, 4),
}
"""Standard deviations about x, y, z of the joint, degrees."""

_FLOOR_LEGS = (0.01, 0.005, 0.005)
"""Leg lengths: the same for the pelvis' height, sway and lead."""

_RANGES_DEG: dict[str, tuple[tuple[float, float], tuple[float, float], tuple[float, float]]] = {
    # x: flexion (120) is negative; y: turned outwards is positive; z: abducted is positive.
    "hip": ((-120, 30), (-45, 45), (-30, 45)),
    # x: flexion is positive.
    "knee": ((0, 145), (-15, 15), (-8, 8)),
    # x: toes down (50) is positive; up (20, and the rest pose may be off by as much) is negative.
    "ankle": ((-40, 55), (-25, 25), (-35, 20)),
    "foot": ((-60, 45), (-15, 15), (-15, 15)),
    # Bent forwards is positive. Thoracolumbar 80, 25 back, 35 to a side, 45 turned, shared by three joints.
    "spine1": ((-15, 30), (-18, 18), (-15, 15)),
    "spine2": ((-12, 30), (-18, 18), (-15, 15)),
    "spine3": ((-12, 30), (-18, 18), (-15, 15)),
    # Cervical 45 forwards and back, 45 to a side, 60 turned (up to 80 with the head), shared by two joints.
    "neck": ((-40, 35), (-40, 40), (-25, 25)),
    "head": ((-35, 35), (-40, 40), (-25, 25)),
    "collar": ((-20, 20), (-30, 25), (-15, 40)),
    # From level arms. z: 80 down, 90 up; y: 135 forwards, 60 back; x: turned along the upper arm.
    "shoulder": ((-90, 90), (-135, 60), (-100, 100)),
    # y: flexion is negative; x: the forearm's turn.
    "elbow": ((-90, 90), (-150, 0), (-15, 15)),
    "wrist": ((-80, 80), (-45, 45), (-80, 80)),
    "hand": ((-30, 30), (-30, 30), (-45, 45)),
}
"""Least and greatest rotation vector (x, y, z) of a joint of the left side, degrees from the T-pose with level arms.

Ranges of motion of healthy adults: Greene & Heckman, *The Clinical Measurement of Joint Motion* (American Academy of
Orthopaedic Surgeons, 1994); Soucie et al., *Range of motion measurements: reference values and a database for
comparison studies*, Haemophilia 17 (2011). What one clinical angle measures of a chain of SMPL's joints (back, neck,
shoulder and collar) is shared between them; SMPL's wrist also turns with the forearm. Limits are about one axis each,
so that a combination of several may pass that no living joint reaches.
"""


def floor() -> FloatArray:
    """(75,) variance that is added to each channel of learned noise.

    Walks of a dozen people show too little of some joints, and nothing of what the fits to their skeletons could not
    see: turns of head, hands and feet about their own bones, toes.
    """
    degrees = np.array([_FLOOR_DEG[name.removeprefix("left_").removeprefix("right_")] for name in SMPL_JOINTS])
    return np.concatenate([np.deg2rad(degrees).ravel(), _FLOOR_LEGS]) ** 2


def limits() -> FloatArray:
    """(2, 24, 3) least and greatest rotation vector of each joint, radians; the root's are infinite."""
    boxes = np.full((2, 24, 3), np.inf) * np.array([-1, 1])[:, None, None]
    for joint, name in enumerate(SMPL_JOINTS[1:], 1):
        box = np.deg2rad(np.array(_RANGES_DEG[name.removeprefix("left_").removeprefix("right_")], float)).T
        # A mirror image turns the other way about y and z.
        boxes[:, joint] = np.sort(box * [1, -1, -1], axis=0) if name.startswith("right_") else box
    return boxes
