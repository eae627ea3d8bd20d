"""What priors know of people whom they were not learned from: one person after the other is left out. Arrays only."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np

from meshgait_data.body.model import chain
from meshgait_data.conventions import SMPL_PARENTS
from meshgait_data.fit.priors.gait_learn import GaitSettings, Strided, fit_cycle, stride
from meshgait_data.fit.priors.gait_project import project
from meshgait_data.fit.priors.phase import heel_strikes
from meshgait_data.fit.priors.pose import learn_pose, log_likelihood
from meshgait_data.fit.priors.walks import Walk, shares
from meshgait_data.rotations import exp
from meshgait_data.types import FloatArray


@dataclass(frozen=True, slots=True)
class Figures:
    """How near the walk of a prior comes to those of people left out; means over people."""

    harmonics: int
    styles: int
    joints_mm: float
    """Root mean square distance of joints, the pelvis' position taken away."""
    aligned_mm: float
    """The same after the best rotation and shift of each frame."""
    degrees: float
    """Root mean square angle between rotations of a joint and those of the walk."""


def gait_figures(walks: Sequence[Walk], sizes: Sequence[tuple[int, int]], settings: GaitSettings) -> list[Figures]:
    """Project everybody's walks onto priors learned from all others.

    Parameters
    ----------
    walks
        Walks of several people.
    sizes
        Pairs of harmonics and styles to measure.
    settings
        Everything else.
    """
    mean, strided = stride(walks, settings)
    share = shares([walk.person for walk in walks])
    people = sorted({walk.person for walk in walks})
    result = []
    for harmonics, styles in sizes:
        sized = replace(settings, harmonics=harmonics, styles=styles)
        spaces = {
            person: fit_cycle(mean, [one for one in strided if one.walk.person != person], sized, name="held out")
            for person in people
        }
        rows = [_distances(mean, one, project(spaces[one.walk.person], one, sized).misses) for one in strided]
        joints, aligned, angle = np.sqrt(share @ np.square(rows))
        result.append(Figures(harmonics, styles, 1000 * joints, 1000 * aligned, float(np.degrees(angle))))
    return result


def strike_spread_deg(walks: Sequence[Walk], settings: GaitSettings) -> float:
    """Degrees of a cycle, root mean square, that heel strikes lie off phase 0 and pi."""
    _, strided = stride(walks, settings)
    share = shares([walk.person for walk in walks])
    squares = [np.square(heel_strikes(one.walk, one.paced)).mean() for one in strided]
    return float(np.degrees(np.sqrt(share @ squares)))


def pose_likelihood(walks: Sequence[Walk]) -> tuple[float, float]:
    """Mean log density in nats per pose of people left out, under the full covariance and under its diagonal."""
    both = []
    for person in sorted({walk.person for walk in walks}):
        prior = learn_pose(walks, exclude={person})
        poses = np.concatenate([walk.rotations for walk in walks if walk.person == person])
        alone = replace(prior, covariance=prior.covariance.diagonal().diag())
        both.append((log_likelihood(prior, poses), log_likelihood(alone, poses)))
    full, diagonal = np.mean(both, axis=0)
    return float(full), float(diagonal)


def rounded(figures: Figures) -> dict[str, float]:
    """For files: two digits behind the point."""
    return {name: round(value, 2) for name, value in asdict(figures).items()}


def _distances(mean: FloatArray, one: Strided, misses: FloatArray) -> tuple[float, float, float]:
    """Metres, metres, radians; root mean square over frames and joints."""
    seen, known = (_joints(mean, channels, one.walk.rest) for channels in (one.channels, one.channels - misses))
    turns = [mean @ exp(c[:, :72].reshape(-1, 24, 3)) for c in (one.channels, one.channels - misses)]
    cosine = (np.einsum("fjab,fjab->fj", *turns) - 1) / 2
    away, aligned = (np.sqrt(np.square(a - b).sum(-1).mean()) for a, b in ((seen, known), _aligned(seen, known)))
    return float(away), float(aligned), float(np.sqrt(np.square(np.arccos(np.clip(cosine, -1, 1))).mean()))


def _joints(mean: FloatArray, channels: FloatArray, rest: FloatArray) -> FloatArray:
    """(F, 24, 3) joints with the pelvis at the origin."""
    rotations = mean @ exp(channels[:, :72].reshape(-1, 24, 3))
    world, _ = chain(np.array(SMPL_PARENTS), rotations, rest)
    return world[..., 3] - world[:, :1, :, 3]


def _aligned(first: FloatArray, second: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Both around their middles, the first turned onto the second (Kabsch)."""
    a, b = (points - points.mean(axis=1, keepdims=True) for points in (first, second))
    left, _, right = np.linalg.svd(a.swapaxes(1, 2) @ b)
    left[..., 2] *= np.linalg.det(left @ right)[:, None]
    return a @ left @ right, b
