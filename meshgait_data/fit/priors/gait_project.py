"""Project walks onto a gait-cycle prior, and see what the prior cannot tell of people whom it does not know."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from meshgait_data.fit.priors.gait import GaitPrior
from meshgait_data.fit.priors.gait_learn import GaitSettings, Strided, cutoff, mirror_channels
from meshgait_data.fit.priors.phase import harmonics, refine_phase
from meshgait_data.fit.priors.ranges import floor
from meshgait_data.fit.priors.walks import shares
from meshgait_data.types import FloatArray

_LONGEST_S = 0.5
"""Deviations that last longer are a person's own way, not chance; seconds."""


@dataclass(frozen=True, slots=True, eq=False)
class Projection:
    """The walk of the prior that comes nearest to a walk."""

    phase: FloatArray
    """(F,) radians."""
    style: FloatArray
    """(K,) standard deviations."""
    misses: FloatArray
    """(F, C) channels of the walk minus those of the prior."""
    rhythm: FloatArray
    """(2,) log cadence and log stride of the walk, minus what the style tells of them."""


def project(prior: GaitPrior, one: Strided, settings: GaitSettings, rounds: int = 4) -> Projection:
    """Find phases and style; frames closer together than ``memory_s`` count as one.

    Parameters
    ----------
    prior
        Space to project onto.
    one
        A walk whose channels are about the prior's mean pose.
    settings
        How smooth the phase is.
    rounds
        Times that style and phase take turns.
    """
    cycle, styles = prior.cycle.numpy(), prior.styles.numpy()
    rhythm, tilt = prior.rhythm.numpy(), prior.rhythm_styles.numpy()
    precision = np.linalg.inv(prior.covariance.numpy())
    pace = np.linalg.inv(prior.rhythm_covariance.numpy())
    evidence = min(1.0, float(np.median(np.diff(one.walk.times))) / prior.memory_s)
    weights, pace_cutoff = np.diag(precision), cutoff(one.walk, settings)
    phase, style, bent = one.paced.phase, np.zeros(len(styles)), cycle
    for _ in range(rounds):
        waves = harmonics(phase, prior.harmonics)
        slopes = np.einsum("th,khc->ktc", waves, styles)
        weighted = slopes @ precision * evidence
        matrix = np.einsum("ktc,ltc->kl", weighted, slopes) + tilt @ pace @ tilt.T + np.eye(len(styles))
        pull = np.einsum("ktc,tc->k", weighted, one.channels - waves @ cycle) + tilt @ pace @ (one.rhythm - rhythm)
        style = np.linalg.solve(matrix, pull)
        bent = cycle + np.tensordot(style, styles, 1)
        phase = refine_phase(phase, one.channels, bent, weights, cutoff=pace_cutoff)
    misses = one.channels - harmonics(phase, prior.harmonics) @ bent
    return Projection(phase, style, misses, one.rhythm - rhythm - style @ tilt)


def with_noise(prior: GaitPrior, strided: Sequence[Strided], left_out: Sequence[Projection]) -> GaitPrior:
    """The prior with the covariance and memory of its misses on people who were not learned from.

    Parameters
    ----------
    prior
        Prior of all people.
    strided
        Walks.
    left_out
        Projection of each walk onto a prior without its person.
    """
    share = shares([one.walk.person for one in strided])
    total = np.zeros((75, 75))
    for weight, found in zip(share, left_out, strict=True):
        image = mirror_channels(found.misses)
        total += weight / (2 * len(image)) * (found.misses.T @ found.misses + image.T @ image)
    rhythm = np.array([found.rhythm for found in left_out])
    return replace(
        prior,
        covariance=torch.as_tensor(total + np.diag(floor())),
        rhythm_covariance=torch.as_tensor(np.einsum("n,na,nb->ab", share, rhythm, rhythm) + 0.02**2 * np.eye(2)),
        memory_s=memory(strided, left_out),
    )


def memory(strided: Sequence[Strided], left_out: Sequence[Projection]) -> float:
    """Seconds that deviations from the cycle last: the integral of their autocorrelation over both directions."""
    share, covariance = shares([one.walk.person for one in strided]), np.diag(floor())
    for weight, found in zip(share, left_out, strict=True):
        covariance = covariance + weight * found.misses.T @ found.misses / len(found.misses)
    white = np.linalg.cholesky(np.linalg.inv(covariance))
    total = 0.0
    for weight, one, found in zip(share, strided, left_out, strict=True):
        step = float(np.median(np.diff(one.walk.times)))
        lags = range(1, min(int(_LONGEST_S / step), len(found.misses) - 2) + 1)
        values = found.misses @ white
        alike = [float((values[:-lag] * values[lag:]).mean()) for lag in lags]
        total += weight * step * (1 + 2 * sum(alike) / float((values**2).mean()))
    return total
