"""A packed dataset of the free body in random poses: labels are true, silhouettes are blobs about the joints."""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import google_crc32c
import numpy as np

from meshgait_data.body.files import load_body
from meshgait_data.body.marker_files import load_markers, save_markers
from meshgait_data.body.model import Body, forward
from meshgait_data.manifest import load_manifest
from meshgait_data.render.labels import window_scale, world_to_window
from meshgait_data.shards.dataset import (
    INDEX,
    MARKERS,
    BodyInfo,
    Format,
    MarkersInfo,
    describe,
    fields_of,
    part_name,
    write_dataset,
)
from meshgait_data.shards.part import open_part
from meshgait_data.shards.schema import pack_bits
from meshgait_data.shards.store import open_store
from meshgait_data.shards.table import SequenceTable
from meshgait_data.shards.writing import write_part
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
        "valid": np.ones(frames, np.uint8),
    }
    return SequenceData(key.sequence(view), identity, 30.0, looking, params.betas, arrays)


def _blobs(joints: np.ndarray) -> np.ndarray:
    v, u = np.mgrid[0:64, 0:64]
    squared = (u - joints[..., 0, None, None]) ** 2 + (v - joints[..., 1, None, None]) ** 2
    return np.where((squared < 16).any(1), 255, 0).astype(np.uint8)


def make_shards(root: Path, frames: int = 12) -> Path:
    """Three people to train on and the six that the protocol of ``cmu_walk`` tests; two takes of most, two views."""
    manifest = load_manifest("cmu_walk")
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
    return write_dataset_of(root, [sequences])


def mixed_sequences(*, one_bit: bool = False) -> list[list[SequenceData]]:
    """Two parts of walks of several lengths; every third is without labels, camera and body, some have more fields."""
    parts: list[list[SequenceData]] = [[], []]
    for number, (subject, view) in enumerate((s, v) for s in (*TRAIN, "02", "16") for v in (*VIEWS, "045")):
        rng = np.random.default_rng(number)
        key = CaptureKey("cmu_walk", subject, "01")
        made = walk(key, view, (3, 12, 33, 64, 70)[number % 5], number, identity=subject)
        arrays = dict(made.arrays)
        # Grey edges, so that a wrong frame or column is always seen.
        noise = rng.integers(0, 256, arrays["silhouettes"].shape).astype(np.uint8)
        arrays["silhouettes"] = np.where(rng.random(noise.shape) < 0.1, noise, arrays["silhouettes"]).astype(np.uint8)
        if number % 3 == 1:
            arrays = {name: arrays[name] for name in ("silhouettes", "frame_ids", "windows")}
        if number % 2:
            arrays["silhouettes_128"] = arrays["silhouettes"].repeat(2, axis=1).repeat(2, axis=2)
            arrays["keypoints"] = rng.normal(size=(len(made), 17, 3))
        if one_bit:
            arrays["silhouettes_1bit"] = pack_bits(arrays.pop("silhouettes"))
        fitted = "joints" in arrays
        changed = replace(
            made,
            arrays=arrays,
            camera=made.camera if fitted else None,
            betas=made.betas[: 4 + number] if fitted else np.zeros(0, np.float32),
        )
        parts[number >= 7].append(changed)
    return parts


def write_dataset_of(
    root: Path, parts: Sequence[Sequence[SequenceData]], *, format: Format = "zarr", name: str = "cmu_walk"
) -> Path:
    """A complete dataset of the free body: what ``mgdata pack`` makes, without fits."""
    manifest, (body, markers) = load_manifest(name), body_and_markers()
    entries = [
        write_part(root / part_name(number, format), sequences, manifest=manifest, provenance={}, format=format)
        for number, sequences in enumerate(parts)
    ]
    opened = [open_part(open_store(root), entry.name, entry) for entry in entries]
    table = SequenceTable.of(record for part in opened for record in part.sequences).parquet()
    (root / INDEX).write_bytes(table)
    save_markers(root / MARKERS, markers)
    counts = [{name: sum(name in r.rows for r in part.sequences) for name in part.specs} for part in opened]
    info = describe(
        manifest,
        format,
        fields=fields_of([(part.specs, has) for part, has in zip(opened, counts, strict=True)], manifest.name),
        parts=entries,
        index_crc32c=google_crc32c.value(table),
        body=BodyInfo(body.name, body.sha256, body.licence),
        markers=MarkersInfo(markers.name, len(markers), google_crc32c.value((root / MARKERS).read_bytes())),
    )
    write_dataset(root, info)
    return root
