"""Learn the constant offsets of a joint map: where in the body a source's joint centres lie.

Two skeletons never agree on what a joint is: CMU's root lies above SMPL's pelvis, its hips beside SMPL's hips. Fits and
averages take turns: given the fits, the best constant offset is the mean of the observed point in the rest frame of
its joint; given the offsets, the walks are fitted again. Left and right are kept mirror images.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np

from meshgait_data.body.model import Body
from meshgait_data.conventions import SMPL_JOINTS
from meshgait_data.fit import kinds
from meshgait_data.fit.engine import solve
from meshgait_data.fit.judging import take_frames
from meshgait_data.fit.known import Known
from meshgait_data.fit.priors import PosePrior
from meshgait_data.fit.settings import FitSettings
from meshgait_data.manifest import JointMap, MappedJoint
from meshgait_data.types import FloatArray, Observations

_DEFAULT = FitSettings()
_LEFT = 0.2
"""Share of the usual error of a map that is left while it is being learned."""


def learn_offsets(
    body: Body,
    walks: Sequence[Observations],
    joint_map: JointMap,
    prior: PosePrior,
    settings: FitSettings = _DEFAULT,
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
    prior
        Of poses.
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
    # What is left of the map's error shrinks with every round: fits must follow the joints, not the prior.
    settings = replace(settings, map_error_m=_LEFT * settings.map_error_m)
    current = replace(joint_map, joints=tuple(replace(row, offset=(0.0, 0.0, 0.0)) for row in joint_map.joints))
    for turn in range(rounds):
        chosen = anchors if turn == 0 else [row.observed for row in joint_map.joints]
        rows = tuple(replace(row, weight=row.weight * (row.observed in chosen)) for row in current.joints)
        places = _local_places(body, walks, replace(current, joints=rows), prior, settings)
        subjects: dict[str, list[FloatArray]] = {}
        for walk, place in zip(walks, places, strict=True):
            subjects.setdefault(walk.key.subject, []).append(place)
        mean = np.nanmean([np.nanmean(places, 0) for places in subjects.values()], 0)
        current = replace(current, joints=_symmetric(current.joints, mean))
    return current


def _local_places(
    body: Body, walks: Sequence[Observations], joint_map: JointMap, prior: PosePrior, settings: FitSettings
) -> list[FloatArray]:
    """For each walk (rows, 3): mean over frames of each observed joint in the frame of its SMPL joint."""
    known = Known(prior, maps={joint_map.joint_set: joint_map})
    # Not checked for being a person: without offsets the map says wrong things about them.
    seen = [take_frames(walk, kinds.enough(walk, known, settings.min_seen)) for walk in walks]
    posed = solve(body, seen, known, settings).solution.posed
    owners = [SMPL_JOINTS.index(row.body) for row in joint_map.joints]
    places = []
    for walk, frames in zip(seen, posed.layout.slices(), strict=True):
        columns = [walk.joint_names.index(row.observed) for row in joint_map.joints]
        world, joints = (values[frames][:, owners].cpu().numpy() for values in (posed.world, posed.joints))
        local = np.einsum("fpji,fpj->fpi", world, walk.joints[:, columns] - joints)
        places.append(np.asarray(np.nanmean(local, 0)))
    return places


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
