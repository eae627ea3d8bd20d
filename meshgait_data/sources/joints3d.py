"""3D joints that estimators wrote: our npz, arrays of lifters, and the per-frame files of GREW and OUMVLP-Mesh."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meshgait_data.body.joint_files import joint_set_names, load_joint_set
from meshgait_data.errors import SourceError, UsageError
from meshgait_data.findings import Finding, Severity
from meshgait_data.sources.frames import FileNames
from meshgait_data.sources.inert import unpickled_objects
from meshgait_data.sources.keypoints.frame_text import frame_numbers
from meshgait_data.sources.numpy_files import parse_npy, parse_npz
from meshgait_data.sources.reading import Source, check_frames, named_text, numbers, parse_json, which_take
from meshgait_data.sources.track import Track, frames_text
from meshgait_data.sources.world import turn_to_y_up
from meshgait_data.types import FloatArray, IntArray, Points3D

JOINT_FORMATS = {
    "npz": "npz: joints (F, J, 3), joint_set, names, frame_ids, up",
    "mediapipe": "npz of MediaPipe Pose: world0 (F, 33, 3), frame0, world1, ...",
    "npy": ".npy (F, J, 3) of a lifter; Human3.6M's 17 joints unless said otherwise",
    "grew": "GREW: a folder with one *_3d_pose.txt a frame",
    "oumvlp_mesh": "OUMVLP-Mesh: a folder with one .json a frame, key hc3d",
    "gait3d": "Gait3D, ROMP: a folder with one .npz a frame, key j3d_smpl24 or joints",
}
"""Formats by name, with a line about each."""

_ROMP_JOINTS = ("j3d_smpl24", "joints")
"""ROMP's joints of version 1.0 and later, whose first 24 are SMPL's."""
_SMPL_JOINTS = 24
_THIGH_M = (0.2, 0.7)
"""From a child's to the longest, with room for estimators."""
_FARTHEST_M = 1e6
"""Metres; whatever is further away is damage."""
_UNITS = (0.001, 0.01, 0.0254)
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
    names: FileNames | None = None
    """Which files of a folder are frames."""


@dataclass(frozen=True, slots=True, eq=False)
class _Raw:
    joints: FloatArray
    frame_ids: IntArray
    joint_set: str
    up: str
    sha256: str
    names: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    counted: bool = True


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
    options = options or JointOptions()
    source = Source(path, options.names)
    found = _format_of(source)
    if not found or format not in ("auto", found):
        what = "not 3D joints of a known format" if format == "auto" else f"not 3D joints in format {format}"
        raise SourceError(what, where=str(path), hint=f"known: {'; '.join(JOINT_FORMATS.values())}")
    raw = _READERS[found](source, options)
    joint_set = raw.joint_set or options.joint_set
    names = raw.names or _names(joint_set, source.where)
    _check(raw.joints, names, joint_set, source.where)
    up = options.up or raw.up
    near = np.abs(raw.joints * options.metres) < _FARTHEST_M
    joints = np.where(near, raw.joints * options.metres, np.nan) @ turn_to_y_up(up, source.where).T
    findings = (*raw.findings, *(() if up == "y" else (_turned(up, source.where),)))
    if found != "npz":
        # Only our own files write NaN for what was not seen.
        findings += _lost(joints, raw.frame_ids, source.where)
    findings += _unit(joints, names, source.where)
    data = Points3D(joints.astype(np.float32), names, joint_set)
    return Track(data, raw.frame_ids, findings, raw.sha256, counted=raw.counted)


def _lost(joints: FloatArray, ids: IntArray, where: str) -> tuple[Finding, ...]:
    """Joints that are no numbers now and then; those that never are, are none of this file's."""
    finite = np.asarray(np.isfinite(joints).all(axis=-1))
    lost = ~finite & finite.any(axis=0)
    if not lost.any():
        return ()
    what = f"{int(lost.sum())} joints are no numbers, in frames {frames_text(ids[lost.any(axis=1)])}: not seen"
    return (Finding(Severity.WARNING, "MG-JOINTS-003", where, what, "write these frames again"),)


def _unit(joints: FloatArray, names: tuple[str, ...], where: str) -> tuple[Finding, ...]:
    """Whether thighs are as long as thighs are."""
    places = [tuple(names.index(f"{side}_{end}") for end in ("hip", "knee")) for side in _sides(names)]
    if not places:
        return ()
    lengths = np.concatenate([np.linalg.norm(joints[:, hip] - joints[:, knee], axis=-1) for hip, knee in places])
    lengths = lengths[np.isfinite(lengths)]
    length = float(np.median(lengths)) if len(lengths) else 0.0
    if not length or _THIGH_M[0] <= length <= _THIGH_M[1]:
        return ()
    guess = next((f"metres_per_unit: {unit:g}" for unit in _UNITS if _THIGH_M[0] <= length * unit <= _THIGH_M[1]), "")
    what = f"thighs are {length:.3g} m long: probably another unit"
    hint = f"say {guess or 'metres_per_unit'} in the manifest"
    return (Finding(Severity.WARNING, "MG-JOINTS-002", where, what, hint),)


