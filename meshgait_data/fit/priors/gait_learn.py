"""Learn the gait-cycle prior from fitted walks: phases, Fourier series, principal components. Arrays only.

Everybody counts once, however many walks there are of them, and everybody's mirror image, too: the mean cycle is
symmetric, its right half the image of its left half, and asymmetry is a style like any other.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from meshgait_data.conventions import SMPL_PARENTS
from meshgait_data.fit.priors.gait import GRAVITY, GaitPrior
from meshgait_data.fit.priors.phase import Paced, first_phase, follow_path, harmonics, heel_strikes, refine_phase
from meshgait_data.fit.priors.walks import Walk, mirror_tangents, shares, symmetric_mean, tangents, turn_about_y
from meshgait_data.types import FloatArray


@dataclass(frozen=True, slots=True)
class GaitSettings:
    """How to learn a gait-cycle prior."""

    harmonics: int = 4
    styles: int = 16
    rounds: int = 3
    """Times that phases and mean cycle take turns."""
    phase_hz: float = 0.5
    """Deviations from an even pace that swing faster than this are taken for noise."""
    noise_m: float = 0.02
    """Metres, over all joints: how far a frame lies from the cycle of its walk."""
    rhythm_m: float = 0.3
    """Metres that a change of cadence or stride by a factor of e counts as, when styles are chosen."""
    memory_s: float = 0.1
    """Seconds that two frames must lie apart to be independent evidence of a style."""


_DEFAULT = GaitSettings()


@dataclass(frozen=True, slots=True, eq=False)
class Strided:
    """A walk as channels of a gait cycle."""

    walk: Walk
    paced: Paced
    channels: FloatArray
    """(F, C)"""

    @property
    def rhythm(self) -> FloatArray:
        """(2,) see ``GaitPrior.rhythm``."""
        seconds = self.walk.times[-1] - self.walk.times[0]
        rate = float(self.paced.phase[-1] - self.paced.phase[0]) / (2 * np.pi * seconds)
        leg = self.walk.leg_m
        return np.log([rate * np.sqrt(leg / GRAVITY), self.paced.speed / rate / leg])


def stride(walks: Sequence[Walk], settings: GaitSettings = _DEFAULT) -> tuple[FloatArray, list[Strided]]:
    """Find phase and path of each walk, all by one definition.

    Returns
    -------
    The mean pose (24, 3, 3), the root's relative to the heading, and the walks.
    """
    paced = [follow_path(walk, first_phase(walk)) for walk in walks]
    turned = [_against_heading(walk, pace) for walk, pace in zip(walks, paced, strict=True)]
    share = shares([walk.person for walk in walks])
    weights = np.concatenate([np.full(len(r), s / len(r)) for r, s in zip(turned, share, strict=True)])
    mean = symmetric_mean(np.concatenate(turned), weights)
    lever = levers(walks) / settings.noise_m
    for _ in range(settings.rounds):
        strided = [_strided(walk, pace, mean) for walk, pace in zip(walks, paced, strict=True)]
        cycle = _mean_cycle(strided, share, settings.harmonics)
        phases = [
            refine_phase(one.paced.phase, one.channels, cycle, lever**2, cutoff=cutoff(one.walk, settings))
            for one in strided
        ]
        paced = [follow_path(walk, phase) for walk, phase in zip(walks, phases, strict=True)]
    # Half of all heel strikes come before phase 0, half of them after; everybody counts the same.
    strikes = [np.median(heel_strikes(walk, pace)) for walk, pace in zip(walks, paced, strict=True)]
    late = float(np.sum(share * strikes))
    paced = [follow_path(walk, pace.phase - late) for walk, pace in zip(walks, paced, strict=True)]
    return mean, [_strided(walk, pace, mean) for walk, pace in zip(walks, paced, strict=True)]


def levers(walks: Sequence[Walk]) -> FloatArray:
    """(C,) metres, root mean square over all joints, that the joints move when a channel grows by one."""
    parents = np.array(SMPL_PARENTS)
    reach = np.zeros((24, 24))
    for walk in walks:
        reach += np.square(walk.joints[::5, :, None] - walk.joints[::5, None]).sum(-1).mean(0) / len(walks)
    below = np.eye(24, dtype=bool)
    for joint in range(23, 0, -1):
        below[parents[joint]] |= below[joint]
    # Joints that end the chain still move skin: a hand, a foot, a head reach about 10 cm.
    turns = (reach * below).sum(1) + 0.1**2
    leg = np.mean([walk.leg_m for walk in walks])
    return np.concatenate([np.repeat(np.sqrt(turns / 24), 3), np.full(3, leg)])


def fit_cycle(mean: FloatArray, strided: Sequence[Strided], settings: GaitSettings, *, name: str) -> GaitPrior:
    """Mean cycle and styles: principal components of the walks' Fourier coefficients, cadences and strides.

    Parameters
    ----------
    mean
        (24, 3, 3) mean pose.
    strided
        Walks.
    settings
        Numbers of harmonics and styles.
    name
        Name of the prior.

    Returns
    -------
    A prior whose ``covariance`` is still that of one noise for all joints.
    """
    share = shares([one.walk.person for one in strided])
    share = np.concatenate([share, share]) / 2
    rows = [coefficients(one, settings.harmonics) for one in strided]
    rows += [mirror_cycle(row) for row in rows]
    rhythm = np.array([one.rhythm for one in strided] * 2)
    lever = levers([one.walk for one in strided])
    # Over a cycle, a cosine has half the mean square of a constant.
    scale = np.sqrt(np.where(np.arange(1 + 2 * settings.harmonics) == 0, 1.0, 0.5))[:, None] * lever
    table = np.concatenate([(np.array(rows) * scale).reshape(len(rows), -1), settings.rhythm_m * rhythm], axis=1)
    centre = share @ table
    _, spread, axes = np.linalg.svd(np.sqrt(share)[:, None] * (table - centre), full_matrices=False)
    styles = (spread[:, None] * axes)[: settings.styles]
    scores = (table - centre) @ axes[: settings.styles].T / np.maximum(spread[: settings.styles], 1e-12)
    left = rhythm - centre[-2:] / settings.rhythm_m - scores @ styles[:, -2:] / settings.rhythm_m
    noise = np.diag(settings.noise_m**2 / lever**2 / len(lever))
    parts: dict[str, FloatArray] = {
        "mean": mean,
        "cycle": centre[:-2].reshape(scale.shape) / scale,
        "styles": styles[:, :-2].reshape(-1, *scale.shape) / scale,
        "rhythm": centre[-2:] / settings.rhythm_m,
        "rhythm_styles": styles[:, -2:] / settings.rhythm_m,
        "rhythm_covariance": np.einsum("n,na,nb->ab", share, left, left) + 0.02**2 * np.eye(2),
        "covariance": noise,
    }
    tensors: dict[str, Any] = {key: torch.as_tensor(value) for key, value in parts.items()}
    return GaitPrior(name=name, memory_s=settings.memory_s, **tensors)


def coefficients(one: Strided, count: int) -> FloatArray:
    """(1 + 2 H, C) Fourier coefficients of a walk; phases that it has more frames of count no more than others."""
    waves = harmonics(one.paced.phase, count)
    # As weak as a single frame: keeps harmonics that a broken cycle leaves open small.
    ridge = np.diag([0.0] + [1.0] * (2 * count))
    return np.linalg.solve(waves.T @ waves + ridge, waves.T @ one.channels)


def mirror_cycle(cycle: FloatArray) -> FloatArray:
    """Fourier coefficients (1 + 2 H, C) of the mirror image: sides exchanged, and half a cycle later."""
    image = mirror_channels(cycle)
    order = np.arange(1, len(cycle)) + 1
    # cos(n (phase + pi)) is (-1)^n cos(n phase).
    image[1:] *= np.where(order // 2 % 2 == 0, 1.0, -1.0)[:, None]
    return image


def mirror_channels(channels: FloatArray) -> FloatArray:
    """(F, C) of the mirror image at the same moments."""
    turned = mirror_tangents(channels[:, :72].reshape(len(channels), 24, 3)).reshape(len(channels), 72)
    return np.concatenate([turned, channels[:, 72:] * [1, -1, 1]], axis=1)


def _against_heading(walk: Walk, paced: Paced) -> FloatArray:
    """(F, 24, 3, 3) with the root relative to the heading."""
    rotations = walk.rotations.copy()
    rotations[:, 0] = turn_about_y(-paced.heading) @ rotations[:, 0]
    return rotations


def _strided(walk: Walk, paced: Paced, mean: FloatArray) -> Strided:
    vectors = tangents(_against_heading(walk, paced), mean).reshape(len(walk.times), 72)
    root = np.stack([walk.joints[:, 0, 1] - walk.ground_m, paced.lateral, paced.forward], 1) / walk.leg_m
    return Strided(walk, paced, np.concatenate([vectors, root], axis=1))


def _mean_cycle(strided: Sequence[Strided], share: FloatArray, count: int) -> FloatArray:
    rows = np.array([coefficients(one, count) for one in strided])
    mean = np.tensordot(share, rows, 1)
    return 0.5 * (mean + mirror_cycle(mean))


def cutoff(walk: Walk, settings: GaitSettings) -> float:
    """``settings.phase_hz`` in cycles per frame."""
    return settings.phase_hz * float(np.median(np.diff(walk.times)))
