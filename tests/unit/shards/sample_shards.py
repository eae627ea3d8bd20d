"""Random but valid sequences, and small packed datasets of them."""

from collections.abc import Sequence
from pathlib import Path

import google_crc32c
import numpy as np

from meshgait_data.manifest import load_manifest
from meshgait_data.shards.dataset import describe, part_name, write_dataset
from meshgait_data.shards.reader import open_part
from meshgait_data.shards.table import write_table
from meshgait_data.shards.zarr import write_part
from meshgait_data.types import Camera, SequenceData, SequenceKey

MARKERS = 5


def make_sequence(frames: int, seed: int = 0, *, subject: str = "07", view: str = "090") -> SequenceData:
    rng = np.random.default_rng(seed)
    silhouettes = np.zeros((frames, 64, 64), np.uint8)
    silhouettes[:, 4:60, 20:44] = 255
    silhouettes[:, 10:20, 10:50] = rng.integers(0, 256, (frames, 10, 40))

    def floats(*shape: int) -> np.ndarray:
        return rng.normal(size=(frames, *shape)).astype(np.float32)

    camera = Camera(
        view, np.diag([700.0, 700.0, 1.0]), np.eye(3), rng.normal(size=3).astype(np.float32).astype(float), (640, 480)
    )
    arrays = {
        "silhouettes": silhouettes,
        "windows": floats(2, 3),
        "frame_ids": np.cumsum(rng.integers(1, 5, frames)).astype(np.int32),
        "joints": floats(24, 3),
        "joints_visible": rng.integers(0, 2, (frames, 24)).astype(np.uint8),
        "markers": floats(MARKERS, 3),
        "markers_visible": rng.integers(0, 2, (frames, MARKERS)).astype(np.uint8),
        "scale": (40 + rng.random(frames)).astype(np.float32),
        "global_orient": floats(3),
        "body_pose": floats(69),
        "transl": floats(3),
        "verdict": rng.integers(0, 2, frames).astype(np.uint8),
    }
    key = SequenceKey("cmu_walk", subject, f"{seed:02d}", view)
    identity = load_manifest("cmu_walk").identity(subject)
    return SequenceData(key, identity, 30.0, camera, rng.normal(size=10).astype(np.float32), arrays, (1, 5))


def make_dataset(root: Path, parts: Sequence[Sequence[SequenceData]]) -> Path:
    """A complete dataset with stand-in markers: what ``mgdata pack`` makes, without fits."""
    manifest = load_manifest("cmu_walk")
    packed = []
    for number, sequences in enumerate(parts):
        folder = root / part_name(number)
        write_part(folder, sequences, manifest=manifest, provenance={"from": "test"})
        packed.append(open_part(folder))
    (root / "markers.npz").write_bytes(b"stand-in")
    markers = "test5", google_crc32c.value(b"stand-in")
    info = describe(manifest, ("test", "0" * 64, "CC0"), markers, packed)
    write_table(root, [record for part in packed for record in part.sequences])
    write_dataset(root, info)
    return root


def folder_bytes(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
