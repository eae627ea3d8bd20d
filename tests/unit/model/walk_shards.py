"""A packed dataset of the free body in random poses: labels are true, silhouettes are blobs about the joints."""

from functools import lru_cache
from pathlib import Path

import google_crc32c
import numpy as np

from meshgait_data.body.files import load_body
from meshgait_data.body.marker_files import load_markers, save_markers
from meshgait_data.body.model import Body, forward
from meshgait_data.manifest import load_manifest
from meshgait_data.render.labels import window_scale, world_to_window
from meshgait_data.shards.dataset import MARKERS, describe, part_name, write_dataset
from meshgait_data.shards.reader import open_part
from meshgait_data.shards.zarr import write_part
from meshgait_data.types import BodyParams, Camera, CaptureKey, MarkerSet, SequenceData

VIEWS = ("000", "090")
TRAIN = ("05", "06", "07")
TEST = ("02", "16", "32", "35", "49", "55")


@lru_cache
def body_and_markers() -> tuple[Body, MarkerSet]:
    body = load_body()
    return body, load_markers(body)


def camera(view: str) -> Camera:
    return Camera(view, np.array([[700.0, 0, 320], [0, 700, 240], [0, 0, 1]]), np.eye(3), np.zeros(3), (640, 480))


def walk(key: CaptureKey, view: str, frames: int, seed: int, *, identity: str) -> SequenceData:
    """One view; the camera is the world, so that labels in the window follow from the stored parameters."""
    rng = np.random.default_rng(seed)
    body, markers = body_and_markers()
    upright = np.array([np.pi, 0, 0])
    params = BodyParams(
        rng.normal(size=10).astype(np.float32),
        (upright + 0.1 * rng.normal(size=(frames, 3))).astype(np.float32),
        (0.05 * rng.normal(size=(frames, 69))).astype(np.float32),
        rng.uniform([-0.5, -0.5, 5.5], [0.5, 0.5, 6.5], (frames, 3)).astype(np.float32),
    )
    posed = forward(body, params, markers.vertex_ids)
    joints, pelvis = posed.joints, posed.joints[:, 0]
    scale = 30 / (700 / pelvis[:, 2])
    centre = 700 * pelvis[:, :2] / pelvis[:, 2:] + [320, 240]
    windows = np.zeros((frames, 2, 3), np.float32)
    windows[:, 0, 0] = windows[:, 1, 1] = scale
    windows[:, :, 2] = 31.5 - scale[:, None] * centre
    looking = camera(view)
    labels = world_to_window(joints, pelvis, looking, windows)
    arrays = {
        "silhouettes": _blobs(labels),
        "windows": windows,
        "frame_ids": np.arange(frames, dtype=np.int32),
        "joints": labels,
        "joints_visible": (labels[..., 2] <= 0).astype(np.uint8),
        "markers": world_to_window(posed.vertices, pelvis, looking, windows),
        "scale": window_scale(pelvis[:, 2], looking.intrinsics, windows).astype(np.float32),
        "global_orient": params.global_orient,
        "body_pose": params.body_pose,
        "transl": params.transl,
        "verdict": np.zeros(frames, np.uint8),
    }
    return SequenceData(key.sequence(view), identity, 30.0, looking, params.betas, arrays)


def _blobs(joints: np.ndarray) -> np.ndarray:
    v, u = np.mgrid[0:64, 0:64]
    squared = (u - joints[..., 0, None, None]) ** 2 + (v - joints[..., 1, None, None]) ** 2
    return np.where((squared < 16).any(1), 255, 0).astype(np.uint8)


def make_shards(root: Path, frames: int = 12) -> Path:
    """Three people to train on and the six that the protocol of ``cmu_walk`` tests; two takes of most, two views."""
    manifest, (body, markers) = load_manifest("cmu_walk"), body_and_markers()
    gallery = dict(walk.split("/") for walk in manifest.protocol.gallery)
    sequences = []
    for number, subject in enumerate((*TRAIN, *TEST)):
        takes = [gallery.get(subject, "01")] + ["90"] * (subject not in ("49", "55"))
        for take in takes:
            key = CaptureKey("cmu_walk", subject, take)
            sequences += [
                walk(key, view, frames, 10 * number + int(take) % 10, identity=manifest.identity(subject))
                for view in VIEWS
            ]
    folder = root / part_name(0)
    write_part(folder, sequences, manifest=manifest, provenance={})
    save_markers(root / MARKERS, markers)
    crc32c = google_crc32c.value((root / MARKERS).read_bytes())
    body_says = body.name, body.sha256, body.licence
    info = describe(manifest, body_says, (markers.name, crc32c), [open_part(folder)])
    write_dataset(root, info)
    return root
