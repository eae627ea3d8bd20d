"""Observations under a joint map: which observed joint is which point of the body, and which frames take part."""

from dataclasses import dataclass

import numpy as np

from meshgait_data.conventions import SMPL_JOINTS
from meshgait_data.errors import FitError
from meshgait_data.fit.settings import FitSettings
from meshgait_data.manifest import JointMap
from meshgait_data.types import FloatArray, IntArray, Observations


@dataclass(frozen=True, slots=True, eq=False)
class Mapped:
    """What takes part in a fit: F frames of P points."""

    targets: FloatArray
    """(F, P, 3) metres, world frame; NaN where unseen."""
    times: FloatArray
    """(F,) in steps of an even pace; a gap makes a longer step."""
    joints: tuple[int, ...]
    """(P,) SMPL joint of each point."""
    offsets: FloatArray
    """(P, 3) metres in the rest frame of that joint."""
    weights: FloatArray
    """(P,) relative trust, positive."""
    names: tuple[str, ...]
    """(P,) observed joints."""
    frame_ids: IntArray
    """(F,) ids of the frames in the source."""
    own: bool
    """Whether these are the body's own joints."""
    dropped: tuple[int, ...]
    """Ids of the frames with too few joints."""


def map_observations(observations: Observations, joint_map: JointMap, settings: FitSettings) -> Mapped:
    """Pick the mapped joints, and the frames that show enough of them.

    Raises
    ------
    FitError
        Where the map is for another joint set or names unknown joints, where nothing in it has a weight, or where
        too few frames are left.
    """
    where, rows = str(observations.key), [row for row in joint_map.joints if row.weight > 0]
    if joint_map.joint_set != observations.joint_set:
        raise FitError(
            f"the joint map is for {joint_map.joint_set!r}, the joints are {observations.joint_set!r}",
            where=where,
            hint="name the right map as 'joint_map' in the manifest",
        )
    unknown = sorted({row.observed for row in rows} - set(observations.joint_names))
    if unknown or not rows:
        raise FitError(
            f"the joint map names joints that were not observed: {', '.join(unknown)}"
            if unknown
            else "empty joint map",
            where=where,
            hint=f"observed are: {', '.join(observations.joint_names)}",
        )
    columns = [observations.joint_names.index(row.observed) for row in rows]
    targets = observations.joints[:, columns].astype(np.float64)
    targets[~np.isfinite(targets).all(-1)] = np.nan
    weights = np.array([row.weight for row in rows])
    seen = np.isfinite(targets[..., 0]) @ weights / weights.sum()
    kept = seen >= settings.min_seen
    if kept.sum() < settings.min_frames:
        raise FitError(
            f"only {kept.sum()} of {len(kept)} frames show {settings.min_seen:.0%} of the joints; "
            f"{settings.min_frames} are needed",
            where=where,
            hint="check the source file, or leave this capture out",
        )
    ids = observations.frame_ids
    return Mapped(
        targets=targets[kept],
        times=_times(ids, where)[kept],
        joints=tuple(SMPL_JOINTS.index(row.body) for row in rows),
        offsets=np.array([row.offset for row in rows], np.float64),
        weights=weights,
        names=tuple(row.observed for row in rows),
        frame_ids=ids[kept],
        own=joint_map.joint_set == "smpl",
        dropped=tuple(int(i) for i in ids[~kept]),
    )


def _times(ids: IntArray, where: str) -> FloatArray:
    steps = np.diff(ids).astype(np.float64)
    if np.any(steps <= 0):
        raise FitError("frame ids do not increase", where=where, hint="check the source file for repeated frames")
    # The usual step is one frame apart, whatever the thinning; the median does not feel gaps.
    return (ids - ids[0]) / np.median(steps)
