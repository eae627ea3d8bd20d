"""Checks of observed points in space before anything is fitted: unit, axes, sides, joint set, gaps, standing still.

Nothing here knows names: a :class:`Landmarks` says where the points are on the mean body in the T-pose, and the
observed points must be a person who can be reached from there by turning joints. What cannot be right is an error that
says what, where and the way out; with ``repair`` it is put right where that is safe, and said as a finding.

Shape letters: F frames, P points.
"""

from dataclasses import dataclass, replace

import numpy as np

from meshgait_data.errors import FitError
from meshgait_data.findings import Finding, Severity
from meshgait_data.fit.sanity_body import Landmarks, median_ratio, spread_of_ratios, stand_axis
from meshgait_data.fit.sanity_sides import faces_backwards, legs_crossed, swapped_frames
from meshgait_data.types import BoolArray, FloatArray, IntArray

UNITS = {"mm": 0.001, "cm": 0.01, "inches": 0.0254, "feet": 0.3048, "km": 1000.0}
"""Metres of one unit."""
_LIKELY = (0.45, 1.5)
"""Size of a person by the mean adult: from small children to the tallest."""
_MOST_SPREAD = 0.25
"""Spread of the logarithms of bone lengths by the mean body's that people and mocap have: it is 0.04 to 0.12 on
the shipped walks and on children, and 0.33 to 0.90 where names are permuted."""
_STILL_M = 0.06
"""Metres that points of a still person move about their middle, at most; feet and hands of a walker move ten times as
far even on a treadmill."""


@dataclass(frozen=True, slots=True, eq=False)
class Cloud:
    """Observed points of one capture."""

    points: FloatArray
    """(F, P, 3) metres, world frame; NaN where unseen."""
    names: tuple[str, ...]
    frame_ids: IntArray
    where: str
    """Key of the capture, for messages."""


@dataclass(frozen=True, slots=True, eq=False)
class Checked:
    """A capture that can be fitted."""

    cloud: Cloud
    """As it came, or repaired."""
    findings: tuple[Finding, ...]
    still: bool
    """Whether the person does not walk: there is no phase of gait, and nothing may invent one."""


def check(cloud: Cloud, landmarks: Landmarks, *, repair: bool = False) -> Checked:
    """Look for what is wrong with observed points, the fatal first.

    Parameters
    ----------
    cloud
        The points.
    landmarks
        Where they are on the mean body.
    repair
        Whether to put right what can be: unit, axes, exchanged sides.

    Returns
    -------
    The points and what was noticed.

    Raises
    ------
    FitError
        Where no fit is possible, or only with a repair that was not asked for.
    """
    findings: list[Finding] = []
    cloud = _without_fillers(cloud, findings)
    _name_gaps(cloud, findings)
    _same_joints(cloud, landmarks)
    cloud = _in_metres(cloud, landmarks, findings, repair)
    cloud = _upright(cloud, landmarks, findings, repair)
    cloud = _right_sides(cloud, landmarks, findings, repair)
    cloud = _right_sides_always(cloud, landmarks, findings, repair)
    still = _still(cloud, findings)
    return Checked(cloud, tuple(findings), still)


def _note(cloud: Cloud, findings: list[Finding], severity: Severity, id: str, message: str, hint: str = "") -> None:
    findings.append(Finding(severity, id, cloud.where, message, hint))


def _refuse_or_note(cloud: Cloud, findings: list[Finding], repair: bool, id: str, what: str, hint: str) -> None:
    """An error, unless it is going to be repaired."""
    if not repair:
        raise FitError(what, where=cloud.where, hint=f"{hint}, or ask for the repair")
    _note(cloud, findings, Severity.WARNING, id, f"{what}: put right", hint)


def _without_fillers(cloud: Cloud, findings: list[Finding]) -> Cloud:
    """Infinite numbers and exact zeros are no places."""
    strange = ~np.isfinite(cloud.points).all(-1) & ~np.isnan(cloud.points).all(-1)
    zeros = (cloud.points == 0).all(-1)
    # One point at the origin may be the root of a centred skeleton; a filler is there only now and then, or for many.
    zeros &= (zeros.sum(1, keepdims=True) > 1) | (zeros.mean(0) < 0.5)
    bad = strange | zeros
    if not bad.any():
        return cloud
    named = _listed([cloud.names[i] for i in np.flatnonzero(bad.any(0))])
    message = f"{int(bad.sum())} observations are infinite or exactly zero, which is no place: unseen ({named})"
    _note(cloud, findings, Severity.WARNING, "MG-FIT-001", message, "write NaN for what was not seen")
    return replace(cloud, points=np.where(bad[..., None], np.nan, cloud.points))


def _name_gaps(cloud: Cloud, findings: list[Finding]) -> None:
    seen = np.asarray(np.isfinite(cloud.points).all(-1))
    if not seen.any():
        hint = "check the source file: every coordinate is NaN"
        raise FitError("not one point was seen in any frame", where=cloud.where, hint=hint)
    never = [cloud.names[i] for i in np.flatnonzero(~seen.any(0))]
    if never:
        message = f"never seen: {_listed(never)}; these parts follow the prior"
        _note(cloud, findings, Severity.INFO, "MG-FIT-002", message)
    empty = cloud.frame_ids[~seen.any(1)]
    if len(empty):
        message = f"{len(empty)} of {len(seen)} frames show nothing: {ranges(empty)}"
        _note(cloud, findings, Severity.INFO, "MG-FIT-003", message)
    if len(seen) == 1:
        _note(cloud, findings, Severity.INFO, "MG-FIT-004", "one frame only: nothing is known of motion")


