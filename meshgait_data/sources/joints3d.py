"""3D joints that estimators wrote: our npz, arrays of lifters, and the per-frame files of GREW and OUMVLP-Mesh."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meshgait_data.body.joint_files import joint_set_names, load_joint_set
from meshgait_data.errors import SourceError, UsageError
from meshgait_data.findings import Finding, Severity
from meshgait_data.sources.keypoints.frame_text import frame_numbers
from meshgait_data.sources.reading import (
    Source,
    check_frames,
    joint_hash,
    numbered,
    numbers,
    read_json,
    read_npz,
    which_take,
)
from meshgait_data.sources.track import Track
from meshgait_data.sources.world import turn_to_y_up
from meshgait_data.types import FloatArray, IntArray, Points3D

JOINT_FORMATS = {
    "npz": "npz: joints (F, J, 3), joint_set, names, frame_ids, up",
    "mediapipe": "npz of MediaPipe Pose: world0 (F, 33, 3), frame0, world1, ...",
    "npy": ".npy (F, J, 3) of a lifter; Human3.6M's 17 joints unless said otherwise",
    "grew": "GREW: a folder with one *_3d_pose.txt a frame",
    "oumvlp_mesh": "OUMVLP-Mesh: a folder with one .json a frame, key hc3d",
    "gait3d": "Gait3D: a folder with one .npz a frame, key j3d_smpl24",
}
"""Formats by name, with a line about each."""

_IN_CAMERA = "-y"
"""Up in a camera's frame; what estimators from one picture write."""


@dataclass(frozen=True, slots=True)
class JointOptions:
    """What a file does not say itself."""

    joint_set: str = ""
    """Joint set of the rows; empty: what the format means."""
    up: str = ""
    """Axis that points up, ``x y z -x -y -z``; empty: what the file or the format says."""
    metres: float = 1.0
    """Metres of one unit: 0.001 for millimetres."""
    take: str = ""
    """Which walk of a file that holds several, e.g. the ``2`` of ``world2``."""


@dataclass(frozen=True, slots=True, eq=False)
class _Raw:
    joints: FloatArray
    frame_ids: IntArray
    joint_set: str
    up: str
    sha256: str
    names: tuple[str, ...] = ()


def read_joints3d(path: Path, *, format: str = "auto", options: JointOptions | None = None) -> Track[Points3D]:
    """3D joints of one walk.

    Parameters
    ----------
    path
        File or folder.
    format
        Name in ``JOINT_FORMATS``, or ``auto``.
    options
        What the file does not say itself.

    Returns
    -------
    Joints (F, J, 3) in metres with y up; ``point_set`` is the joint set. NaN where not seen. What was noticed has ids
    MG-JOINTS-...

    Raises
    ------
    UsageError
        Where there is no such format.
    SourceError
        Where the file is missing, damaged, of no known format, or its joints are not those of the joint set.
    """
    if format not in ("auto", *JOINT_FORMATS):
        hint = f"choose one of: auto, {', '.join(JOINT_FORMATS)}"
        raise UsageError(f"no format of 3D joints is called {format!r}", hint=hint)
    source, options = Source(path), options or JointOptions()
    found = _format_of(source)
    if not found or format not in ("auto", found):
        what = "not 3D joints of a known format" if format == "auto" else f"not 3D joints in format {format}"
        raise SourceError(what, where=str(path), hint=f"known: {'; '.join(JOINT_FORMATS.values())}")
    raw = _READERS[found](source, options)
    joint_set = raw.joint_set or options.joint_set
    names = raw.names or _names(joint_set, source.where)
    _check(raw.joints, names, joint_set, source.where)
    up = options.up or raw.up
    joints = (raw.joints * options.metres) @ turn_to_y_up(up, source.where).T
    findings = () if up == "y" else (_turned(up, source.where),)
    data = Points3D(joints.astype(np.float32), names, joint_set)
    return Track(data, raw.frame_ids, findings, raw.sha256)


def _turned(up: str, where: str) -> Finding:
    return Finding(Severity.INFO, "MG-JOINTS-001", where, f"joints were turned from {up} up to y up")


def _format_of(source: Source) -> str:
    names = source.arrays.keys()
    checks: dict[str, Callable[[], bool]] = {
        "npz": lambda: "joints" in names,
        "mediapipe": lambda: any(re.fullmatch(r"world\d*", name) for name in names),
        "npy": lambda: source.path.suffix.lower() == ".npy" and source.path.is_file(),
        "grew": lambda: source.has("_3d_pose.txt"),
        "oumvlp_mesh": lambda: source.has(".json"),
        "gait3d": lambda: source.has(".npz"),
    }
    return next((name for name, fits in checks.items() if fits()), "")


