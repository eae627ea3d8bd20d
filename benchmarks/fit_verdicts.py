"""Verdicts: how many of the frames that are really wrong are flagged, and how many of the good ones in vain.

CMU walks are re-posed on random bodies and observed: their joints with 5 mm of noise, or 2D keypoints in four views
(f = 1000 px, 4.5 m) with 5 px of noise. About every fifth frame is spoiled: noise bursts, single joints astray,
exchanged legs (in one view only, too), joints that nobody sees, a limb of another length, slow drift. A frame is really
wrong where its true error is above twice the median; ``verdict_recall`` of them are flagged or rejected,
``verdict_false_alarm`` of the others are too. ``kp4_`` stands before figures of keypoints, ``kp1_`` before those of one
view from the side, where errors count from the root and depth is not observed. ``--explain`` prints each walk.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from common import Figures, main
from fit_truth import body, cmu_fits, good

from meshgait_data.body.model import forward
from meshgait_data.conventions import SMPL_JOINTS, SMPL_MIRROR, SMPL_SET
from meshgait_data.fit import Known, fit_captures
from meshgait_data.manifest import JointMap, MappedJoint
from meshgait_data.pipeline.prior_files import load_priors
from meshgait_data.render.cameras import look_at, project
from meshgait_data.types import BodyParams, BoolArray, Camera, Fit, FloatArray, Keypoints, Observations

OWN = JointMap(SMPL_SET, "the body's own joints", tuple(MappedJoint(name, name) for name in SMPL_JOINTS))
NOISE_M, NOISE_PX = 0.005, 5.0
_AZIMUTHS, _AWAY_M, _FOCAL_PX = (0, 90, 180, 270), 4.5, 1000.0
_LEGS = [SMPL_JOINTS.index(f"left_{name}") for name in ("hip", "knee", "ankle", "foot")]
_ARM = [SMPL_JOINTS.index(f"right_{name}") for name in ("elbow", "wrist", "hand")]

Spoil = Callable[[FloatArray, np.random.Generator], slice]


def _stretch(count: int, rng: np.random.Generator) -> slice:
    """30 to 50 % of the walk."""
    length = max(5, int(count * rng.uniform(0.3, 0.5)))
    start = int(rng.integers(0, count - length + 1))
    return slice(start, start + length)


def burst(joints: FloatArray, rng: np.random.Generator) -> slice:
    """All joints with ten times the noise."""
    part = _stretch(len(joints), rng)
    joints[part] += rng.normal(size=joints[part].shape) * 10 * NOISE_M
    return part


def astray(joints: FloatArray, rng: np.random.Generator) -> slice:
    """Three joints decimetres away."""
    part = _stretch(len(joints), rng)
    some = rng.choice(24, 3, replace=False)
    joints[part, some] += rng.normal(size=joints[part, some].shape) * 0.15
    return part


def exchange(joints: FloatArray, rng: np.random.Generator) -> slice:
    """Left and right leg exchanged."""
    part = _stretch(len(joints), rng)
    both = [*_LEGS, *SMPL_MIRROR[_LEGS]]
    joints[part, both] = joints[part, [*SMPL_MIRROR[_LEGS], *_LEGS]]
    return part


def hide(joints: FloatArray, rng: np.random.Generator) -> slice:
    """A leg from the knee down, or a forearm, that nobody sees."""
    part = _stretch(len(joints), rng)
    joints[part, _LEGS[1:] if rng.random() < 0.5 else _ARM] = np.nan
    return part


def stretch_limb(joints: FloatArray, rng: np.random.Generator) -> slice:
    """A shank or forearm of 1.3 times its length, in all frames."""
    start, *rest = _LEGS[1:] if rng.random() < 0.5 else _ARM
    joints[:, rest] += 0.3 * (joints[:, rest[:1]] - joints[:, start, None])
    return slice(0, len(joints))


def drift(joints: FloatArray, rng: np.random.Generator) -> slice:
    """Everything slides away by 25 cm and comes back."""
    part = _stretch(len(joints), rng)
    count = part.stop - part.start
    way = np.sin(np.pi * (np.arange(count) + 0.5) / count) ** 2 * 0.25
    angle = rng.uniform(0, 2 * np.pi)
    joints[part] += (way[:, None] * np.array([np.cos(angle), 0.0, np.sin(angle)]))[:, None]
    return part


SPOILS: tuple[Spoil, ...] = (burst, astray, exchange, hide, stretch_limb, drift)


_FLAT = (burst, astray, exchange, hide)
"""What can be seen in one view: the length of a limb and a slide along the view cannot."""


@dataclass
class Case:
    """One walk, spoiled or not, fitted and judged."""

    kind: str
    spoiled: BoolArray
    error_m: FloatArray
    """(T,) true mean error of the joints."""
    fit: Fit


def reposed(fit: Fit, rng: np.random.Generator) -> BodyParams:
    """The walk on a random body; the way is scaled with the legs, so that feet stand as firmly as they did."""
    truth = replace(fit.params, betas=rng.normal(size=len(fit.params.betas)).astype(np.float32))

    def leg(params: BodyParams) -> float:
        joints = joints_of(params.take(slice(0, 1)))[0]
        return float(np.linalg.norm(np.diff(joints[_LEGS[:3]], axis=0), axis=-1).sum())

    ratio = leg(truth) / leg(fit.params)
    return replace(truth, transl=(truth.transl * ratio).astype(np.float32))


def joints_of(params: BodyParams) -> FloatArray:
    """(T, 24, 3) metres."""
    return forward(body(), params, np.array([0])).joints.astype(np.float64)


def in_space(joints: FloatArray, fit: Fit, rng: np.random.Generator, kind: str) -> Observations:
    """The joints with noise."""
    noisy = joints + rng.normal(size=joints.shape) * NOISE_M
    return Observations(fit.key, noisy, SMPL_JOINTS, SMPL_SET, np.arange(len(joints)), fit.fps)


def in_views(joints: FloatArray, fit: Fit, rng: np.random.Generator, kind: str) -> Observations:
    """The joints in four views, with noise; some spoils are of one view only."""
    middle = np.nanmean(joints[:, 0], axis=0)
    keypoints, cameras = [], {}
    for azimuth in _AZIMUTHS:
        angle = np.deg2rad(azimuth)
        place = middle + np.array([np.sin(angle) * _AWAY_M, 0.7, np.cos(angle) * _AWAY_M])
        turn = look_at(place, middle)
        intrinsics = np.array([[_FOCAL_PX, 0, 999.5], [0, _FOCAL_PX, 749.5], [0, 0, 1]])
        name = f"{azimuth:03d}"
        cameras[name] = Camera(name, intrinsics, turn, -turn @ place, (2000, 1500))
        points = project(cameras[name], joints)[0] + rng.normal(size=(*joints.shape[:2], 2)) * NOISE_PX
        if kind == "one_view" and azimuth == _AZIMUTHS[1]:
            half = slice(len(points) // 4, len(points) * 3 // 4)
            points[half] = points[half][:, SMPL_MIRROR]
        confidence = np.isfinite(points).all(-1).astype(float)
        keypoints.append(Keypoints(name, points, confidence, SMPL_JOINTS, SMPL_SET, (2000, 1500)))
    nothing = np.zeros((len(joints), 0, 3))
    ids = np.arange(len(joints))
    return Observations(fit.key, nothing, (), "", ids, fit.fps, keypoints=tuple(keypoints), cameras=cameras)


def in_one_view(joints: FloatArray, fit: Fit, rng: np.random.Generator, kind: str) -> Observations:
    """The joints in the view from the side only."""
    seen = in_views(joints, fit, rng, kind)
    ahead = joints[-1, 0] - joints[0, 0] if np.isfinite(joints[[0, -1], 0]).all() else np.array([0.0, 0, 1])
    side = min(seen.keypoints, key=lambda view: abs(seen.cameras[view.view].rotation[2] @ ahead))
    return replace(seen, keypoints=(side,), cameras={side.view: seen.cameras[side.view]})


def one_view(joints: FloatArray, rng: np.random.Generator) -> slice:
    """Left and right exchanged in one of four views: the others outvote it, so that it need not be wrong."""
    return slice(0, 0)


Observe = Callable[[FloatArray, Fit, np.random.Generator, str], Observations]


def all_cases(observe: Observe, spoils: Sequence[Spoil], every: int, *, aligned: bool = False) -> list[Case]:
    """Walks by turns good and spoiled, fitted and judged side by side; errors of aligned ones are from the root."""
    rng, priors = np.random.default_rng(0), load_priors()
    known = Known(priors.pose, priors.gait, maps={SMPL_SET: OWN})
    truths, marks, names, seen = [], [], [], []
    for number, fit in enumerate(cmu_fits()[::every]):
        # Half of the walks are spoiled, and of most of these less than half the frames: about a fifth of all.
        spoil = spoils[number // 2 % len(spoils)] if number % 2 else None
        truths.append(joints_of(reposed(fit, rng)))
        joints, mark = truths[-1].copy(), np.zeros(len(truths[-1]), bool)
        if spoil is not None:
            mark[spoil(joints, rng)] = True
        marks.append(mark)
        names.append(spoil.__name__ if spoil else "good")
        seen.append(observe(joints, fit, rng, names[-1]))
    cases = []
    for found, truth, mark, name in zip(good(fit_captures(body(), seen, known)), truths, marks, names, strict=True):
        kept = found.frame_ids
        miss = joints_of(found.params) - truth[kept]
        error = np.linalg.norm(miss - miss[:, :1] * aligned, axis=-1).mean(1)
        cases.append(Case(name, mark[kept], error, found))
    return cases


def scored(cases: Sequence[Case], prefix: str, spoils: Sequence[Spoil], explain: bool) -> Figures:
    """Share of wrong frames that are flagged and of others that are flagged in vain, of all and by what was spoiled."""
    limit = 2 * float(np.median(np.concatenate([case.error_m for case in cases])))

    def share(chosen: Sequence[Case], wrong: bool) -> float:
        flags = [case.fit.verdict[(case.error_m > limit) == wrong] > 0 for case in chosen]
        return float(np.concatenate(flags).mean()) if sum(map(len, flags)) else float("nan")

    if explain:
        _print_cases(cases, limit)
    figures = {
        "verdict_recall": share(cases, True),
        "verdict_false_alarm": share(cases, False),
        "verdict_false_alarm_good": share([case for case in cases if case.kind == "good"], False),
        "verdict_spoiled": float(np.concatenate([case.spoiled for case in cases]).mean()),
        "verdict_median_mm": 500 * limit,
    }
    for spoil in spoils:
        figures[f"verdict_recall_{spoil.__name__}"] = share([c for c in cases if c.kind == spoil.__name__], True)
    return {prefix + name: value for name, value in figures.items() if np.isfinite(value)}


def measure(quick: bool, explain: bool = False) -> Figures:
    """All figures; quick takes every third walk for joints and every fifth for keypoints."""
    torch.set_num_threads(1)
    more = (*SPOILS, one_view)
    joints = all_cases(in_space, SPOILS, 3 if quick else 1)
    views = all_cases(in_views, more, 5 if quick else 2)
    side = all_cases(in_one_view, _FLAT, 5 if quick else 2, aligned=True)
    figures = scored(joints, "", SPOILS, explain) | scored(views, "kp4_", more, explain)
    return figures | scored(side, "kp1_", _FLAT, explain)


def _print_cases(cases: Sequence[Case], limit: float) -> None:
    for case in cases:
        wrong, flagged = case.error_m > limit, case.fit.verdict > 0
        counts = f"{len(wrong)} frames, {case.spoiled.sum()} spoiled, {wrong.sum()} wrong"
        print(f"{case.kind}: {counts}, {(wrong & ~flagged).sum()} missed, {(flagged & ~wrong).sum()} in vain")
        print("".join(f"    {reason}\n" for reason in case.fit.reasons), end="")


if __name__ == "__main__":
    told = "--explain" in sys.argv
    sys.argv = [word for word in sys.argv if word != "--explain"]
    main(
        "fit_verdicts", lambda quick: measure(quick, told), "Verdicts: wrong frames that are flagged, good ones in vain"
    )
