"""Write one part: a Zarr v3 group with the frames of its sequences end to end, complete or absent."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from meshgait_data.atomic import new_folder
from meshgait_data.errors import EnvironmentLacks, ShardError
from meshgait_data.manifest import Manifest
from meshgait_data.shards.checksums import write_manifest
from meshgait_data.shards.records import describe
from meshgait_data.shards.schema import BY_NAME, CHUNK_FRAMES, SCHEMA_VERSION, Codec, Layout, layout_of
from meshgait_data.strict import to_plain
from meshgait_data.types import SequenceData

ATTRIBUTES = "meshgait"
"""Key of the group's attributes that everything of ours lies under."""


def write_part(
    folder: Path, sequences: Sequence[SequenceData], *, manifest: Manifest, provenance: Mapping[str, Any]
) -> Layout:
    """Write sequences as one part. Equal input gives equal bytes.

    Parameters
    ----------
    folder
        New folder ``part-NNNNN.zarr``.
    sequences
        In the order in which they are to lie.
    manifest
        Dataset that they belong to: gives licence and sides of the split.
    provenance
        Plain data that is stored along: versions, settings and hashes, no dates.

    Raises
    ------
    ShardError
        Where a sequence does not fit the schema, or ``folder`` exists already.
    EnvironmentLacks
        Where there is no space or no right to write.
    """
    layout = layout_of(sequences)
    lengths = [len(sequence) for sequence in sequences]
    starts = np.cumsum([0, *lengths]).tolist()
    attributes = {
        "schema": SCHEMA_VERSION,
        "dataset": manifest.name,
        "licence": to_plain(manifest.licence),
        "fields": list(layout.fields),
        "sizes": dict(layout.sizes),
        "provenance": dict(provenance),
        "sequences": [
            describe(sequence, side=manifest.side(sequence.key.subject), start=start)
            for sequence, start in zip(sequences, starts, strict=False)
        ],
    }
    try:
        with new_folder(folder) as temporary:
            _write_group(temporary, layout, sequences, attributes)
            write_manifest(temporary, sequences=len(sequences), frames=sum(lengths))
    except FileExistsError as error:
        hint = "is another mgdata writing to the same folder?"
        raise ShardError("this part exists already", where=str(folder), hint=hint) from error
    except OSError as error:
        hint = "free some space or choose another folder"
        raise EnvironmentLacks(f"cannot write: {error.strerror or error}", where=str(folder), hint=hint) from error
    return layout


def remove_part(folder: Path) -> None:
    """Remove a part so that no half of it is ever seen under its name."""
    gone = folder.with_name(f".{folder.name}.removed.tmp")
    folder.rename(gone)
    shutil.rmtree(gone)


def _write_group(
    folder: Path, layout: Layout, sequences: Sequence[SequenceData], attributes: Mapping[str, Any]
) -> None:
    import zarr

    group = zarr.open_group(folder, mode="w", zarr_format=3)
    for name in layout.fields:
        field = BY_NAME[name]
        frames = np.concatenate([sequence.arrays[name] for sequence in sequences])
        shape = layout.shape(name)
        array = group.create_array(
            name,
            shape=frames.shape,
            dtype=field.dtype,
            chunks=(CHUNK_FRAMES, *shape),
            shards=(-(-len(frames) // CHUNK_FRAMES) * CHUNK_FRAMES, *shape),
            compressors=_compressors(field.codec, np.dtype(field.dtype).itemsize),
            fill_value=0,
            attributes={"unit": field.unit, "description": field.description},
            dimension_names=("frame", *field.axis_names),
            # Otherwise chunks of zeros are left out and cannot be told from lost ones.
            config={"write_empty_chunks": True},
        )
        array[...] = frames
    group.attrs[ATTRIBUTES] = attributes


def _compressors(codec: Codec, itemsize: int) -> list[Any]:
    from zarr.codecs import BloscCodec, Crc32cCodec, ZstdCodec

    if codec == "zstd":
        return [ZstdCodec(level=3), Crc32cCodec()]
    return [BloscCodec(cname="zstd", clevel=5, shuffle="shuffle", typesize=itemsize), Crc32cCodec()]
