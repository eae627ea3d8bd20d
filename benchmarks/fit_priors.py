"""Priors: bodies fitted to 24 noisy joints with the pose prior and with the gait cycle, learned without them.

No smoothness: what differs is the prior alone. CMU walks are re-posed on random bodies (``fit_truth.py``); noise of 10
and 50 mm a coordinate. ``<prior>_<noise>_joints_mm`` and ``_mesh_mm`` are means over walks of one distance a walk.
"""

import numpy as np
import torch
from common import Figures, main
from fit_truth import Truth, body, halves, joint_error_mm, joints_of, mesh_error_mm, truths

from meshgait_data.fit.batch import Layout, State, pose
from meshgait_data.fit.chain import Chain
from meshgait_data.fit.minimise import Problem, minimise
from meshgait_data.fit.points import BodyPoints
from meshgait_data.fit.priors import GaitPrior
from meshgait_data.fit.priors.ranges import limits
from meshgait_data.fit.start import first_guess
from meshgait_data.fit.terms.gait import GaitTerm
from meshgait_data.fit.terms.gait_path import leg_lengths
from meshgait_data.fit.terms.gait_unknowns import EXTRA, gait_extra, gait_start
from meshgait_data.fit.terms.limits import Limits
from meshgait_data.fit.terms.points3d import Points3D
from meshgait_data.fit.terms.pose_prior import PoseTerm
from meshgait_data.fit.terms.shape import ShapePrior
from meshgait_data.pipeline.prior_files import Priors
from meshgait_data.rotations import log
from meshgait_data.types import BodyParams

NOISES_M = (0.01, 0.05)


def fitted(truth: Truth, priors: Priors, noise_m: float, kind: str, rng: np.random.Generator) -> BodyParams:
    """One walk fitted to its noisy joints with the ``pose`` prior or the ``gait`` cycle."""
    frames, joints = len(truth.params), joints_of(truth.params)
    chain, layout = Chain.of(body(), num_betas=10), Layout.of([frames])
    seen = torch.as_tensor(joints + noise_m * rng.normal(size=joints.shape))
    points, weights = BodyPoints.at_joints(chain, range(24)), torch.ones(frames, 24, dtype=torch.float64)
    free = tuple(sorted(points.movers(chain)))
    start = first_guess(chain, layout, points, seen, weights, mean=priors.pose.mean, free=free)
    sigma = torch.full((1,), noise_m, dtype=torch.float64)
    terms = [Points3D(points, seen, weights, sigma), Limits.of(torch.as_tensor(limits()), free)]
    terms += [ShapePrior(torch.ones(1, dtype=torch.float64))]
    if kind == "pose":
        solution = minimise(Problem(chain, layout, free, [*terms, PoseTerm.of(priors.pose, free)]), start)
    else:
        assert priors.gait is not None
        term, values = started(priors.gait, chain, layout, start, truth.fps, free)
        problem = Problem(chain, layout, free, [*terms, term], (gait_extra(priors.gait),))
        solution = minimise(problem, State(start.rotations, start.transl, start.betas, {EXTRA: values}))
    state = solution.state
    angles = log(state.rotations.numpy())
    pose_angles = angles[:, 1:].reshape(frames, 69)
    return BodyParams(state.betas[0].numpy(), angles[:, 0], pose_angles, state.transl.numpy())


def started(
    gait: GaitPrior, chain: Chain, layout: Layout, start: State, fps: float, free: tuple[int, ...]
) -> tuple[GaitTerm, torch.Tensor]:
    """The gait term, and its extra from the closed-form poses: a line through phases frame by frame."""
    seconds = torch.arange(layout.frames, dtype=torch.float64) / fps
    term = GaitTerm.of(gait, layout, seconds, free)
    phases = np.unwrap(gait.find_phase(start.rotations).numpy())
    rate, middle = np.polyfit(term.seconds.numpy(), phases, 1)
    way = (start.transl[-1] - start.transl[0]).numpy()
    leg = leg_lengths(pose(chain, layout, start))[0]
    known = {"phase": middle, "cadence": rate / (2 * np.pi), "heading": np.arctan2(way[0], way[2])}
    return term, gait_start(gait, leg, **{name: leg.new_tensor([float(value)]) for name, value in known.items()})


def measure(quick: bool) -> Figures:
    """Means over one walk of each person; four people if ``quick``."""
    torch.set_num_threads(1)
    found = truths()[: 4 if quick else None]
    figures: Figures = {}
    for noise_m in NOISES_M:
        for kind in ("pose", "gait"):
            rng, errors = np.random.default_rng(0), []
            for people, priors in halves(found):
                for truth in people:
                    fit = fitted(truth, priors, noise_m, kind, rng)
                    errors.append((joint_error_mm(fit, truth.params), mesh_error_mm(fit, truth.params)))
            joints, mesh = np.mean(errors, axis=0)
            name = f"{kind}_{1000 * noise_m:.0f}"
            figures |= {f"{name}_joints_mm": joints, f"{name}_mesh_mm": mesh}
    return figures


if __name__ == "__main__":
    main("fit_priors", measure, "Priors: noisy joints fitted with the pose prior and with the gait cycle")
