"""Parts that lie in a dataset already: what they hold, and whether they are unharmed."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from meshgait_data.errors import ShardError
from meshgait_data.findings import Severity
from meshgait_data.pipeline.runner import Outcome
from meshgait_data.shards import hdf5
from meshgait_data.shards.checksums import MANIFEST, compare, crc32c_of, read_manifest
from meshgait_data.shards.dataset import ENDINGS, Format, PartEntry, is_part_name, listed_parts, read_dataset
from meshgait_data.shards.part import Part, open_part
from meshgait_data.shards.store import open_store


@dataclass(frozen=True, slots=True, eq=False)
class PresentPart:
    """One part that can be opened."""

    path: Path
    part: Part
    captures: Mapping[str, str]
    """Key of each capture in it to the fingerprint of what it was packed from."""

    def failures(self) -> tuple[Outcome, ...]:
        """Views that could not be packed from the same input."""
        told = self.part.provenance.get("failures", ())
        return tuple(Outcome(one["key"], "failed", error=one["error"], hint=one["hint"]) for one in told)


def present_parts(out: Path, format: Format) -> dict[int, PresentPart]:
    """Parts of the dataset's own in one container that can be opened, by number.

    Raises
    ------
    ShardError
        Where the dataset is of another schema version.
    """
    store, found = open_store(out), {}
    for name in sorted(own_parts(out)):
        if not name.endswith(ENDINGS[format]) or not (out / name).exists():
            continue
        try:
            part = open_part(store, name)
            captures = {str(key): str(value) for key, value in part.provenance["captures"].items()}
        except (ShardError, KeyError, AttributeError):
            # Damaged, or not packed by this command: it is written again.
            continue
        found[part_number(name)] = PresentPart(out / name, part, captures)
    return found


def own_parts(out: Path) -> set[str]:
    """Names of the parts that the dataset lists, or of all that there are where its own file is damaged.

    Raises
    ------
    ShardError
        Where the dataset is of another schema version.
    """
    return listed_parts(out) or {path.name for path in out.iterdir() if is_part_name(path.name)}


def part_number(name: str) -> int:
    """Number in the name of a part.

    >>> part_number("part-00012.zarr")
    12
    """
    return int(re.findall(r"\d+", name)[0])


def unharmed(out: Path, present: PresentPart) -> PartEntry | None:
    """What the dataset says of a part of which every byte is as it was written; None where it is not."""
    path, sequences = present.path, present.part.sequences
    frames = sum(record.length for record in sequences)
    try:
        if path.is_dir():
            manifest = read_manifest(path)
            damage = compare(path, manifest, deep=True)
            if any(finding.severity is Severity.ERROR for finding in damage):
                return None
            size, crc = crc32c_of(path / MANIFEST)
            size += sum(size for size, _ in manifest.files.values())
        else:
            size, crc = crc32c_of(path)
            if not _as_listed(out, path.name, crc) or any(hdf5.damaged_chunks(path)):
                return None
    except (ShardError, OSError):
        return None
    return PartEntry(path.name, len(sequences), frames, size, crc)


def _as_listed(out: Path, name: str, crc: int) -> bool:
    """Whether an HDF5 part is the one that a complete dataset lists; chunks alone tell of one that is not complete."""
    try:
        parts = read_dataset(open_store(out)).parts
    except ShardError:
        return True
    return all(entry.crc32c == crc for entry in parts if entry.name == name)
