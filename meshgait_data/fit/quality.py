"""From residuals to a verdict per frame: accepted, flagged or rejected, and why."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from meshgait_data.conventions import ACCEPTED, FLAGGED, REJECTED, SMPL_JOINTS
from meshgait_data.fit.residuals import Evaluation, Problem
from meshgait_data.fit.settings import FitSettings
from meshgait_data.types import BoolArray, ByteArray, FloatArray, IntArray


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """Residuals per frame and what follows from them."""

    residuals: Mapping[str, FloatArray]
    """``joints``: mean distance to the observed joints, ``worst_joint``: the largest one, both in metres;
    ``limits``: how far knees and elbows bend the wrong way, radians. (F,) each."""
    verdict: ByteArray
    """(F,)"""
    reasons: tuple[str, ...]


def judge(
    problem: Problem, at: Evaluation, *, betas: FloatArray, frame_ids: IntArray, converged: bool, settings: FitSettings
) -> Judged:
    """Judge every frame of a fit.

    Parameters
    ----------
    problem, at
        What was solved, and its residuals at the solution.
    betas
        (B,) shape.
    frame_ids
        (F,) for the texts.
    converged
        Whether the solver did.
    settings
        Thresholds.
    """
    residuals = _residuals(problem, at)
    verdict = np.zeros(len(frame_ids), np.uint8)
    reasons: list[str] = []

    def mark(level: int, frames: BoolArray, text: str) -> None:
        if frames.any():
            np.maximum(verdict, np.where(frames, level, ACCEPTED), out=verdict, casting="unsafe")
            reasons.append(f"{('accepted', 'flagged', 'rejected')[level]}: {text}{_name(frame_ids, frames)}")

    everywhere = np.ones(len(frame_ids), bool)
    misses, strange = residuals["joints"], float(np.abs(betas).max(initial=0.0))
    if not converged:
        mark(FLAGGED, everywhere, f"the solver did not converge in {settings.max_iterations} iterations")
    if strange > settings.flag_beta:
        level = REJECTED if strange > settings.reject_beta else FLAGGED
        mark(level, everywhere, f"betas[{np.abs(betas).argmax()}] is {strange:.1f} standard deviations from the mean")
    limit = settings.reject_residual_m
    mark(REJECTED, misses > limit, f"joints are more than {1e3 * limit:.0f} mm off")
    flag = settings.flag_residual_m
    mark(FLAGGED, (misses > flag) & (misses <= limit), f"joints are more than {1e3 * flag:.0f} mm off")
    excess = np.degrees(at.excess.cpu().numpy())
    hinges = [joint for joint in problem.prior.hinges if joint in problem.points.free]
    for column, joint in enumerate(hinges):
        bent = excess[:, column] > settings.flag_limit_deg
        mark(
            FLAGGED, bent, f"{SMPL_JOINTS[joint]} is bent the wrong way by up to {excess[:, column].max():.0f} degrees"
        )
    return Judged(residuals, verdict, tuple(reasons))


def _residuals(problem: Problem, at: Evaluation) -> dict[str, FloatArray]:
    seen = problem.weights > 0
    distance = torch.where(seen, at.misses.norm(dim=-1), 0.0)
    excess = at.excess.amax(1) if at.excess.shape[1] else at.excess.new_zeros(len(at.excess))
    terms = {"joints": distance.sum(1) / seen.sum(1), "worst_joint": distance.amax(1), "limits": excess}
    return {name: values.cpu().numpy().astype(np.float32) for name, values in terms.items()}


def _name(frame_ids: IntArray, frames: BoolArray) -> str:
    """Which frames, short."""
    chosen = frame_ids[frames]
    if len(chosen) == len(frame_ids):
        return " in all frames"
    listed = ", ".join(str(i) for i in chosen[:5])
    return f" in {len(chosen)} of {len(frame_ids)} frames ({listed}{', ...' if len(chosen) > 5 else ''})"
