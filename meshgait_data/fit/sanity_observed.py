"""The checks of :mod:`meshgait_data.fit.sanity` on everything that a capture offers."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from meshgait_data.body.joints import JointRegressor
from meshgait_data.body.model import Body, rest_joints
from meshgait_data.body.placement import PlacedMarkers
from meshgait_data.conventions import SMPL_JOINTS
from meshgait_data.findings import Finding
from meshgait_data.fit.sanity import Checked, Cloud, check
from meshgait_data.fit.sanity_body import Landmarks, landmarks_of
from meshgait_data.fit.sanity_views import check_view
from meshgait_data.manifest import JointMap
from meshgait_data.types import FloatArray, IntArray, Observations

Known = JointMap | JointRegressor | PlacedMarkers
"""How observed points follow from the body."""


@dataclass(frozen=True, slots=True, eq=False)
class CheckedCapture:
    """A capture that can be fitted."""

    seen: Observations
    """As it came, or repaired."""
    findings: tuple[Finding, ...]
    still: bool
    """Whether points in space say that the person does not walk; False where there are none."""


def check_observations(
    body: Body, seen: Observations, known: Mapping[str, Known], *, repair: bool = False
) -> CheckedCapture:
    """Check joints, markers, the static trial and keypoints of a capture.

    Parameters
    ----------
    body
        The body to be fitted.
    seen
        The capture.
    known
        For each joint set and marker layout how its points follow from the body; what is not named is not checked.
    repair
        Whether to put right what can be.

    Raises
    ------
    FitError
        Where no fit is possible, or only with a repair that was not asked for.
    """
    findings: list[Finding] = []
    still = False
    if seen.joints.shape[1] and seen.joint_set in known:
        found = _check(body, seen.joints, seen.joint_names, known[seen.joint_set], seen, seen.frame_ids, repair)
        still, seen = found.still, replace(seen, joints=found.cloud.points)
        findings += found.findings
    for kind in ("markers", "static"):
        marks = getattr(seen, kind)
        if marks is None or marks.point_set not in known:
            continue
        ids = seen.frame_ids if kind == "markers" else np.arange(len(marks.points))
        found = _check(body, marks.points, marks.names, known[marks.point_set], seen, ids, repair)
        seen = replace(seen, **{kind: replace(marks, points=found.cloud.points)})
        still = still or (kind == "markers" and found.still)
        # A static trial is meant to be still.
        findings += [f for f in found.findings if kind == "markers" or f.id != "MG-FIT-010"]
    views = []
    for view in seen.keypoints:
        checked, noted = check_view(view, str(seen.key), seen.frame_ids)
        views.append(checked)
        findings += noted
    return CheckedCapture(replace(seen, keypoints=tuple(views)), tuple(findings), still)


def _check(
    body: Body,
    points: FloatArray,
    names: tuple[str, ...],
    known: Known,
    seen: Observations,
    frame_ids: IntArray,
    repair: bool,
) -> Checked:
    """Check the columns that are known; the others stay as they are, except for unit and axes."""
    columns, landmarks = landmarks_in(body, names, known)
    chosen = np.asarray(points[:, columns], np.float64)
    cloud = Cloud(chosen, tuple(names[i] for i in columns), frame_ids, str(seen.key))
    found = check(cloud, landmarks, repair=repair)
    whole = np.full(points.shape, np.nan)
    whole[:, columns] = found.cloud.points
    return replace(found, cloud=Cloud(whole, names, frame_ids, str(seen.key)))


def landmarks_in(body: Body, names: tuple[str, ...], known: Known) -> tuple[list[int], Landmarks]:
    """Observed columns that are known, and where they are on the mean body."""
    joints = rest_joints(body)[0]
    if isinstance(known, JointMap):
        mapped = [row for row in known.joints if row.observed in names]
        owner = np.array([SMPL_JOINTS.index(row.body) for row in mapped], int)
        rest: FloatArray = joints[owner] + np.array([row.offset for row in mapped]).reshape(-1, 3)
        return [names.index(row.observed) for row in mapped], landmarks_of(body, rest, owner)
    if isinstance(known, JointRegressor):
        at = [index for index, name in enumerate(known.names) if name in names]
        columns = [names.index(known.names[index]) for index in at]
        rows: FloatArray = known.matrix.toarray()[at]
        offsets: FloatArray = np.zeros((len(at), 3))
    else:
        pairs = known.match(names)
        columns, at = [column for _, column in pairs], [marker for marker, _ in pairs]
        rows, offsets = known.rows[at], known.offsets[at]
    rest = rows @ np.concatenate([body.v_template.astype(np.float64), joints]) + offsets
    moved = np.abs(rows[:, : body.num_vertices]) @ body.weights + np.abs(rows[:, body.num_vertices :])
    return columns, landmarks_of(body, rest, np.argmax(moved, axis=1))
