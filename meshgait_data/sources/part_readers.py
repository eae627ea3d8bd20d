"""One reader for each block of a manifest's ``source:``: takes a path and a view, gives a part of the walk."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meshgait_data.errors import SourceError
from meshgait_data.findings import Finding, Severity
from meshgait_data.manifest import load_joint_map
from meshgait_data.manifest_source import Also, Files, Joints3D, Keypoints2D, Mocap, Silhouettes, Smpl, Source
from meshgait_data.sources.amc import parse_motion
from meshgait_data.sources.asf import parse_skeleton
from meshgait_data.sources.files import read_text
from meshgait_data.sources.frame_ids import with_ids
from meshgait_data.sources.kinematics import pose
from meshgait_data.sources.parts import Parts
from meshgait_data.sources.places import Place
from meshgait_data.sources.track import Track, same_rate
from meshgait_data.sources.world import turn_to_y_up
from meshgait_data.types import Camera, Keypoints, Points3D


def read_kind(place: Place, name: str, block: Files, view: str, path: Path) -> Parts:
    """One kind of one view.

    Parameters
    ----------
    place
        Of the walk.
    name
        Of the block.
    block
        What the manifest says of the kind.
    view
        That the path is of; empty where it is of the whole walk.
    path
        File or folder.

    Raises
    ------
    SourceError
        Where it cannot be used.
    """
    return _READERS[name](place, block, view, path)


def _in_walk(track: Track[Any], kind: str, block: Files, place: Place, view: str) -> Track[Any]:
    """The same values at frames of the walk."""
    ids = place.ids_file(block, view)
    if ids is not None:
        track = with_ids(track, ids)
    return replace(
        track,
        frame_ids=(block.first_frame or 0) + block.every * track.frame_ids,
        counted=track.counted or block.first_frame is not None,
        kind=kind,
        view=view or track.view,
    )


def _checked_rate(fps: float, block: Files, place: Place, where: str) -> None:
    """A file that says its rate must say the manifest's, unless the manifest leaves it to the files."""
    told = place.manifest.source.fps
    if told == "file":
        return
    expected = told / block.every
    if fps and not same_rate(fps, expected):
        hint = f"set source: fps to {fps * block.every:g} in the manifest, or to 'file' where files differ"
        raise SourceError(f"{fps:g} frames a second, the manifest says {expected:g}", where=where, hint=hint)


def _read_mocap(place: Place, block: Mocap, view: str, path: Path) -> Parts:
    return {"c3d": _read_c3d, "bvh": _read_bvh, "asf_amc": _read_asf_amc}[block.format](place, block, view, path)


def _read_asf_amc(place: Place, block: Mocap, view: str, path: Path) -> Parts:
    skeleton_file = read_text(place.root / block.skeleton.format(subject=place.key.subject))
    motion_file = read_text(path)
    skeleton = parse_skeleton(skeleton_file.text, skeleton_file.path)
    motion = parse_motion(motion_file.text, skeleton, motion_file.path)
    posed = pose(skeleton, motion)
    data = Points3D(posed.joints.astype(np.float32), posed.names, load_joint_map(block.joint_map).joint_set)
    sha256 = hashlib.sha256(f"{skeleton_file.sha256} {motion_file.sha256}".encode()).hexdigest()
    return Parts(joints=_in_walk(Track(data, motion.frame_ids, sha256=sha256), "mocap", block, place, view))


def _read_bvh(place: Place, block: Mocap, view: str, path: Path) -> Parts:
    from meshgait_data.sources.bvh import read_bvh

    joint_map = load_joint_map(block.joint_map)
    take = read_bvh(path, joint_map, up=block.up, metres=block.metres_per_unit)
    _checked_rate(take.fps, block, place, str(path))
    data = Points3D(take.joints.astype(np.float32), take.names, joint_map.joint_set)
    every = np.arange(len(take.joints))
    track = Track(data, every, take.findings, take.sha256, counted=False, fps=take.fps * block.every)
    return Parts(joints=_in_walk(track, "mocap", block, place, view))


def _read_c3d(place: Place, block: Mocap, view: str, path: Path) -> Parts:
    from meshgait_data.sources.c3d import read_c3d

    person = place.take(block, view)
    take = read_c3d(path, subject=person)
    _checked_rate(take.fps, block, place, take.path)
    markers = Points3D(take.points, take.names, block.marker_set)
    track = Track(markers, take.frame_ids, take.findings, take.sha256, fps=take.fps * block.every)
    track = _in_walk(track, "mocap", block, place, view)
    if not block.static:
        return Parts(markers=track)
    still = place.path(block.static)
    if not still.is_file():
        message = "no static trial: the markers' places are estimated from the walk alone"
        hint = "take the file from its source, or leave 'static' out of the manifest"
        return Parts(markers=track, findings=(Finding(Severity.WARNING, "MG-SOURCE-020", str(still), message, hint),))
    static = read_c3d(still, subject=person)
    points = Points3D(static.points, static.names, block.marker_set)
    return Parts(markers=track, static=points, findings=static.findings, hashes=(static.sha256,))


