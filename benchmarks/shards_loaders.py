"""Whole loaders, with threads and worker processes: CPU time of all processes, and clips a second by the clock."""

import resource
import time
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import numpy as np
import torch
from common import Figures
from shards_data import SHORTEST
from shards_peers import OpenGait, some_of_a_window
from torch.utils.data import DataLoader, Dataset

from meshgait_data.types import ByteArray
from meshgait_model.data.dataset import ClipDataset
from meshgait_model.data.loader import WorkerLoader
from meshgait_model.data.ring import RingLoader
from meshgait_model.data.sampler import PKSampler


class Sequences(Dataset[ByteArray]):
    """Pickles as OpenGait's dataset gives them: a sequence by its number."""

    def __init__(self, pickles: OpenGait) -> None:
        self._pickles = pickles

    def __len__(self) -> int:
        return len(self._pickles)

    def __getitem__(self, number: int) -> ByteArray:
        return self._pickles.read(number)


def _collate(sequences: list[ByteArray]) -> list[ByteArray]:
    """Clips of a batch as OpenGait's collate function sends them to the main process: numpy arrays in a list."""
    rng = np.random.default_rng()
    starts = [int(rng.integers(len(frames) - SHORTEST + 1)) for frames in sequences]
    chosen = [start + some_of_a_window(rng) for start in starts]
    return [OpenGait.collate(frames, places) for frames, places in zip(sequences, chosen, strict=True)]


def loaders(data: ClipDataset, compressed: ClipDataset, pickles: OpenGait, sampler: PKSampler, batches: int) -> Figures:
    """Figures ``loader_us_*`` (CPU microseconds a clip) and ``loader_clips_s_*`` by loader and number of workers."""

    def ring(dataset: ClipDataset, threads: int) -> Callable[[], Iterator[Any]]:
        return lambda: RingLoader(dataset, sampler, threads=threads)

    def processes(dataset: ClipDataset, workers: int) -> Callable[[], Iterator[Any]]:
        return lambda: WorkerLoader(dataset, sampler, workers=workers, start="fork")

    def opengait(workers: int) -> Callable[[], Iterator[Any]]:
        numbers = [picks.sequences.tolist() for picks in islice(sampler, batches)]
        return lambda: map(
            OpenGait.transform,
            DataLoader(
                Sequences(pickles),
                batch_sampler=numbers,
                collate_fn=_collate,
                num_workers=workers,
                multiprocessing_context="fork",
            ),
        )

    ways = {
        "ring1": ring(data, 1),
        "ring2": ring(data, 2),
        "ring1_compressed": ring(compressed, 1),
        "ring2_compressed": ring(compressed, 2),
        "workers1": processes(data, 1),
        "workers2": processes(data, 2),
        "workers2_compressed": processes(compressed, 2),
        "opengait1": opengait(1),
        "opengait2": opengait(2),
    }
    clips = batches * sampler.people * sampler.clips
    figures: Figures = {}
    for name, way in ways.items():
        spent, wall = _cpu(), time.perf_counter()
        _exhaust(way(), batches)
        figures[f"loader_us_{name}"] = 1e6 * (_cpu() - spent) / clips
        figures[f"loader_clips_s_{name}"] = clips / (time.perf_counter() - wall)
    return figures


def _exhaust(batches: Iterator[Any], count: int) -> None:
    for _ in range(count):
        found = next(batches)
    if not isinstance(found, torch.Tensor) and found.step != count - 1:
        raise RuntimeError("the loader skipped a batch")
    close = getattr(batches, "close", None)
    if close is not None:
        close()


def _cpu() -> float:
    """CPU seconds of this process and of those of its children that have ended."""
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime
