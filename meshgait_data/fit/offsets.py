"""Learn the constant offsets of a joint map: where in the body a source's joint centres lie.

Two skeletons never agree on what a joint is: CMU's root lies above SMPL's pelvis, its hips beside SMPL's hips. Fits and
averages take turns: given the fits, the best constant offset is the mean of the observed point in the rest frame of
its joint; given the offsets, the walks are fitted again. Left and right are kept mirror images.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np
import torch

from meshgait_data.body.model import Body
from meshgait_data.conventions import SMPL_JOINTS
from meshgait_data.fit.engine import minimise
from meshgait_data.fit.observed import map_observations
from meshgait_data.fit.problem import make_problem
from meshgait_data.fit.settings import FitSettings
from meshgait_data.fit.start import first_guess
from meshgait_data.manifest import JointMap, MappedJoint
from meshgait_data.types import FloatArray, Observations


def learn_offsets(
    body: Body,
    walks: Sequence[Observations],
    joint_map: JointMap,
    settings: FitSettings,
    *,
    anchors: Collection[str],
    rounds: int = 4,
) -> JointMap:
    """Fit and average in turns.

    Parameters
    ----------
    body
        Body whose rest frames the offsets are in.
    walks
        Observations of people; each subject counts once, however many walks there are.
    joint_map
        Correspondence and weights; its offsets are forgotten.
    settings
        Of the fits.
    anchors
        Observed joints to use alone in the first round: those that nearly coincide with SMPL's.
    rounds
        Number of turns.

    Returns
    -------
    The same map with learned offsets, in whole millimetres.
    """
    current = replace(joint_map, joints=tuple(replace(row, offset=(0.0, 0.0, 0.0)) for row in joint_map.joints))
    for turn in range(rounds):
        chosen = anchors if turn == 0 else [row.observed for row in joint_map.joints]
        rows = tuple(replace(row, weight=row.weight * (row.observed in chosen)) for row in current.joints)
        subjects: dict[str, list[FloatArray]] = {}
        for walk in walks:
            places = _local_places(body, walk, replace(current, joints=rows), settings)
            subjects.setdefault(walk.key.subject, []).append(places)
        mean = np.nanmean([np.nanmean(places, 0) for places in subjects.values()], 0)
        current = replace(current, joints=_symmetric(current.joints, mean))
    return current


def _local_places(body: Body, walk: Observations, joint_map: JointMap, settings: FitSettings) -> FloatArray:
    """(rows, 3) mean over frames of each observed joint in the frame of its SMPL joint."""
    mapped = map_observations(walk, joint_map, settings)
    problem = make_problem(body, mapped, settings, fps=walk.fps)
    at = minimise(problem, first_guess(problem), settings).at
    frames = np.isin(walk.frame_ids, mapped.frame_ids)
    columns = [walk.joint_names.index(row.observed) for row in joint_map.joints]
    owners = [SMPL_JOINTS.index(row.body) for row in joint_map.joints]
    seen = torch.as_tensor(walk.joints[frames][:, columns], dtype=at.joints.dtype)
    local = (at.world[:, owners].mT @ (seen - at.joints[:, owners])[..., None])[..., 0]
    return np.nanmean(local.numpy(), 0)


def _symmetric(rows: tuple[MappedJoint, ...], offsets: FloatArray) -> tuple[MappedJoint, ...]:
    """Rows with the mean of each offset and the mirror image of its partner's; the middle stays in the middle."""
    names = [row.observed for row in rows]
    result = []
    for row, offset in zip(rows, offsets, strict=True):
        partner = names.index(_partner(row.observed, names))
        mean = (offset + offsets[partner] * (-1, 1, 1)) / 2
        # Whole millimetres; adding zero turns -0.0 into 0.0.
        x, y, z = (round(float(value), 3) + 0.0 for value in mean)
        result.append(replace(row, offset=(x, y, z)))
    return tuple(result)


def _partner(name: str, names: Sequence[str]) -> str:
    """Name of the joint on the other side: ``lfemur`` and ``rfemur``, ``left_knee`` and ``right_knee``; or itself."""
    swaps = (("left", "right"), ("right", "left"), ("l", "r"), ("r", "l"))
    others = (other + name.removeprefix(side) for side, other in swaps if name.startswith(side))
    return next((other for other in others if other in names), name)
