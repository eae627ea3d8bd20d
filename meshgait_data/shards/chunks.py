"""Decode the one shard object of an array without zarr-python, which costs over a millisecond a call.

Layout of the object: *Zarr v3 sharding codec*, https://zarr-specs.readthedocs.io/en/latest/v3/codecs/sharding-indexed.
Chunks end with their crc32c; the object ends with the index, (offset, size) of each chunk as little-endian uint64,
and the index's own crc32c.
"""

import os
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np
from numpy.typing import NDArray

from meshgait_data.errors import ShardError
from meshgait_data.shards.checksums import AGAIN
from meshgait_data.shards.schema import CHUNK_FRAMES, Field

_CRC = 4


class FieldFile:
    """Frames of one field in one part. Opened for each read, so threads and forked processes may share it."""

    def __init__(self, array: Path, field: Field, shape: tuple[int, ...]) -> None:
        """``array``: folder of the Zarr array; ``shape``: all of it, frames first."""
        self.path = array.joinpath("c", *("0" for _ in shape))
        self.field = field
        self.shape = shape
        self._index: NDArray[np.int64] | None = None

    def read(self, start: int, stop: int, out: NDArray[Any] | None = None) -> NDArray[Any]:
        """Decode frames ``start`` to ``stop``.

        Parameters
        ----------
        start, stop
            ``0 <= start < stop <= shape[0]``.
        out
            C-contiguous array to decode into, (stop - start, ...).

        Raises
        ------
        ShardError
            Where the file is missing or damaged; each chunk's crc32c is checked.
        """
        if out is None:
            out = np.zeros((stop - start, *self.shape[1:]), self.field.dtype)
        first, last = start // CHUNK_FRAMES, -(-stop // CHUNK_FRAMES)
        try:
            with self.path.open("rb", buffering=0) as file:
                offsets, ends = self._chunks(file.fileno())
                low, high = int(offsets[first:last].min()), int(ends[first:last].max())
                data = memoryview(_read(file.fileno(), low, high - low))
        except OSError as error:
            raise ShardError(f"cannot read: {error.strerror}", where=str(self.path), hint=AGAIN) from error
        for chunk in range(first, last):
            encoded = data[int(offsets[chunk]) - low : int(ends[chunk]) - low]
            self._place(chunk, encoded, start, out)
        return out

    def _chunks(self, file: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        if self._index is None:
            count = -(-self.shape[0] // CHUNK_FRAMES)
            size, length = os.fstat(file).st_size, 16 * count + _CRC
            raw = _read(file, size - length, length) if size >= length else b""
            if not raw or not _intact(raw):
                raise self._damaged("the chunk index")
            index = np.frombuffer(raw, "<u8", 2 * count).reshape(count, 2).astype(np.int64)
            ends = index.sum(axis=1)
            # Chunks that were never written are marked with 2^64 - 1, which is -1 here.
            if index.min() < 0 or ends.max() > size - length:
                raise self._damaged("the chunk index")
            self._index = np.stack([index[:, 0], ends])
        return self._index[0], self._index[1]

    def _place(self, chunk: int, encoded: memoryview, start: int, out: NDArray[Any]) -> None:
        if len(encoded) <= _CRC or not _intact(encoded):
            raise self._damaged(f"the chunk of frames {chunk * CHUNK_FRAMES} and following")
        begin = chunk * CHUNK_FRAMES
        low, high = max(begin, start), min(begin + CHUNK_FRAMES, start + len(out))
        target = out[low - start : high - start]
        if high - low == CHUNK_FRAMES:
            self._decode(encoded[:-_CRC], target)
            return
        whole = np.zeros((CHUNK_FRAMES, *self.shape[1:]), self.field.dtype)
        self._decode(encoded[:-_CRC], whole)
        target[...] = whole[low - begin : high - begin]

    def _decode(self, encoded: memoryview, target: NDArray[Any]) -> None:
        from numcodecs import blosc, zstd

        decompress = {"zstd": zstd.decompress, "blosc": blosc.decompress}[self.field.codec]
        try:
            decompress(encoded, target)
        except (RuntimeError, ValueError) as error:
            raise self._damaged(f"a chunk ({error})") from error

    def _damaged(self, what: str) -> ShardError:
        return ShardError(f"{what} is damaged", where=str(self.path), hint=AGAIN)


def _intact(data: bytes | memoryview) -> bool:
    return google_crc32c.value(bytes(data[:-_CRC])) == int.from_bytes(data[-_CRC:], "little")


def _read(file: int, offset: int, size: int) -> bytes:
    return os.pread(file, size, offset)
