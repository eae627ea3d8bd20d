"""Random but valid sequences, and small packed datasets of them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import google_crc32c
import h5py
import numpy as np

from meshgait_data.atomic import write_bytes
from meshgait_data.manifest import load_manifest
from meshgait_data.shards.dataset import (
    BodyInfo,
    Format,
    MarkersInfo,
    describe,
    fields_of,
    part_name,
    write_dataset,
)
from meshgait_data.shards.records import restore
from meshgait_data.shards.schema import ArraySpec, pack_bits
from meshgait_data.shards.writing import write_part
from meshgait_data.types import Camera, SequenceData, SequenceKey

MARKERS = 5
KEYPOINTS = 17


def make_sequence(
    frames: int,
    seed: int = 0,
    *,
    subject: str = "07",
    view: str = "090",
    labels: bool = True,
    extra: bool = False,
    one_bit: bool = False,
) -> SequenceData:
    """A sequence with or without labels (then also without camera and betas), larger and rendered silhouettes and
    fields of other names (``extra``), 1-bit silhouettes in place of grey ones (``one_bit``)."""
    rng = np.random.default_rng(seed)
    silhouettes = np.zeros((frames, 64, 64), np.uint8)
    silhouettes[:, 4:60, 20:44] = 255
    silhouettes[:, 10:20, 10:50] = rng.integers(0, 256, (frames, 10, 40))
    arrays: dict[str, np.ndarray] = {
        "frame_ids": np.cumsum(rng.integers(1, 5, frames)).astype(np.int32),
        "windows": rng.normal(size=(frames, 2, 3)).astype(np.float32),
    }
    if one_bit:
        arrays["silhouettes_1bit"] = pack_bits(silhouettes)
    else:
        arrays["silhouettes"] = silhouettes
    camera, betas = None, np.zeros(0, np.float32)
    if labels:
        arrays |= _labels(frames, rng)
        translation = rng.normal(size=3).astype(np.float32).astype(float)
        camera = Camera(view, np.diag([700.0, 700.0, 1.0]), np.eye(3), translation, (640, 480))
        betas = rng.normal(size=10).astype(np.float32)
    if extra:
        arrays |= _extra(silhouettes, rng)
    key = SequenceKey("cmu_walk", subject, f"{seed:02d}", view)
    identity = load_manifest("cmu_walk").identity(subject)
    return SequenceData(key, identity, 30.0, camera, betas, arrays, (1, 5))


def _labels(frames: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    def floats(*shape: int) -> np.ndarray:
        return rng.normal(size=(frames, *shape)).astype(np.float32)

    verdict = rng.integers(0, 3, frames).astype(np.uint8)
    return {
        "joints": floats(24, 3),
        "joints_visible": rng.integers(0, 2, (frames, 24)).astype(np.uint8),
        "markers": floats(MARKERS, 3),
        "markers_visible": rng.integers(0, 2, (frames, MARKERS)).astype(np.uint8),
        "scale": (40 + rng.random(frames)).astype(np.float32),
        "global_orient": floats(3),
        "body_pose": floats(69),
        "transl": floats(3),
        "verdict": verdict,
        "valid": (verdict < 2).astype(np.uint8),
        "fit_error": (10 + rng.random(frames)).astype(np.float32),
        "mask_iou": rng.random(frames).astype(np.float32),
    }


def _extra(silhouettes: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray]:
    frames = len(silhouettes)
    keypoints = rng.normal(size=(frames, KEYPOINTS, 3)).astype(np.float32)
    keypoints[0, 0] = np.nan
    return {
        "silhouettes_128": silhouettes.repeat(2, axis=1).repeat(2, axis=2),
        "rendered_silhouettes": np.where(silhouettes >= 128, 255, 0).astype(np.uint8),
        "keypoints": keypoints,
        "depth": rng.normal(size=(frames, 6, 4)).astype(np.float16),
        "on_treadmill": rng.integers(0, 2, frames).astype(bool),
    }


def attributes_of(part: Path) -> dict[str, Any]:
    """What a part says of itself, read as anybody would."""
    if part.suffix == ".zarr":
        return json.loads((part / "zarr.json").read_text())["attributes"]["meshgait"]
    with h5py.File(part) as file:
        return json.loads(file.attrs["meshgait"])


def make_dataset(root: Path, parts: Sequence[Sequence[SequenceData]], *, format: Format = "zarr") -> Path:
    """A complete dataset with stand-in markers: what ``mgdata pack`` makes, without fits."""
    from meshgait_data.shards.table import SequenceTable

    manifest = load_manifest("cmu_walk")
    entries, records, fields = [], [], []
    for number, sequences in enumerate(parts):
        path = root / part_name(number, format)
        entries.append(write_part(path, sequences, manifest=manifest, provenance={"from": "test"}, format=format))
        attributes = attributes_of(path)
        specs = {name: ArraySpec.restore(name, plain) for name, plain in attributes["fields"].items()}
        plains = attributes["sequences"]
        records += [restore(plain, part=path.name, position=at)[0] for at, plain in enumerate(plains)]
        fields.append((specs, {name: sum(name in plain["rows"] for plain in plains) for name in specs}))
    (root / "markers.npz").write_bytes(b"stand-in")
    index = SequenceTable.of(records).parquet()
    write_bytes(root / "index.parquet", index)
    found = fields_of(fields, "cmu_walk")
    info = describe(
        manifest,
        format,
        fields=found,
        parts=entries,
        index_crc32c=google_crc32c.value(index),
        body=BodyInfo("test", "0" * 64, "CC0"),
        markers=MarkersInfo("test5", MARKERS, google_crc32c.value(b"stand-in")) if "markers" in found else None,
    )
    write_dataset(root, info)
    return root


def folder_bytes(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
