"""Where the chunks of an HDF5 dataset lie in its file, and how chunks decode: Fletcher-32, deflate, byte shuffle.

h5py is asked once for the places of the chunks; it has one lock for all threads of a process.
"""

import io
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from meshgait_data.errors import ShardError
from meshgait_data.shards.checksums import AGAIN, fletcher32
from meshgait_data.shards.chunks import ChunkTable, Decode
from meshgait_data.shards.schema import ArraySpec
from meshgait_data.shards.store import Store
from meshgait_data.types import ByteArray

if TYPE_CHECKING:
    import h5py

_CRC = 4
_BLOCK = 1 << 16
_DEFLATE, _SHUFFLE, _FLETCHER = 1, 2, 3
"""Numbers of HDF5's own filters."""


@contextmanager
def open_file(store: Store, path: str) -> Iterator["h5py.File"]:
    """Open an HDF5 file of a store to read its metadata.

    Raises
    ------
    ShardError
        Where the file is missing, or h5py cannot make sense of it, on opening or within the block.
    """
    import h5py

    where = store.where(path)
    try:
        # Not by its name: HDF5 would lock the file, and refuse it where the same process has it open otherwise.
        with h5py.File(_RangeFile(store, path), "r") as file:
            yield file
    except FileNotFoundError as error:
        raise ShardError("the file is missing", where=where, hint=AGAIN) from error
    except (OSError, KeyError, RuntimeError, TypeError, ValueError) as error:
        if isinstance(error, ShardError):
            raise
        raise ShardError(f"damaged: {error}", where=where, hint=AGAIN) from error


def chunk_table(store: Store, spec: ArraySpec, path: str, size: int) -> ChunkTable:
    """Read where the chunks of a dataset lie.

    Parameters
    ----------
    spec
        Names the dataset, in the root of the file.
    path
        Of the file, in the store.
    size
        Its bytes.

    Raises
    ------
    ShardError
        Where the dataset is not what ``spec`` says, is laid out in a way that no version of ours wrote, or its index
        is damaged.
    """
    with open_file(store, path) as file:
        dataset = file[spec.name]
        if (dataset.dtype, dataset.shape[1:]) != (np.dtype(spec.dtype).newbyteorder("<"), spec.shape):
            raise ValueError(f"{spec.name} is {dataset.dtype} {dataset.shape}, expected {spec.dtype} {spec.shape}")
        frames, chunk_shape = dataset.shape[0], dataset.chunks
        if chunk_shape is None or chunk_shape[1:] != spec.shape:
            raise ValueError(f"{spec.name} is not in chunks of whole frames")
        filters = _filters(dataset)
        places = np.full((-(-frames // chunk_shape[0]), 2), -1, np.int64)

        def note(chunk: Any) -> None:
            if chunk.filter_mask:
                raise ValueError(f"a chunk of {spec.name} left out a filter")
            places[chunk.chunk_offset[0] // chunk_shape[0]] = chunk.byte_offset, chunk.size

        dataset.id.chunk_iter(note)
        ends = places.sum(axis=1)
        if places.min() <= 0 or ends.max() > size:
            raise ValueError(f"the index of the chunks of {spec.name} does not fit the file")
    offsets: NDArray[np.int64] = np.ascontiguousarray(places[:, 0])
    decode = decoder(filters, np.dtype(spec.dtype).itemsize)
    return ChunkTable(path, frames, chunk_shape[0], offsets, ends, tuple(range(1 + len(spec.shape))), decode)


def decoder(filters: tuple[int, ...], itemsize: int) -> Decode:
    """Function that checks, inflates and unshuffles a chunk."""
    inflate, failure = _inflate()
    shuffled = _SHUFFLE in filters and itemsize > 1

    def decode(encoded: ByteArray, out: ByteArray) -> None:
        if fletcher32(encoded[:-_CRC]) != int.from_bytes(encoded[-_CRC:].tobytes(), "little"):
            raise ValueError("its Fletcher-32 does not fit")
        try:
            inflated = inflate(encoded[:-_CRC].data, bufsize=len(out))
        except failure as error:
            raise ValueError(str(error)) from error
        if len(inflated) != len(out):
            raise ValueError(f"it holds {len(inflated)} bytes, not {len(out)}")
        data = np.frombuffer(inflated, np.uint8)
        if shuffled:
            out.reshape(-1, itemsize)[...] = data.reshape(itemsize, -1).T
        else:
            out[...] = data

    return decode


def _inflate() -> tuple[Callable[..., bytes], type[Exception]]:
    """Function that inflates, and its error: the faster of two, where there is a build of it for this machine."""
    try:
        from isal import isal_zlib
    except ImportError:
        return zlib.decompress, zlib.error
    # Its stubs call the class an instance.
    return isal_zlib.decompress, isal_zlib.error  # type: ignore[return-value]


def _filters(dataset: "h5py.Dataset") -> tuple[int, ...]:
    """Numbers of the filters in the order of writing; raises ValueError for others than ours."""
    made = dataset.id.get_create_plist()
    filters = tuple(made.get_filter(i)[0] for i in range(made.get_nfilters()))
    if filters not in ((_SHUFFLE, _DEFLATE, _FLETCHER), (_DEFLATE, _FLETCHER)):
        raise ValueError(f"filters {filters} of {dataset.name} are not shuffle, deflate and Fletcher-32")
    return filters


class _RangeFile(io.RawIOBase):
    """A file of a store for h5py: the few places where metadata lies are asked for in blocks and kept."""

    def __init__(self, store: Store, path: str) -> None:
        size = store.size(path)
        if size is None:
            raise FileNotFoundError(path)
        self._store, self._path, self._size, self._at = store, path, size, 0
        self._blocks: dict[int, bytes] = {}

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        start = self._at
        stop = min(start + len(buffer), self._size)
        numbers = range(start // _BLOCK, -(-stop // _BLOCK)) if start < stop else range(0)
        joined = b"".join(self._block(number) for number in numbers)
        data = joined[start % _BLOCK :][: max(stop - start, 0)]
        buffer[: len(data)] = data
        self._at = start + len(data)
        return len(data)

    def _block(self, number: int) -> bytes:
        if number not in self._blocks:
            low = number * _BLOCK
            self._blocks[number] = self._store.read_range(self._path, low, min(low + _BLOCK, self._size))
        return self._blocks[number]
