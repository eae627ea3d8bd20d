"""The fit to keypoints that a detector found in real films.

Four calibrated cameras: ``tests/data/pose2sim_single``, where the detector also takes left for right for a while in one
of them. One camera: the KTH walks, whose licence does not let them come with the project; name the folder with
``kth_masks_keypoints`` in ``MESHGAIT_REAL_DATA`` to measure them too.

``python benchmarks/fit_real.py --picture FILE --films DIR`` draws fitted bodies over frames of ``cam01.mp4`` ...
"""

import os
import sys
from pathlib import Path

import numpy as np
import torch
from common import Figures, main

from meshgait_data.body.files import load_body
from meshgait_data.body.joint_files import load_regressor
from meshgait_data.body.model import Body, forward
from meshgait_data.conventions import SMPL_JOINTS, mirror_names
from meshgait_data.errors import FitError
from meshgait_data.fit.cameras import Views
from meshgait_data.fit.engine import fit_captures
from meshgait_data.fit.known import Known
from meshgait_data.fit.triangulate import triangulate
from meshgait_data.pipeline.prior_files import load_priors
from meshgait_data.render.cameras import project
from meshgait_data.render.raster import silhouettes
from meshgait_data.sources.cameras import read_cameras
from meshgait_data.sources.joints3d import JointOptions, read_joints3d
from meshgait_data.sources.keypoints import KeypointOptions, read_keypoints
from meshgait_data.sources.masks import read_masks
from meshgait_data.sources.track import masks_at
from meshgait_data.types import BodyParams, BoolArray, Camera, CaptureKey, Fit, FloatArray, Observations

FOUR = Path(__file__).resolve().parents[1] / "tests" / "data" / "pose2sim_single"
SET = "blazepose33"
LIMBS = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle", "heel", "foot_index")
"""Points that are measured, of both sides: those of the face hardly move against each other."""
BONES = (("knee", "ankle"), ("hip", "knee"), ("shoulder", "elbow"))
CLIPS = tuple((person, take) for person in ("01", "02", "03", "04") for take in ("0", "1"))
KTH_SIZE, MASK_SIZE = (160, 120), (320, 240)
FOCAL_PX = 600.0
"""Of KTH's cameras nothing is known. In one view distance and focal length look alike."""


def measure(quick: bool) -> Figures:
    """All figures; those of KTH only where its folder is named."""
    torch.set_num_threads(1)
    body = load_body("free-lite")
    figures = measure_four(body)
    folder = os.environ.get("MESHGAIT_REAL_DATA")
    if folder:
        figures |= measure_one(body, Path(folder) / "kth_masks_keypoints", CLIPS[:2] if quick else CLIPS)
    return figures


def four_views() -> Observations:
    """A person on a beam, 100 frames, 4 cameras."""
    cameras = read_cameras(FOUR / "Calib.qca.txt").cameras
    tracks = [read_keypoints(FOUR / f"{name}.npz", name) for name in cameras]
    return Observations(
        key=CaptureKey("pose2sim", "1", "beam"),
        joints=np.zeros((len(tracks[0].frame_ids), 0, 3), np.float32),
        joint_names=(),
        joint_set="",
        frame_ids=tracks[0].frame_ids,
        fps=60.0,
        keypoints=tuple(track.data for track in tracks),
        cameras=cameras,
    )


def fitted(body: Body, seen: Observations) -> Fit:
    """The fit as everybody gets it; a single view needs a walk, and on a beam nobody walks as on a floor."""
    priors = load_priors("walk" if len(seen.keypoints) == 1 else "general")
    known = Known(priors.pose, priors.gait, {SET: load_regressor(body, SET)})
    fit = fit_captures(body, [seen], known)[0]
    if isinstance(fit, FitError):
        raise fit
    return fit


def points_of(body: Body, fit: Fit) -> FloatArray:
    """(F, P, 3) where the fitted body has the keypoints."""
    posed, regressor = forward(body, fit.params), load_regressor(body, SET)
    sources = np.concatenate([posed.vertices, posed.joints], axis=1)
    return np.stack([np.asarray(regressor.matrix @ frame) for frame in sources])


