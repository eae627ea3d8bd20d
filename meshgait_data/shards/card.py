"""``card.md``: what a packed dataset is, for the person who finds it."""

import json
import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from meshgait_data.manifest_protocol import Protocol, by_name, in_words
from meshgait_data.shards.dataset import DatasetInfo
from meshgait_data.shards.schema import BY_NAME, ONE_BIT_THRESHOLD
from meshgait_data.shards.table import SequenceTable

_PACKED = re.compile(r"^packed: (\d{4}-\d{2}-\d{2})$", re.MULTILINE)
_LONGEST = 24
"""Rows of a table of conditions or views; of more only their number is told."""

_BITS = "silhouettes_1bit"


def card(info: DatasetInfo, sequences: SequenceTable, *, date: str) -> str:
    """Markdown text of the card, with a head in YAML.

    Parameters
    ----------
    info
        The dataset.
    sequences
        All of its sequences.
    date
        Day of packing, YYYY-MM-DD: the only thing here that does not follow from the dataset.
    """
    blocks = (
        _head(info, sequences, date),
        _counts(sequences),
        _protocol(info),
        _fields(info),
        _losses(info, sequences),
        _licence(info),
        _provenance(info, date),
        _usage(info),
    )
    return "\n".join(blocks)


def packed_on(text: str) -> str | None:
    """Day of packing that a card tells in its head; None where it does not."""
    parts = text.split("---\n", 2)
    found = _PACKED.search(parts[1]) if len(parts) == 3 and not parts[0] else None
    return found[1] if found else None


def _head(info: DatasetInfo, sequences: SequenceTable, date: str) -> str:
    # JSON's strings are YAML's too.
    return f"""---
name: {json.dumps(info.name)}
licence: {json.dumps(info.licence.name)}
schema: {json.dumps(f"meshgait shards {info.schema}")}
format: {info.format}
sequences: {len(sequences)}
frames: {sequences.lengths.sum()}
bytes: {sum(part.bytes for part in info.parts)}
parts: {len(info.parts)}
packed: {date}
---

# {info.title}

3D supervision for gait recognition, packed by meshgait from {info.homepage}.
"""


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def _counts(sequences: SequenceTable) -> str:
    head = ("side", "identities", "subjects", "captures", "views", "sequences", "frames")
    rows = []
    for side in ("train", "test", "unused"):
        own = sequences.where(side=side)
        captures = len(set(zip(own.subjects, own.conditions, strict=True)))
        names = (len(set(own.identities)), len(set(own.subjects)), captures, len(set(own.views)))
        if len(own):
            rows.append((side, *names, len(own), own.lengths.sum()))
    groups = [_by("condition", sequences.conditions, sequences), _by("view", sequences.views, sequences)]
    dropped = f"Frames of the source that were left out: {sequences.dropped.sum()}."
    return "\n\n".join(["## Contents", _table(head, rows), *groups, dropped]) + "\n"


def _by(what: str, values: NDArray[np.object_], sequences: SequenceTable) -> str:
    names, codes = np.unique(values, return_inverse=True)
    counts, frames = np.bincount(codes), np.bincount(codes, sequences.lengths).astype(np.int64)
    if len(names) > _LONGEST:
        return f"{len(names)} {what}s, of {counts.min()} to {counts.max()} sequences each."
    return _table((what, "sequences", "frames"), list(zip(names, counts, frames, strict=True)))


def _protocol(info: DatasetInfo) -> str:
    split = info.split
    told = "\n".join(f"- {name}: {_scored(one)}" for name, one in by_name(info.protocol, info.protocols).items())
    return f"""## Split and protocols

- {len(split.train)} identities to train on: {_some(split.train)}
- {len(split.test)} identities to test on: {_some(split.test)}
{told}
"""


def _scored(protocol: Protocol) -> str:
    groups = "; ".join(
        f"{name}{': ' if name else ''}gallery {in_words(gallery)}, probes {in_words(probe)}"
        for name, (gallery, probe) in protocol.roles().items()
    )
    views = ", identical views left out" if protocol.exclude_identical_view else ""
    return f"{protocol.kind} ({groups}){views}; ranks {', '.join(map(str, protocol.ranks))}"


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _LONGEST} more" if len(names) > _LONGEST else ""
    return ", ".join(names[:_LONGEST]) + more if names else "none"


