"""2D keypoints: walks whose truth is known, seen by four cameras, two, and one, with noise; beside triangulation.

Images: the body's 24 joints through cameras of 1000 px focal length that stand still 4.5 m from the middle of the walk,
0.68 m above the pelvis; the image is as large as the walk needs. Azimuths count from the walking direction: 0 in front
of the walker, 90 at the left. Nobody is fitted with priors that have seen them, or anybody of their half of the people.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fit_truth
import numpy as np
import torch
from common import Figures, main
from fit_truth import Truth

from meshgait_data.conventions import SMPL_JOINTS
from meshgait_data.fit import Known, fit_captures
from meshgait_data.fit.cameras import Views
from meshgait_data.fit.triangulate import triangulate_linear
from meshgait_data.manifest import JointMap, MappedJoint
from meshgait_data.pipeline.prior_files import Priors
from meshgait_data.render.cameras import look_at, project
from meshgait_data.types import BodyParams, Camera, FloatArray, Keypoints, Observations

IMAGES = Path(__file__).resolve().parents[1] / "docs" / "images"
OWN = JointMap("smpl24", "the body's own joints", tuple(MappedJoint(name, name) for name in SMPL_JOINTS))
FOCAL_PX, DISTANCE_M, ABOVE_M = 1000.0, 4.5, 0.675
NOISE_PX = 5.0
NOISES_PX = (0.0, 2.0, 5.0, 10.0)
RINGS = {"kp4": (0, 90, 180, 270), "kp2": (0, 90), "kp1_side": (90,), "kp1_front": (0,), "kp1_behind": (180,)}
"""Azimuths of the cameras."""
MORE_RINGS = {1: (90,), 2: (0, 90), 3: (0, 120, 240), 4: (0, 90, 180, 270), 6: tuple(range(0, 360, 60))}
FACING = 0.7
"""Cosine between the ways that the fitted and the true pelvis face, above which the yaw is right (45 degrees)."""


@dataclass(frozen=True, slots=True, eq=False)
class Errors:
    """Of one walk, millimetres."""

    absolute: float
    aligned: float
    facing: float
    """Median cosine, see ``FACING``."""
    ambiguity: float
    linear: float
    """Of linear triangulation alone; NaN for one view."""


def ring(pelvis: FloatArray, azimuths: Sequence[float]) -> list[Camera]:
    """Cameras around the middle of a walk."""
    ahead = (pelvis[-1] - pelvis[0]) * (1, 0, 1)
    ahead = ahead / np.linalg.norm(ahead)
    left, middle = np.cross((0, 1, 0), ahead), (pelvis[0] + pelvis[-1]) / 2
    lens = np.array([[FOCAL_PX, 0.0, 1499.5], [0.0, FOCAL_PX, 999.5], [0.0, 0.0, 1.0]])
    cameras = []
    for azimuth in azimuths:
        angle = np.deg2rad(azimuth)
        place = middle + DISTANCE_M * (np.cos(angle) * ahead + np.sin(angle) * left) + (0, ABOVE_M, 0)
        rotation = look_at(place, middle)
        cameras.append(Camera(f"{azimuth:g}", lens, rotation, -rotation @ place, (3000, 2000)))
    return cameras


def seen_by(truth: Truth, azimuths: Sequence[float], noise: float) -> Observations:
    """What the cameras see of a walk."""
    rng, joints = np.random.default_rng([len(azimuths), *str(truth.key).encode()]), fit_truth.joints_of(truth.params)
    cameras, keypoints = ring(joints[:, 0], azimuths), []
    for camera in cameras:
        pixels = project(camera, joints)[0]
        pixels = pixels + noise * rng.normal(size=pixels.shape)
        keypoints.append(Keypoints(camera.name, pixels, np.ones(pixels.shape[:2]), SMPL_JOINTS, "smpl24", camera.size))
    return truth.observed(keypoints=tuple(keypoints), cameras={camera.name: camera for camera in cameras})


def known_from(priors: Priors) -> Known:
    """What the fits are given."""
    return Known(priors.pose, priors.gait, {"smpl24": OWN})


def measured(walks: Sequence[Truth], azimuths: Sequence[float], noise: float) -> list[Errors]:
    """Errors of all walks."""
    errors = []
    for half, priors in fit_truth.halves(list(walks)):
        seen = [seen_by(truth, azimuths, noise) for truth in half]
        fits = fit_truth.good(fit_captures(fit_truth.body(), seen, known_from(priors)))
        for truth, each, fit in zip(half, seen, fits, strict=True):
            errors.append(
                Errors(
                    fit_truth.joint_error_mm(fit.params, truth.params),
                    fit_truth.aligned_error_mm(fit.params, truth.params),
                    float(np.median((_ahead(fit.params) * _ahead(truth.params)).sum(-1))),
                    float(fit.provenance.get("ambiguity", 0.0)),
                    linear_mm(each, truth) if len(azimuths) > 1 else np.nan,
                )
            )
    return errors


def _ahead(params: BodyParams) -> FloatArray:
    """(F, 3) horizontal direction square to the line of the hips, to the front."""
    joints = fit_truth.joints_of(params)
    ahead = np.cross(joints[:, 1] - joints[:, 2], (0.0, 1.0, 0.0))
    return np.asarray(ahead / np.linalg.norm(ahead, axis=-1, keepdims=True))


def linear_mm(seen: Observations, truth: Truth) -> float:
    """Error of linear triangulation alone."""
    views = Views.of([[seen.cameras[each.view] for each in seen.keypoints]])
    pixels = torch.as_tensor(np.stack([each.points for each in seen.keypoints], 1))
    capture = torch.zeros(len(pixels), dtype=torch.long)
    points = triangulate_linear(views, pixels, torch.ones_like(pixels[..., 0]), capture).numpy()
    return 1e3 * float(np.linalg.norm(points - fit_truth.joints_of(truth.params), axis=-1).mean())


def frames_a_second(walks: Sequence[Truth], azimuths: Sequence[float]) -> float:
    """See :func:`fit_truth.frames_a_second`."""
    halves = fit_truth.halves(list(walks))
    tasks = [([seen_by(truth, azimuths, NOISE_PX) for truth in half], known_from(priors)) for half, priors in halves]
    return fit_truth.frames_a_second(tasks)


def measure_keypoints(quick: bool) -> Figures:
    """All figures; quick takes one walk of each person, else six."""
    torch.set_num_threads(1)
    figures, walks = dict[str, float](), fit_truth.truths(200, 1 if quick else 6)
    for name, azimuths in RINGS.items():
        errors = measured(walks, azimuths, NOISE_PX)
        if len(azimuths) > 1:
            figures[f"{name}_mm"] = mean(errors, "absolute")
            figures[f"{name}_linear_mm"] = mean(errors, "linear")
        else:
            figures[f"{name}_pa_mm"] = mean(errors, "aligned")
            figures[f"{name}_absolute_mm"] = mean(errors, "absolute")
            figures[f"{name}_yaw_right"] = float(np.mean([each.facing > FACING for each in errors]))
            figures[f"{name}_ambiguity_most"] = max(each.ambiguity for each in errors)
    for name in ("pa_mm", "yaw_right"):
        figures[f"kp1_axis_{name}"] = (figures[f"kp1_front_{name}"] + figures[f"kp1_behind_{name}"]) / 2
    figures["fps_kp4"] = frames_a_second(walks, RINGS["kp4"])
    figures["fps_kp1"] = frames_a_second(walks, RINGS["kp1_side"])
    return figures


def mean(errors: Sequence[Errors], name: str) -> float:
    """Over walks."""
    return float(np.mean([getattr(each, name) for each in errors]))


def draw() -> None:
    """Error against noise and against views, into the pictures of the documentation."""
    torch.set_num_threads(1)
    walks = fit_truth.truths(200, 2)
    by_noise = {name: [measured(walks, RINGS[name], noise) for noise in NOISES_PX] for name in RINGS}
    by_views = {count: measured(walks, azimuths, NOISE_PX) for count, azimuths in MORE_RINGS.items()}
    _draw_noise(by_noise)
    _draw_views(by_views)


_TITLES = {
    "kp4": "4 views",
    "kp2": "2 views",
    "kp1_side": "1 view from the side (PA)",
    "kp1_front": "1 view from the front (PA)",
}


def _draw_noise(by_noise: dict[str, list[list[Errors]]]) -> None:
    figure, axes = _blank("noise of a keypoint, px (1 px is 4.5 mm)")
    for name, title in _TITLES.items():
        several = len(RINGS[name]) > 1
        values = [mean(errors, "absolute" if several else "aligned") for errors in by_noise[name]]
        (line,) = axes.plot(NOISES_PX, values, marker="o", label=title)
        if several:
            values = [mean(errors, "linear") for errors in by_noise[name]]
            axes.plot(NOISES_PX, values, "--", color=line.get_color(), label=f"{title}, triangulation alone")
    _save(figure, axes, "fit_noise.png")


def _draw_views(by_views: dict[int, list[Errors]]) -> None:
    figure, axes = _blank("views")
    several = [count for count in by_views if count > 1]
    axes.plot(several, [mean(by_views[count], "absolute") for count in several], marker="o", label="fit")
    axes.plot(several, [mean(by_views[count], "linear") for count in several], "--", label="triangulation alone")
    axes.plot(list(by_views), [mean(errors, "aligned") for errors in by_views.values()], marker="s", label="fit (PA)")
    axes.set_xticks(list(by_views))
    _save(figure, axes, "fit_views.png")


def _blank(below: str) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4))
    axes = figure.subplots()
    axes.set_xlabel(below)
    axes.set_ylabel("mean error of joints, mm")
    axes.grid(alpha=0.3)
    return figure, axes


def _save(figure: Any, axes: Any, name: str) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    axes.set_ylim(0)
    axes.legend(fontsize=8)
    figure.tight_layout()
    FigureCanvasAgg(figure).print_png(str(IMAGES / name))


if __name__ == "__main__":
    if "--draw" in sys.argv[1:]:
        draw()
    else:
        main("fit_keypoints", measure_keypoints, "Fit of 2D keypoints: errors on known walks, speed on two cores")
