"""Packed shards against the ways in which gait data are kept elsewhere: OpenGait's pickles, WebDataset, plain arrays.

Real walks are fitted and rendered first, outside of the timings. Silhouettes alone are then packed by each, on the
same sequences. All times but ``open_*`` and ``cold_*`` are CPU microseconds of one core, over all threads; repetitions
of all ways are interleaved and the median counts. What is measured is checked first: all ways give the same bytes.

- ``warm_vs_opengait``: speed of batches of 30-frame clips of 64 x 44 as uint8, from a cache in memory / of OpenGait's
  loader with its transform, files in the page cache. ``mmap``: from the memory-mapped cache; ``compressed``: straight
  from Zarr, every checksum compared; ``hdf5``: straight from HDF5; ``with_float``: ours made float32 as well;
- ``*_opengait_kept``: the same in a process that never gives memory back (settings of glibc): two thirds of that
  loader's time are page faults of its large temporary arrays, as any training script has them by default;
- ``warm_vs_limit``: the same / speed of cutting and copying consecutive frames of one uncompressed, memory-mapped
  array; ``warm_vs_copy``: / speed of copying them from one whose frames were cut before, drawing clips not included;
- ``cold_vs_opengait``: first epoch, files not in memory, opening and decoding of ours included, by the clock;
- ``size_vs_opengait``: bytes of the dataset's folder / of the pickles, the largest of all kinds of silhouettes;
- ``loader_*``: whole loaders with threads or worker processes, CPU time of all of them and clips a second;
- ``full_*``: whole sequences; ``write_fps_*``: frames a second; ``pack_fps_core``: with all labels, rendering excluded;
- ``open_100k_s``, ``open_100k_mb``: opening 100,000 sequences in a new process; seconds and its peak memory.
"""

import multiprocessing
import os
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from common import Figures, main
from shards_clips import KEEP, kept, timings
from shards_cold import opening
from shards_data import SHORTEST, folder_bytes, manifest, pack, real, sequence, spoiled, write_npy, write_pickles
from shards_peers import CUT, Tars
from shards_plot import save

from meshgait_data.pipeline.build import build
from meshgait_data.pipeline.pack import PackSettings
from meshgait_data.shards.reader import Shards, open_shards
from meshgait_data.shards.writing import write_part
from meshgait_data.types import SequenceData


def measure(quick: bool) -> Figures:
    """All figures."""
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        labelled = _labelled(folder, quick)
        walks = [
            sequence(record.key, labelled.read(record, "silhouettes"))
            for record in labelled.sequences
            if record.length >= SHORTEST
        ]
        figures: Figures = {"sequences": len(walks), "frames": sum(map(len, walks))}
        figures |= _pack_speed(labelled, folder, repeat=3 if quick else 7)
        figures |= _sizes_and_writing(walks, folder)
        figures |= _alone(timings, folder, quick)
        os.environ |= KEEP
        figures |= _alone(kept, folder, quick)
        for name in KEEP:
            del os.environ[name]
    figures |= opening(walks[0], repeat=1 if quick else 5)
    if not quick:
        save(figures)
    return figures


def _alone(function: Callable[[Path, bool], Figures], folder: Path, quick: bool) -> Figures:
    """What a function measures in a new process."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        return process.submit(function, folder, quick).result()


def _labelled(folder: Path, quick: bool) -> Shards:
    """Rendered walks with all labels."""
    settings = PackSettings(select="subject=02|16" if quick else "", jobs=2, progress=False)
    build(manifest(), folder / "labelled", work=folder / "work", settings=settings)
    return open_shards(folder / "labelled")


def _pack_speed(labelled: Shards, folder: Path, repeat: int) -> Figures:
    """Frames a second, with all fields that packing makes unless it is told otherwise."""
    sequences = [labelled.sequence(record) for record in labelled.sequences[:64]]
    frames, speeds = sum(map(len, sequences)), {"zarr": list[float](), "hdf5": list[float]()}
    for number in range(repeat):
        for format, ending in (("zarr", ".zarr"), ("hdf5", ".h5")):
            path = folder / f"part-{number:05d}{ending}"
            start = time.process_time()
            write_part(path, sequences, manifest=manifest(), provenance={}, format=format)
            speeds[format].append(frames / (time.process_time() - start))
    return {"pack_fps_core": median(speeds["zarr"]), "pack_hdf5_fps_core": median(speeds["hdf5"])}


def _sizes_and_writing(walks: list[SequenceData], folder: Path) -> Figures:
    """Write the walks in all ways, and the other kinds of silhouettes in two."""
    figures: Figures = {}
    frames = sum(map(len, walks))
    writers: dict[str, Callable[[], Any]] = {
        "opengait": partial(write_pickles, walks, folder / "pickles"),
        "npy": partial(write_npy, walks, folder / "frames.npy"),
        "zarr": partial(pack, walks, folder / "zarr"),
        "hdf5": partial(pack, walks, folder / "hdf5", "hdf5"),
    }
    if not Tars.missing():
        writers["webdataset"] = partial(Tars.write, walks, folder / "tars")
    for name, write in writers.items():
        start = time.process_time()
        write()
        figures[f"write_fps_{name}"] = frames / (time.process_time() - start)
    write_npy(walks, folder / "frames_cut.npy", CUT)
    peer = folder_bytes(folder / "pickles")
    figures["size_hdf5_vs_opengait"] = folder_bytes(folder / "hdf5") / peer
    sizes = {"rendered": folder_bytes(folder / "zarr") / peer}
    others = {"spoiled": [spoiled(walk, seed) for seed, walk in enumerate(walks[::5])], "real": real()}
    for name, sequences in others.items():
        if sequences:
            whole = folder_bytes(write_pickles(sequences, folder / name / "pickles"))
            sizes[name] = folder_bytes(pack(sequences, folder / name / "zarr")) / whole
    figures |= {f"size_{name}_vs_opengait": size for name, size in sizes.items()}
    return {**figures, "size_vs_opengait": max(sizes.values())}


if __name__ == "__main__":
    main("shards", measure, "Packed shards against pickles, tar files and plain arrays")
