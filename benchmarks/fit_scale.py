"""How the cost of a fit grows: with the frames of one capture, and with the number of captures.

A long walk is a fitted CMU walk taken back and forth, as often as it takes: smooth, and as hard as any. Frames a second
are of CPU time, on one thread. Two figures say how far from linear the cost is: the largest time a frame beyond the
small sizes, where fixed costs dominate, against the median there.
"""

import resource
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from common import Figures, cpu_seconds, main

from meshgait_data.body.files import load_body
from meshgait_data.body.model import Body, forward
from meshgait_data.conventions import SMPL_JOINTS
from meshgait_data.fit import FitSettings, fit_captures
from meshgait_data.fit.known import Known
from meshgait_data.index import scan
from meshgait_data.manifest import JointMap, MappedJoint, load_joint_map, load_manifest
from meshgait_data.pipeline.prior_files import load_priors
from meshgait_data.sources import observe
from meshgait_data.types import BodyParams, CaptureKey, Fit, Observations

PLOT = Path(__file__).parents[1] / "docs" / "images" / "fit_scale.png"
FRAMES = (10, 30, 100, 300, 1000, 3000, 10_000)
"""Lengths of one capture."""
CAPTURES = (1, 3, 10, 30, 100, 300, 1000)
"""Numbers of captures of ``LENGTH`` frames."""
LENGTH = 30
SIDE_BY_SIDE = 32
"""Captures that are handed to the solver together, as by ``mgdata fit-smpl``: memory is bounded by them."""
LARGE = 300
"""Frames in all from which fixed costs no longer count."""
NOISE_M = 0.01
STEPS = FitSettings(max_iterations=3, step_tolerance=1e-12, cost_tolerance=1e-15)
"""Three steps for everybody: how many a walk needs depends on the walk, and is not what is asked here."""
OWN = JointMap("smpl", "the body's own joints", tuple(MappedJoint(name, name) for name in SMPL_JOINTS))


@dataclass(frozen=True, slots=True)
class Point:
    """One size."""

    captures: int
    frames: int
    """Of all captures together."""
    seconds: float
    peak_mb: float
    """Most memory that the process has used so far."""

    @property
    def ms(self) -> float:
        """Milliseconds a frame."""
        return 1e3 * self.seconds / self.frames


def walk(body: Body, known: Known) -> BodyParams:
    """One fitted walk."""
    manifest = load_manifest("cmu_walk")
    root = manifest.default_root()
    assert root is not None
    key = next(iter(scan(manifest, root)[0].captures()))
    fit = fit_captures(body, [observe(manifest, root, key)], known)[0]
    assert isinstance(fit, Fit)
    return fit.params


def back_and_forth(params: BodyParams, frames: int, first: int = 0) -> BodyParams:
    """So many frames of a walk that turns in time at its ends."""
    there = np.arange(len(params))
    return params.take(np.resize(np.concatenate([there[:-1], there[:0:-1]]), first + frames)[first:])


def observed(body: Body, params: BodyParams, index: int) -> Observations:
    """Joints of a body with noise, at 30 Hz."""
    joints = forward(body, params, np.array([0])).joints
    joints = joints + np.random.default_rng(index).normal(size=joints.shape) * NOISE_M
    key = CaptureKey("scale", "walk", f"{index:04d}")
    return Observations(key, joints, SMPL_JOINTS, "smpl", np.arange(len(params)), 30.0)


def measure_size(body: Body, seen: Sequence[Observations], known: Known, repeat: int) -> Point:
    """Time of a fit of some captures, a group after another."""

    def run() -> None:
        for start in range(0, len(seen), SIDE_BY_SIDE):
            for fit in fit_captures(body, seen[start : start + SIDE_BY_SIDE], known, STEPS):
                assert isinstance(fit, Fit)

    seconds = cpu_seconds(run, repeat)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 if sys.platform == "darwin" else 1024)
    return Point(len(seen), sum(len(each.frame_ids) for each in seen), seconds, peak)


def worst(points: Sequence[Point]) -> float:
    """Largest time a frame against the median, of the sizes where fixed costs no longer count."""
    times = [point.ms for point in points if point.frames >= LARGE]
    return max(times) / float(np.median(times))


def plot(by_frames: Sequence[Point], by_captures: Sequence[Point], path: Path = PLOT) -> None:
    """Time a frame against both sizes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.2), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    axes[0].loglog([point.frames for point in by_frames], [point.ms for point in by_frames], "o-")
    axes[1].loglog([point.captures for point in by_captures], [point.ms for point in by_captures], "o-")
    axes[0].set(xlabel="frames of one capture", ylabel="milliseconds of one core a frame")
    axes[1].set(xlabel=f"captures of {LENGTH} frames")
    for each in axes:
        each.grid(True, which="both", alpha=0.3)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)


def measure(quick: bool) -> Figures:
    """All figures; quick stops at a tenth of the largest sizes and draws nothing."""
    torch.set_num_threads(1)
    body = load_body("free")
    known = Known(load_priors().pose, maps={"smpl": OWN, "cmu": load_joint_map("cmu")})
    params = walk(body, known)
    most, repeat = (0.1, 1) if quick else (1.0, 3)
    by_captures = []
    for count in [size for size in CAPTURES if size <= most * CAPTURES[-1]]:
        seen = [observed(body, back_and_forth(params, LENGTH, 7 * index), index) for index in range(count)]
        by_captures.append(measure_size(body, seen, known, repeat))
    by_frames = []
    for frames in [size for size in FRAMES if size <= most * FRAMES[-1]]:
        seen = [observed(body, back_and_forth(params, frames), 0)]
        by_frames.append(measure_size(body, seen, known, repeat))
    if not quick:
        plot(by_frames, by_captures)
    return {
        "scale_frames_worst": worst(by_frames),
        "scale_captures_worst": worst(by_captures),
        **{f"frame_ms_{point.frames}_frames": point.ms for point in by_frames},
        **{f"frame_ms_{point.captures}_captures": point.ms for point in by_captures},
        "peak_mb_captures": by_captures[-1].peak_mb,
        "peak_mb_frames": by_frames[-1].peak_mb,
    }


if __name__ == "__main__":
    main("fit_scale", measure, "Fit: cost of a frame against frames of a capture and against captures")