def _in_metres(cloud: Cloud, landmarks: Landmarks, findings: list[Finding], repair: bool) -> Cloud:
    ratio = median_ratio(cloud.points, landmarks)
    low, high = _LIKELY
    if ratio is None or low <= ratio <= high:
        return cloud
    size = ratio * landmarks.stature_m
    fits = [unit for unit, metres in UNITS.items() if low <= ratio * metres <= high]
    if not fits or ratio < low:
        what = f"the person is about {size:.3g} m tall, which no unit of length explains"
        hint = "check the unit and the joint set of the source"
        raise FitError(what, where=cloud.where, hint=hint)
    unit = min(fits, key=lambda name: abs(np.log(ratio * UNITS[name])))
    what = f"the person is about {size:,.0f} m tall: the numbers are in {unit}, not in metres"
    _refuse_or_note(cloud, findings, repair, "MG-FIT-005", what, f"multiply by {UNITS[unit]:g}")
    return replace(cloud, points=cloud.points * UNITS[unit])


def _same_joints(cloud: Cloud, landmarks: Landmarks) -> None:
    """Proportions, whatever the unit."""
    spread, (first, second, length, expected) = spread_of_ratios(cloud.points, landmarks)
    if spread > _MOST_SPREAD:
        raise FitError(
            f"this is not the body that the names say: {cloud.names[first]} and {cloud.names[second]} are "
            f"{length / expected:.1f} times as far apart as on a body of this size",
            where=cloud.where,
            hint="is it another joint set, or are the columns in another order?",
        )


def _upright(cloud: Cloud, landmarks: Landmarks, findings: list[Finding], repair: bool) -> Cloud:
    axis = stand_axis(cloud.points, landmarks)
    if axis in ("+y", ""):
        return cloud
    if axis == "-y":
        what, hint = (
            "the head is below the feet",
            "the world is y up: turn it by half a turn about x or z, never mirror",
        )
    else:
        what, hint = f"the person stands along {axis}: the world is y up", "turn the world so that +y is up"
    _refuse_or_note(cloud, findings, repair, "MG-FIT-006", what, hint)
    return replace(cloud, points=cloud.points @ turn_up(axis).T)


def turn_up(axis: str) -> FloatArray:
    """(3, 3) proper rotation of quarter turns that takes a signed axis, such as ``+z``, to +y."""
    index = "xyz".index(axis[1])
    y = (1.0 if axis[0] == "+" else -1.0) * np.eye(3)[index]
    x = np.eye(3)[1 if index == 0 else 0]
    return np.stack([x, y, np.cross(x, y)])


def _right_sides(cloud: Cloud, landmarks: Landmarks, findings: list[Finding], repair: bool) -> Cloud:
    """Single frames in which a detector or a labelling took the sides for each other."""
    for part, points in landmarks.pairs.items():
        frames = swapped_frames(cloud.points, points)
        if not frames.any():
            continue
        ids = cloud.frame_ids[frames]
        message = f"left and right {part} are exchanged in {len(ids)} of {len(frames)} frames: {ranges(ids)}"
        outcome = ": put right" if repair else "; a robust fit leaves them aside"
        _note(cloud, findings, Severity.WARNING, "MG-FIT-007", message + outcome, "correct the labels in the source")
        if repair:
            cloud = replace(cloud, points=exchanged(cloud.points, points, frames))
    return cloud


def _right_sides_always(cloud: Cloud, landmarks: Landmarks, findings: list[Finding], repair: bool) -> Cloud:
    """The whole recording: the person walks, bends the knees and points the toes backwards, or crosses the legs."""
    everywhere = np.ones(len(cloud.points), bool)
    if legs_crossed(cloud.points, landmarks):
        what = "the left leg is on the right side of the pelvis all the time: left and right legs are exchanged"
        _refuse_or_note(cloud, findings, repair, "MG-FIT-008", what, "exchange the names of the legs")
        cloud = replace(cloud, points=exchanged(cloud.points, landmarks.pairs["legs"], everywhere))
    if faces_backwards(cloud.points, landmarks):
        what = "knees bend and toes point backwards: left and right are exchanged, or the world is mirrored"
        _refuse_or_note(cloud, findings, repair, "MG-FIT-009", what, "exchange left and right in the names")
        for points in landmarks.pairs.values():
            cloud = replace(cloud, points=exchanged(cloud.points, points, everywhere))
    return cloud


def exchanged(points: FloatArray, pairs: IntArray, frames: BoolArray) -> FloatArray:
    """The points with (M, 2) pairs exchanged in (F,) frames."""
    result, rows = points.copy(), np.flatnonzero(frames)[:, None]
    result[rows, pairs[:, 0]], result[rows, pairs[:, 1]] = points[rows, pairs[:, 1]], points[rows, pairs[:, 0]]
    return result


def _still(cloud: Cloud, findings: list[Finding]) -> bool:
    """Whether hardly any point leaves its middle; a single frame does not move either."""
    often = np.isfinite(cloud.points).all(-1).sum(0) > 1
    if not often.any():
        return True
    points = cloud.points[:, often]
    moved = np.linalg.norm(points - np.nanmedian(points, axis=0), axis=-1)
    still = bool(np.nanquantile(moved, 0.9) < _STILL_M)
    if still:
        message = "the person stands still: this is no walk and has no phase of gait"
        _note(cloud, findings, Severity.INFO, "MG-FIT-010", message, "leave the capture out of the gait dataset")
    return still


def ranges(ids: IntArray, most: int = 6) -> str:
    """``3-5, 9``: runs of consecutive ids."""
    runs = np.split(ids, np.flatnonzero(np.diff(ids) != 1) + 1)
    texts = [str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs]
    return ", ".join(texts[:most]) + (f" and {len(texts) - most} more stretches" if len(texts) > most else "")


def _listed(names: list[str], most: int = 8) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
