"""``dataset.json``: what a packed dataset is and which parts it has, or that packing has not ended yet."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from meshgait_data.atomic import write_text
from meshgait_data.conventions import SMPL_JOINTS, SMPL_MIRROR, SMPL_SET, mirror_names
from meshgait_data.errors import ManifestError, ShardError
from meshgait_data.manifest import Licence, Manifest, Split
from meshgait_data.manifest_protocol import Protocol
from meshgait_data.shards.checksums import AGAIN
from meshgait_data.shards.schema import SCHEMA_VERSION, ArraySpec, in_order, sizes_of
from meshgait_data.strict import build, to_plain

if TYPE_CHECKING:
    from meshgait_data.shards.store import Store

DATASET = "dataset.json"
INDEX = "index.parquet"
CARD = "card.md"
FINDINGS = "findings.jsonl"
MARKERS = "markers.npz"

Format = Literal["zarr", "hdf5"]
"""Container of the parts; both hold the same arrays and attributes."""

ENDINGS: Mapping[Format, str] = {"zarr": ".zarr", "hdf5": ".h5"}
"""How the names of parts end."""

_PART = re.compile(r"part-\d{5,}(\.zarr|\.h5)")


@dataclass(frozen=True, slots=True)
class PartEntry:
    """One part of a dataset."""

    name: str
    """Name of its folder (Zarr) or file (HDF5)."""
    sequences: int
    frames: int
    bytes: int
    """Of all its files."""
    crc32c: int
    """Zarr: of its ``MANIFEST.json``, which in turn lists its files. HDF5: of the file."""

    def __post_init__(self) -> None:
        if not _PART.fullmatch(self.name):
            raise ValueError(f"{self.name!r} is not a name of a part")


@dataclass(frozen=True, slots=True)
class FieldInfo:
    """One field of a dataset."""

    dtype: str
    """Numpy name."""
    shape: tuple[int, ...]
    """Of one frame."""
    unit: str
    description: str
    axis_names: tuple[str, ...]
    sequences: int
    """How many sequences have it."""

    def spec(self, name: str) -> ArraySpec:
        """The array of the field in each part that has it."""
        return ArraySpec(name, self.dtype, self.shape, self.unit, self.description, self.axis_names)


@dataclass(frozen=True, slots=True)
class BodyInfo:
    """Body that was fitted and that labels were made with."""

    name: str
    sha256: str
    """Hash of its arrays."""
    licence: str


@dataclass(frozen=True, slots=True)
class MarkersInfo:
    """Virtual markers of the labels."""

    name: str
    count: int
    crc32c: int
    """Of ``markers.npz``."""


@dataclass(frozen=True, slots=True)
class JointSet:
    """Joint set that ``joints`` are in."""

    name: str = SMPL_SET
    names: tuple[str, ...] = SMPL_JOINTS
    """J names in their order."""
    mirror: tuple[int, ...] = tuple(SMPL_MIRROR.tolist())
    """For each joint the place of the one on the other side of the body; its own on the mid-line."""

    def __post_init__(self) -> None:
        if sorted(self.mirror) != list(range(len(self.names))):
            raise ValueError(f"the mirror of joint set {self.name!r} does not fit its {len(self.names)} joints")


@dataclass(frozen=True, slots=True)
class DatasetInfo:
    """All that one needs to know beside the sequences."""

    schema: str
    format: Format
    name: str
    title: str
    homepage: str
    citation: str
    licence: Licence
    split: Split
    protocol: Protocol
    manifest_sha256: str
    body: BodyInfo | None
    """None where there are no labels."""
    markers: MarkersInfo | None
    joint_set: JointSet
    fields: dict[str, FieldInfo]
    """In the order of the schema, then what rides along by name."""
    parts: tuple[PartEntry, ...]
    index_crc32c: int
    """Of ``index.parquet``."""
    versions: dict[str, str] = field(default_factory=dict)
    """Package to version that packed it."""
    complete: bool = True
    protocols: dict[str, Protocol] = field(default_factory=dict)
    """Further ways to score, by name; ``protocol`` holds by default."""

    def __post_init__(self) -> None:
        if len({part.name for part in self.parts}) != len(self.parts):
            raise ValueError("a part is listed twice")
        wrong = [part.name for part in self.parts if not part.name.endswith(ENDINGS[self.format])]
        if wrong:
            raise ValueError(f"{wrong[0]} is not a part of format {self.format}")
        sizes = self.sizes
        joints, count = len(self.joint_set.names), self.markers.count if self.markers else 0
        if sizes.get("J", joints) != joints:
            raise ValueError(f"joint set {self.joint_set.name!r} does not fit {sizes['J']} joints")
        if sizes.get("K", count) != count:
            raise ValueError(f"{count} markers do not fit labels of {sizes['K']}")

    @property
    def specs(self) -> dict[str, ArraySpec]:
        """Name of each field to its array."""
        return {name: info.spec(name) for name, info in self.fields.items()}

    @property
    def sizes(self) -> dict[str, int]:
        """S side of the silhouettes, J joints, K markers, as far as there are such fields."""
        return sizes_of(self.specs, self.name)


def describe(
    manifest: Manifest,
    format: Format,
    *,
    fields: Mapping[str, FieldInfo],
    parts: Sequence[PartEntry],
    index_crc32c: int,
    body: BodyInfo | None = None,
    markers: MarkersInfo | None = None,
    joints: tuple[str, tuple[str, ...]] | None = None,
    versions: Mapping[str, str] | None = None,
) -> DatasetInfo:
    """What a packed dataset says of itself.

    Parameters
    ----------
    manifest
        The source: its licence, split and protocols hold for the dataset.
    fields
        See :func:`fields_of`.
    joints
        Name of the joint set and of its joints; None for SMPL's 24.
    versions
        Package to version that packed it.
    """
    joint_set, joint_names = joints or (SMPL_SET, SMPL_JOINTS)
    return DatasetInfo(
        schema=SCHEMA_VERSION,
        format=format,
        name=manifest.name,
        title=manifest.title,
        homepage=manifest.homepage,
        citation=manifest.citation,
        licence=manifest.licence,
        split=manifest.split,
        protocol=manifest.protocol,
        manifest_sha256=manifest.sha256(),
        body=body,
        markers=markers,
        joint_set=JointSet(joint_set, tuple(joint_names), tuple(mirror_names(joint_names).tolist())),
        fields=dict(fields),
        parts=tuple(parts),
        index_crc32c=index_crc32c,
        versions=dict(versions or {}),
        protocols=dict(manifest.protocols),
    )


def fields_of(parts: Sequence[tuple[Mapping[str, ArraySpec], Mapping[str, int]]], where: str) -> dict[str, FieldInfo]:
    """Fields of a dataset.

    Parameters
    ----------
    parts
        Of each part its arrays, and how many of its sequences have each.
    where
        Name of the dataset, for messages.

    Raises
    ------
    ShardError
        Where a field has another type or shape in another part.
    """
    specs: dict[str, ArraySpec] = {}
    counts: dict[str, int] = {}
    for arrays, sequences in parts:
        for name, spec in arrays.items():
            if specs.setdefault(name, spec) != spec:
                what = (
                    f"{name} is {spec.dtype} {spec.shape} in one part, {specs[name].dtype} {specs[name].shape} before"
                )
                raise ShardError(what, where=where, hint="a field has one type and shape in a dataset")
            counts[name] = counts.get(name, 0) + sequences[name]
    sizes_of(specs, where)
    return {
        name: FieldInfo(spec.dtype, spec.shape, spec.unit, spec.description, spec.axis_names, counts[name])
        for name, spec in in_order(specs).items()
    }


def part_name(number: int, format: Format = "zarr") -> str:
    """Name of a part.

    >>> part_name(7), part_name(7, "hdf5")
    ('part-00007.zarr', 'part-00007.h5')
    """
    return f"part-{number:05d}{ENDINGS[format]}"


def is_part_name(name: str) -> bool:
    """Whether a folder or file is called like a part."""
    return _PART.fullmatch(name) is not None


def write_dataset(root: Path, info: DatasetInfo) -> None:
    """Declare a dataset complete."""
    write_text(root / DATASET, json.dumps(to_plain(info), indent=1) + "\n")


def mark_incomplete(root: Path, parts: set[str]) -> None:
    """Say that packing goes on in this folder, and which parts are the dataset's own."""
    state = {"schema": SCHEMA_VERSION, "complete": False, "parts": [{"name": name} for name in sorted(parts)]}
    write_text(root / DATASET, json.dumps(state, indent=1) + "\n")


