"""Timings of clips and of whole sequences, ours and the peers' interleaved, once all have given the same bytes."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from common import Figures
from shards_cold import first_epoch
from shards_data import SHORTEST
from shards_loaders import loaders
from shards_peers import CLIP, Limit, OpenGait, Plain, Tars, with_h5py, with_zarr

from meshgait_data.shards.reader import open_shards
from meshgait_model.data.batch import as_float
from meshgait_model.data.dataset import ClipDataset
from meshgait_model.data.picks import Clip, Picks
from meshgait_model.data.ring import RingLoader
from meshgait_model.data.sampler import PKSampler, SequenceSampler

PEOPLE, CLIPS = 8, 16
"""Of a batch, as OpenGait trains on CASIA-B."""

Way = Callable[[int], Any]
"""Makes batch number ``step``."""


KEEP = {"MALLOC_MMAP_THRESHOLD_": "1000000000", "MALLOC_TRIM_THRESHOLD_": "4000000000"}
"""Environment of a process whose C library (glibc) never gives memory back to the system."""


def timings(folder: Path, quick: bool) -> Figures:
    """All figures of reading what lies in ``folder`` in all layouts.

    For a process of its own, as a training script is one: how fast the system hands out memory depends on what the
    process has done before, and the peers ask for a lot of it.
    """
    torch.set_num_threads(1)
    data, sampler, pickles = _readers(folder)
    figures = _clips(data, sampler, pickles, folder, repeat=5 if quick else 25)
    figures |= _whole(data, pickles, repeat=3 if quick else 9)
    figures |= loaders(data["ram"], data["compressed"], pickles, sampler, batches=8 if quick else 64)
    return figures | first_epoch(folder / "zarr", pickles, repeat=2 if quick else 5)


def kept(folder: Path, quick: bool) -> Figures:
    """OpenGait's way once more, for a process with the environment ``KEEP``: without page faults, its best case."""
    torch.set_num_threads(1)
    data, sampler, pickles = _readers(folder)
    loaders = {name: RingLoader(data[name], sampler, threads=0) for name in ("ram", "compressed")}
    ways: dict[str, Way] = {name: lambda step, loader=loader: next(loader) for name, loader in loaders.items()}
    ways["opengait"] = lambda step: pickles.batch(sampler.draw(step))
    spent = _interleaved(ways, 5 if quick else 25)
    return {
        "warm_vs_opengait_kept": spent["opengait"] / spent["ram"],
        "compressed_vs_opengait_kept": spent["opengait"] / spent["compressed"],
        "clip_us_opengait_kept": 1e6 * spent["opengait"] / (PEOPLE * CLIPS),
    }


def _readers(folder: Path) -> tuple[dict[str, ClipDataset], PKSampler, OpenGait]:
    """Our loader by what it reads from, what draws the clips, and OpenGait's loader."""
    zarr, hdf5 = open_shards(folder / "zarr"), open_shards(folder / "hdf5")
    data = {
        "ram": ClipDataset(zarr, cache="ram"),
        "mmap": ClipDataset(zarr, cache="mmap", cache_folder=folder / "cache"),
        "compressed": ClipDataset(zarr, cache="none"),
        "hdf5": ClipDataset(hdf5, cache="none"),
    }
    people = min(PEOPLE, len(data["ram"].people))
    sampler = PKSampler(
        data["ram"].identities,
        data["ram"].lengths,
        people=people,
        clips=PEOPLE * CLIPS // people,
        clip=Clip(CLIP, skip=SHORTEST - CLIP),
        seed=0,
    )
    return data, sampler, OpenGait(folder / "pickles", [record.key for record in zarr.sequences])


