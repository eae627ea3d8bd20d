"""All kinds of observations of one walk on common frames: joined, thinned, checked for length."""

from typing import Any

import numpy as np

from meshgait_data.errors import SourceError
from meshgait_data.findings import Finding, Severity
from meshgait_data.manifest_source import Source
from meshgait_data.sources.joining import joined
from meshgait_data.sources.parts import Parts
from meshgait_data.sources.track import Track, all_frames, joints_at, keypoints_at, masks_at, same_rate
from meshgait_data.types import BodyParams, CaptureKey, GivenParams, IntArray, Observations

_SLOWEST, _FASTEST = 1.0, 10_000.0
"""Frames a second of any recording of a walk."""


def assemble(key: CaptureKey, source: Source, parts: Parts) -> Observations:
    """Put the parts of a walk on the frames that any of them has, thinned as the manifest says.

    What cannot be joined with the others, see :mod:`meshgait_data.sources.joining`, is not part of the observations.

    Raises
    ------
    SourceError
        Where views, or a view and what is of the whole walk, have no frame in common, the rate is not known, or the
        walk is shorter than ``min_seconds``.
    """
    sha256 = parts.sha256()
    parts = joined(key, parts).parts
    ids, fps = timeline(key, source, parts)
    joints = parts.joints
    return Observations(
        key=key,
        joints=np.zeros((len(ids), 0, 3), np.float32)
        if joints is None
        else joints_at(joints.data.points, joints.frame_ids, ids),
        joint_names=() if joints is None else joints.data.names,
        joint_set="" if joints is None else joints.data.point_set,
        frame_ids=ids,
        fps=fps,
        source_sha256=sha256,
        markers=_markers(parts, ids),
        static=parts.static,
        keypoints=tuple(keypoints_at(track, ids) for track in parts.keypoints),
        masks=tuple(masks_at(track, ids) for track in parts.masks),
        given=None if parts.given is None else _given_at(parts.given, ids),
        cameras=parts.cameras,
        worn=parts.worn,
    )


def timeline(key: CaptureKey, source: Source, parts: Parts) -> tuple[IntArray, float]:
    """(F,) ids of the frames of a walk, after thinning, and how many of them there are in a second.

    Raises
    ------
    SourceError
        As :func:`assemble`.
    """
    tracks = parts.tracks()
    rate = rate_of(key, source, tracks)
    ids = kept_frames(source.thinning(rate), tracks)
    fps = rate / max(_step(ids), 1.0)
    seconds = len(ids) / fps
    if seconds < source.min_seconds:
        raise SourceError(
            f"only {seconds:.2f} s can be used, the least is {source.min_seconds:g} s",
            where=str(key),
            hint="take the files from their source again, or lower source: min_seconds in the manifest",
        )
    return ids, fps


def rate_of(key: CaptureKey, source: Source, tracks: list[Track[Any]]) -> float:
    """Frames of a walk per second, as the manifest says, or as its files do where the manifest leaves it to them.

    Raises
    ------
    SourceError
        Where it is left to them, and none says it or two say another one.
    """
    if source.fps != "file":
        return source.fps
    told = {track.kind: track.fps for track in tracks if track.fps > 0}
    if not told:
        hint = "give source: fps in a manifest of these files, or write the rate into them"
        raise SourceError("none of the files says its frame rate, and the manifest neither", where=str(key), hint=hint)
    first = next(iter(told.values()))
    if not _SLOWEST <= first <= _FASTEST:
        hint = "correct it in the file, or give source: fps in the manifest"
        raise SourceError(f"{first:g} frames a second can be no frame rate", where=str(key), hint=hint)
    if not all(same_rate(rate, first) for rate in told.values()):
        rates = ", ".join(f"{kind} {rate:g}" for kind, rate in told.items())
        hint = "say every under the kind that has fewer frames"
        raise SourceError(f"files of one walk say different frame rates: {rates}", where=str(key), hint=hint)
    return first


def kept_frames(every: int, tracks: list[Track[Any]]) -> IntArray:
    """(F,) ids of the frames that remain after thinning: those that the sparsest kind has, where it is thin enough."""
    ids = all_frames(tracks)
    if every == 1 or not len(ids):
        return ids
    sparsest = max(tracks, key=lambda track: _step(track.frame_ids))
    return ids[(ids - sparsest.frame_ids[0]) % every == 0]


def _step(ids: IntArray) -> float:
    steps = sorted(np.diff(ids).tolist())
    # numpy's median, which takes longer than reading a small picture.
    return (float(steps[(len(steps) - 1) // 2]) + float(steps[len(steps) // 2])) / 2 if steps else 0.0


def findings_of(key: CaptureKey, source: Source, parts: Parts) -> tuple[Finding, ...]:
    """What is wrong with the files of a walk although it can be used."""
    findings = [finding for track in parts.tracks() for finding in track.findings]
    findings += parts.findings
    views = {track.data.view for track in parts.keypoints} | {track.data.view for track in parts.masks}
    uncalibrated = sorted(views - set(parts.cameras))
    if parts.cameras and uncalibrated:
        message = f"views without calibration: {', '.join(uncalibrated)}; calibrated are {', '.join(parts.cameras)}"
        hint = "name views as the calibration does; what these views saw is not used"
        findings.append(Finding(Severity.WARNING, "MG-SOURCE-022", str(key), message, hint))
    return tuple(findings)


def _markers(parts: Parts, ids: IntArray) -> Any:
    if parts.markers is None:
        return None
    data = parts.markers.data
    return type(data)(joints_at(data.points, parts.markers.frame_ids, ids), data.names, data.point_set)


def _given_at(track: Track[GivenParams], ids: IntArray) -> GivenParams:
    """Parameters at frames; those that were not given repeat the nearest given ones, and are not seen."""
    given, own = track.data, track.frame_ids
    nearest = np.abs(own[None, :] - ids[:, None]).argmin(1)
    params: BodyParams = given.params.take(nearest)
    return GivenParams(params, given.body, given.layout, given.seen[nearest] & (own[nearest] == ids), given.frame)
