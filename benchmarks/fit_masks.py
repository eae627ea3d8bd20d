"""The fit to masks alone: rendered walks of people whom no prior knows, on random shapes; and real masks where given.

``python benchmarks/fit_masks.py --kth FOLDER`` also fits the masks of KTH walks (npz with ``mask<pass>``, packed bits,
and ``frame<pass>``), which may not be shipped. ``--picture FILE`` draws masks and fitted outlines instead.

The masks are those of the fine mesh, 480 x 480 pixels, a person about 190 pixels tall; the coarse one is fitted.
"""

import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from common import Figures, main
from fit_truth import (
    Truth,
    aligned_error_mm,
    body,
    good,
    halves,
    joint_error_mm,
    joints_of,
    mesh_error_mm,
    rooted_error_mm,
    truths,
)

from meshgait_data.body.model import forward, move
from meshgait_data.fit import Known, fit_captures
from meshgait_data.fit.cameras import nominal_cameras
from meshgait_data.fit.contours import mask_contours
from meshgait_data.fit.from_masks import MaskOptions
from meshgait_data.manifest import CameraRing
from meshgait_data.pipeline.prior_files import load_priors
from meshgait_data.render.cameras import look_at
from meshgait_data.render.raster import silhouettes
from meshgait_data.types import BodyParams, ByteArray, Camera, CaptureKey, Fit, Masks, Observations
from meshgait_data.view.mesh import montage

SIDE, FOCAL, DISTANCE_M = 480, 500.0, 4.0
FRAMES = 40
"""Of each walk, at 30 a second: a stride and more."""
CASIA = tuple(range(0, 181, 18))
"""Degrees."""
KTH_FPS = 25.0
MASK, OUTLINE = (150, 150, 150), (230, 110, 20)


def around(params: BodyParams, azimuths: Sequence[float]) -> list[Camera]:
    """Cameras 4 m from the middle of a walk, 0.6 m above it; azimuth 0 is ahead of the walker, 90 to the left."""
    pelvis = joints_of(params)[:, 0]
    middle, way = (pelvis.min(0) + pelvis.max(0)) / 2, pelvis[-1] - pelvis[0]
    intrinsics = np.array([[FOCAL, 0, (SIDE - 1) / 2], [0, FOCAL, (SIDE - 1) / 2], [0, 0, 1.0]])
    cameras = []
    for azimuth in azimuths:
        angle = np.deg2rad(azimuth) + np.arctan2(way[0], way[2])
        place = middle + DISTANCE_M * np.array([np.sin(angle), 0.15, np.cos(angle)])
        rotation = look_at(place, middle)
        cameras.append(Camera(f"{azimuth:03.0f}", intrinsics, rotation, -rotation @ place, (SIDE, SIDE)))
    return cameras


def ring(azimuth: float, rng: np.random.Generator | None) -> CameraRing:
    """One camera of CASIA-B's layout as one knows it; or as it is: 3 degrees, 15 % and 15 cm off, uniformly."""

    def off(most: float) -> float:
        return 0.0 if rng is None else rng.uniform(-most, most)

    return CameraRing(
        azimuths_deg={f"{azimuth:03.0f}": azimuth + off(3.0)},
        distance_m=4.5 * np.exp(off(0.15)),
        height_m=1.2 + off(0.15),
        target_m=0.9 + off(0.15),
        focal_px=FOCAL * np.exp(off(0.15)),
        image_size=(SIDE, SIDE),
    )


def nominal() -> Mapping[str, Camera]:
    """Eleven cameras as one knows them."""
    return {name: camera for azimuth in CASIA for name, camera in nominal_cameras(ring(azimuth, None)).items()}


def along_z(params: BodyParams) -> BodyParams:
    """The walk in the frame of nominal cameras: along +z, its middle over the origin, on the ground y = 0."""
    pelvis = joints_of(params)[:, 0]
    way, middle = pelvis[-1] - pelvis[0], (pelvis[0] + pelvis[-1]) / 2
    cosine, sine = np.array([way[2], way[0]]) / np.hypot(way[0], way[2])
    turn = np.array([[cosine, 0, -sine], [0, 1, 0], [sine, 0, cosine]])
    middle[1] = forward(body(), params).vertices[..., 1].min()
    return move(body(), params, turn, -turn @ middle)


def drawn(params: BodyParams, cameras: Sequence[Camera]) -> list[ByteArray]:
    """What cameras see of the fine mesh."""
    vertices = forward(body(), params).vertices
    return [silhouettes(vertices, body().faces, camera) for camera in cameras]