def _names(joint_set: str, where: str) -> tuple[str, ...]:
    if joint_set not in joint_set_names():
        what = f"no joint set {joint_set!r}" if joint_set else "the file does not say which joints its rows are"
        raise SourceError(what, where=where, hint=f"give joint_set, one of: {', '.join(joint_set_names())}")
    return load_joint_set(joint_set).names


def _check(joints: FloatArray, names: tuple[str, ...], joint_set: str, where: str) -> None:
    if joints.ndim != 3 or joints.shape[2] != 3 or not joints.size:
        raise SourceError(f"joints of shape {joints.shape}", where=where, hint="joints are (frames, joints, 3)")
    if joints.shape[1] != len(names):
        what = f"{joint_set} has {len(names)} joints, the file has {joints.shape[1]}"
        raise SourceError(what, where=where, hint="give the joint set that the file was written with")
    strange = set(names) - set(_names(joint_set, where))
    if strange:
        what = f"{', '.join(sorted(strange))}: not in joint set {joint_set!r}"
        raise SourceError(what, where=where, hint=f"its joints: {', '.join(_names(joint_set, where))}")
    if not np.isfinite(joints).any():
        raise SourceError("no joint was seen in any frame", where=where, hint="check that it is a walk")


def _npz(source: Source, options: JointOptions) -> _Raw:
    arrays = source.arrays
    joints = _floats(arrays["joints"], source.where)
    ids = arrays.get("frame_ids", np.arange(len(joints)))
    check_frames(ids, len(joints), source.where)
    names = tuple(map(str, arrays["names"].ravel())) if "names" in arrays else ()
    up, joint_set = str(arrays.get("up", "y")), str(arrays.get("joint_set", ""))
    return _Raw(joints, ids.astype(np.int64), joint_set, up, source.sha256, names)


def _mediapipe(source: Source, options: JointOptions) -> _Raw:
    take = which_take(source, "world", options.take)
    joints = _floats(source.arrays[f"world{take}"], source.where)
    ids = source.arrays.get(f"frame{take}", np.arange(len(joints)))
    check_frames(ids, len(joints), source.where)
    return _Raw(joints, ids.astype(np.int64), "blazepose33", _IN_CAMERA, source.sha256)


def _npy(source: Source, options: JointOptions) -> _Raw:
    try:
        joints = _floats(np.load(source.path, allow_pickle=False), source.where)
    except (OSError, ValueError, EOFError) as error:
        hint = "save an array of numbers with numpy.save"
        raise SourceError(f"not a readable npy: {error}", where=source.where, hint=hint) from error
    joint_set = options.joint_set or "h36m17"
    return _Raw(joints, np.arange(len(joints)), joint_set, _IN_CAMERA, source.sha256)


def _grew(source: Source, options: JointOptions) -> _Raw:
    return _folder(source, "_3d_pose.txt", "grew14", lambda path: frame_numbers(path, 3)[1])


def _oumvlp_mesh(source: Source, options: JointOptions) -> _Raw:
    def one(path: Path) -> FloatArray:
        data, _ = read_json(path)
        if not isinstance(data, dict) or "hc3d" not in data:
            raise SourceError("no key hc3d", where=str(path), hint="OUMVLP-Mesh has one .json a frame with hc3d")
        return numbers(data["hc3d"], "hc3d", str(path)).reshape(-1, 3)

    return _folder(source, ".json", "smpl24", one)


def _gait3d(source: Source, options: JointOptions) -> _Raw:
    def one(path: Path) -> FloatArray:
        arrays = read_npz(path)
        if "j3d_smpl24" not in arrays:
            raise SourceError("no array j3d_smpl24", where=str(path), hint="unpack the archive's 'results' first")
        return _floats(arrays["j3d_smpl24"], str(path)).reshape(-1, 3)

    return _folder(source, ".npz", "smpl24", one)


def _folder(source: Source, ending: str, joint_set: str, one: Callable[[Path], FloatArray]) -> _Raw:
    files = numbered(source.path, [ending])
    rows = [one(path) for _, path in files]
    if len({row.shape for row in rows}) > 1:
        raise SourceError("frames with different numbers of joints", where=source.where, hint="one sequence a folder")
    ids = np.array([frame for frame, _ in files], dtype=np.int64)
    return _Raw(np.stack(rows), ids, joint_set, _IN_CAMERA, joint_hash(path for _, path in files))


def _floats(array: NDArray[Any], where: str) -> FloatArray:
    if array.dtype.kind not in "fiu":
        raise SourceError(f"joints are {array.dtype}", where=where, hint="joints are numbers (frames, joints, 3)")
    return array.astype(np.float64)


_READERS = {
    "npz": _npz,
    "mediapipe": _mediapipe,
    "npy": _npy,
    "grew": _grew,
    "oumvlp_mesh": _oumvlp_mesh,
    "gait3d": _gait3d,
}
