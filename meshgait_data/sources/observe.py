"""From a capture's key to what was observed: finds the files, reads them, checks them, thins them, poses them."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from meshgait_data.errors import SourceError
from meshgait_data.findings import Finding, Severity
from meshgait_data.manifest import Manifest, load_joint_map
from meshgait_data.manifest_source import Source
from meshgait_data.sources.amc import parse_motion
from meshgait_data.sources.asf import parse_skeleton
from meshgait_data.sources.assemble import assemble, findings_of, timeline
from meshgait_data.sources.beside import Beside, read_clocks
from meshgait_data.sources.files import read_text
from meshgait_data.sources.joining import joined
from meshgait_data.sources.kinematics import pose
from meshgait_data.sources.mocap import Motion, Skeleton
from meshgait_data.sources.parts import Lost, read_also, read_parts
from meshgait_data.sources.track import Track, frames_text
from meshgait_data.types import CaptureKey, IntArray, Observations


@dataclass(frozen=True, slots=True, eq=False)
class Take:
    """The usable content of one capture's files."""

    key: CaptureKey
    skeleton: Skeleton
    motion: Motion
    """Thinned; frames that are not finite are still there, as NaN."""
    sha256: str
    """Hash over the skeleton file and the motion file."""
    motion_sha256: str
    """Hash of the motion file alone: equal in copies of one take."""
    findings: tuple[Finding, ...]
    """What is wrong with it although it can be used."""


@dataclass(frozen=True, slots=True, eq=False)
class Glance:
    """What one capture's files hold, before it is put together."""

    frame_ids: IntArray
    """(F,) after thinning."""
    fps: float
    """Of these frames."""
    sha256: str
    """Hash over all files."""
    walk_sha256: str
    """Hash over what was recorded: equal in copies of one walk."""
    findings: tuple[Finding, ...]
    tracks: tuple[Track[Any], ...] = ()
    """What each kind has, in frames of the walk; none for a source of one format."""
    lost: tuple[Lost, ...] = ()
    """What is there and cannot be used."""
    left_out: tuple[tuple[str, str], ...] = ()
    """Kind and view of what cannot be joined with the others."""
    beside: tuple[Beside, ...] = ()
    """What there is of other clocks, whose moments are no frames of the walk."""


def observe(manifest: Manifest, root: Path, key: CaptureKey) -> Observations:
    """What was seen of one capture, in metres and pixels, in the world frame (y up), thinned as the manifest says.

    Parameters
    ----------
    manifest
        Of the dataset that the key belongs to.
    root
        Folder of the dataset.
    key
        The capture.

    Returns
    -------
    Observations of F frames; every kind that the manifest's source names and that is on disk is there. Of ASF/AMC, J
    joints: ``root`` and the END of each bone, in the order of the skeleton's hierarchy. What was not seen in a frame
    is NaN; it is up to the caller to drop frames.

    Raises
    ------
    SourceError
        Where a file is missing, damaged, or shorter than the manifest's ``min_seconds``.
    """
    if manifest.source.format is None:
        return assemble(key, manifest.source, read_parts(manifest, root, key))
    take = read_take(manifest, root, key)
    posed = pose(take.skeleton, take.motion)
    return Observations(
        key=key,
        joints=posed.joints.astype(np.float32),
        joint_names=posed.names,
        joint_set=load_joint_map(manifest.source.joint_map).joint_set,
        frame_ids=take.motion.frame_ids,
        fps=manifest.source.working_fps,
        source_sha256=take.sha256,
    )


def glance(manifest: Manifest, root: Path, key: CaptureKey) -> Glance:
    """Frames, hashes and findings of one capture; raises SourceError like :func:`observe`."""
    source = manifest.source
    if source.format is None:
        parts = read_parts(manifest, root, key)
        also, broken = read_also(manifest, root, key) if source.also else ([], [])
        whole = joined(key, parts, also)
        ids, fps = timeline(key, source, whole.parts)
        recorded = hashlib.sha256(" ".join(track.sha256 for track in parts.tracks()).encode()).hexdigest()
        findings = (*findings_of(key, source, parts), *(f for track in also for f in track.findings), *whole.findings)
        tracks = (*whole.parts.tracks(), *whole.also)
        clocks = read_clocks(manifest, root, key)
        findings, lost = (*findings, *clocks.findings), (*parts.lost, *broken, *clocks.lost)
        return Glance(ids, fps, parts.sha256(), recorded, findings, tracks, lost, whole.left_out, clocks.beside)
    take = read_take(manifest, root, key)
    return Glance(take.motion.frame_ids, source.working_fps, take.sha256, take.motion_sha256, take.findings)


def read_take(manifest: Manifest, root: Path, key: CaptureKey) -> Take:
    """Skeleton and motion of a manifest of one format, checked and thinned; raises SourceError like :func:`observe`."""
    skeleton_path = root / manifest.source.skeleton_path(key.subject)
    if not skeleton_path.is_file():
        hint = f"the manifest says source: skeleton: {manifest.source.skeleton}; put the file there or correct that"
        raise SourceError(f"no skeleton file for {key}", where=str(skeleton_path), hint=hint)
    skeleton_file = read_text(skeleton_path)
    motion_file = read_text(root / manifest.layout.path(key.subject, key.condition))
    skeleton = parse_skeleton(skeleton_file.text, skeleton_file.path)
    motion = parse_motion(motion_file.text, skeleton, motion_file.path)
    _check_length(motion, manifest.source, motion_file.path)
    return Take(
        key=key,
        skeleton=skeleton,
        motion=motion.take(manifest.source.thinning(_fps(manifest.source))),
        sha256=hashlib.sha256(f"{skeleton_file.sha256} {motion_file.sha256}".encode()).hexdigest(),
        motion_sha256=motion_file.sha256,
        findings=_findings(motion, motion_file.path),
    )


def _fps(source: Source) -> float:
    # Such files say no rate, so that a manifest of them must.
    assert source.fps != "file"
    return source.fps


def _check_length(motion: Motion, source: Source, where: str) -> None:
    seconds = int(motion.finite().sum()) / _fps(source)
    if seconds < source.min_seconds:
        cut = f"; the file breaks off in frame {motion.cut_frame}" if motion.cut_frame is not None else ""
        raise SourceError(
            f"only {seconds:.2f} s can be used, the least is {source.min_seconds:g} s{cut}",
            where=where,
            hint="take the file from its source again, or lower source: min_seconds in the manifest",
        )


def _findings(motion: Motion, where: str) -> tuple[Finding, ...]:
    findings = []
    if motion.cut_frame is not None:
        message = f"the file breaks off in frame {motion.cut_frame}: used up to frame {motion.frame_ids[-1]}"
        hint = "take the file from its source again if the end of the walk matters"
        findings.append(Finding(Severity.WARNING, "MG-SOURCE-001", where, message, hint))
    lost = motion.frame_ids[~motion.finite()]
    if len(lost):
        message = f"{len(lost)} of {len(motion)} frames hold numbers that are not finite: {frames_text(lost)}"
        hint = "these frames are left out of everything; take the file from its source again to have them"
        findings.append(Finding(Severity.WARNING, "MG-SOURCE-002", where, message, hint))
    return tuple(findings)
