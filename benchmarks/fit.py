"""The fit, input by input: error on bodies whose truth is known, residual on real recordings, speed, and its peers.

Each input has a module of its own beside this one, which runs alone too. ``python benchmarks/fit.py --learn-offsets``
prints the rows of ``manifests/skeletons/cmu.yaml`` anew instead.
"""

import sys

import numpy as np
import torch
from common import Figures, main
from fit_keypoints import measure_keypoints
from fit_markers import measure_markers
from fit_masks import measure_masks
from fit_peers import against_adam, against_smplify
from fit_truth import (
    OWN,
    Truth,
    be_quick,
    body,
    frames_a_second,
    good,
    halves,
    joint_error_mm,
    joints_of,
    mesh_error_mm,
    truths,
    walks,
)

from meshgait_data.conventions import SMPL_JOINTS
from meshgait_data.fit import Known, fit_captures
from meshgait_data.fit.offsets import learn_offsets
from meshgait_data.manifest import load_joint_map, load_manifest
from meshgait_data.pipeline.prior_files import load_priors
from meshgait_data.types import Observations

ANCHORS = ("lhipjoint", "lfemur", "ltibia", "lfoot", "lclavicle", "lhumerus", "lwrist")
"""CMU joints that nearly coincide with SMPL's, on the left; lowerneck and upperneck in the middle."""
LEARN_FROM = 3
"""Walks of a subject that offsets are learned from, at most."""
NOISE_M = {"joints_clean_mm": 0.0, "joints_noise10_mm": 0.01}


def print_offsets() -> None:
    """Learn the offsets of CMU's skeleton on the training side and print the rows of the map."""
    anchors = [*ANCHORS, *("r" + name[1:] for name in ANCHORS), "lowerneck", "upperneck"]
    manifest, taken = load_manifest("cmu_walk"), dict[str, list[Observations]]()
    for walk in walks():
        if manifest.side(walk.key.subject) == "train":
            taken.setdefault(walk.key.subject, []).append(walk)
    chosen = [walk for subject in taken.values() for walk in subject[:LEARN_FROM]]
    learned = learn_offsets(body(), chosen, load_joint_map("cmu"), load_priors().pose, anchors=anchors)
    for row in learned.joints:
        offset = ", ".join(f"{x:.3f}" for x in row.offset)
        print(f"  - {{observed: {row.observed}, body: {row.body}, weight: {row.weight}, offset: [{offset}]}}")


def on_cmu() -> Figures:
    """Residual per mapped joint on all shipped walks."""
    priors = load_priors()
    known = Known(priors.pose, priors.gait, maps={"cmu": load_joint_map("cmu")})
    fits = good(fit_captures(body(), walks(), known))
    means = [float(fit.residuals["joints"].mean()) for fit in fits]
    frames = [len(fit.params) for fit in fits]
    return {
        "cmu_mm": 1e3 * float(np.average(means, weights=frames)),
        "cmu_worst_walk_mm": 1e3 * max(means),
        "cmu_max_abs_beta": max(float(np.abs(fit.params.betas).max()) for fit in fits),
        "cmu_unconverged": sum(not fit.converged for fit in fits),
    }


def with_joints(noise_m: float, found: list[Truth]) -> list[tuple[list[Observations], list[Truth], Known]]:
    """The 24 own joints of known bodies with noise per coordinate, by halves of the people."""
    rng, parts = np.random.default_rng(1), []
    for own, priors in halves(found):
        seen = []
        for truth in own:
            joints = joints_of(truth.params)
            noisy = joints + noise_m * rng.normal(size=joints.shape)
            seen.append(truth.observed(joints=noisy, joint_names=SMPL_JOINTS, joint_set="smpl"))
        parts.append((seen, own, Known(priors.pose, priors.gait, maps={"smpl": OWN})))
    return parts


def on_joints() -> Figures:
    """Errors of joints and mesh against the truth, and frames a second."""
    figures: Figures = {}
    for name, noise in NOISE_M.items():
        joints, mesh = [], []
        for seen, own, known in with_joints(noise, truths()):
            for fit, truth in zip(good(fit_captures(body(), seen, known)), own, strict=True):
                joints.append(joint_error_mm(fit.params, truth.params))
                mesh.append(mesh_error_mm(fit.params, truth.params))
        figures[name] = float(np.mean(joints))
        figures[name.replace("joints", "mesh")] = float(np.mean(mesh))
    tasks = [(seen, known) for seen, _, known in with_joints(NOISE_M["joints_noise10_mm"], truths(200, 6))]
    return figures | {"fps_joints": frames_a_second(tasks)}


def against_peers(quick: bool) -> Figures:
    """Adam on the same energy under 10 mm of noise, and SMPLify's way on clean joints; one thread."""
    seen, own, known = with_joints(0.01, truths())[0]
    most = 1 if quick else 4
    steps = 400 if quick else 1500
    figures = against_adam(body(), seen[:most], [truth.params for truth in own[:most]], known, most=steps)
    seen, own, known = with_joints(0.0, truths())[0]
    return figures | against_smplify(body(), seen[0], own[0].params, known, every=50 if quick else 20)


def measure(quick: bool) -> Figures:
    """All figures; quick takes fewer walks where a module says so."""
    torch.set_num_threads(1)
    if quick:
        be_quick()
    figures = on_cmu() | on_joints() | against_peers(quick)
    return figures | measure_markers(quick) | measure_keypoints(quick) | measure_masks(quick)


if __name__ == "__main__":
    if "--learn-offsets" in sys.argv[1:]:
        print_offsets()
    else:
        main("fit", measure, "The fit: errors on known bodies, residuals on real recordings, speed, peers")