def _sides(names: tuple[str, ...]) -> list[str]:
    return [side for side in ("left", "right") if {f"{side}_hip", f"{side}_knee"} <= set(names)]


def _turned(up: str, where: str) -> Finding:
    return Finding(Severity.INFO, "MG-JOINTS-001", where, f"joints were turned from {up} up to y up")


def _format_of(source: Source) -> str:
    names = source.arrays.keys()
    checks: dict[str, Callable[[], bool]] = {
        "npz": lambda: "joints" in names,
        "mediapipe": lambda: any(re.fullmatch(r"world\d*", name) for name in names),
        "npy": lambda: source.suffix == ".npy",
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
    counted = "frame_ids" in arrays
    names = tuple(map(str, arrays["names"].ravel())) if "names" in arrays else ()
    up, joint_set = named_text(arrays, "up", "y"), named_text(arrays, "joint_set")
    return _Raw(joints, ids.astype(np.int64), joint_set, up, source.sha256, names, counted=counted)


def _mediapipe(source: Source, options: JointOptions) -> _Raw:
    take = which_take(source, "world", options.take)
    joints = _floats(source.arrays[f"world{take}"], source.where)
    ids = source.arrays.get(f"frame{take}", np.arange(len(joints)))
    check_frames(ids, len(joints), source.where)
    counted = f"frame{take}" in source.arrays
    return _Raw(joints, ids.astype(np.int64), "blazepose33", _IN_CAMERA, source.sha256, counted=counted)


def _npy(source: Source, options: JointOptions) -> _Raw:
    joints = _floats(parse_npy(source.content, source.where), source.where)
    joint_set = options.joint_set or "h36m17"
    return _Raw(joints, np.arange(len(joints)), joint_set, _IN_CAMERA, source.sha256, counted=False)


def _grew(source: Source, options: JointOptions) -> _Raw:
    return _folder(source, "_3d_pose.txt", "grew14", lambda data, where: frame_numbers(data, 3, where)[1])


def _oumvlp_mesh(source: Source, options: JointOptions) -> _Raw:
    return _folder(source, ".json", "smpl24", _hc3d)


def _hc3d(data: bytes, where: str) -> FloatArray:
    """Rows (24, 3) of a frame, or (24, 4)."""
    content = parse_json(data, where)
    if not isinstance(content, dict) or "hc3d" not in content:
        raise SourceError("no key hc3d", where=where, hint="OUMVLP-Mesh has one .json a frame with hc3d")
    values = numbers(content["hc3d"], "hc3d", where)
    if values.ndim == 3 and values.shape[0] == 1:
        values = values[0]
    if values.ndim != 2 or values.shape[1] not in (3, 4):
        shape = " x ".join(map(str, values.shape))
        raise SourceError(f"hc3d is {shape}", where=where, hint="hc3d is 24 rows of 3 or 4 numbers")
    return values


def _gait3d(source: Source, options: JointOptions) -> _Raw:
    return _folder(source, ".npz", "smpl24", _romp_joints, skip="^video_results$")


def _romp_joints(data: bytes, where: str) -> FloatArray:
    """Joints (24, 3) of the first person of ROMP's results, or of an array of that name."""
    arrays = parse_npz(data, where, unpickled_objects)
    people = arrays.get("results", arrays)
    person = people[0] if isinstance(people, list) and people else people
    key = next((key for key in _ROMP_JOINTS if isinstance(person, Mapping) and key in person), "")
    if not key:
        raise SourceError("no array j3d_smpl24: nobody?", where=where, hint="ROMP writes j3d_smpl24, or joints")
    joints = numbers(person[key], key, where)
    joints = joints[0] if joints.ndim == 3 and len(joints) else joints
    if joints.ndim != 2 or joints.shape[1] != 3 or len(joints) < _SMPL_JOINTS:
        raise SourceError(f"{key} has shape {joints.shape}", where=where, hint="24 joints or more, SMPL's first")
    return joints[:_SMPL_JOINTS]


def _folder(
    source: Source, ending: str, joint_set: str, one: Callable[[bytes, str], FloatArray], skip: str = ""
) -> _Raw:
    frames = source.frames([ending], one, skip=skip, shape=lambda joints: f"{len(joints)} joints")
    joints = np.stack([rows[:, :3] for rows in frames.values])
    findings, wide = frames.findings, [rows.shape[1] > 3 for rows in frames.values]
    if any(wide):
        what = f"rows hold a fourth number, which is not used, in frames {frames_text(frames.ids[wide])}"
        findings += (Finding(Severity.INFO, "MG-JOINTS-004", source.where, what),)
    return _Raw(joints, frames.ids, joint_set, _IN_CAMERA, frames.sha256, findings=findings)


def _floats(array: NDArray[Any], where: str) -> FloatArray:
    if array.dtype.kind not in "fiu" or not array.ndim:
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
