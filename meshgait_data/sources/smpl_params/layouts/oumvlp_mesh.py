"""OUMVLP-Mesh (Li et al., T-BIOM 2022): one JSON a frame, with 24 joints under ``hc3d`` and the parameters beside.

The names of the parameters are not documented anywhere that we know of. They are found by names that others use and,
failing that, by their sizes where only one entry has each.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from meshgait_data.errors import SourceError
from meshgait_data.sources.smpl_params.entries import Part, axis_angle, describe, frame_ids, stacked
from meshgait_data.sources.smpl_params.layouts.base import Layout
from meshgait_data.sources.smpl_params.records import Raw, ReadOptions
from meshgait_data.types import FloatArray

_JOINTS = "hc3d"
_NAMES = {
    "pose": ("pose", "poses", "theta", "thetas", "smpl_pose", "pose_params"),
    "shape": ("shape", "shapes", "beta", "betas", "smpl_shape", "shape_params"),
    "camera": ("cam", "camera", "pred_cam", "cams"),
}
_SIZES = {"pose": (72, 216), "shape": (10,), "camera": (3,)}


def claims(data: Any) -> bool:
    """A dictionary with ``hc3d``."""
    return isinstance(data, Mapping) and _JOINTS in data


def _entries(data: Mapping[str, Any]) -> dict[str, FloatArray]:
    found: dict[str, FloatArray] = {}
    for key, value in data.items():
        try:
            array = np.asarray(value, np.float64)
        except (TypeError, ValueError):
            continue
        if key != _JOINTS and array.size:
            found[key] = array
    return found


def _split(data: Mapping[str, Any]) -> dict[str, FloatArray]:
    """Pose, shape and camera of a frame, as far as they can be told apart."""
    entries = _entries(data)
    found: dict[str, FloatArray] = {}
    for key, value in entries.items():
        # A theta of 85 or 82 numbers holds them all.
        if value.size in (82, 85):
            flat = value.ravel()
            found = {"pose": flat[-82:-10], "shape": flat[-10:]}
            return found | ({"camera": flat[:3]} if flat.size == 85 else {})
        for role, names in _NAMES.items():
            if key.lower() in names and value.size in _SIZES[role]:
                found.setdefault(role, value)
    for role, sizes in _SIZES.items():
        fitting = [value for value in entries.values() if value.size in sizes]
        if role not in found and len(fitting) == 1:
            found[role] = fitting[0]
    return found


def read(parts: Sequence[Part], options: ReadOptions) -> Raw:
    """All frames of a folder."""
    frames = [_split(part.data) if isinstance(part.data, Mapping) else {} for part in parts]
    for part, found in zip(parts, frames, strict=True):
        if "pose" not in found:
            raise SourceError(
                "joints (hc3d), but no entry that could be the pose (72 numbers, or 24 matrices)",
                where=part.path,
                hint=f"observe hc3d as 3D joints of the set smpl24 instead; found {describe(part.data)}",
            )
    pose = np.stack([_flat_pose(found["pose"], part.path) for found, part in zip(frames, parts, strict=True)])
    notes = ["the names of OUMVLP-Mesh's parameters are not documented: compare joints and picture"]
    if any("shape" not in found for found in frames):
        notes.append("no shape was found: betas are zero")
    betas = [found.get("shape", np.zeros(10)) for found in frames]
    cameras = [found["camera"] for found in frames if "camera" in found]
    joints = _joints(parts)
    return Raw(
        "smpl",
        pose[:, :3],
        pose[:, 3:],
        stacked(betas),
        frame_ids(parts),
        weak=_hmr(stacked(cameras)) if len(cameras) == len(frames) else None,
        joints=joints,
        notes=tuple(notes),
    )


def _joints(parts: Sequence[Part]) -> FloatArray | None:
    """(F, 24, 3) joints, whose rows may have a fourth number; None where they are something else."""
    try:
        found = [np.asarray(part.data[_JOINTS], np.float64) for part in parts]
    except (TypeError, ValueError, OverflowError):
        return None
    good = all(one.size in (72, 96) for one in found)
    return np.stack([one.reshape(24, -1)[:, :3] for one in found]) if good else None


def _flat_pose(pose: FloatArray, where: str) -> FloatArray:
    """(72,) axis-angle of as many numbers or of 24 matrices."""
    flat: FloatArray = pose.ravel() if pose.size == 72 else axis_angle(pose.reshape(1, 24, 3, 3), 24, where)[0]
    return flat


def _hmr(camera: FloatArray) -> FloatArray:
    """The network is HMR's, whose camera is s (x + t)."""
    return np.column_stack([camera[:, 0], camera[:, :1] * camera[:, 1:]])


LAYOUT = Layout("oumvlp_mesh", "JSON with hc3d (24 joints), pose and shape beside", claims, read)
