"""The fit: error on bodies whose truth is known, residual on all shipped walks, speed, and Adam through autograd.

``python benchmarks/fit.py --learn-offsets`` prints the rows of ``manifests/skeletons/cmu.yaml`` anew instead.
"""

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from common import Figures, main
from torch import Tensor

from meshgait_data import torch_rotations
from meshgait_data.body.files import load_body
from meshgait_data.body.model import Body, forward
from meshgait_data.conventions import SMPL_JOINTS
from meshgait_data.fit import FitSettings, fit_joints
from meshgait_data.fit.chain import State
from meshgait_data.fit.engine import to_params
from meshgait_data.fit.observed import map_observations
from meshgait_data.fit.offsets import learn_offsets
from meshgait_data.fit.problem import make_problem
from meshgait_data.fit.residuals import Problem
from meshgait_data.fit.start import first_guess
from meshgait_data.index import scan
from meshgait_data.manifest import JointMap, MappedJoint, load_joint_map, load_manifest
from meshgait_data.sources import observe
from meshgait_data.types import BodyParams, CaptureKey, Fit, Observations

OWN = JointMap("smpl", "the body's own joints", tuple(MappedJoint(name, name) for name in SMPL_JOINTS))
ANCHORS = ("lhipjoint", "lfemur", "ltibia", "lfoot", "lclavicle", "lhumerus", "lwrist")
"""CMU joints that nearly coincide with SMPL's, on the left; lowerneck and upperneck in the middle."""
LEARN_FROM = 3
"""Walks of a subject that offsets are learned from, at most."""


def walks(side: str | None = None, most: int | None = None) -> list[Observations]:
    """Shipped walks, of one side of the split, and at most so many of a subject."""
    manifest = load_manifest("cmu_walk")
    root = manifest.default_root()
    assert root is not None
    taken: dict[str, list[CaptureKey]] = {}
    for key in scan(manifest, root)[0].captures():
        if side in (None, manifest.side(key.subject)):
            taken.setdefault(key.subject, []).append(key)
    return [observe(manifest, root, key) for keys in taken.values() for key in keys[:most]]


def print_offsets() -> None:
    """Learn the offsets of CMU's skeleton on the training side and print the rows of the map."""
    anchors = [*ANCHORS, *("r" + name[1:] for name in ANCHORS), "lowerneck", "upperneck"]
    learned = learn_offsets(
        load_body("free"), walks("train", LEARN_FROM), load_joint_map("cmu"), FitSettings(), anchors=anchors
    )
    for row in learned.joints:
        offset = ", ".join(f"{x:.3f}" for x in row.offset)
        print(f"  - {{observed: {row.observed}, body: {row.body}, weight: {row.weight}, offset: [{offset}]}}")


def on_cmu(body: Body, seen: list[Observations]) -> tuple[Figures, list[Fit]]:
    """Residual per mapped joint, and frames a second of CPU time on one thread."""
    joint_map, fits, seconds = load_joint_map("cmu"), [], 0.0
    fit_joints(body, seen[0], joint_map)
    for walk in seen:
        start = time.process_time()
        fits.append(fit_joints(body, walk, joint_map))
        seconds += time.process_time() - start
    residual = np.concatenate([fit.residuals["joints"] for fit in fits])
    worst = max(fits, key=lambda fit: fit.residuals["joints"].mean())
    return {
        "cmu_mm": 1e3 * residual.mean(),
        "cmu_worst_walk_mm": 1e3 * worst.residuals["joints"].mean(),
        "cmu_max_abs_beta": max(np.abs(fit.params.betas).max() for fit in fits),
        "cmu_unconverged": sum(not fit.converged for fit in fits),
        "fps_joints": len(residual) / seconds,
    }, fits


def known_bodies(body: Body, fits: list[Fit], noise_m: float) -> Iterator[tuple[BodyParams, Observations]]:
    """Fitted poses on random shapes: the truth, and its own joints with noise per coordinate."""
    rng = np.random.default_rng(0)
    for fit in fits:
        truth = replace(fit.params, betas=rng.normal(size=FitSettings().num_betas).astype(np.float32))
        joints = forward(body, truth, np.array([0])).joints + rng.normal(size=(len(truth), 24, 3)) * noise_m
        yield truth, Observations(fit.key, joints, SMPL_JOINTS, "smpl", np.arange(len(truth)), fit.fps)


def on_known_bodies(body: Body, fits: list[Fit]) -> Figures:
    """Errors against the truth: joints without and with noise, mesh."""
    errors: dict[str, list[float]] = {"joints_clean_mm": [], "joints_noise10_mm": [], "mesh_clean_mm": []}
    for name, noise in (("joints_clean_mm", 0.0), ("joints_noise10_mm", 0.01)):
        for truth, seen in known_bodies(body, fits, noise):
            found = fit_joints(body, seen, OWN).params
            errors[name].append(joint_error_mm(body, found, truth))
            if not noise:
                pair = [forward(body, params.take(slice(None, None, 8))).vertices for params in (found, truth)]
                errors["mesh_clean_mm"].append(1e3 * np.linalg.norm(pair[0] - pair[1], axis=-1).mean())
    return {name: float(np.mean(values)) for name, values in errors.items()}


