"""AMASS (Mahmood et al., ICCV 2019): one npz a take, of SMPL-H or SMPL-X; z points up.

``poses`` (F, 156 or 165) or the same in parts (``root_orient, pose_body, ...``), ``trans``, ``betas`` (10, 16 or more),
``gender``, and ``mocap_framerate`` or ``mocap_frame_rate``. Fingers, jaw and eyes are left out.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from meshgait_data.errors import SourceError
from meshgait_data.sources.smpl_params.entries import Part, describe, numbers, shaped, text, with_hands
from meshgait_data.sources.smpl_params.layouts.base import Layout
from meshgait_data.sources.smpl_params.records import Raw, ReadOptions

_RATES = ("mocap_framerate", "mocap_frame_rate")
_BODIES = {156: "smplh", 165: "smplx", 72: "smpl"}


def claims(data: Any) -> bool:
    """``trans`` and either ``poses`` or its parts."""
    whole = isinstance(data, Mapping) and "trans" in data and "Rh" not in data
    return bool(whole and ("poses" in data or ("root_orient" in data and "pose_body" in data)))


def read(parts: Sequence[Part], options: ReadOptions) -> Raw:
    """One take."""
    if len(parts) != 1:
        raise SourceError(f"{len(parts)} files of AMASS: each is a walk of its own", where=parts[0].path)
    data, where = parts[0].data, parts[0].path
    if "poses" in data:
        poses = numbers(data, "poses", where)
        if poses.ndim != 2 or poses.shape[1] not in _BODIES:
            raise SourceError(f"'poses' has shape {poses.shape}, not 156 or 165 columns", where=where)
        family = _BODIES[poses.shape[1]]
        root, body = poses[:, :3], poses[:, 3:]
    else:
        root = shaped(data, "root_orient", where, -1, 3)
        body = shaped(data, "pose_body", where, -1, 63)
        family = "smplx" if "pose_jaw" in data else "smplh"
    gender = text(data.get("gender")) or "neutral"
    rate = next((float(np.asarray(data[key])) for key in _RATES if key in data), 0.0)
    transl = shaped(data, "trans", where, -1, 3)
    if len(transl) != len(root):
        raise SourceError(f"{len(root)} poses but {len(transl)} translations", where=where, hint=describe(data))
    return Raw(
        f"{family}_{gender}",
        root,
        with_hands(body),
        numbers(data, "betas", where).ravel() if "betas" in data else np.zeros(10),
        np.arange(len(root)),
        transl=transl,
        space="world",
        up="z",
        fps=rate,
        notes=() if rate else ("the file has no frame rate",),
    )


LAYOUT = Layout("amass", "npz with poses (F, 156|165) or root_orient + pose_body, trans, betas, gender", claims, read)