def _read_joints3d(place: Place, block: Joints3D, view: str, path: Path) -> Parts:
    from meshgait_data.sources.joints3d import JointOptions, read_joints3d

    joint_set = load_joint_map(block.joint_map).joint_set if block.joint_map else block.joint_set
    options = JointOptions(
        joint_set=joint_set,
        up="-y" if block.frame == "camera" else block.up,
        metres=block.metres_per_unit,
        take=place.take(block, view),
        names=place.file_names(block, view),
    )
    track = read_joints3d(path, format=block.format, options=options)
    if joint_set and track.data.point_set != joint_set:
        what = f"the joints are {track.data.point_set!r}, the manifest says {joint_set!r}"
        raise SourceError(what, where=str(path), hint="correct joint_map or joint_set under joints3d in the manifest")
    cameras = _own_camera(place, view) if block.frame == "camera" else {}
    return Parts(joints=_in_walk(track, "joints3d", block, place, view), cameras=cameras)


def _own_camera(place: Place, view: str) -> dict[str, Camera]:
    """The camera of joints in its own frame, which were turned to y up, with the lens of the rig; none without one."""
    known = place.manifest.source.cameras
    rig = known.rig if known else None
    if rig is None or view not in rig.azimuths_deg:
        return {}
    changed = rig.views.get(view)
    focal = (changed.focal_px if changed else None) or rig.focal_px
    width, height = rig.image_size
    intrinsics = np.array([[focal, 0.0, (width - 1) / 2], [0.0, focal, (height - 1) / 2], [0.0, 0.0, 1.0]])
    turn = turn_to_y_up("-y", view)
    return {view: Camera(view, intrinsics, turn.T, np.zeros(3), rig.image_size, distortion=rig.distortion)}


def _read_keypoints2d(place: Place, block: Keypoints2D, view: str, path: Path) -> Parts:
    from meshgait_data.sources.keypoints import KeypointOptions, read_keypoints

    options = KeypointOptions(
        joint_set=block.joint_set,
        size=block.size,
        person=block.person,
        take=place.take(block, view),
        names=place.file_names(block, view),
    )
    track = read_keypoints(path, view or block.view, format=block.format, options=options)
    track = _in_walk(track, "keypoints2d", block, place, view)
    return Parts(keypoints=(replace(track, data=_trusted(track.data, block.min_confidence)),))


def _trusted(keypoints: Keypoints, least: float) -> Keypoints:
    doubted = keypoints.confidence < least
    if not doubted.any():
        return keypoints
    points = np.where(doubted[..., None], np.nan, keypoints.points).astype(np.float32)
    return replace(keypoints, points=points, confidence=np.where(doubted, 0, keypoints.confidence).astype(np.float32))


def _read_silhouettes(place: Place, block: Silhouettes, view: str, path: Path) -> Parts:
    from meshgait_data.sources.masks import read_masks

    names, take = place.file_names(block, view), place.take(block, view)
    track = read_masks(path, view or block.view, format=block.format, take=take, names=names)
    return Parts(masks=(_in_walk(track, "silhouettes", block, place, view),))


def _read_smpl(place: Place, block: Smpl, view: str, path: Path) -> Parts:
    from meshgait_data.sources.smpl_params import ReadOptions, read_params

    options = ReadOptions(
        up=block.up,
        unit=block.unit,
        person=block.person,
        image_size=block.size,
        view=view or block.view,
        names=place.file_names(block, view),
    )
    file = read_params(path, block.format, options)
    # Files of thinned walks keep the numbers of all frames.
    step = float(np.median(np.diff(file.frame_ids))) if len(file) > 1 else 1.0
    fps = file.fps * step
    _checked_rate(fps, block, place, str(path))
    notes = tuple(Finding(Severity.INFO, "MG-SOURCE-021", str(path), note) for note in file.notes)
    findings, rate = (*file.findings, *notes), fps * block.every
    track = Track(file.given, file.frame_ids, findings, file.sha256, counted=file.counted, fps=rate)
    return Parts(given=_in_walk(track, "smpl", block, place, view))


def read_riding(place: Place, kind: str, block: Also, view: str, path: Path) -> Track[NDArray[Any]]:
    """One modality that rides along; raises SourceError where it is no array with a value for each frame."""
    from meshgait_data.sources.riding import read_frames_of

    track = read_frames_of(path, format=block.format, array=block.array)
    return _in_walk(track, kind, block, place, view)


_READERS: Mapping[str, Callable[..., Parts]] = {
    "mocap": _read_mocap,
    "joints3d": _read_joints3d,
    "keypoints2d": _read_keypoints2d,
    "silhouettes": _read_silhouettes,
    "smpl": _read_smpl,
}
"""Reader of each kind: takes a :class:`Place`, the block, the view and the path, gives :class:`Parts`."""


def read_cameras_of(place: Place, source: Source) -> Parts:
    """Calibrated cameras of a walk; nothing where the manifest names no file of them."""
    block = source.cameras
    if block is None or not block.path:
        return Parts()
    from meshgait_data.sources.cameras import CameraOptions, read_cameras

    options = CameraOptions(up=block.up, metres=block.metres_per_unit, size=block.size)
    found = read_cameras(place.path(block.path), format=block.format, options=options)
    return Parts(cameras=found.cameras, findings=found.findings, hashes=(found.sha256,))


def read_worn_of(place: Place, source: Source) -> Parts:
    """What is worn in a walk; nothing where the manifest names no file of it, or the walk has none."""
    path = place.path(source.worn.path) if source.worn else None
    if path is None or not path.exists():
        return Parts()
    from meshgait_data.sources.worn import read_worn

    worn, sha256 = read_worn(path)
    return Parts(worn=worn, hashes=(sha256,))
