"""Decode the frames of some sequences once: into shared memory, or into files that later runs use again.

A cache folder holds one folder for each dataset, choice of sequences and cut, named by the hash of these, and in it one
plain ``.npy`` a field. They can be removed at any time: the next run makes them again.
"""

import hashlib
import json
import logging
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import IO

import numpy as np

from meshgait_data.atomic import write_text, write_with, writing
from meshgait_data.errors import InvalidData
from meshgait_data.types import IntArray
from meshgait_model.data.budget import Cache, Plan, amount, choose, free_memory, local_ranks
from meshgait_model.data.memory import MappedArray, SharedArray
from meshgait_model.data.sources import DecodedSource, FrameSource, Holder, ShardSource

_LOG = logging.getLogger(__name__)

_FORMAT = 1
"""Raised when decoded frames of the same shards would differ from those of before."""

_BLOCK_BYTES = 2**23
"""Decoded frames that a thread makes at a time."""

_THREADS = 8

ABOUT = "about.json"


def open_frames(source: ShardSource, cache: Cache, *, budget: int | None, folder: Path) -> tuple[FrameSource, Plan]:
    """Give the frames of shards from where they are read fastest, decoding them first where they are not yet.

    Parameters
    ----------
    source
        The sequences and fields that are wanted.
    cache
        How decoded frames are kept.
    budget
        Bytes of memory that they may take; None is a share of what is free.
    folder
        The cache folder.

    Raises
    ------
    EnvironmentLacks
        Where there is no room for the cache that was asked for.
    ShardError
        Where the shards are damaged.
    """
    has = {name: starts >= 0 for name, starts in source.starts.items()}
    frames = {name: int(source.lengths[held].sum()) for name, held in has.items()}
    sizes = {name: frames[name] * spec.bytes for name, spec in source.specs.items()}
    need, own = sum(sizes.values()), folder / cache_name(source)
    missing = sum(size for name, size in sizes.items() if not _path(own, name).exists())
    plan = choose(cache, need, budget=budget, folder=own, missing=missing, ranks=local_ranks())
    _LOG.info("frames of %s are %s", source.shards.url, plan.reason)
    if plan.cache == "none":
        return source, plan
    began = time.monotonic()
    holders: dict[str, Holder] = {}
    scattered = plan.cache == "mmap" and need > free_memory()
    for name in source.specs:
        if plan.cache == "ram":
            holders[name] = _in_memory(source, name, frames[name])
        else:
            holders[name] = _mapped(source, name, frames[name], own, scattered=scattered)
    _LOG.info("%s are ready after %.1f s", amount(need), time.monotonic() - began)
    return DecodedSource(holders, source.lengths, has), plan


def cache_name(source: ShardSource) -> str:
    """Name of the folder that the decoded frames of some sequences have in a cache folder."""
    info = source.shards.info
    plain = [_FORMAT, source.cut, [asdict(part) for part in info.parts], info.index_crc32c]
    digest = hashlib.sha256(json.dumps(plain).encode())
    digest.update(source.lengths.tobytes())
    for numbers in source.places:
        digest.update(numbers.tobytes())
    return f"{info.name}-{digest.hexdigest()[:16]}"


def _in_memory(source: ShardSource, name: str, count: int) -> SharedArray:
    spec, rows = source.specs[name], _all_rows(source, name)
    shared = SharedArray((count, *spec.shape), spec.dtype)
    _in_blocks(count, spec.bytes, lambda block: source.read(name, rows[block], shared.array[block]))
    return shared


def _mapped(source: ShardSource, name: str, count: int, folder: Path, *, scattered: bool) -> MappedArray:
    path, spec = _in_file(source, name, count, folder), source.specs[name]
    found = MappedArray(path, scattered=scattered)
    if (found.array.dtype, found.array.shape) != (spec.dtype, (count, *spec.shape)):
        what = (
            f"damaged: it holds {found.array.dtype} {found.array.shape}, expected {spec.dtype} {(count, *spec.shape)}"
        )
        raise InvalidData(what, where=str(path), hint="remove the file")
    return found


def _in_file(source: ShardSource, name: str, count: int, folder: Path) -> Path:
    """The file of a field's frames, decoded by the first process that comes; the others wait for it."""
    path, spec = _path(folder, name), source.specs[name]
    with _alone(folder):
        if path.exists():
            return path
        rows = _all_rows(source, name)

        def fill(file: IO[bytes]) -> None:
            header = {"descr": np.lib.format.dtype_to_descr(spec.dtype), "fortran_order": False}
            np.lib.format.write_array_header_1_0(file, header | {"shape": (count, *spec.shape)})
            file.flush()
            begin = file.tell()

            def write(block: slice) -> None:
                frames = np.zeros((len(rows[block]), *spec.shape), spec.dtype)
                source.read(name, rows[block], frames)
                _write_all(file.fileno(), frames, begin + block.start * spec.bytes)

            _in_blocks(count, spec.bytes, write)

        about = {"shards": source.shards.url, "sequences": len(source.lengths), "cut": source.cut}
        write_text(folder / ABOUT, json.dumps(about, indent=1) + "\n")
        write_with(path, fill)
    return path


def _write_all(descriptor: int, frames: np.ndarray, begin: int) -> None:
    left = memoryview(frames.tobytes())
    while left:
        written = os.pwrite(descriptor, left, begin)
        left, begin = left[written:], begin + written


def _in_blocks(count: int, frame_bytes: int, work: Callable[[slice], None]) -> None:
    size = max(_BLOCK_BYTES // max(frame_bytes, 1), 1)
    blocks = [slice(start, min(start + size, count)) for start in range(0, count, size)]
    with ThreadPoolExecutor(min(os.cpu_count() or 1, _THREADS)) as pool:
        # Asking for each result raises the first error.
        for done in [pool.submit(work, block) for block in blocks]:
            done.result()


def _all_rows(source: ShardSource, name: str) -> IntArray:
    """Rows of all frames of all sequences that have the field, in their order."""
    starts = source.starts[name]
    starts, lengths = starts[starts >= 0], source.lengths[starts >= 0]
    return np.repeat(starts - (np.cumsum(lengths) - lengths), lengths) + np.arange(lengths.sum())


def _path(folder: Path, name: str) -> Path:
    return folder / f"{name}.npy"


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Let one process at a time in; where the file system knows no locks, all of them (then the last one wins)."""
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / ".lock").open("w")
    with lock as file:
        with suppress(ImportError, OSError):
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX)
        yield
