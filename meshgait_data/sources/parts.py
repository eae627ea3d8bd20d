"""All kinds of observations of one walk: which files they are in, and the reader of each format.

The kinds are the blocks of a manifest's ``source:``. A reader takes a path and gives a :class:`Track`: values over
frames of its own. Here their frames become frames of the walk.
"""

import glob
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from meshgait_data.errors import SourceError
from meshgait_data.findings import Finding, Severity
from meshgait_data.manifest import Manifest, load_joint_map
from meshgait_data.manifest_source import Files, Joints3D, Keypoints2D, Mocap, Silhouettes, Smpl, Source
from meshgait_data.sources.amc import parse_motion
from meshgait_data.sources.asf import parse_skeleton
from meshgait_data.sources.files import read_text
from meshgait_data.sources.kinematics import pose
from meshgait_data.sources.track import Track
from meshgait_data.templates import template_regex
from meshgait_data.types import Camera, CaptureKey, GivenParams, Keypoints, Masks, Points3D


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """What the files of one walk hold, kind by kind, in frames of the walk."""

    joints: Track[Points3D] | None = None
    markers: Track[Points3D] | None = None
    static: Points3D | None = None
    keypoints: tuple[Track[Keypoints], ...] = ()
    masks: tuple[Track[Masks], ...] = ()
    given: Track[GivenParams] | None = None
    cameras: Mapping[str, Camera] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    """Of files that tracks do not tell of."""
    hashes: tuple[str, ...] = ()
    """Of files that tracks do not tell of."""

    def tracks(self) -> list[Track[Any]]:
        """All that have frames."""
        single = (self.joints, self.markers, self.given)
        return [*(track for track in single if track is not None), *self.keypoints, *self.masks]

    def sha256(self) -> str:
        """Hash over all files."""
        return hashlib.sha256(" ".join((*(track.sha256 for track in self.tracks()), *self.hashes)).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Place:
    """Where the files of a walk are looked for."""

    manifest: Manifest
    root: Path
    key: CaptureKey

    def path(self, template: str) -> Path:
        """Path of a template that names no view."""
        return self.root / template.format(subject=self.key.subject, condition=self.key.condition)

    def views(self, template: str) -> list[tuple[str, Path]]:
        """Views that are on disk, by name."""
        fixed = {"subject": re.escape(self.key.subject), "condition": re.escape(self.key.condition)}
        regex = template_regex(template, {**fixed, "view": self.manifest.layout.view})
        words = {name: glob.escape(getattr(self.key, name)) for name in fixed}
        found = []
        for path in glob.iglob(str(Path(glob.escape(str(self.root))) / template.format(**words, view="*"))):
            match = regex.fullmatch(Path(path).relative_to(self.root).as_posix())
            if match is not None:
                found.append((match["view"], Path(path)))
        return sorted(found)

    def files(self, block: Files) -> list[tuple[str, Path]]:
        """What a block names that is there: (view, path), the view empty where the path names none."""
        if block.by_view:
            return self.views(block.path)
        path = self.path(block.path)
        return [("", path)] if path.exists() else []


def read_parts(manifest: Manifest, root: Path, key: CaptureKey) -> Parts:
    """Read every kind of observation of one walk that is on disk.

    Raises
    ------
    SourceError
        Where nothing is there, or a file that is there is damaged.
    """
    place, source = Place(manifest, root, key), manifest.source
    found = [_READERS[name](place, block) for name, block in source.kinds().items() if place.files(block)]
    if not found:
        paths = ", ".join(block.path for block in source.kinds().values())
        raise SourceError(f"no observations of {key}", where=str(root), hint=f"the manifest's source names: {paths}")
    return _merged([*found, _cameras(place, source)])


def _merged(found: Sequence[Parts]) -> Parts:
    values: dict[str, Any] = {}
    for part in found:
        for name in ("joints", "markers", "static", "given"):
            if getattr(part, name) is not None:
                values[name] = getattr(part, name)
        values["cameras"] = {**values.get("cameras", {}), **part.cameras}
        for name in ("keypoints", "masks", "findings", "hashes"):
            values[name] = (*values.get(name, ()), *getattr(part, name))
    return Parts(**values)


def _in_walk(track: Track[Any], block: Files) -> Track[Any]:
    """The same values at frames of the walk."""
    return replace(track, frame_ids=(block.first_frame or 0) + block.every * track.frame_ids)


def _checked_rate(fps: float, block: Files, place: Place, where: str) -> None:
    """A file that says its rate must say the manifest's."""
    expected = place.manifest.source.fps / block.every
    if fps and abs(fps - expected) > 0.01 * expected:
        hint = f"set source: fps to {fps * block.every:g} in the manifest"
        raise SourceError(f"{fps:g} frames a second, the manifest says {expected:g}", where=where, hint=hint)


def _read_mocap(place: Place, block: Mocap) -> Parts:
    return _read_c3d(place, block) if block.format == "c3d" else _read_asf_amc(place, block)


def _read_asf_amc(place: Place, block: Mocap) -> Parts:
    skeleton_file = read_text(place.root / block.skeleton.format(subject=place.key.subject))
    motion_file = read_text(place.path(block.path))
    skeleton = parse_skeleton(skeleton_file.text, skeleton_file.path)
    motion = parse_motion(motion_file.text, skeleton, motion_file.path)
    posed = pose(skeleton, motion)
    data = Points3D(posed.joints.astype(np.float32), posed.names, load_joint_map(block.joint_map).joint_set)
    sha256 = hashlib.sha256(f"{skeleton_file.sha256} {motion_file.sha256}".encode()).hexdigest()
    return Parts(joints=_in_walk(Track(data, motion.frame_ids, sha256=sha256), block))


def _read_c3d(place: Place, block: Mocap) -> Parts:
    from meshgait_data.sources.c3d import read_c3d

    take = read_c3d(place.path(block.path))
    _checked_rate(take.fps, block, place, take.path)
    markers = Points3D(take.points, take.names, block.marker_set)
    track = _in_walk(Track(markers, take.frame_ids, take.findings, take.sha256), block)
    if not block.static:
        return Parts(markers=track)
    path = place.path(block.static)
    if not path.is_file():
        message = "no static trial: the markers' places are estimated from the walk alone"
        hint = "take the file from its source, or leave 'static' out of the manifest"
        return Parts(markers=track, findings=(Finding(Severity.WARNING, "MG-SOURCE-020", str(path), message, hint),))
    static = read_c3d(path)
    points = Points3D(static.points, static.names, block.marker_set)
    return Parts(markers=track, static=points, findings=static.findings, hashes=(static.sha256,))


def _read_joints3d(place: Place, block: Joints3D) -> Parts:
    from meshgait_data.sources.joints3d import JointOptions, read_joints3d

    joint_set = load_joint_map(block.joint_map).joint_set if block.joint_map else block.joint_set
    options = JointOptions(joint_set=joint_set, up=block.up, metres=block.metres_per_unit)
    path = place.path(block.path)
    track = read_joints3d(path, format=block.format, options=options)
    if joint_set and track.data.point_set != joint_set:
        what = f"the joints are {track.data.point_set!r}, the manifest says {joint_set!r}"
        raise SourceError(what, where=str(path), hint="correct joint_map or joint_set under joints3d in the manifest")
    return Parts(joints=_in_walk(track, block))


def _read_keypoints2d(place: Place, block: Keypoints2D) -> Parts:
    from meshgait_data.sources.keypoints import KeypointOptions, read_keypoints

    options = KeypointOptions(joint_set=block.joint_set, size=block.size, person=block.person)
    tracks = []
    for view, path in place.files(block):
        track = _in_walk(read_keypoints(path, view or block.view, format=block.format, options=options), block)
        tracks.append(replace(track, data=_trusted(track.data, block.min_confidence)))
    return Parts(keypoints=tuple(tracks))


def _trusted(keypoints: Keypoints, least: float) -> Keypoints:
    doubted = keypoints.confidence < least
    if not doubted.any():
        return keypoints
    points = np.where(doubted[..., None], np.nan, keypoints.points).astype(np.float32)
    return replace(keypoints, points=points, confidence=np.where(doubted, 0, keypoints.confidence).astype(np.float32))


def _read_silhouettes(place: Place, block: Silhouettes) -> Parts:
    from meshgait_data.sources.masks import read_masks

    tracks = (read_masks(path, view or block.view, format=block.format) for view, path in place.files(block))
    return Parts(masks=tuple(_in_walk(track, block) for track in tracks))


def _read_smpl(place: Place, block: Smpl) -> Parts:
    from meshgait_data.sources.smpl_params import ReadOptions, read_params

    view, path = place.files(block)[0]
    options = ReadOptions(
        up=block.up, unit=block.unit, person=block.person, image_size=block.size, view=view or block.view
    )
    file = read_params(path, block.format, options)
    # Files of thinned walks keep the numbers of all frames.
    step = float(np.median(np.diff(file.frame_ids))) if len(file) > 1 else 1.0
    _checked_rate(file.fps * step, block, place, str(path))
    notes = tuple(Finding(Severity.INFO, "MG-SOURCE-021", str(path), note) for note in file.notes)
    given = _in_walk(Track(file.given, file.frame_ids, notes, file.sha256), block)
    return Parts(given=given)


_READERS: Mapping[str, Any] = {
    "mocap": _read_mocap,
    "joints3d": _read_joints3d,
    "keypoints2d": _read_keypoints2d,
    "silhouettes": _read_silhouettes,
    "smpl": _read_smpl,
}
"""Reader of each kind: takes a :class:`Place` and the block, gives :class:`Parts`."""


def _cameras(place: Place, source: Source) -> Parts:
    block = source.cameras
    if block is None or not block.path:
        return Parts()
    from meshgait_data.sources.cameras import CameraOptions, read_cameras

    options = CameraOptions(up=block.up, metres=block.metres_per_unit, size=block.size)
    found = read_cameras(place.path(block.path), format=block.format, options=options)
    return Parts(cameras=found.cameras, findings=found.findings, hashes=(found.sha256,))
