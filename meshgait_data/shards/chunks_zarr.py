"""Where the chunks of a Zarr array lie: its metadata and the index of its one shard object, and how chunks decode.

*Zarr v3 sharding codec*, https://zarr-specs.readthedocs.io/en/latest/v3/codecs/sharding-indexed: each chunk ends with
its crc32c; the object ends with (offset, size) of each chunk as little-endian uint64, and the crc32c of that.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import google_crc32c
import numpy as np
from numpy.typing import NDArray

from meshgait_data.errors import ShardError
from meshgait_data.shards.checksums import AGAIN
from meshgait_data.shards.chunks import ChunkTable
from meshgait_data.shards.schema import ArraySpec
from meshgait_data.shards.store import Store, reading
from meshgait_data.types import ByteArray

_CODECS = ["bytes", "blosc", "crc32c"]
_INDEX_CODECS = ["bytes", "crc32c"]

_CRC = 4
_BLOSC_SIZE = slice(4, 8)
"""Where a Blosc chunk says how many bytes it decodes to."""
_INTACT = 0x48674BC7
"""The crc32c of anything that ends with its own crc32c."""


def chunk_table(store: Store, spec: ArraySpec, folder: str, metadata: bytes, size: int) -> ChunkTable:
    """Read where the chunks of an array lie.

    Parameters
    ----------
    folder
        Of the array, in the store.
    metadata
        Content of its ``zarr.json``.
    size
        Bytes of its shard object.

    Raises
    ------
    ShardError
        Where the array is not what ``spec`` says, is laid out in a way that no version of ours wrote, or the index is
        missing or damaged.
    """
    try:
        layout = _layout(json.loads(metadata), spec)
    except (ValueError, KeyError, TypeError, IndexError) as error:
        where = store.where(f"{folder}/zarr.json")
        raise ShardError(f"this array is not laid out as ours: {error!r}", where=where, hint=AGAIN) from error
    path = f"{folder}/{object_name(spec)}"
    offsets, ends = _index(store, path, size, -(-layout.frames // layout.chunk_frames))
    return ChunkTable(path, layout.frames, layout.chunk_frames, offsets, ends, layout.order, decode)


def object_name(spec: ArraySpec) -> str:
    """Path of the one object of an array, in its folder."""
    return "/".join(("c", "0", *("0" for _ in spec.shape)))


def decode(encoded: ByteArray, out: ByteArray) -> None:
    """Check and decompress a chunk, both flat bytes; raises ValueError or RuntimeError where it is damaged."""
    if google_crc32c.value(encoded) != _INTACT:
        raise ValueError("its crc32c does not fit")
    if int.from_bytes(encoded[_BLOSC_SIZE].tobytes(), "little") != len(out):
        raise ValueError(f"it does not hold {len(out)} bytes")
    _decompress()(encoded[:-_CRC], out)


@cache
def _decompress() -> Callable[[ByteArray, ByteArray], Any]:
    from numcodecs import blosc

    # Its threads share one state: callers would wait for each other, and a fork would leave it broken.
    blosc.use_threads = False
    return blosc.decompress


@dataclass(frozen=True, slots=True)
class _Layout:
    """What the metadata of an array say, as far as it varies."""

    frames: int
    chunk_frames: int
    order: tuple[int, ...]


def _layout(plain: dict[str, Any], spec: ArraySpec) -> _Layout:
    """Understand an array's metadata; ValueError, KeyError, TypeError or IndexError where they are not as ours."""
    shape, outer = plain["shape"], plain["chunk_grid"]["configuration"]["chunk_shape"]
    said = (plain["zarr_format"], plain["node_type"], plain["data_type"], tuple(shape[1:]))
    if said != (3, "array", spec.dtype, spec.shape):
        raise ValueError(f"{said} is not a version 3 array of {spec.dtype} {spec.shape}")
    keys = plain["chunk_key_encoding"]
    if (keys["name"], keys.get("configuration", {}).get("separator", "/")) != ("default", "/"):
        raise ValueError(f"names of objects are {keys}")
    (sharding,) = plain["codecs"]
    settings = sharding["configuration"]
    index = [codec["name"] for codec in settings["index_codecs"]]
    if (sharding["name"], settings.get("index_location", "end"), index) != ("sharding_indexed", "end", _INDEX_CODECS):
        raise ValueError(f"objects are {sharding['name']} with index codecs {index}")
    inner = settings["chunk_shape"]
    chunks = -(-shape[0] // inner[0])
    if not (shape[1:] == outer[1:] == inner[1:] and chunks > 0 and outer[0] == chunks * inner[0]):
        raise ValueError(f"shape {shape} in objects of {outer} and chunks of {inner}")
    return _Layout(shape[0], inner[0], _order(settings["codecs"], len(shape)))


def _order(codecs: list[dict[str, Any]], axes: int) -> tuple[int, ...]:
    """Order in which the codecs of a chunk put the axes; they compress by Blosc and add a crc32c."""
    order = tuple(range(axes))
    if codecs[0]["name"] == "transpose":
        order, codecs = tuple(codecs[0]["configuration"]["order"]), codecs[1:]
    names = [codec["name"] for codec in codecs]
    endian = codecs[0].get("configuration", {}).get("endian", "little")
    if sorted(order) != list(range(axes)) or names != _CODECS or endian != "little":
        raise ValueError(f"chunks are {names} of order {order}, {endian} endian")
    return order


def _index(store: Store, path: str, size: int, count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    where, length = store.where(path), 16 * count + _CRC
    with reading(store, path):
        raw = store.read_range(path, size - length, size) if size >= length else b""
    if len(raw) != length or google_crc32c.value(raw) != _INTACT:
        raise ShardError("the index of its chunks is damaged", where=where, hint=AGAIN)
    index = np.frombuffer(raw, "<u8", 2 * count).reshape(count, 2).astype(np.int64)
    offsets, ends = np.ascontiguousarray(index[:, 0]), index.sum(axis=1)
    # Chunks that were never written are marked with 2^64 - 1, which is -1 here; they would read as zeros.
    if index.min() < 0 or ends.max() > size - length or (ends - offsets).min() <= _CRC:
        raise ShardError("the index of its chunks is damaged: some were never written", where=where, hint=AGAIN)
    return offsets, ends
