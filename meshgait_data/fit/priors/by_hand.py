"""From settings to numbers per joint: mean pose, precisions, stops of hinges."""

import math

import torch

from meshgait_data import torch_rotations
from meshgait_data.conventions import SMPL_JOINTS
from meshgait_data.errors import UsageError
from meshgait_data.fit.settings import FitSettings, JointPrior
from meshgait_data.fit.terms.by_hand import Prior

_AXES = {"x": 0, "y": 1, "z": 2}


def make_prior(
    settings: FitSettings, *, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float64
) -> Prior:
    """Spread the table of left and middle joints over all 24; the pelvis turns freely.

    Raises
    ------
    UsageError
        Where a row names no joint of SMPL, or a joint has no row.
    """
    mean, sd = torch.zeros(24, 3, dtype=dtype), torch.full((24, 3), math.inf, dtype=dtype)
    hinges: dict[int, tuple[list[float], float]] = {}
    for row in settings.prior:
        for joint, sign in _joints(row):
            # Mirroring at x = 0 keeps the x component of a rotation vector and changes the sign of y and z.
            mirror = torch.tensor([1.0, sign, sign], dtype=dtype)
            mean[joint] = torch.tensor(row.mean_deg, dtype=dtype) * mirror * math.pi / 180
            sd[joint] = torch.tensor(row.sd_deg, dtype=dtype) * math.pi / 180
            if row.limit:
                axis = _AXES[row.limit[0]]
                direction = [0.0, 0.0, 0.0]
                direction[axis] = float(mirror[axis]) * (1.0 if row.limit[1] == "+" else -1.0)
                hinges[joint] = (direction, float(mean[joint, axis]) * direction[axis])
    missing = [SMPL_JOINTS[joint] for joint in range(1, 24) if bool(sd[joint].isinf().any())]
    if missing:
        raise UsageError(f"the pose prior has no row for {', '.join(missing)}", hint="add a JointPrior for each")
    order = sorted(hinges)
    return Prior(
        mean=torch_rotations.exp(mean).to(device),
        precision=(1 / sd**2).to(device),
        hinges=tuple(order),
        axes=torch.tensor([hinges[joint][0] for joint in order], dtype=dtype, device=device).reshape(-1, 3),
        mean_angle=torch.tensor([hinges[joint][1] for joint in order], dtype=dtype, device=device),
        stop_precision=1 / math.radians(settings.limit_sd_deg) ** 2,
    )


def _joints(row: JointPrior) -> list[tuple[int, float]]:
    """Joints that a row speaks of, and the sign of y and z there."""
    if row.joint not in SMPL_JOINTS:
        raise UsageError(f"the pose prior names {row.joint!r}, which is no joint of SMPL")
    found = [(SMPL_JOINTS.index(row.joint), 1.0)]
    if row.joint.startswith("left_"):
        found.append((SMPL_JOINTS.index("right_" + row.joint.removeprefix("left_")), -1.0))
    return found
