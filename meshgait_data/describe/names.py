"""Names that a manifest may use and that only readers know: formats of each kind."""

import difflib
from collections.abc import Collection

from meshgait_data.sources.cameras import CAMERA_FORMATS
from meshgait_data.sources.joints3d import JOINT_FORMATS
from meshgait_data.sources.keypoints import KEYPOINT_FORMATS
from meshgait_data.sources.masks import MASK_FORMATS
from meshgait_data.sources.smpl_params import LAYOUTS

FORMATS: dict[str, tuple[str, ...]] = {
    "joints3d": ("auto", *JOINT_FORMATS),
    "keypoints2d": ("auto", *KEYPOINT_FORMATS),
    "silhouettes": ("auto", *MASK_FORMATS),
    "smpl": ("auto", *LAYOUTS),
    "cameras": ("auto", "rig", "crops", *CAMERA_FORMATS),
}
"""Kind to the formats that its files can have."""


def unknown_name(name: str, known: Collection[str]) -> tuple[str, str] | None:
    """What is wrong with a name, and the way out; None where it is known."""
    if name in known:
        return None
    near = difflib.get_close_matches(name, known, n=1)
    meant = f"did you mean {near[0]!r}? " if near else ""
    return f"{name!r} is not known", f"{meant}choose one of {', '.join(known)}"