def joint_error_mm(body: Body, found: BodyParams, truth: BodyParams) -> float:
    """Mean distance of the 24 joints."""
    pair = [forward(body, params, np.array([0])).joints for params in (found, truth)]
    return 1e3 * float(np.linalg.norm(pair[0] - pair[1], axis=-1).mean())


@dataclass
class Adam:
    """The peer: axis-angle, translation and shape by Adam, gradients by autograd through the same joints and priors."""

    problem: Problem
    start: State
    rate: float

    def seconds_to(self, goal_mm: float, body: Body, truth: BodyParams, most: int) -> float:
        """CPU seconds until the error is no worse than the goal; infinite where it never gets there."""
        angles = torch_rotations.log(self.start.rotations).requires_grad_()
        unknowns = [angles, self.start.betas.clone().requires_grad_(), self.start.transl.clone().requires_grad_()]
        optimiser, seconds = torch.optim.Adam(unknowns, lr=self.rate), 0.0
        for iteration in range(most):
            begin = time.process_time()
            optimiser.zero_grad()
            self._loss(*unknowns).backward()
            optimiser.step()
            seconds += time.process_time() - begin
            if iteration % 5 == 4:
                state = State(torch_rotations.exp(angles.detach()), unknowns[1].detach(), unknowns[2].detach())
                if joint_error_mm(body, to_params(state), truth) <= goal_mm:
                    return seconds
        return float("inf")

    def _loss(self, angles: Tensor, betas: Tensor, transl: Tensor) -> Tensor:
        chain, prior = self.problem.chain, self.problem.prior
        rotations, rest = torch_rotations.exp(angles), chain.rest(betas)
        world, places = [rotations[:, 0]], [rest[0] + transl]
        for joint, parent in enumerate(chain.parents[1:], 1):
            world.append(world[parent] @ rotations[:, joint])
            places.append(places[parent] + world[parent] @ (rest[joint] - rest[parent]))
        misses = self.problem.targets - torch.stack(places, 1)
        bend = torch_rotations.log(prior.mean[1:].mT @ rotations[:, 1:])
        loss = (self.problem.weights * misses.square().sum(-1)).sum() + (prior.precision[1:] * bend.square()).sum()
        return (loss + self.problem.shape_precision * betas.square().sum()) / 2


def against_adam(body: Body, fits: list[Fit], most: int = 1500) -> Figures:
    """Ratio of CPU time to 101 % of our error under 10 mm of noise, for the best of three rates; nothing smoothed.

    ``vs_adam`` starts Adam at the mean pose, in the right place and turned the right way; ``vs_adam_same_start`` at
    our closed form, whose time then counts for us only.
    """
    settings, ours, rest, same = FitSettings(cutoff_hz=0.0), 0.0, 0.0, 0.0
    for truth, seen in known_bodies(body, fits, 0.01):
        begin = time.process_time()
        found = fit_joints(body, seen, OWN, settings).params
        ours += time.process_time() - begin
        goal = 1.01 * joint_error_mm(body, found, truth)
        problem = make_problem(body, map_observations(seen, OWN, settings), settings, fps=seen.fps)
        guess = first_guess(problem)
        mean = problem.prior.mean.expand_as(guess.rotations).clone()
        mean[:, 0] = guess.rotations[:, 0]
        starts = State(mean, guess.betas * 0, guess.transl), guess
        times = [
            min(Adam(problem, start, rate).seconds_to(goal, body, truth, most) for rate in (0.01, 0.03, 0.1))
            for start in starts
        ]
        rest, same = rest + times[0], same + times[1]
    return {"vs_adam": rest / ours, "vs_adam_same_start": same / ours}


def measure(quick: bool) -> Figures:
    """All figures; quick takes the first walk of each subject, and one of them for Adam."""
    torch.set_num_threads(1)
    body = load_body("free")
    figures, fits = on_cmu(body, walks(most=1 if quick else None))
    some = fits if quick else fits[::5]
    known = on_known_bodies(body, some)
    peers = against_adam(body, some[-1:] if quick else some[:4])
    # A peer that never reached our error has no ratio.
    return {**known, **figures, **{name: value for name, value in peers.items() if np.isfinite(value)}}


if __name__ == "__main__":
    if "--learn-offsets" in sys.argv[1:]:
        print_offsets()
    else:
        main("fit", measure, "Fit of 3D joints: errors, speed on one thread, Adam through autograd at equal error")
