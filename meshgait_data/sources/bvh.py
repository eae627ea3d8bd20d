"""BVH (Biovision hierarchy): a skeleton of offsets and the channels that move it, in one text; to joints in metres.

The format has no unit and no axis that is up, and writers differ in whether positions replace an offset or are added
to it. What the file does not say, the person in it tells: how tall they are and where their head is.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from meshgait_data.errors import SourceError
from meshgait_data.findings import Finding, Severity
from meshgait_data.manifest import JointMap
from meshgait_data.rotations import euler
from meshgait_data.sources.bvh_text import BvhJoint, BvhText, parse_bvh
from meshgait_data.sources.files import read_text
from meshgait_data.sources.track import frames_text
from meshgait_data.sources.world import turn_to_y_up
from meshgait_data.types import FloatArray

METRES = (1.0, 0.01, 0.001, 0.0254, 0.0254 / 0.45)
"""Units that writers use: metres, centimetres, millimetres, inches, and the unit of CMU's skeletons."""
_HEIGHT_M = (1.15, 2.15)
"""How high a walking person reaches, from the lowest to the highest joint; units are further apart than that."""
_UPRIGHT = 0.8
"""Cosine to an axis that the line from feet to head must have for that axis to be up."""
_HEAD, _FEET = ("head", "neck"), ("left_ankle", "right_ankle", "left_foot", "right_foot")


@dataclass(frozen=True, slots=True, eq=False)
class BvhTake:
    """A recording, posed."""

    joints: FloatArray
    """(F, J, 3) metres, world frame (y up): where each joint starts, and the ends of the chains; NaN in frames with
    numbers that are not finite."""
    names: tuple[str, ...]
    """J names without the skeleton's prefix; an end is ``<joint>_end``."""
    fps: float
    metres: float
    """Of one unit of the file."""
    sha256: str
    findings: tuple[Finding, ...]


def read_bvh(path: Path, joint_map: JointMap, *, up: str = "", metres: float = 0.0) -> BvhTake:
    """Read a BVH file.

    Parameters
    ----------
    path
        The file.
    joint_map
        Which of its joints are which of SMPL's.
    up
        Axis of the file that points up (``x y z -x -y -z``); empty: along which the person stands.
    metres
        Of one unit of the file; 0: the usual unit in which the person is as tall as people are.

    Raises
    ------
    SourceError
        Where the file is damaged, lacks joints of the map, or the person is of no size in any usual unit.
    """
    file = read_text(path)
    text = parse_bvh(file.text, file.path)
    names = _names(text.joints)
    _check_map(names, joint_map, file.path)
    with np.errstate(all="ignore"):
        points = _posed(text)
    points[~np.isfinite(points).all((1, 2))] = np.nan
    findings = list(text.findings)
    lost = np.flatnonzero(np.isnan(points[:, 0, 0]))
    if len(lost) == len(points):
        raise SourceError("no frame is finite", where=file.path, hint="export the file again")
    if len(lost):
        message = f"{len(lost)} of {len(points)} frames hold numbers that are not finite: {frames_text(lost)}"
        hint = "these frames are left out of everything; export the file again to have them"
        findings.append(Finding(Severity.WARNING, "MG-SOURCE-002", file.path, message, hint))
    standing = _stands_along(points, names, joint_map)
    up = _up(up, standing, file.path, findings)
    turned = points @ turn_to_y_up(up, file.path).T
    unit = _unit(turned, metres, file.path, findings)
    sha256 = hashlib.sha256(file.text.encode("latin-1")).hexdigest()
    return BvhTake(turned * unit, names, text.fps, unit, sha256, tuple(findings))


def _names(joints: Sequence[BvhJoint]) -> tuple[str, ...]:
    """Names without a prefix such as ``mixamorig:`` that all of them have."""
    prefixes = {joint.name.rpartition(":")[0] for joint in joints}
    return tuple(joint.name.rpartition(":")[2] if len(prefixes) == 1 else joint.name for joint in joints)


def _check_map(names: Sequence[str], joint_map: JointMap, where: str) -> None:
    lacking = [row.observed for row in joint_map.joints if row.weight > 0 and row.observed not in names]
    if lacking:
        what = f"the joint map {joint_map.joint_set!r} names joints that the file lacks: {', '.join(lacking[:8])}"
        hint = f"choose or write another map; the file has: {', '.join(names[:40])}"
        raise SourceError(what, where=where, hint=hint)