def _fields(info: DatasetInfo) -> str:
    rows = [
        (f"`{name}`", field.sequences, field.dtype, ", ".join(map(str, field.shape)) or "scalar", field.unit, text)
        for name, field in info.fields.items()
        for text in [field.description.replace("|", "\\|")]
    ]
    return f"""## Fields

{_table(("field", "sequences that have it", "type", "shape of a frame", "unit", "meaning"), rows)}

A sequence has all frames of a field or none. Pixel centres lie at integers; the camera frame is OpenCV's (x right,
y down, z forward). Joint set `{info.joint_set.name}` ({len(info.joint_set.names)}): {", ".join(info.joint_set.names)}.
"""


def _losses(info: DatasetInfo, sequences: SequenceTable) -> str:
    lines = ["All arrays come back bit for bit as they were packed."]
    if _BITS in info.fields:
        count = np.count_nonzero(sequences.rows(_BITS) >= 0)
        lines.append(
            f"`{_BITS}` ({count} sequences) hold one bit a pixel: grey of {ONE_BIT_THRESHOLD} and more became 255, the "
            "rest 0.\nThe grey edges, which resizing leaves around a silhouette, are lost for good."
        )
    return "\n".join(["## What was lost", "", *lines, ""])


def _licence(info: DatasetInfo) -> str:
    licence = info.licence
    rows = [
        ("labels (joints, markers, body parameters, quality)", "yes" if licence.may_share_labels else "**no**"),
        ("silhouettes", "yes" if licence.shares_silhouettes else "**no**"),
        ("images of the source", "not in here; ask its owners"),
        ("the body model", f"not in here; its licence: {info.body.licence}" if info.body else "not in here"),
    ]
    others = ", ".join(f"`{name}`" for name in info.fields if name not in BY_NAME)
    if others:
        rows[2] = (f"what rides along from the source ({others})", "ask its owners")
    thanks = f"\nAcknowledgement to print in publications:\n\n> {licence.acknowledgement}\n"
    asked = f"\nTo get the data: {licence.request}\n"
    return f"""## Licence

The licence of the source holds for what is derived from it: **{licence.name}**. {licence.summary}

{_table(("what", "may be given on"), rows)}
{thanks if licence.acknowledgement else ""}{asked if licence.request else ""}
Cite: {info.citation}
"""


def _provenance(info: DatasetInfo, date: str) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in info.versions.items()) or "unknown versions"
    lines = [
        f"packed on {date} with {versions}",
        f"manifest `{info.name}`, sha256 `{info.manifest_sha256}`",
        f"index `index.parquet`, crc32c {info.index_crc32c:08x}",
    ]
    if info.body:
        lines.append(f"body `{info.body.name}`, sha256 `{info.body.sha256}`, licence {info.body.licence}")
    if info.markers:
        lines.append(f"virtual markers `{info.markers.name}` ({info.markers.count})")
    return "\n".join(["## Provenance", "", *(f"- {line}" for line in lines), ""])


_ZARR = """```python
import zarr

part = zarr.open_group("{part}", mode="r")
for sequence in part.attrs["meshgait"]["sequences"]:
    start = sequence["rows"]["{field}"]
    frames = part["{field}"][start : start + sequence["length"]]
    print(sequence["key"], frames.shape)
```"""

_HDF5 = """```python
import json
import h5py

with h5py.File("{part}") as part:
    for sequence in json.loads(part.attrs["meshgait"])["sequences"]:
        start = sequence["rows"]["{field}"]
        frames = part["{field}"][start : start + sequence["length"]]
        print(sequence["key"], frames.shape)
```"""


def _usage(info: DatasetInfo) -> str:
    field = "silhouettes" if "silhouettes" in info.fields else _BITS
    plain = (_ZARR if info.format == "zarr" else _HDF5).format(part=info.parts[0].name, field=field)
    package = {"zarr": "zarr-python", "hdf5": "h5py"}[info.format]
    bits = f"\nEach byte of `{_BITS}` is eight columns: `numpy.unpackbits(frames, axis=-1) * 255`.\n"
    return f"""## Use

With meshgait, which checks every chunk that it reads:

```python
from meshgait_data.shards import open_shards

shards = open_shards(".")
for record in shards.sequences[:3]:
    print(record.key, record.side, shards.read(record, "silhouettes").shape)
```

With {package} alone; `index.parquet` lists the same sequences for all parts:

{plain}
{bits if field == _BITS else ""}
`mgdata verify . --deep` checks that all of it is here and unharmed; `mgdata convert` changes the format.
"""
