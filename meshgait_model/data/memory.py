"""Decoded arrays that several processes see without a copy: in shared memory, or mapped from a file."""

import mmap
import os
import tempfile
from multiprocessing.reduction import DupFd
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meshgait_data.errors import InvalidData
from meshgait_data.types import IntArray

_POPULATE_READ = 22
"""MADV_POPULATE_READ of Linux 5.14: read a mapping in at once; Python has no name for it."""


class SharedArray:
    """An array of zeros in memory that forked and spawned processes share. It vanishes with the last of them.

    Parameters
    ----------
    shape, dtype
        As of ``numpy.zeros``.
    """

    def __init__(self, shape: tuple[int, ...], dtype: Any, *, descriptor: int | None = None) -> None:
        self._descriptor = _anonymous() if descriptor is None else descriptor
        size = max(int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize, 1)
        if descriptor is None:
            os.ftruncate(self._descriptor, size)
        self.array: NDArray[Any] = np.frombuffer(
            mmap.mmap(self._descriptor, size), dtype, int(np.prod(shape, dtype=np.int64))
        ).reshape(shape)

    def expect(self, rows: IntArray) -> None:
        """Nothing has to be done for rows that are in memory."""

    def __del__(self) -> None:
        # Where the descriptor could not be made there is none to close.
        if hasattr(self, "_descriptor"):
            os.close(self._descriptor)

    def __reduce__(self) -> tuple[Any, ...]:
        return _attach, (DupFd(self._descriptor), self.array.shape, self.array.dtype)


def _attach(descriptor: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> SharedArray:
    return SharedArray(shape, dtype, descriptor=descriptor.detach())


def _anonymous() -> int:
    if hasattr(os, "memfd_create"):
        # Unlike /dev/shm, which containers often limit to 64 MB, this is bounded by memory alone.
        return os.memfd_create("meshgait")
    descriptor, path = tempfile.mkstemp()
    os.unlink(path)
    return descriptor


class MappedArray:
    """An array mapped from an ``.npy`` file, read only; other processes map the same file.

    Parameters
    ----------
    path
        The file.
    scattered
        Whether the file is larger than the memory that is free: then only what is asked for is read, not what lies
        around it. Otherwise all of it is read in at once.

    Raises
    ------
    InvalidData
        Where the file is not what it says.
    """

    def __init__(self, path: Path, *, scattered: bool = False, warm: bool = True) -> None:
        self.path, self.scattered = path, scattered
        with path.open("rb") as file:
            try:
                version = np.lib.format.read_magic(file)
                read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
                shape, _, dtype = read(file)
                self._begin = file.tell()
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
                count = int(np.prod(shape, dtype=np.int64))
                self.array: NDArray[Any] = np.frombuffer(self._map, dtype, count, self._begin).reshape(shape)
            except ValueError as error:
                raise InvalidData(f"damaged: {error}", where=str(path), hint="remove the file") from error
        if warm:
            self._advise(mmap.MADV_RANDOM if scattered else _POPULATE_READ)

    def expect(self, rows: IntArray) -> None:
        """Start reading rows, all at the same time, where they are not likely to be in memory."""
        if not self.scattered or not len(rows):
            return
        frame = self.array[:1].nbytes
        ends = np.flatnonzero(np.diff(rows) != 1)
        first, last = rows[np.concatenate([[0], ends + 1])], rows[np.concatenate([ends, [len(rows) - 1]])]
        for low, high in zip(first.tolist(), last.tolist(), strict=True):
            begin = (self._begin + low * frame) // mmap.PAGESIZE * mmap.PAGESIZE
            self._advise(mmap.MADV_WILLNEED, begin, self._begin + (high + 1) * frame - begin)

    def _advise(self, advice: int, *where: int) -> None:
        try:
            self._map.madvise(advice, *where)
        except OSError:
            # Advice that this system does not know: reading is slower, not wrong.
            return

    def __reduce__(self) -> tuple[Any, ...]:
        return _map_again, (self.path, self.scattered)


def _map_again(path: Path, scattered: bool) -> MappedArray:
    return MappedArray(path, scattered=scattered, warm=scattered)
