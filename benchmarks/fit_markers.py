"""Labelled markers: virtual ones on walks whose truth is known, real ones in C3D against the stature in the file.

``python benchmarks/fit_markers.py --c3d FOLDER`` takes a folder for each person in it, the static trial first by name.
Without it, the real recording is the one that ships with the tests, a child.
"""

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from common import Figures, main
from fit_truth import (
    EVERY_COMPONENT,
    OWN,
    Truth,
    body,
    cmu_fits,
    good,
    halves,
    height_mm,
    joints_of,
    mesh_error_mm,
    truths,
)
from fit_worn import worn_figures

from meshgait_data.body.marker_files import load_markers as load_virtual
from meshgait_data.body.model import forward
from meshgait_data.body.placement_files import load_markers
from meshgait_data.conventions import SMPL_JOINTS
from meshgait_data.fit import Known, fit_captures
from meshgait_data.fit.contact import ContactSettings, contact_term, skating, sole_points, stances
from meshgait_data.fit.engine import solve
from meshgait_data.fit.from_markers import exact_markers
from meshgait_data.fit.minimise import minimise
from meshgait_data.manifest import load_joint_map
from meshgait_data.pipeline.prior_files import load_priors
from meshgait_data.sources.c3d import read_c3d
from meshgait_data.types import CaptureKey, IntArray, Observations, Points3D

CHILD = Path(__file__).resolve().parents[1] / "tests" / "data" / "c3d"
SKIN_POINTS = 30
"""Beside the 24 joints."""


def on_vertices(ids: IntArray, noise_m: float, *, joints: bool, seed: int = 2) -> Figures:
    """Mesh error of walks seen as vertices of the body, with or without its joints."""
    rng, errors, frames, seconds = np.random.default_rng(seed), [], 0, 0.0
    labels = tuple(f"v{i}" for i in ids)
    placed = exact_markers(body(), ids, labels, "virtual")
    for own, priors in halves(truths()):
        seen = [_seen(truth, ids, labels, lambda shape: noise_m * rng.normal(size=shape), joints) for truth in own]
        known = Known(priors.pose, priors.gait, maps={"smpl": OWN}, placements={"virtual": placed})
        begin = time.perf_counter()
        fits = good(fit_captures(body(), seen, known))
        seconds += time.perf_counter() - begin
        errors += [mesh_error_mm(fit.params, truth.params) for fit, truth in zip(fits, own, strict=True)]
        frames += sum(len(truth.params) for truth in own)
    return {"mesh_mm": float(np.mean(errors)), "worst_mesh_mm": max(errors), "frames_per_s": frames / seconds}


def _seen(
    truth: Truth, ids: IntArray, labels: tuple[str, ...], noise: Callable[[tuple[int, ...]], object], joints: bool
) -> Observations:
    points = forward(body(), truth.params).vertices[:, ids].astype(np.float64)
    marks = Points3D(points + noise(points.shape), labels, "virtual")
    if not joints:
        return truth.observed(markers=marks)
    places = joints_of(truth.params)
    return truth.observed(markers=marks, joints=places + noise(places.shape), joint_names=SMPL_JOINTS, joint_set="smpl")


def on_virtual_markers() -> Figures:
    """The 64 virtual markers, and the 24 joints with any 30 vertices."""
    virtual = load_virtual(body(), "free-64").vertex_ids
    some = np.random.default_rng(0).choice(body().num_vertices, SKIN_POINTS, replace=False)
    figures: Figures = {}
    for name, ids, joints in (("markers64", virtual, False), ("joints_skin30", some, True)):
        for label, noise in (("clean", 0.0), ("noise5", 0.005)):
            found = on_vertices(ids, noise, joints=joints)
            figures |= {f"{name}_{label}_{what}": value for what, value in found.items()}
    return figures


def on_c3d(folder: Path) -> Figures:
    """Residual of real markers, and the stature of the fitted body against that in the file."""
    placed, priors = load_markers(body(), "plug_in_gait"), load_priors()
    known = Known(priors.pose, priors.gait, placements={placed.placement: placed})
    seen, heights = [], []
    for person in sorted(path for path in (folder, *folder.iterdir()) if list(path.glob("*.c3d"))):
        static, *walks = (read_c3d(path) for path in sorted(person.glob("*.c3d")))
        still = Points3D(static.points, static.names, placed.placement)
        for take in walks:
            key = CaptureKey("c3d", person.name, Path(take.path).stem)
            marks = Points3D(take.points, take.names, placed.placement)
            nothing = np.zeros((len(take), 0, 3))
            seen.append(Observations(key, nothing, (), "", take.frame_ids, take.fps, markers=marks, static=still))
            heights.append(take.height_m)
    begin = time.perf_counter()
    fits = good(fit_captures(body(), seen, known, EVERY_COMPONENT))
    seconds = time.perf_counter() - begin
    means, off = [], []
    for fit, height in zip(fits, heights, strict=True):
        means.append(1e3 * float(fit.residuals["markers"].mean()))
        tall = height_mm(fit.params) / 1e3
        off.append(1e3 * (tall - (height or np.nan)))
        reasons = "; ".join(fit.reasons)
        print(f"  {fit.key}: markers {means[-1]:.1f} mm, height {tall:.3f} m, file {height} m  {reasons}")
    return {
        "c3d_mm": float(np.mean(means)),
        "c3d_worst_mm": max(means),
        "c3d_height_rms_mm": float(np.sqrt(np.mean(np.square(off)))),
        "c3d_height_worst_mm": float(np.abs(off).max()),
        "c3d_frames_per_s": sum(len(fit.params) for fit in fits) / seconds,
    }


def on_contact(most: int, settings: ContactSettings = ContactSettings()) -> Figures:  # noqa: B008
    """How far standing feet slide in a frame, and the residual of the joints, without and with the contact term."""
    from fit_truth import walks

    seen = walks()[:: max(1, len(walks()) // most)][:most]
    known = Known(load_priors("general").pose, maps={"cmu": load_joint_map("cmu")})
    solved = solve(body(), seen, known)
    soles, scene = sole_points(body(), solved.scene.chain), solved.scene
    term = contact_term(soles, solved.solution.posed, scene.seconds, settings)
    assert term is not None
    held = minimise(replace(solved.problem, terms=(*solved.problem.terms, term)), solved.solution.state)
    figures: Figures = {}
    before = soles.place(solved.solution.posed).points.numpy()
    times, frames = scene.seconds.numpy(), scene.layout.slices()
    resting = [stances(before[part], times[part], settings) for part in frames]
    for name, solution in (("free", solved.solution), ("held", held)):
        points = soles.place(solution.posed).points.numpy()
        slides = [skating(points[part], rest) for part, rest in zip(frames, resting, strict=True)]
        figures[f"contact_{name}_skating_mm"] = 1e3 * float(np.nanmean(slides))
        figures[f"contact_{name}_joints_mm"] = 1e3 * float(solution.residuals["joints"].error.mean())
    return figures


def measure_markers(quick: bool, c3d: Path = CHILD) -> Figures:
    """All figures."""
    cmu_fits()
    return on_c3d(c3d) | worn_figures() | on_virtual_markers() | on_contact(5 if quick else 40)


if __name__ == "__main__":
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--c3d", type=Path, default=CHILD)
    chosen, sys.argv[1:] = parser.parse_known_args()
    main("fit_markers", lambda quick: measure_markers(quick, chosen.c3d), "Labelled markers: mesh, stature, contact")
