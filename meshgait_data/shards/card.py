"""``card.md``: what a packed dataset is, for the person who finds it."""

from collections.abc import Sequence

from meshgait_data.shards.dataset import DatasetInfo
from meshgait_data.shards.records import SequenceRecord


def card(info: DatasetInfo, records: Sequence[SequenceRecord], *, date: str) -> str:
    """Markdown text of the card.

    Parameters
    ----------
    info
        The dataset.
    records
        Its sequences.
    date
        Day of packing, the only thing here that does not follow from the input.
    """
    blocks = (
        _head(info, records),
        _counts(records),
        _licence(info),
        _provenance(info, date),
        _usage(info),
    )
    return "\n".join(blocks)


def _head(info: DatasetInfo, records: Sequence[SequenceRecord]) -> str:
    frames = sum(record.length for record in records)
    return f"""---
name: {info.name}
licence: {info.licence.name}
schema: meshgait shards {info.schema}
sequences: {len(records)}
frames: {frames}
---

# {info.title}

3D supervision labels for gait recognition, packed by meshgait from {info.homepage}.
Fields of each frame: {", ".join(f"`{name}`" for name in info.fields)}.
"""


def _counts(records: Sequence[SequenceRecord]) -> str:
    lines = ["## Contents", "", "| side | identities | subjects | captures | views | sequences | frames |"]
    lines.append("|---|---|---|---|---|---|---|")
    for side in ("train", "test", "unused"):
        own = [record for record in records if record.side == side]
        cells = (
            len({record.identity for record in own}),
            len({record.key.subject for record in own}),
            len({record.key.capture for record in own}),
            len({record.key.view for record in own}),
            len(own),
            sum(record.length for record in own),
        )
        if own:
            lines.append(f"| {side} | " + " | ".join(map(str, cells)) + " |")
    dropped = sum(len(record.dropped) for record in records)
    return "\n".join([*lines, "", f"Frames left out: {dropped}.", ""])


def _licence(info: DatasetInfo) -> str:
    may = "may" if info.licence.may_share_labels else "may **not**"
    thanks = f"\nAcknowledgement to print in publications:\n\n> {info.licence.acknowledgement}\n"
    return f"""## Licence

The licence of the source dataset holds for what is derived from it: **{info.licence.name}**. {info.licence.summary}
Labels and silhouettes {may} be given on. Licence of the body model: {info.body_licence}.
{thanks if info.licence.acknowledgement else ""}
Citation: {info.citation}
"""


def _provenance(info: DatasetInfo, date: str) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in info.versions.items())
    return f"""## Provenance

- packed on {date} with {versions}
- manifest `{info.name}`, sha256 `{info.manifest_sha256}`
- body `{info.body_name}`, sha256 `{info.body_sha256}`
- joint set `{info.joint_set}` ({len(info.joint_names)})
- virtual markers `{info.markers_name}` ({info.sizes.get("K", 0)})
"""


def _usage(info: DatasetInfo) -> str:
    return f"""## Use

```python
from meshgait_data.shards import open_shards

shards = open_shards("path/to/this/folder")
for record in shards.sequences[:3]:
    print(record.key, record.side, shards.read(record, "silhouettes").shape)
frames, offsets = shards.load("{info.fields[0]}")  # all of them, in memory
```

`mgdata verify FOLDER --deep` checks that all of it is here and unharmed; `zarr.open_group` reads each part.
"""