def triangulated(seen: Observations, *, robust: bool) -> FloatArray:
    """(F, P, 3) by least squares on the pixels of all views, with or without outliers losing their weight."""
    views = Views.of([[seen.cameras[one.view] for one in seen.keypoints]])
    pixels = torch.as_tensor(np.stack([one.points for one in seen.keypoints], axis=1), dtype=torch.float64)
    trust = torch.as_tensor(np.stack([one.confidence for one in seen.keypoints], axis=1), dtype=torch.float64)
    frames = torch.zeros(len(pixels), dtype=torch.long)
    return triangulate(views, pixels, trust, frames, robust=robust).points.numpy()


def measure_four(body: Body) -> Figures:
    """Four cameras: the fit beside triangulation by least squares and by robust least squares."""
    seen = four_views()
    fit = fitted(body, seen)
    points = points_of(body, fit)
    names = seen.keypoints[0].names
    rows = [names.index(f"{side}_{limb}") for limb in LIMBS for side in ("left", "right")]
    found = {
        "": points,
        "triangulation_": triangulated(seen, robust=False),
        "robust_triangulation_": triangulated(seen, robust=True),
    }
    crossed = exchanged(seen, points)
    sound = ~crossed.any(axis=0)
    figures: Figures = {"pose2sim_exchanged_share": float(crossed.mean())}
    for name, places in found.items():
        errors = misses(seen, places)[:, :, rows]
        figures |= {
            f"pose2sim_{name}px": float(errors[:, sound].mean()),
            f"pose2sim_{name}median_px": float(np.median(errors[:, sound])),
            f"pose2sim_{name}all_frames_px": float(errors.mean()),
            f"pose2sim_{name}jitter_mm": jitter_mm(places[:, rows]),
            f"pose2sim_{name}bone_spread_mm": bone_spread_mm(names, places, BONES),
        }
    # Keypoints lie on the skin, which gives; bones are between joints.
    joints = forward(body, fit.params).joints
    figures["pose2sim_bone_spread_mm"] = bone_spread_mm(SMPL_JOINTS, joints, BONES)
    for name in ("triangulation", "robust_triangulation"):
        for kind in ("px", "jitter_mm"):
            ratio = figures[f"pose2sim_{kind}"] / figures[f"pose2sim_{name}_{kind}"]
            figures[f"pose2sim_{name}_{kind.removesuffix('_mm')}_ratio"] = ratio
    figures["pose2sim_jitter_ratio"] = figures.pop("pose2sim_triangulation_jitter_ratio")
    return figures


def misses(seen: Observations, points: FloatArray) -> FloatArray:
    """(V, F, P) pixels between detected keypoints and the images of points in space."""
    return np.stack(
        [np.linalg.norm(project(seen.cameras[one.view], points)[0] - one.points, axis=-1) for one in seen.keypoints]
    )


def exchanged(seen: Observations, points: FloatArray) -> BoolArray:
    """(V, F) where a view's keypoints fit better with left and right exchanged."""
    names = seen.keypoints[0].names
    mirror = mirror_names(names)
    limbs = [row for row, name in enumerate(names) if name.split("_", 1)[-1] in LIMBS]
    straight, crossed = misses(seen, points), misses(seen, points[:, mirror])
    return np.asarray(crossed[:, :, limbs].mean(axis=2) < straight[:, :, limbs].mean(axis=2))


def jitter_mm(points: FloatArray) -> float:
    """Mean length of the second difference of points (F, P, 3) over time."""
    return 1e3 * float(np.linalg.norm(np.diff(points, 2, axis=0), axis=-1).mean())


def bone_spread_mm(names: tuple[str, ...], points: FloatArray, bones: tuple[tuple[str, str], ...]) -> float:
    """Mean standard deviation over time of the distances of points that a bone holds apart."""
    pairs = [(names.index(f"{side}_{a}"), names.index(f"{side}_{b}")) for a, b in bones for side in ("left", "right")]
    return 1e3 * float(np.mean([np.linalg.norm(points[:, a] - points[:, b], axis=-1).std() for a, b in pairs]))