def _clips(
    data: Mapping[str, ClipDataset], sampler: PKSampler, pickles: OpenGait, folder: Path, repeat: int
) -> Figures:
    """CPU time of a clip, and how often as fast ours are."""
    loaders = {name: RingLoader(one, sampler, threads=0) for name, one in data.items()}
    floating = RingLoader(data["ram"], sampler, threads=0)
    plain = {
        "h5py": Plain(open_shards(folder / "hdf5"), with_h5py),
        "zarr_python": Plain(open_shards(folder / "zarr"), with_zarr),
    }
    files = {"limit": folder / "frames.npy", "copy": folder / "frames_cut.npy"}
    limits = {name: Limit(np.load(path, mmap_mode="r"), sampler.lengths) for name, path in files.items()}
    _agree(data, sampler.draw(0), pickles, plain, limits)
    picked = [sampler.draw(step) for step in range(repeat + 1)]
    ways: dict[str, Way] = {
        **{name: lambda step, way=way: way.batch(picked[step]) for name, way in limits.items()},
        **{name: lambda step, loader=loader: next(loader) for name, loader in loaders.items()},
        "ram_float": lambda step: as_float(next(floating).silhouettes),
        "opengait": lambda step: pickles.batch(picked[step]),
        **{name: lambda step, way=way: way.batch(picked[step]) for name, way in plain.items()},
    }
    if not Tars.missing():
        tars = Tars(folder / "tars")
        ways["webdataset"] = lambda step: tars.batch(picked[step])
    spent = _interleaved(ways, repeat)
    microseconds = {name: 1e6 * seconds / (PEOPLE * CLIPS) for name, seconds in spent.items()}
    return {**_ratios(microseconds), **{f"clip_us_{name}": value for name, value in microseconds.items()}}


def _ratios(spent: Mapping[str, float]) -> Figures:
    peer = spent["opengait"]
    figures = {
        "warm_vs_opengait": peer / spent["ram"],
        "warm_vs_limit": spent["limit"] / spent["ram"],
        "warm_vs_copy": spent["copy"] / spent["ram"],
        "mmap_vs_opengait": peer / spent["mmap"],
        "with_float_vs_opengait": peer / spent["ram_float"],
        "compressed_vs_opengait": peer / spent["compressed"],
        "hdf5_vs_opengait": peer / spent["hdf5"],
        "compressed_vs_zarr_python": spent["zarr_python"] / spent["compressed"],
        "hdf5_vs_h5py": spent["h5py"] / spent["hdf5"],
    }
    if "webdataset" in spent:
        figures["warm_vs_webdataset"] = spent["webdataset"] / spent["ram"]
        figures["compressed_vs_webdataset"] = spent["webdataset"] / spent["compressed"]
    return figures


def _interleaved(ways: Mapping[str, Way], repeat: int) -> dict[str, float]:
    """Median CPU seconds of each way over ``repeat`` rounds, after one that is not counted."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for step in range(repeat + 1):
        for name, way in ways.items():
            start = time.process_time()
            way(step)
            times[name].append(time.process_time() - start)
    return {name: median(values[1:]) for name, values in times.items()}


def _agree(
    data: Mapping[str, ClipDataset],
    picks: Picks,
    pickles: OpenGait,
    plain: Mapping[str, Plain],
    limits: Mapping[str, Limit],
) -> None:
    """Check that all ways give the same bytes."""
    chosen = list(zip(picks.sequences.tolist(), picks.frames, strict=True))
    expected = np.stack([limits["limit"].frames(number)[frames] for number, frames in chosen])
    found = {name: one[picks].silhouettes.numpy() for name, one in data.items()}
    found |= {name: way.batch(picks) for name, way in plain.items()}
    wrong = [name for name, clips in found.items() if not np.array_equal(clips, expected)]
    theirs = pickles.transform([pickles.collate(pickles.read(number), frames) for number, frames in chosen])
    if not torch.equal(theirs, (torch.from_numpy(expected) / 255.0).float()):
        wrong.append("opengait")
    consecutive = Picks(picks.sequences, picks.frames[:, :1] + np.arange(CLIP))
    expected = data["ram"][consecutive].silhouettes.numpy()
    wrong += [name for name, way in limits.items() if not np.array_equal(way.batch(consecutive), expected)]
    if wrong:
        raise RuntimeError(f"these ways give other frames: {', '.join(wrong)}")


def _whole(data: Mapping[str, ClipDataset], pickles: OpenGait, repeat: int) -> Figures:
    """CPU time of a whole sequence, as evaluation reads them."""
    sampler = SequenceSampler(data["ram"].lengths)

    def ours(name: str) -> Way:
        def run(step: int) -> None:
            for _ in RingLoader(data[name], sampler, threads=0):
                pass

        return run

    def theirs(step: int) -> None:
        for number in range(len(pickles)):
            pickles.transform([pickles.read(number)])

    spent = _interleaved({"ram": ours("ram"), "compressed": ours("compressed"), "opengait": theirs}, repeat)
    return {
        "full_vs_opengait": spent["opengait"] / spent["ram"],
        "full_compressed_vs_opengait": spent["opengait"] / spent["compressed"],
        **{f"full_us_{name}": 1e6 * seconds / len(pickles) for name, seconds in spent.items()},
    }