def seen_by(truth: Truth, cameras: Sequence[Camera], *, known: bool = True) -> Observations:
    """The masks of a walk."""
    everything = np.ones(len(truth.params), bool)
    pairs = zip(drawn(truth.params, cameras), cameras, strict=True)
    masks = tuple(Masks(camera.name, images, everything) for images, camera in pairs)
    return truth.observed(masks=masks, cameras={camera.name: camera for camera in cameras} if known else {})


def iou_of(fit: Fit) -> float:
    """Mean overlap over frames and views."""
    return float(np.mean([np.nanmean(each) for name, each in fit.residuals.items() if name.startswith("mask_iou:")]))


def on_views(azimuths: Sequence[float], quick: bool) -> Figures:
    """Known cameras."""
    rows = []
    for own, priors in halves(people(quick)):
        seen = [seen_by(truth, around(truth.params, azimuths)) for truth in own]
        fits = good(fit_captures(body(), seen, Known(priors.pose, priors.gait)))
        rows += [errors(fit, truth.params) for fit, truth in zip(fits, own, strict=True)]
    return named(f"masks{len(azimuths)}", rows)


def on_nominal(quick: bool) -> Figures:
    """Eleven cameras that are about where one thinks."""
    rows, rng = [], np.random.default_rng(0)
    for own, priors in halves(people(quick)):
        standing = [Truth(truth.key, truth.person, along_z(truth.params), truth.fps) for truth in own]
        seen = []
        for truth in standing:
            cameras = [camera for azimuth in CASIA for camera in nominal_cameras(ring(azimuth, rng)).values()]
            seen.append(seen_by(truth, cameras, known=False))
        fits = good(fit_captures(body(), seen, Known(priors.pose, priors.gait, masks=MaskOptions(nominal=nominal()))))
        rows += [errors(fit, truth.params) for fit, truth in zip(fits, standing, strict=True)]
    # Place and scale of a world seen by nominal cameras are theirs: only joints from the root mean something.
    return {
        name: value for name, value in named("masks11", rows).items() if name not in {"masks11_mm", "masks11_mesh_mm"}
    }


def people(quick: bool) -> list[Truth]:
    """Everybody; four for a quick look."""
    return truths(FRAMES)[:: 3 if quick else 1]


def errors(fit: Fit, truth: BodyParams) -> tuple[float, ...]:
    """See :func:`named`. Joints from the root are those of two bodies that walk the same way."""
    found = fit.params
    return (
        iou_of(fit),
        joint_error_mm(found, truth),
        rooted_error_mm(along_z(found), along_z(truth)),
        aligned_error_mm(found, truth),
        mesh_error_mm(found, truth),
        float(aligned_error_mm(found, truth) > 60.0),
    )


def named(prefix: str, rows: Sequence[tuple[float, ...]]) -> Figures:
    """Means over walks; ``wrong`` is the share of walks whose legs were taken for each other (60 mm off at best)."""
    names = ("iou", "mm", "root_mm", "pa_mm", "mesh_mm", "wrong")
    return {f"{prefix}_{name}": float(value) for name, value in zip(names, np.mean(rows, axis=0), strict=True)}


def speed() -> Figures:
    """Frames a second of two processes that share nothing, by CPU time; four cameras see every frame."""
    own, priors = halves(people(quick=True))[0]
    seen = [seen_by(truth, around(truth.params, (0, 90, 180, 270))) for truth in own]
    known, times = Known(priors.pose, priors.gait), []
    fit_captures(body(), seen[:1], known)
    for _ in range(3):
        begin = time.process_time()
        good(fit_captures(body(), seen, known))
        times.append(time.process_time() - begin)
    return {"fps_masks4": 2 * sum(len(truth.params) for truth in own) / float(np.median(times))}


def kth_walks(folder: Path) -> list[Observations]:
    """First pass of each clip, frames that show the whole person."""
    found = []
    for path in sorted(folder.glob("*.npz")):
        with np.load(path, allow_pickle=False) as file:
            images = np.unpackbits(file["mask0"], axis=-1) * np.uint8(255)
            ids = file["frame0"].astype(int)
        contours = mask_contours(images)
        tall = contours.boxes[:, 3] - contours.boxes[:, 2]
        whole = contours.seen & ~contours.cut
        whole &= tall > 0.8 * np.median(tall[whole])
        masks = (Masks("side", images[whole], np.ones(whole.sum(), bool)),)
        key = CaptureKey("kth", *path.stem.split("_", 1))
        nothing = np.zeros((whole.sum(), 0, 3))
        found.append(Observations(key, nothing, (), "", ids[whole], KTH_FPS, masks=masks))
    return found