def measure_one(body: Body, folder: Path, clips: tuple[tuple[str, str], ...]) -> Figures:
    """One camera of which nothing is known."""
    camera = Camera(
        "side",
        np.array([[FOCAL_PX, 0, 79.5], [0, FOCAL_PX, 59.5], [0, 0, 1]]),
        np.diag([1.0, -1.0, -1.0]),
        np.array([0.0, 1.0, 8.0]),
        KTH_SIZE,
    )
    scores: dict[str, list[float]] = {"px": [], "px_of_height": [], "iou": [], "mediapipe_pa_mm": []}
    for person, take in clips:
        path = folder / f"person{person}_walking_d1.npz"
        track = read_keypoints(path, "side", options=KeypointOptions(take=take, size=KTH_SIZE))
        count = len(track.frame_ids)
        seen = Observations(
            key=CaptureKey("kth", person, take),
            joints=np.zeros((count, 0, 3), np.float32),
            joint_names=(),
            joint_set="",
            frame_ids=track.frame_ids,
            fps=25.0,
            keypoints=(track.data,),
            cameras={"side": camera},
        )
        fit = fitted(body, seen)
        points = points_of(body, fit)
        pixels = float(np.nanmean(misses(seen, points)))
        scores["px"].append(pixels)
        scores["px_of_height"].append(pixels / float(np.nanmedian(np.ptp(track.data.points[..., 1], axis=1))))
        masks = masks_at(read_masks(path, "side", take=take), track.frame_ids)
        scores["iou"].append(overlap(body, fit.params, camera, masks.images[masks.seen], masks.seen))
        lifted = read_joints3d(path, options=JointOptions(take=take)).data.points
        scores["mediapipe_pa_mm"].append(aligned_mm(points, lifted.astype(np.float64)))
    return {f"kth_{name}": float(np.mean(values)) for name, values in scores.items()}


def overlap(body: Body, params: BodyParams, camera: Camera, masks: np.ndarray, seen: BoolArray) -> float:
    """Mean intersection over union with masks at twice the size of the pictures."""
    double = np.array([[2, 0, 0.5], [0, 2, 0.5], [0, 0, 1.0]]) @ camera.intrinsics
    large = Camera(camera.name, double, camera.rotation, camera.translation, MASK_SIZE)
    drawn = silhouettes(forward(body, params.take(seen)).vertices, body.faces, large) > 127
    there = masks > 127
    return float(((drawn & there).sum(axis=(1, 2)) / (drawn | there).sum(axis=(1, 2))).mean())


def aligned_mm(points: FloatArray, others: FloatArray) -> float:
    """Mean distance to another estimator's points after the best similarity of each frame (Procrustes)."""
    known = np.isfinite(others).all(axis=(1, 2))
    a, b = (part[known] - part[known].mean(axis=1, keepdims=True) for part in (points, others))
    left, sizes, right = np.linalg.svd(np.swapaxes(a, 1, 2) @ b)
    sign = np.ones_like(sizes)
    sign[:, 2] = np.sign(np.linalg.det(left @ right))
    turn = (left * sign[:, None]) @ right
    scale = (sizes * sign).sum(axis=1) / (b**2).sum(axis=(1, 2))
    # Scaled to the body, so that the distance is in its metres.
    return 1e3 * float(np.linalg.norm(a @ turn - scale[:, None, None] * b, axis=-1).mean())


def draw(picture: Path, films: Path, frames: tuple[int, ...] = (5, 45, 55, 75)) -> None:
    """Bodies and detected keypoints over frames of the four films."""
    import cv2

    body, seen = load_body("free-lite"), four_views()
    vertices = forward(body, fitted(body, seen).params).vertices
    rows = []
    for frame in frames:
        cells = []
        for one in seen.keypoints:
            camera = seen.cameras[one.view]
            film = cv2.VideoCapture(str(films / f"{one.view}.mp4"))
            film.set(cv2.CAP_PROP_POS_FRAMES, frame)
            read, image = film.read()
            if not read:
                raise SystemExit(f"no frame {frame} in {films / one.view}.mp4")
            mask = silhouettes(vertices[[frame]], body.faces, camera)[0][:, : image.shape[1]] > 127
            image[mask] = 0.5 * image[mask] + 0.5 * np.array([60.0, 160.0, 255.0])
            for x, y in one.points[frame]:
                cv2.circle(image, (round(float(x)), round(float(y))), 8, (0, 255, 0), -1)
            cells.append(cv2.resize(image, (270, 480), interpolation=cv2.INTER_AREA))
        rows.append(np.hstack(cells))
    cv2.imwrite(str(picture), np.vstack(rows))


def option(name: str) -> str:
    """Word after a flag of the command line; empty where it is not there."""
    return sys.argv[sys.argv.index(name) + 1] if name in sys.argv[:-1] else ""


if __name__ == "__main__":
    if option("--picture"):
        draw(Path(option("--picture")), Path(option("--films")))
    else:
        main("fit_real", measure, "fit to detected keypoints of real films")
