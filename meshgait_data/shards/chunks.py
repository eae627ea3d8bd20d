"""Decode frames of one array straight from its compressed chunks, without the containers' own libraries in the way.

zarr-python costs over a millisecond a call, h5py one lock for all threads. Here a read is one request for the bytes of
neighbouring chunks, a checksum and the decompression; where the chunks lie was read once, see ``chunks_zarr`` and
``chunks_hdf5``.
"""

import sys
import threading
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from meshgait_data.errors import ShardError
from meshgait_data.shards.checksums import AGAIN
from meshgait_data.shards.schema import ArraySpec, unpack_bits
from meshgait_data.shards.store import Store, reading
from meshgait_data.types import ByteArray, IntArray

_MOST_BYTES = 1 << 24
"""Encoded bytes that one request asks for at most, so that whole arrays stream."""

ALL = slice(None)


class Decode(Protocol):
    """Checks and decompresses chunks of one array."""

    def __call__(self, encoded: ByteArray, out: ByteArray) -> None:
        """Decode a chunk into ``out``, both flat bytes; raises ValueError where its bytes are damaged."""


@dataclass(frozen=True, slots=True, eq=False)
class ChunkTable:
    """Where the chunks of one array lie, and how they are decoded."""

    path: str
    """File of the store that they are in."""
    frames: int
    chunk_frames: int
    """Frames of a chunk; the last one is filled up with zeros."""
    offsets: NDArray[np.int64]
    """(N,) first byte of each chunk in the file."""
    ends: NDArray[np.int64]
    """(N,) last byte + 1."""
    order: tuple[int, ...]
    """Axes of the array, frames being 0, in the order in which a chunk holds them."""
    decode: Decode


class Frames(Protocol):
    """Decoded frames of one field of one part. Threads may share it."""

    @property
    def spec(self) -> ArraySpec:
        """Type and shape of a frame."""

    @property
    def frames(self) -> int:
        """Number of frames in the part's array."""

    def read(self, start: int, stop: int, out: NDArray[Any] | None = None) -> NDArray[Any]:
        """Decode frames ``start`` to ``stop``: (stop - start, ...); into ``out`` where it is given."""

    def gather(self, rows: IntArray, out: NDArray[Any], columns: slice = ALL) -> None:
        """Decode frames ``rows`` (T,) into ``out`` (T, ...), of each only the ``columns`` of its last axis."""