def listed_parts(root: Path) -> set[str]:
    """Parts that the dataset's own file lists, complete or not; none where it is missing or damaged.

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
    check_version(version, str(root))
    return {name for name in names if is_part_name(name)}


def read_dataset(store: "Store") -> DatasetInfo:
    """Read ``dataset.json``.

    Raises
    ------
    ShardError
        Where there is none, it is damaged, of another schema version, or says that packing has not ended.
    """
    plain = _load(store)
    if plain.get("complete") is not True:
        raise ShardError("packing has not ended here", where=str(store), hint="run the same command again: it resumes")
    try:
        return build(DatasetInfo, plain, f"{store}/{DATASET}")
    except ManifestError as error:
        raise ShardError(error.what, where=error.where, hint=AGAIN) from error


def _load(store: "Store") -> dict[str, Any]:
    try:
        plain = json.loads(store.read(DATASET))
        version = str(plain["schema"])
    except OSError as error:
        hint = "give the folder that 'mgdata pack' wrote, or make one with 'mgdata build cmu_walk --out SHARDS'"
        raise ShardError(f"not a packed dataset: cannot read {DATASET}", where=str(store), hint=hint) from error
    except (ValueError, KeyError, TypeError) as error:
        raise ShardError(f"damaged: {error!r}", where=f"{store}/{DATASET}", hint=AGAIN) from error
    check_version(version, str(store))
    return plain


def check_version(version: str, where: str) -> None:
    """Refuse every schema version but this one, with the way out; raises ShardError."""
    if version == SCHEMA_VERSION:
        return
    hint = f"bring it up to date: mgdata convert {where} {where}-v{SCHEMA_VERSION}"
    if not version.isdecimal() or int(version) > int(SCHEMA_VERSION):
        hint = "it was packed by a newer meshgait: install that one, e.g. pip install --upgrade meshgait"
    raise ShardError(f"schema version {version} is not {SCHEMA_VERSION}", where=where, hint=hint)
