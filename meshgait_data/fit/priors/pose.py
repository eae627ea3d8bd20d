"""The pose prior: one Gaussian over the rotations of the 23 joints below the root, in the tangent space at its mean."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from meshgait_data.body.marker_sample import wide_poses
from meshgait_data.errors import InvalidData
from meshgait_data.fit.priors.motion import accelerations
from meshgait_data.fit.priors.ranges import floor, limits
from meshgait_data.fit.priors.walks import Walk, mirror_tangents, symmetric_mean, tangents
from meshgait_data.rotations import exp, log
from meshgait_data.types import FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class PosePrior:
    """``log(mean^T R)`` of joints 1 to 23 is normal with this covariance; symmetric in left and right."""

    name: str
    mean: Tensor
    """(24, 3, 3) mean pose; the root's is the identity and has no meaning."""
    covariance: Tensor
    """(69, 69) rad^2 of joints 1 to 23."""
    acceleration: Tensor
    """(24,) spectral density of the angular acceleration of each joint about one axis, rad^2/s^3."""
    transl_acceleration: float
    """Spectral density of the acceleration of the pelvis along one axis, m^2/s^3."""
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def to(self, device: torch.device | str, dtype: torch.dtype = torch.float64) -> "PosePrior":
        """The same on another device, or in another precision."""
        tensors = {name: getattr(self, name).to(device, dtype) for name in ("mean", "covariance", "acceleration")}
        return replace(self, **tensors)

    def precision(self, joints: Sequence[int]) -> Tensor:
        """(3 L, 3 L) precision of some joints, whatever the others do, 1/rad^2; raises ValueError for the root."""
        if 0 in joints:
            raise ValueError("the pose prior says nothing about the root")
        rows = [3 * (joint - 1) + axis for joint in joints for axis in range(3)]
        return torch.linalg.inv(self.covariance[rows][:, rows])


def learn_pose(
    walks: Sequence[Walk], *, exclude: Collection[str] = (), name: str = "walk", wide: bool = False, seed: int = 0
) -> PosePrior:
    """Learn how people hold themselves when they walk; everybody counts once, and everybody's mirror image.

    Parameters
    ----------
    walks
        Walks of several people.
    exclude
        People (``Walk.person``) to leave out.
    name
        Name of the prior.
    wide
        Whether to learn from as many synthetic poses too, anywhere within the joints' ranges: a prior for people who do
        anything. They also accelerate twice as hard.
    seed
        Of the synthetic poses.

    Raises
    ------
    InvalidData
        Where fewer than two people are left.
    """
    kept = [walk for walk in walks if walk.person not in exclude]
    people = sorted({walk.person for walk in kept})
    if len(people) < 2:
        raise InvalidData(
            f"a pose prior needs walks of at least 2 people, not of {len(people)}",
            hint="add walks, or exclude fewer people",
        )
    groups = [np.concatenate([walk.rotations for walk in kept if walk.person == person]) for person in people]
    turn, move = accelerations(kept)
    if wide:
        groups += [_widened(group, np.random.default_rng(seed)) for group in groups]
        turn, move = 4 * turn, 4 * move
    mean, covariance = gaussian(groups)
    return PosePrior(name, torch.as_tensor(mean), torch.as_tensor(covariance), torch.as_tensor(turn), move)


def _widened(rotations: FloatArray, rng: np.random.Generator) -> FloatArray:
    """As many poses far from walking, see ``wide_poses``, within the joints' ranges."""
    poses, (low, high) = log(rotations), limits()
    poses[:, 1:] = wide_poses(poses[:, 1:].reshape(len(poses), 69), rng).reshape(len(poses), 23, 3)
    return exp(np.clip(poses, low, high))


def gaussian(groups: Sequence[FloatArray]) -> tuple[FloatArray, FloatArray]:
    """Mean (24, 3, 3) and covariance (69, 69) of groups of poses (F, 24, 3, 3) and their mirror images.

    All groups count the same. The covariance has the variances added that ``ranges.floor`` gives.
    """
    weights = np.concatenate([np.full(len(group), 1 / (len(groups) * len(group))) for group in groups])
    poses = np.concatenate(groups)
    mean = symmetric_mean(poses, weights)
    mean[0] = np.eye(3)
    covariance = np.diag(floor()[3:72])
    vectors = tangents(poses, mean)
    for both in (vectors, mirror_tangents(vectors)):
        flat = both[:, 1:].reshape(len(both), 69)
        covariance += 0.5 * (flat * weights[:, None]).T @ flat
    return mean, covariance


def log_likelihood(prior: PosePrior, poses: FloatArray) -> float:
    """Mean log density, nats per pose, of poses (F, 24, 3, 3) under the Gaussian in its tangent space."""
    vectors = log(prior.mean.numpy()[1:].swapaxes(-1, -2) @ poses[:, 1:]).reshape(len(poses), 69)
    covariance = prior.covariance.numpy()
    distance = np.einsum("fa,ab,fb->f", vectors, np.linalg.inv(covariance), vectors).mean()
    return float(-0.5 * (distance + np.linalg.slogdet(covariance)[1] + 69 * np.log(2 * np.pi)))