class ChunkedArray:
    """Frames of one field of one part, straight from the compressed chunks."""

    def __init__(self, store: Store, spec: ArraySpec, table: ChunkTable) -> None:
        self.spec = spec
        self.frames = table.frames
        self.table = table
        self._store = store
        self._dtype = np.dtype(spec.dtype)
        shape = (table.chunk_frames, *spec.shape)
        self._held_shape = tuple(shape[axis] for axis in table.order)
        self._axes = tuple(np.argsort(table.order).tolist())
        self._in_order = table.order == tuple(range(len(shape)))
        self._chunk_bytes = table.chunk_frames * spec.frame_bytes

    def read(self, start: int, stop: int, out: NDArray[Any] | None = None) -> NDArray[Any]:
        """Decode frames ``start`` to ``stop``.

        Parameters
        ----------
        start, stop
            ``0 <= start <= stop <= frames``.
        out
            Array to decode into, (stop - start, ...), of the field's type.

        Raises
        ------
        ShardError
            Where the file is missing or damaged (each chunk's checksum is compared), or has no such frames.
        """
        self._check_range(start, stop)
        if out is None:
            out = np.zeros((stop - start, *self.spec.shape), self._dtype)
        long, direct = self.table.chunk_frames, out.flags.c_contiguous and self._in_order
        for chunk, encoded in self._encoded(range(start // long, -(-stop // long)) if start < stop else ()):
            low, high = max(chunk * long, start), min((chunk + 1) * long, stop)
            target = out[low - start : high - start]
            if direct and high - low == long:
                self._decode(chunk, encoded, target.reshape(-1).view(np.uint8))
            else:
                target[...] = self._decoded(chunk, encoded)[low - chunk * long : high - chunk * long]
        return out

    def gather(self, rows: IntArray, out: NDArray[Any], columns: slice = ALL) -> None:
        """Decode some frames, each chunk that holds any of them once.

        Parameters
        ----------
        rows
            (T,) frames of the array in any order, repeated where wanted.
        out
            (T, ...) of the field's type, any strides.
        columns
            Which part of the last axis of a frame is copied; ``out`` is that much narrower.

        Raises
        ------
        ShardError
            As :meth:`read`.
        """
        wanted: list[int] = rows.tolist()
        places: NDArray[np.intp] | None = None
        if sorted(wanted) != wanted:
            places = np.argsort(rows, kind="stable")
            wanted = rows[places].tolist()
        if not wanted:
            return
        self._check_range(wanted[0], wanted[-1] + 1)
        long = self.table.chunk_frames
        chunks, cuts = _group(wanted, long)
        distinct = len(set(wanted)) == len(wanted)
        by_words = distinct and self._by_words(out, columns)
        for (chunk, encoded), first, last in zip(self._encoded(chunks), cuts, cuts[1:], strict=False):
            frames = self._decoded(chunk, encoded)[..., columns]
            if by_words:
                where = np.arange(first, last) if places is None else places[first:last]
                self._copy_words(rows[where] - chunk * long, where, out, columns)
                continue
            target = slice(first, last) if places is None else places[first:last]
            begin, end = wanted[first] - chunk * long, wanted[last - 1] - chunk * long + 1
            # Consecutive frames, the common case, are one slice.
            if distinct and end - begin == last - first:
                out[target] = frames[begin:end]
            else:
                out[target] = frames[[row - chunk * long for row in wanted[first:last]]]

    def _by_words(self, out: NDArray[Any], columns: slice) -> bool:
        """Whether frames that lie last in a chunk can be copied as words, which is several times as fast."""
        held = self._dtype.itemsize == 1 and self.table.order == (1, 2, 0) and self.table.chunk_frames % 8 == 0
        first, stop, step = columns.indices(self.spec.shape[-1]) if self.spec.shape else (0, 0, 0)
        return (
            held
            and step == 1
            and (stop - first) % 4 == 0
            and out.dtype == self._dtype
            and out.shape[1:] == (self.spec.shape[0], stop - first)
            and out.flags.c_contiguous
            and sys.byteorder == "little"
        )

    def _copy_words(self, rows: IntArray, targets: IntArray, out: NDArray[Any], columns: slice) -> None:
        """Copy frames of the chunk that was decoded last in this thread."""
        # Here, since compiling and numba's import are not for who only opens a dataset.
        from meshgait_data.shards.frames_last import frames_first

        words = _SCRATCH.bytes[: self._chunk_bytes].view(np.uint64).reshape(*self.spec.shape, -1)
        first = columns.indices(self.spec.shape[-1])[0]
        frames_first(words, first, rows, targets, out.view(np.uint32))

    def _check_range(self, start: int, stop: int) -> None:
        if not 0 <= start <= stop <= self.frames:
            what = f"it has {self.frames} frames of {self.spec.name}, not {start} to {stop}"
            raise ShardError(what, where=self._store.where(self.table.path), hint=AGAIN)

    def _encoded(self, chunks: Sequence[int]) -> Iterator[tuple[int, ByteArray]]:
        """Bytes of chunks; neighbours in the file are asked for together."""
        offsets, ends = self.table.offsets, self.table.ends
        first = 0
        while first < len(chunks):
            low, high, last = int(offsets[chunks[first]]), int(ends[chunks[first]]), first + 1
            while last < len(chunks) and high - low < _MOST_BYTES and int(offsets[chunks[last]]) == high:
                high, last = int(ends[chunks[last]]), last + 1
            data = np.frombuffer(self._bytes(low, high), np.uint8)
            for chunk in chunks[first:last]:
                yield chunk, data[int(offsets[chunk]) - low : int(ends[chunk]) - low]
            first = last

    def _bytes(self, low: int, high: int) -> bytes:
        with reading(self._store, self.table.path):
            data = self._store.read_range(self.table.path, low, high)
        if len(data) != high - low:
            where = self._store.where(self.table.path)
            raise ShardError(f"the file ends before byte {high}", where=where, hint=AGAIN)
        return data

    def _decoded(self, chunk: int, encoded: ByteArray) -> NDArray[Any]:
        """Decode into this thread's scratch: valid until its next chunk."""
        held: ByteArray | None = getattr(_SCRATCH, "bytes", None)
        if held is None or len(held) < self._chunk_bytes:
            held = _SCRATCH.bytes = np.zeros(self._chunk_bytes, np.uint8)
        scratch = held[: self._chunk_bytes]
        self._decode(chunk, encoded, scratch)
        return scratch.view(self._dtype).reshape(self._held_shape).transpose(self._axes)

    def _decode(self, chunk: int, encoded: ByteArray, out: ByteArray) -> None:
        try:
            self.table.decode(encoded, out)
        except (ValueError, RuntimeError) as error:
            long = self.table.chunk_frames
            what = f"the chunk of frames {chunk * long} to {min((chunk + 1) * long, self.frames)} is damaged: {error}"
            raise ShardError(what, where=self._store.where(self.table.path), hint=AGAIN) from error


class OneBitArray:
    """Silhouettes of 0 and 255 out of an array of ``silhouettes_1bit``."""

    def __init__(self, bits: ChunkedArray) -> None:
        rows, columns = bits.spec.shape
        self.spec = replace(bits.spec, name="silhouettes", shape=(rows, 8 * columns))
        self.frames = bits.frames
        self._bits = bits

    def read(self, start: int, stop: int, out: NDArray[Any] | None = None) -> NDArray[Any]:
        """Decode and unpack frames ``start`` to ``stop``; see :meth:`ChunkedArray.read`."""
        unpacked = _unpack(self._bits.read(start, stop))
        if out is None:
            return unpacked
        out[...] = unpacked
        return out

    def gather(self, rows: IntArray, out: NDArray[Any], columns: slice = ALL) -> None:
        """Decode and unpack some frames; see :meth:`ChunkedArray.gather`."""
        bits = np.zeros((len(rows), *self._bits.spec.shape), np.uint8)
        self._bits.gather(rows, bits)
        out[...] = _unpack(bits)[..., columns]


_SCRATCH = threading.local()

_PIXELS: NDArray[np.uint64] = unpack_bits(np.arange(256, dtype=np.uint8)[:, None]).view(np.uint64).reshape(-1)
"""Eight pixels of each byte of eight bits."""


def _unpack(bits: ByteArray) -> ByteArray:
    return _PIXELS[bits].view(np.uint8).reshape(*bits.shape[:-1], -1)


def _group(wanted: Sequence[int], long: int) -> tuple[list[int], list[int]]:
    """Split increasing rows by chunks of so many frames: numbers of the chunks, and where each one's rows begin."""
    chunks, cuts = [], [0]
    while cuts[-1] < len(wanted):
        chunk = wanted[cuts[-1]] // long
        chunks.append(chunk)
        cuts.append(bisect_left(wanted, (chunk + 1) * long, cuts[-1]))
    return chunks, cuts
