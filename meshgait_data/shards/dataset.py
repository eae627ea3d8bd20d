"""``dataset.json``: what a packed dataset is and which parts it has, or that packing has not ended yet."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from meshgait_data.atomic import write_text
from meshgait_data.conventions import SMPL_JOINTS, SMPL_MIRROR, SMPL_SET, mirror_names
from meshgait_data.errors import ManifestError, ShardError
from meshgait_data.manifest import Licence, Manifest, Protocol, Split
from meshgait_data.shards.checksums import AGAIN
from meshgait_data.shards.schema import READABLE, SCHEMA_VERSION
from meshgait_data.strict import build, to_plain

if TYPE_CHECKING:
    from meshgait_data.shards.reader import Part

DATASET = "dataset.json"
INDEX = "index.parquet"
CARD = "card.md"
FINDINGS = "findings.jsonl"
MARKERS = "markers.npz"

_PART = re.compile(r"part-\d{5,}\.zarr")


@dataclass(frozen=True, slots=True)
class PartEntry:
    """One part of a dataset."""

    name: str
    """Name of its folder."""
    sequences: int
    frames: int
    crc32c: int
    """Of its ``MANIFEST.json``, which in turn lists its files."""

    def __post_init__(self) -> None:
        if not _PART.fullmatch(self.name):
            raise ValueError(f"{self.name!r} is not a name of a part")


@dataclass(frozen=True, slots=True)
class DatasetInfo:
    """All that a trainer needs to know beside the sequences."""

    schema: str
    name: str
    title: str
    homepage: str
    citation: str
    licence: Licence
    split: Split
    protocol: Protocol
    manifest_sha256: str
    body_name: str
    body_sha256: str
    body_licence: str
    markers_name: str
    markers_crc32c: int
    """Of ``markers.npz``."""
    fields: tuple[str, ...]
    """Fields that every sequence has."""
    sizes: dict[str, int]
    """S side of the silhouettes, J joints, K markers."""
    parts: tuple[PartEntry, ...]
    versions: dict[str, str] = field(default_factory=dict)
    """Package to version that packed it."""
    complete: bool = True
    joint_set: str = SMPL_SET
    """Name of the joint set that ``joints`` are in."""
    joint_names: tuple[str, ...] = SMPL_JOINTS
    """J names in their order."""
    joint_mirror: tuple[int, ...] = tuple(SMPL_MIRROR.tolist())
    """For each joint the place of the one on the other side of the body; its own on the mid-line."""

    def __post_init__(self) -> None:
        if len({part.name for part in self.parts}) != len(self.parts):
            raise ValueError("a part is listed twice")
        joints = len(self.joint_names)
        if self.sizes.get("J", joints) != joints or sorted(self.joint_mirror) != list(range(joints)):
            raise ValueError(f"joint set {self.joint_set!r} does not fit {self.sizes.get('J')} joints")


def describe(
    manifest: Manifest,
    body: tuple[str, str, str],
    markers: tuple[str, int],
    parts: Sequence["Part"],
    versions: Mapping[str, str] | None = None,
    *,
    joints: tuple[str, tuple[str, ...]] | None = None,
) -> DatasetInfo:
    """What a packed dataset says of itself.

    Parameters
    ----------
    manifest
        The source: its licence, split and protocol hold for the dataset.
    body
        Name, hash and licence of the body.
    markers
        Name of the marker set and checksum of ``markers.npz``.
    parts
        All parts, at least one; they have the same fields.
    versions
        Package to version that packed it.
    joints
        Name of the joint set and of its joints; None for SMPL's 24.
    """
    joint_set, joint_names = joints or (SMPL_SET, SMPL_JOINTS)
    return DatasetInfo(
        schema=SCHEMA_VERSION,
        name=manifest.name,
        title=manifest.title,
        homepage=manifest.homepage,
        citation=manifest.citation,
        licence=manifest.licence,
        split=manifest.split,
        protocol=manifest.protocol,
        manifest_sha256=manifest.sha256(),
        body_name=body[0],
        body_sha256=body[1],
        body_licence=body[2],
        markers_name=markers[0],
        markers_crc32c=markers[1],
        fields=parts[0].layout.fields,
        sizes=dict(parts[0].layout.sizes),
        parts=tuple(
            PartEntry(part.folder.name, part.manifest.sequences, part.manifest.frames, part.manifest.crc32c)
            for part in parts
        ),
        versions=dict(versions or {}),
        joint_set=joint_set,
        joint_names=joint_names,
        joint_mirror=tuple(mirror_names(joint_names).tolist()),
    )


def part_name(number: int) -> str:
    """Folder name of a part.

    >>> part_name(7)
    'part-00007.zarr'
    """
    return f"part-{number:05d}.zarr"


def is_part_name(name: str) -> bool:
    """Whether a folder is called like a part."""
    return _PART.fullmatch(name) is not None


def write_dataset(root: Path, info: DatasetInfo) -> None:
    """Declare a dataset complete."""
    write_text(root / DATASET, json.dumps(to_plain(info), indent=1) + "\n")


def mark_incomplete(root: Path, parts: set[str]) -> None:
    """Say that packing goes on in this folder, and which part folders are the dataset's own."""
    state = {"schema": SCHEMA_VERSION, "complete": False, "parts": [{"name": name} for name in sorted(parts)]}
    write_text(root / DATASET, json.dumps(state, indent=1) + "\n")


def listed_parts(root: Path) -> set[str]:
    """Part folders that the dataset's own file lists, complete or not; none where it is missing or damaged.

    Raises
    ------
    ShardError
        Where the dataset is of another schema version.
    """
    try:
        plain = json.loads((root / DATASET).read_text(encoding="utf-8"))
        version, names = str(plain["schema"]), {str(part["name"]) for part in plain["parts"]}
    except (OSError, ValueError, KeyError, TypeError):
        return set()
    _check_version(root, version)
    return {name for name in names if is_part_name(name)}


def read_dataset(root: Path) -> DatasetInfo:
    """Read ``dataset.json``.

    Raises
    ------
    ShardError
        Where there is none, it is damaged, of another schema version, or says that packing has not ended.
    """
    plain = _load(root)
    where = str(root / DATASET)
    if plain.get("complete") is not True:
        raise ShardError("packing has not ended here", where=str(root), hint="run 'mgdata pack' again: it resumes")
    try:
        return build(DatasetInfo, plain, where)
    except ManifestError as error:
        raise ShardError(error.what, where=error.where, hint=AGAIN) from error


def _load(root: Path) -> dict[str, Any]:
    path = root / DATASET
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
        version = str(plain["schema"])
    except OSError as error:
        hint = "give the folder that 'mgdata pack' wrote, or make one with 'mgdata build cmu_walk --out SHARDS'"
        raise ShardError(f"not a packed dataset: cannot read {DATASET}", where=str(root), hint=hint) from error
    except (ValueError, KeyError, TypeError) as error:
        raise ShardError(f"damaged: {error!r}", where=str(path), hint=AGAIN) from error
    _check_version(root, version)
    return plain


def _check_version(root: Path, version: str) -> None:
    if version in READABLE:
        return
    hint = "it was packed by another meshgait: pack it again with 'mgdata pack' into a new folder"
    if version.isdecimal() and int(version) > int(SCHEMA_VERSION):
        hint = "it was packed by a newer meshgait: install that one, e.g. pip install --upgrade meshgait"
    raise ShardError(f"schema version {version} is not {SCHEMA_VERSION}", where=str(root), hint=hint)
