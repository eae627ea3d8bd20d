"""World frames of sources: which axis points up, and the turn that makes it y."""

import numpy as np

from meshgait_data.errors import SourceError
from meshgait_data.types import FloatArray

AXES = ("x", "y", "z", "-x", "-y", "-z")
"""Names of directions that may be up."""


def axis(name: str, where: str) -> FloatArray:
    """Unit vector (3,) of a name in ``AXES``; raises SourceError for another name."""
    if name not in AXES:
        raise SourceError(f"{name!r} is no axis", where=where, hint=f"up is one of: {', '.join(AXES)}")
    vector = np.zeros(3)
    vector["xyz".index(name[-1])] = -1.0 if name.startswith("-") else 1.0
    return vector


def turn_to_y_up(up: str, where: str) -> FloatArray:
    """Rotation (3, 3) that takes coordinates with an axis up to coordinates with y up; raises SourceError.

    From z up it is the usual one: x stays, z becomes y, y becomes -z.
    """
    return smallest_turn(axis(up, where))


def smallest_turn(direction: FloatArray) -> FloatArray:
    """The smallest rotation (3, 3) that takes a direction (3,) to +y; half a turn about x for -y."""
    unit = np.asarray(direction, dtype=np.float64) / np.linalg.norm(direction)
    if unit[1] < -1 + 1e-12:
        return np.diag([1.0, -1.0, -1.0])
    # Rodrigues' formula for the rotation between two unit vectors: I + [v] + [v]^2 / (1 + c), v their cross product.
    x, z = -unit[2], unit[0]
    skew = np.array([[0.0, -z, 0.0], [z, 0.0, -x], [0.0, x, 0.0]])
    return np.asarray(np.eye(3) + skew + skew @ skew / (1 + unit[1]))
