"""What can be measured of a fitted walk without knowing the truth: skating feet, jumps, unseen points, uneven bones.

Shape letters: T frames, J joints, P points, V views.
"""

from collections.abc import Callable, Sequence

import numpy as np

from meshgait_data.conventions import SMPL_JOINTS
from meshgait_data.types import BoolArray, FloatArray, Observations

_FEET = tuple(tuple(SMPL_JOINTS.index(f"{side}_{part}") for part in ("ankle", "foot")) for side in ("left", "right"))
_LIMB_BONES = (("hip", "knee"), ("knee", "ankle"), ("shoulder", "elbow"), ("elbow", "wrist"))
_STANCE_S = 0.25
"""Seconds in which one foot stands for sure: single support takes about 40 % of a stride of 1 s (Perry, Gait Analysis,
1992), and quick walkers are quicker."""
_NEAR_S = 0.1
"""Seconds around a frame in which the feet may change."""
_SPREAD_S = 0.3
"""Seconds around skating frames that count as skating too: at the turning point of a slide nothing moves, but all is
in the wrong place."""
_FEWEST = 8
"""Frames that a line through the slipped way needs."""
_SMOOTH_S = 0.15
"""Seconds that velocities of feet are averaged over."""
_LINE_ROUNDS, _LINE_M = 30, 0.01
"""Rounds of the robust line, and the distance in metres below which points count fully."""


