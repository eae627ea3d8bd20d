"""Walks that the benchmark of shards packs, and the layouts that they are packed in: ours and those of the peers.

Three kinds of silhouettes: rendered ones of real walks; the same with holes, specks and a rough outline, as a
segmentation network leaves them; and those of real films, where ``MESHGAIT_REAL_DATA`` names the folder with
``kth_masks_keypoints`` (its licence does not let it come with the project).
"""

import os
import pickle
from collections.abc import Iterable, Sequence
from itertools import chain, islice
from pathlib import Path

import cv2
import google_crc32c
import numpy as np

from meshgait_data.atomic import write_bytes
from meshgait_data.manifest import Manifest, load_manifest
from meshgait_data.render.align import align
from meshgait_data.render.degrade import degrade, parse_steps
from meshgait_data.shards.dataset import INDEX, Format, PartEntry, describe, fields_of, part_name, write_dataset
from meshgait_data.shards.part import open_part
from meshgait_data.shards.store import open_store
from meshgait_data.shards.table import SequenceTable
from meshgait_data.shards.writing import write_part
from meshgait_data.sources.masks import read_masks
from meshgait_data.types import ByteArray, SequenceData, SequenceKey

PART_SEQUENCES = 256
"""Sequences of a part, as packing puts them together by default."""

FLAWS = parse_steps("rough_outline:0.4,holes:0.4,noise:0.3")
BODY_PX = 216
"""Height that silhouettes are enlarged to before they are spoiled: a person in a film of middling resolution."""

SHORTEST = 34
"""Frames that a sequence must have: those that the peer draws a clip of 30 from."""


def manifest() -> Manifest:
    """The dataset that all sequences claim to be of."""
    return load_manifest("cmu_walk")


def sequence(key: SequenceKey, silhouettes: ByteArray) -> SequenceData:
    """A sequence of nothing but silhouettes (F, S, S)."""
    arrays = {"frame_ids": np.arange(len(silhouettes), dtype=np.int32), "silhouettes": silhouettes}
    return SequenceData(key, key.subject, 30.0, None, np.zeros(0, np.float32), arrays)


def spoiled(clean: SequenceData, seed: int) -> SequenceData:
    """The same walk as a segmentation network would have seen it."""
    margin = 12
    masks = np.zeros((len(clean), BODY_PX + 2 * margin, BODY_PX + 2 * margin), np.uint8)
    for mask, image in zip(masks, clean.arrays["silhouettes"], strict=True):
        large = cv2.resize(image, (BODY_PX, BODY_PX), interpolation=cv2.INTER_CUBIC)
        mask[margin:-margin, margin:-margin] = np.where(large > 127, 255, 0)
    return sequence(clean.key, align(degrade(masks, FLAWS, seed=seed)).silhouettes)


def real() -> list[SequenceData]:
    """Sequences of real films; none where their folder is not named."""
    root = os.environ.get("MESHGAIT_REAL_DATA")
    found = []
    for path in sorted((Path(root) / "kth_masks_keypoints").glob("*.npz")) if root else ():
        with np.load(path, allow_pickle=False) as file:
            takes = sorted(name.removeprefix("mask") for name in file.files if name.startswith("mask"))
        for take in takes:
            silhouettes = align(read_masks(path, "side", take=take).data.images).silhouettes
            if len(silhouettes) >= SHORTEST:
                found.append(sequence(SequenceKey("cmu_walk", path.stem, take, "000"), silhouettes))
    return found


def pack(sequences: Iterable[SequenceData], root: Path, format: Format = "zarr", each: int = PART_SEQUENCES) -> Path:
    """Write a complete dataset: parts, index and ``dataset.json``, on one core."""
    source, entries, stream = manifest(), list[PartEntry](), iter(sequences)
    for first in stream:
        path, group = root / part_name(len(entries), format), chain([first], islice(stream, each - 1))
        entries.append(write_part(path, group, manifest=source, provenance={}, format=format))
    store = open_store(root)
    parts = [open_part(store, entry.name, entry) for entry in entries]
    index = SequenceTable.of(record for part in parts for record in part.sequences).parquet()
    write_bytes(root / INDEX, index)
    # All of these sequences have all of their fields.
    fields = fields_of([(part.specs, dict.fromkeys(part.specs, len(part.sequences))) for part in parts], source.name)
    crc = google_crc32c.value(index)
    write_dataset(root, describe(source, format, fields=fields, parts=entries, index_crc32c=crc))
    return root


def pickle_path(root: Path, key: SequenceKey) -> Path:
    """Where OpenGait's layout has a sequence: ``<subject>/<condition>/<view>/<view>.pkl``."""
    return root / key.subject / key.condition / key.view / f"{key.view}.pkl"


def write_pickles(sequences: Sequence[SequenceData], root: Path) -> Path:
    """OpenGait's layout: a pickle of one uint8 array (F, S, S) for each sequence."""
    for one in sequences:
        path = pickle_path(root, one.key)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            pickle.dump(one.arrays["silhouettes"], file)
    return root


def write_npy(sequences: Sequence[SequenceData], path: Path, cut: int = 0) -> Path:
    """All frames end to end, uncompressed, columns cut off on both sides."""
    columns = slice(cut, -cut) if cut else slice(None)
    np.save(path, np.concatenate([one.arrays["silhouettes"][:, :, columns] for one in sequences]))
    return path


def folder_bytes(root: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(path.stat().st_size for path in root.rglob("*") if path.is_file())
