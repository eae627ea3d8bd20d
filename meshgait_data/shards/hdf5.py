"""The HDF5 form of a part: one file with one dataset a field, that any HDF5 since 1.10 reads without plugins.

Chunks are filtered here (byte shuffle, deflate, Fletcher-32) as frames come, and put into the file at the end, when
their number is known, so that those of a field lie together.
"""

import json
import os
import re
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np
from numpy.typing import NDArray

from meshgait_data.shards.checksums import fletcher32
from meshgait_data.shards.schema import ArraySpec
from meshgait_data.shards.spool import ArraySpool, Encode
from meshgait_data.shards.zarr import ATTRIBUTES

ATTRIBUTES_CRC = "meshgait_crc32c"
"""Attribute with the crc32c of the text in the attribute ``meshgait``, which no checksum of HDF5's own covers."""

CHUNK_FRAMES = 16
"""Half of Zarr's: inflating is most of the time that reading takes, so a clip should not inflate much beside itself."""

DEFLATE_LEVEL = 6
"""Lower levels are faster to write, but larger and slower to read; higher ones take a tenfold of the time to write."""

_FLETCHER = 4
_VERSION = ("v110", "v110")
"""Written in the format of HDF5 1.10 whatever the library, so that older readers can open it."""


def encoder(spec: ArraySpec) -> Encode:
    """Give the function that filters a chunk of an array, its Fletcher-32 at the end."""
    size = np.dtype(spec.dtype).itemsize

    def encode(chunk: NDArray[Any]) -> bytes:
        data = chunk.reshape(-1).view(np.uint8)
        if size > 1:
            data = np.ascontiguousarray(data.reshape(-1, size).T)
        deflated = zlib.compress(data.data, DEFLATE_LEVEL)
        return deflated + fletcher32(deflated).to_bytes(_FLETCHER, "little")

    return encode


def finish(path: Path, spools: Sequence[ArraySpool], attributes: Mapping[str, Any]) -> None:
    """Write a part from its finished spools.

    Raises
    ------
    OSError
        Where the file cannot be written.
    """
    import h5py

    text = json.dumps(attributes, ensure_ascii=False)
    try:
        with h5py.File(path, "w", libver=_VERSION, locking=False) as file:
            file.attrs[ATTRIBUTES] = text
            file.attrs[ATTRIBUTES_CRC] = np.uint32(google_crc32c.value(text.encode()))
            for spool in spools:
                _copy(_declare(file, spool), spool)
    except (OSError, RuntimeError) as error:
        # On a full disk the file cannot even be closed, which h5py says in words of its own around the reason.
        reason = re.search("error message = '(.+?)'", str(error))
        raise OSError(reason[1] if reason else str(error)) from error


def damaged_chunks(path: Path) -> Iterator[tuple[str, int, int]]:
    """Frames whose chunk is missing or does not match its Fletcher-32: (name of the array, first, one after the last).

    Raises
    ------
    OSError
        Where this cannot be read as an HDF5 file.
    """
    import h5py

    with h5py.File(path, "r", locking=False) as file, path.open("rb", buffering=0) as raw:
        for name, dataset in file.items():
            places: dict[int, tuple[int, int]] = {}
            dataset.id.chunk_iter(_noting(places))
            length = dataset.chunks[0]
            for first in range(0, len(dataset), length):
                offset, size = places.get(first, (0, 0))
                data = os.pread(raw.fileno(), size, offset)
                if not data or fletcher32(data[:-_FLETCHER]) != int.from_bytes(data[-_FLETCHER:], "little"):
                    yield name, first, min(first + length, len(dataset))


def _noting(places: dict[int, tuple[int, int]]) -> Callable[[Any], None]:
    """Give a function that notes under the first frame of a chunk where it lies and how long it is."""

    def note(chunk: Any) -> None:
        places[int(chunk.chunk_offset[0])] = int(chunk.byte_offset), int(chunk.size)

    return note


def _declare(file: Any, spool: ArraySpool) -> Any:
    spec = spool.spec
    dtype = np.dtype(spec.dtype).newbyteorder("<")
    dataset = file.create_dataset(
        spec.name,
        shape=(spool.frames, *spec.shape),
        # Growable, or chunks could not be longer than the array.
        maxshape=(None, *spec.shape),
        chunks=(spool.chunk_frames, *spec.shape),
        dtype=dtype,
        shuffle=dtype.itemsize > 1,
        compression="gzip",
        compression_opts=DEFLATE_LEVEL,
        fletcher32=True,
        track_times=False,
    )
    dataset.attrs["unit"] = spec.unit
    dataset.attrs["description"] = spec.description
    for axis, name in enumerate(("frame", *spec.axis_names)):
        dataset.dims[axis].label = name
    return dataset


def _copy(dataset: Any, spool: ArraySpool) -> None:
    rest = (0,) * len(spool.spec.shape)
    with spool.path.open("rb") as file:
        for number, size in enumerate(spool.sizes):
            dataset.id.write_direct_chunk((number * spool.chunk_frames, *rest), file.read(size))