def on_kth(folder: Path, quick: bool) -> Figures:
    """Real masks of one side view, camera unknown: overlap only; the zooming clips (d2) apart."""
    walks, priors = kth_walks(folder)[:: 8 if quick else 1], load_priors()
    zooms = np.array([walk.key.condition.endswith("d2") for walk in walks])
    fits = []
    for walk, zoom in zip(walks, zooms, strict=True):
        # Where the camera zooms, people move through no world that is smooth.
        known = Known(priors.pose, priors.gait, masks=MaskOptions(crops=bool(zoom)))
        fits += good(fit_captures(body(), [walk], known))
    found = np.array([iou_of(fit) for fit in fits])
    shapes = [np.abs(fit.params.betas).max() for fit in fits]
    figures = {"kth_iou": float(found.mean()), "kth_iou_still": float(found[~zooms].mean())}
    return figures | {"kth_iou_least": float(found.min()), "kth_max_abs_beta": float(np.max(shapes))}


def measure_masks(quick: bool, kth: Path | None = None) -> Figures:
    """All figures."""
    figures = on_views((0, 90, 180, 270), quick) | on_views((90,), quick) | on_nominal(quick) | speed()
    return figures | (on_kth(kth, quick) if kth else {})


def overlay(mask: ByteArray, fitted: ByteArray, box: tuple[slice, slice]) -> ByteArray:
    """A mask and the outline of the fitted body, enlarged."""
    picture = np.full((*mask.shape, 3), 255, np.uint8)
    picture[mask > 0] = MASK
    picture = picture[box].repeat(3, axis=0).repeat(3, axis=1)
    large = fitted[box].repeat(3, axis=0).repeat(3, axis=1)
    lines, _ = cv2.findContours((large > 0).astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(picture, lines, -1, OUTLINE, 2)
    return picture


def _box(images: ByteArray) -> tuple[slice, slice]:
    y, x = (np.flatnonzero(images.any(axis=0).any(axis=axis)) for axis in (1, 0))
    return slice(max(y[0] - 8, 0), y[-1] + 9), slice(max(x[0] - 8, 0), x[-1] + 9)


def _row(name: str, seen: Observations, fit: Fit, views: Sequence[str], frames: Sequence[int]) -> list:
    cells = []
    for view in views:
        images = next(masks.images for masks in seen.masks if masks.view == view)
        fitted = drawn(fit.params, [fit.cameras[view]])[0]
        for frame in frames:
            part = images[frame : frame + 1]
            text = f"{name}, {view}\nIoU {fit.residuals[f'mask_iou:{view}'][frame]:.3f}"
            cells.append(
                (overlay(images[frame], fitted[frame], _box(np.concatenate([part, fitted[frame][None]]))), text)
            )
    return cells


def picture(kth: Path | None) -> bytes:
    """Four known cameras, one camera, eleven nominal ones; and KTH."""
    truth, rng = truths(FRAMES)[0], np.random.default_rng(0)
    priors = halves([truth])[0][1]
    known = Known(priors.pose, priors.gait, masks=MaskOptions(nominal=nominal()))
    standing = Truth(truth.key, truth.person, along_z(truth.params), truth.fps)
    ringed = [camera for azimuth in CASIA for camera in nominal_cameras(ring(azimuth, rng)).values()]
    scenes = [
        ("four cameras", seen_by(truth, around(truth.params, (0, 90, 180, 270))), ("000", "090", "180", "270"), (10,)),
        ("one camera", seen_by(truth, around(truth.params, (90,))), ("090",), (5, 15, 25, 35)),
        ("eleven nominal", seen_by(standing, ringed, known=False), ("000", "054", "090", "126"), (20,)),
    ]
    if kth:
        scenes += [(f"KTH {walk.key.subject}", walk, ("side",), (5, 15, 25, 35)) for walk in kth_walks(kth)[::13]]
    rows = []
    for name, seen, views, frames in scenes:
        rows.append(_row(name, seen, good(fit_captures(body(), [seen], known))[0], views, frames))
    return montage(rows, "Masks (grey) and the outlines of the bodies fitted to them")


def _taken(flag: str) -> Path | None:
    """The path after a flag, which is taken off the command line."""
    if flag not in sys.argv:
        return None
    place = sys.argv.index(flag)
    path = Path(sys.argv[place + 1])
    del sys.argv[place : place + 2]
    return path


if __name__ == "__main__":
    torch.set_num_threads(1)
    kth_folder, target = _taken("--kth"), _taken("--picture")
    if target is not None:
        target.write_bytes(picture(kth_folder))
    else:
        main(
            "fit_masks",
            lambda quick: measure_masks(quick, kth_folder),
            "Fit to masks alone: overlap, joints and time, from 4 cameras, 1 and 11 nominal ones",
        )