def _posed(text: BvhText) -> FloatArray:
    """(F, J, 3) positions of all joints, in the file's unit and axes."""
    frames = len(text.values)
    places: list[FloatArray] = []
    turns: list[FloatArray] = []
    for joint in text.joints:
        columns = text.values[:, joint.first : joint.first + len(joint.channels)]
        shift = _shift(joint, columns)
        turn = _turn(joint, columns)
        if joint.parent < 0:
            places.append(np.broadcast_to(shift, (frames, 3)))
            turns.append(turn)
            continue
        above = turns[joint.parent]
        places.append(places[joint.parent] + (above @ shift[..., None])[..., 0])
        turns.append(above @ turn)
    return np.stack(places, axis=1)


def _turn(joint: BvhJoint, columns: FloatArray) -> FloatArray:
    """(F, 3, 3) rotation relative to the parent: the product of the channels' rotations, the first one leftmost."""
    kept = [(place, name[0].lower()) for place, name in enumerate(joint.channels) if name.endswith("rotation")]
    if not kept:
        return np.broadcast_to(np.eye(3), (len(columns), 3, 3))
    places, axes = zip(*kept, strict=True)
    # euler() applies its first letter first, which is the rightmost factor.
    return euler(np.radians(columns[:, list(places)[::-1]]), "".join(axes)[::-1])


def _shift(joint: BvhJoint, columns: FloatArray) -> FloatArray:
    """(F, 3) or (3,) place relative to the parent, in its axes."""
    offset = np.asarray(joint.offset)
    kept = {name[0]: place for place, name in enumerate(joint.channels) if name.endswith("position")}
    if not kept:
        return offset
    given = np.zeros((len(columns), 3))
    for axis, place in kept.items():
        given[:, "XYZ".index(axis)] = columns[:, place]
    if joint.parent < 0:
        return given
    # Some writers repeat the offset in the positions, others write what is to be added to it.
    usual = np.median(given, axis=0)
    repeated = np.linalg.norm(usual - offset) <= np.linalg.norm(usual)
    return given if repeated else offset + given


def _stands_along(points: FloatArray, names: Sequence[str], joint_map: JointMap) -> str:
    """Axis from feet to head; empty where unclear."""
    rows = {row.observed: row.body for row in joint_map.joints}
    upper = [place for place, name in enumerate(names) if rows.get(name) in _HEAD]
    lower = [place for place, name in enumerate(names) if rows.get(name) in _FEET]
    if not upper or not lower:
        return ""
    line = np.nanmedian(points[:, upper].mean(1) - points[:, lower].mean(1), axis=0)
    axis = int(np.argmax(np.abs(line)))
    if not abs(line[axis]) > _UPRIGHT * np.linalg.norm(line):
        return ""
    return ("" if line[axis] > 0 else "-") + "xyz"[axis]


def _up(said: str, standing: str, where: str, findings: list[Finding]) -> str:
    if said and standing and said != standing:
        message = f"the manifest says that {said} is up, but the person stands along {standing}: took {said}"
        findings.append(Finding(Severity.WARNING, "MG-SOURCE-010", where, message, "correct 'up', and look at the fit"))
    elif not said and not standing:
        message = "neither the manifest nor the person tells which axis is up: took y"
        findings.append(Finding(Severity.WARNING, "MG-SOURCE-012", where, message, "say 'up' under mocap"))
    elif not said and standing != "y":
        message = f"the file does not say which axis is up; the person stands along {standing}: took {standing}"
        findings.append(Finding(Severity.INFO, "MG-SOURCE-011", where, message))
    return said or standing or "y"


def _unit(points: FloatArray, said: float, where: str, findings: list[Finding]) -> float:
    """Metres of one unit, from the height of the person."""
    heights = points[..., 1].max(1) - points[..., 1].min(1)
    height = float(np.median(heights[np.isfinite(heights)]))
    if said:
        if not _HEIGHT_M[0] <= height * said <= _HEIGHT_M[1]:
            message = f"with {said:g} m for each unit the person is {height * said:.3g} m tall"
            hint = "correct metres_per_unit under mocap"
            findings.append(Finding(Severity.WARNING, "MG-SOURCE-013", where, message, hint))
        return said
    fitting = [unit for unit in METRES if _HEIGHT_M[0] <= height * unit <= _HEIGHT_M[1]]
    if len(fitting) != 1:
        what = f"the person is {height:.4g} units tall, which is no size of a person in any usual unit"
        raise SourceError(what, where=where, hint="say metres_per_unit under mocap")
    message = f"the file does not say its unit; the person is {height * fitting[0]:.2f} m tall with {fitting[0]:.4g} m"
    findings.append(Finding(Severity.INFO, "MG-SOURCE-014", where, message))
    return fitting[0]
