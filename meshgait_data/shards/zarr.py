"""The Zarr v3 form of a part: a group with one array a field, each a single shard object.

Layout of the objects: *Zarr v3 sharding codec*, https://zarr-specs.readthedocs.io/en/latest/v3/codecs/sharding-indexed.
They are encoded here, chunk by chunk as frames come, and equal what zarr-python writes of whole arrays in several times
the time; the metadata are zarr-python's own.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import google_crc32c
import numpy as np
from numpy.typing import NDArray

from meshgait_data.shards.checksums import write_manifest
from meshgait_data.shards.schema import CHUNK_FRAMES, ArraySpec
from meshgait_data.shards.spool import ArraySpool, Encode

ATTRIBUTES = "meshgait"
"""Name of the attribute of the group (Zarr) or file (HDF5) that everything of ours lies in."""

COMPRESSOR: Literal["lz4hc"] = "lz4hc"
COMPRESSION_LEVEL = 6
"""Of those that decode in a few microseconds a chunk the smallest that is written at tens of thousands of frames/s."""

_CRC = 4


def object_path(folder: Path, spec: ArraySpec) -> Path:
    """The one object of an array in a part's folder."""
    return folder.joinpath(spec.name, "c", *("0" for _ in range(1 + len(spec.shape))))


def encoder(spec: ArraySpec) -> Encode:
    """Give the function that encodes a chunk of an array.

    The frames are moved last, so that what hardly changes from frame to frame lies side by side, compressed by blosc
    (numbers of more than one byte after a byte shuffle), and followed by their crc32c.
    """
    from numcodecs import blosc

    # Threads would let the blocks of a chunk lie in the order in which they were done.
    blosc.use_threads = False
    size, name = np.dtype(spec.dtype).itemsize, COMPRESSOR.encode()
    shuffle = blosc.SHUFFLE if size > 1 else blosc.NOSHUFFLE

    def encode(chunk: NDArray[Any]) -> bytes:
        values = np.ascontiguousarray(np.moveaxis(chunk, 0, -1))
        return _with_crc(blosc.compress(values, name, COMPRESSION_LEVEL, shuffle, blosc.AUTOBLOCKS, size))

    return encode


def finish(folder: Path, spools: Sequence[ArraySpool], attributes: Mapping[str, Any], sequences: int) -> None:
    """Complete a part whose spools lie at their :func:`object_path`: indices, metadata, list of files.

    Parameters
    ----------
    folder
        Holds the spools and nothing else.
    spools
        Finished.
    attributes
        Plain data.
    sequences
        How many there are, for the list of files.
    """
    import zarr

    for spool in spools:
        with spool.path.open("ab") as file:
            file.write(_index(spool.sizes))
    group = zarr.create_group(folder, zarr_format=3, attributes={ATTRIBUTES: dict(attributes)})
    for spool in spools:
        _declare(group, spool)
    write_manifest(folder, sequences=sequences, frames=max(spool.frames for spool in spools))


def _index(sizes: Sequence[int]) -> bytes:
    ends = np.cumsum(sizes, dtype=np.uint64)
    lengths = np.array(sizes, np.uint64)
    return _with_crc(np.stack([ends - lengths, lengths], axis=1).astype("<u8").tobytes())


def _with_crc(data: bytes) -> bytes:
    return data + google_crc32c.value(data).to_bytes(_CRC, "little")


def _declare(group: Any, spool: ArraySpool) -> None:
    """Write the metadata of an array whose object lies there already."""
    spec = spool.spec
    names = spec.axis_names or (None,) * len(spec.shape)
    group.create_array(
        spec.name,
        shape=(spool.frames, *spec.shape),
        dtype=np.dtype(spec.dtype).newbyteorder("<"),
        chunks=(CHUNK_FRAMES, *spec.shape),
        shards=(len(spool.sizes) * CHUNK_FRAMES, *spec.shape),
        **_codecs(spec),
        fill_value=0,
        attributes={"unit": spec.unit, "description": spec.description},
        dimension_names=("frame", *names),
    )


def _codecs(spec: ArraySpec) -> dict[str, list[Any]]:
    """What :func:`encoder` does, in zarr-python's words."""
    from zarr.codecs import BloscCodec, Crc32cCodec, TransposeCodec

    axes, size = len(spec.shape), np.dtype(spec.dtype).itemsize
    blosc = BloscCodec(
        cname=COMPRESSOR, clevel=COMPRESSION_LEVEL, shuffle="shuffle" if size > 1 else "noshuffle", typesize=size
    )
    filters = [TransposeCodec(order=(*range(1, axes + 1), 0))] if axes else []
    return {"filters": filters, "compressors": [blosc, Crc32cCodec()]}
