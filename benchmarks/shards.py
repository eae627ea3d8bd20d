"""Packed shards against a tree of pickles, one per sequence, as OpenGait keeps and reads them.

Real walks are fitted and rendered first, outside of the timings. All times are CPU seconds of one core.

- ``pack_fps_core``: frames a second that are encoded, checksummed, synced and renamed (all fields, rendering excluded);
- ``size_vs_opengait``: bytes of the packed silhouettes / bytes of the same silhouettes as pickles;
- ``size_with_labels_vs_opengait``: bytes of whole parts, with all labels / bytes of those pickles;
- ``warm_vs_opengait``: speed of drawing random clips of 30 frames from the arrays that ``Shards.load`` decoded once /
  from pickles, which are read whole for every clip (files in the page cache);
- ``compressed_vs_opengait``: the same, but each clip decoded from the shards when it is drawn;
- ``load_fps_core``: frames a second that ``Shards.load`` decodes;
- ``open_100k_s``: seconds to open 100,000 sequences, by proportion.
"""

import pickle
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from common import Figures, cpu_seconds, main

from meshgait_data.manifest import load_manifest
from meshgait_data.pipeline.build import build
from meshgait_data.pipeline.pack import PackSettings
from meshgait_data.shards import SequenceRecord, Shards, open_shards
from meshgait_data.shards.zarr import write_part
from meshgait_data.types import SequenceData

CLIP = 30


def measure(quick: bool) -> Figures:
    """All figures."""
    select = "subject=02|16" if quick else ""
    repeat = 3 if quick else 7
    with TemporaryDirectory() as name:
        folder = Path(name)
        settings = PackSettings(select=select, jobs=2, progress=False)
        build(load_manifest("cmu_walk"), folder / "shards", work=folder / "work", settings=settings)
        shards = open_shards(folder / "shards")
        pickles = _write_pickles(shards, folder / "pickles")
        return {
            "frames": sum(record.length for record in shards.sequences),
            "pack_fps_core": _pack_speed(shards, folder, repeat),
            **_sizes(shards, folder / "pickles"),
            **_clips(shards, pickles, repeat),
            "load_fps_core": _load_speed(shards, repeat),
            "open_100k_s": _open_seconds(folder / "shards", repeat) * 1e5 / len(shards.sequences),
        }


def _write_pickles(shards: Shards, folder: Path) -> dict[SequenceRecord, Path]:
    """``<subject>/<condition>/<view>/<view>.pkl``, one uint8 array (F, 64, 64) each."""
    paths = {}
    for record in shards.sequences:
        key = record.key
        path = folder / key.subject / key.condition / key.view / f"{key.view}.pkl"
        path.parent.mkdir(parents=True)
        with path.open("wb") as file:
            pickle.dump(shards.read(record, "silhouettes"), file)
        paths[record] = path
    return paths


def _pack_speed(shards: Shards, folder: Path, repeat: int) -> float:
    part = shards.parts["part-00000.zarr"]
    sequences: Sequence[SequenceData] = [part.sequence(record) for record in part.sequences]
    manifest = load_manifest("cmu_walk")
    targets = iter(range(1000))

    def write() -> None:
        write_part(folder / f"part-{next(targets):05d}.zarr", sequences, manifest=manifest, provenance={})

    return sum(map(len, sequences)) / cpu_seconds(write, repeat)


def _sizes(shards: Shards, pickles: Path) -> Figures:
    packed = [_bytes(part.folder) for part in shards.parts.values()]
    silhouettes = [_bytes(part.folder / "silhouettes") for part in shards.parts.values()]
    peer = _bytes(pickles)
    return {"size_vs_opengait": sum(silhouettes) / peer, "size_with_labels_vs_opengait": sum(packed) / peer}


def _clips(shards: Shards, pickles: dict[SequenceRecord, Path], repeat: int) -> Figures:
    rng = np.random.default_rng(0)
    long = [record for record in shards.sequences if record.length >= CLIP]
    chosen = [long[i] for i in rng.integers(len(long), size=500)]
    draws = [(record, int(rng.integers(record.length - CLIP + 1))) for record in chosen]
    array, offsets = shards.load("silhouettes")
    begins = dict(zip(shards.sequences, offsets, strict=False))
    batch = np.zeros((CLIP, 64, 64), np.uint8)

    def from_memory() -> None:
        for record, first in draws:
            begin = begins[record] + first
            batch[...] = array[begin : begin + CLIP]

    def from_shards() -> None:
        for record, first in draws:
            begin = record.start + first
            shards.parts[record.part].files["silhouettes"].read(begin, begin + CLIP, batch)

    def from_pickles() -> None:
        for record, first in draws:
            with pickles[record].open("rb") as file:
                # Our own file of a moment ago; this is how the peer reads.
                batch[...] = pickle.load(file)[first : first + CLIP]  # noqa: S301, TID251

    peer = cpu_seconds(from_pickles, repeat)
    return {
        "warm_vs_opengait": peer / cpu_seconds(from_memory, repeat),
        "compressed_vs_opengait": peer / cpu_seconds(from_shards, repeat),
    }


def _load_speed(shards: Shards, repeat: int) -> float:
    frames = sum(record.length for record in shards.sequences)
    return frames / cpu_seconds(lambda: shards.load("silhouettes"), repeat)


def _open_seconds(path: Path, repeat: int) -> float:
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        open_shards(path)
        times.append(time.perf_counter() - start)
    return min(times)


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


if __name__ == "__main__":
    main("shards", measure, "Packed shards against one pickle per sequence")