def skating_speed(joints: FloatArray, times_s: FloatArray) -> FloatArray:
    """Speed of the foot that should stand, in each frame.

    Of a walker one foot stands at any time. The foot that comes less far in a window of the length of a stance is the
    standing one; windows in which the feet change are passed over for the better ones beside them.

    Parameters
    ----------
    joints
        (T, 24, 3) metres, world frame.
    times_s
        (T,) seconds, increasing.

    Returns
    -------
    (T,) metres a second; zeros for walks that are shorter than the window.
    """
    count = len(joints)
    step = float(np.median(np.diff(times_s))) if count > 1 else 1.0
    window = max(3, round(_STANCE_S / step)) | 1
    if count <= window:
        return np.zeros(count)
    places = _feet(joints)
    moved = np.linalg.norm(places[window - 1 :] - places[: 1 - window], axis=-1).min(1)
    slid = np.pad(moved / (times_s[window - 1 :] - times_s[: 1 - window]), window // 2, mode="edge")
    quiet = _slide(slid, 2 * round(_NEAR_S / step) + 1, np.min)
    # A walk may begin and end while the feet change: its ends are judged by the first and the last whole stance.
    quiet[:window], quiet[-window:] = quiet[: 2 * window].min(), quiet[-2 * window :].min()
    return _slide(quiet, 2 * round(_SPREAD_S / step) + 1, np.max)


def slipped_way(joints: FloatArray, times_s: FloatArray) -> FloatArray:
    """How far the body has slid over the ground, besides sliding evenly, in each frame.

    The velocity of the foot that moves less is added up over the walk. What is even in that comes from legs of another
    length; what leaves the line is a body that slid away, and stays away until it slides back.

    Parameters
    ----------
    joints
        (T, 24, 3) metres, world frame.
    times_s
        (T,) seconds, increasing.

    Returns
    -------
    (T,) metres from the robust line.
    """
    if len(joints) < _FEWEST:
        return np.zeros(len(joints))
    step = float(np.median(np.diff(times_s)))
    velocity = np.gradient(_feet(joints), times_s, axis=0)
    window = 2 * round(_SMOOTH_S / step / 2) + 1
    smooth = np.moveaxis(_slide(np.moveaxis(velocity, 0, -1), window, np.mean), -1, 0)
    standing = smooth[np.arange(len(joints)), np.linalg.norm(smooth, axis=-1).argmin(1)]
    steps = 0.5 * (standing[1:] + standing[:-1]) * np.diff(times_s)[:, None]
    way = np.concatenate([np.zeros((1, 3)), np.cumsum(steps, axis=0)])
    return _off_line(way, times_s)


def _off_line(way: FloatArray, times_s: FloatArray) -> FloatArray:
    """(T,) distances from the line in space and time that has the least sum of distances, by reweighting."""
    basis = np.stack([np.ones(len(way)), times_s - times_s.mean()], 1)
    distance = np.ones(len(way))
    for _ in range(_LINE_ROUNDS):
        weighted = basis / np.maximum(distance, _LINE_M)[:, None]
        line = np.linalg.solve(weighted.T @ basis, weighted.T @ way)
        distance = np.linalg.norm(way - basis @ line, axis=1)
    return distance


def _feet(joints: FloatArray) -> FloatArray:
    """(T, 2, 3) middle of each foot."""
    return np.stack([joints[:, list(foot)].mean(1) for foot in _FEET], 1).astype(np.float64)


def _slide(values: FloatArray, window: int, reduce: Callable[..., FloatArray]) -> FloatArray:
    """What remains of the odd window around each place of the last axis."""
    half = window // 2
    padded = np.pad(values, [(0, 0)] * (values.ndim - 1) + [(half, half)], mode="edge")
    return np.asarray(reduce(np.lib.stride_tricks.sliding_window_view(padded, window, axis=-1), axis=-1))


def jumps(joints: FloatArray, times_s: FloatArray) -> FloatArray:
    """(T,) largest acceleration of a joint in each frame, metres a second squared; zeros where frames are too few."""
    if len(joints) < 3:
        return np.zeros(len(joints))
    places = np.asarray(joints, np.float64)
    velocity = np.diff(places, axis=0) / np.diff(times_s)[:, None, None]
    middle = np.diff(0.5 * (times_s[1:] + times_s[:-1]))
    acceleration = np.linalg.norm(np.diff(velocity, axis=0) / middle[:, None, None], axis=-1).max(1)
    return np.pad(acceleration, 1, mode="edge")


def bone_asymmetry(points: FloatArray, body_joints: Sequence[str]) -> float:
    """How much longer a limb's bone is than its partner on the other side, as it was observed.

    Bodies are symmetric to a few per cent, and so is SMPL's shape: what a fit cannot follow was measured wrongly.

    Parameters
    ----------
    points
        (T, P, 3) observed joints in metres; NaN where unseen.
    body_joints
        P names of the SMPL joints that the points stand for.

    Returns
    -------
    The largest difference of a pair of bones, as a share of their length; 0 where no pair of bones was observed.
    """
    found = [0.0]
    for start, end in _LIMB_BONES:
        ends = [f"{side}_{joint}" for side in ("left", "right") for joint in (start, end)]
        if not set(ends) <= set(body_joints):
            continue
        a, b, c, d = (points[:, body_joints.index(name)] for name in ends)
        left, right = (_usual(np.linalg.norm(bone, axis=-1)) for bone in (a - b, c - d))
        if min(left, right) > 0:
            found.append(abs(left - right) / (0.5 * (left + right)))
    return float(max(found))


def _usual(lengths: FloatArray) -> float:
    seen = lengths[np.isfinite(lengths)]
    return float(np.median(seen)) if len(seen) else 0.0


def unseen_share(observations: Observations) -> FloatArray:
    """(T,) share of the points of each frame that nothing saw: neither in 3D nor in any view; 1 where nothing saw it.

    Points that are seen in no frame do not count. Points of one kind count together; the kind that saw most of its
    points counts. A mask sees everything.
    """
    kinds: list[FloatArray] = []
    if observations.joint_names:
        kinds.append(_seen_share(np.asarray(np.isfinite(observations.joints).all(-1))))
    if observations.markers is not None:
        kinds.append(_seen_share(np.asarray(np.isfinite(observations.markers.points).all(-1))))
    by_set: dict[str, list[BoolArray]] = {}
    for view in observations.keypoints:
        by_set.setdefault(view.joint_set, []).append(np.isfinite(view.points).all(-1) & (view.confidence > 0))
    kinds += [_seen_share(np.asarray(np.stack(views).any(0))) for views in by_set.values()]
    kinds += [masks.seen.astype(np.float64) for masks in observations.masks]
    if observations.given is not None:
        kinds.append(observations.given.seen.astype(np.float64))
    if not kinds:
        return np.ones(len(observations.frame_ids))
    return np.asarray(1 - np.max(kinds, axis=0))


def _seen_share(seen: BoolArray) -> FloatArray:
    """(T,) share of the points that are seen in some frame; zeros where none is."""
    ever = seen.any(0)
    return np.asarray(seen[:, ever].mean(1)) if ever.any() else np.zeros(len(seen))


def depth_observed(observations: Observations) -> bool:
    """Whether the observations say how far away things are: something in 3D, or at least two views."""
    if observations.joint_names or observations.markers is not None or observations.given is not None:
        return True
    views = {part.view for part in observations.keypoints} | {part.view for part in observations.masks}
    return len(views) > 1
