"""Read packed datasets of schema versions 1 and 2, so that ``mgdata convert`` can bring them up to date.

They were Zarr only. All sequences had the same fields, so one ``start`` told where a sequence began in every array.
Version 1 had no visibility and no other joints than SMPL's 24.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np
from numpy.typing import NDArray

from meshgait_data.conventions import SMPL_JOINTS, SMPL_MIRROR, SMPL_SET
from meshgait_data.errors import ManifestError, ShardError
from meshgait_data.manifest import Licence, Protocol, Split
from meshgait_data.shards.dataset import DATASET, MARKERS, BodyInfo, DatasetInfo, JointSet, MarkersInfo
from meshgait_data.shards.records import Side, restore_camera
from meshgait_data.shards.schema import SCHEMA_VERSION
from meshgait_data.strict import build
from meshgait_data.types import SequenceData, SequenceKey

VERSIONS = ("1", "2")
"""Schema versions that are read here."""

_BLOCK = 2048
"""Frames that are decoded at a time: zarr-python needs over a millisecond a call."""
_HINT = "copy it again from where it is whole, or pack it again"
_DAMAGE = (OSError, KeyError, TypeError, ValueError, AttributeError, RuntimeError)


@dataclass(frozen=True, slots=True)
class _Entry:
    name: str
    sequences: int
    frames: int
    crc32c: int


@dataclass(frozen=True, slots=True)
class _Dataset:
    """``dataset.json`` as versions 1 and 2 had it."""

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
    fields: tuple[str, ...]
    sizes: dict[str, int]
    parts: tuple[_Entry, ...]
    versions: dict[str, str] = field(default_factory=dict)
    complete: bool = True
    joint_set: str = SMPL_SET
    joint_names: tuple[str, ...] = SMPL_JOINTS
    joint_mirror: tuple[int, ...] = tuple(SMPL_MIRROR.tolist())


@dataclass(frozen=True, slots=True)
class LegacyDataset:
    """A packed dataset of version 1 or 2, complete as far as sizes of files tell."""

    root: Path
    version: str
    info: DatasetInfo
    """What it says of itself in today's terms, still without fields, parts and index."""
    parts: tuple[str, ...]
    """Names of its parts."""

    def part(self, name: str) -> "LegacyPart":
        """Open one of its parts; raises ShardError where it is damaged."""
        folder = self.root / name
        try:
            plain = json.loads((folder / "zarr.json").read_text(encoding="utf-8"))["attributes"]["meshgait"]
            if plain["schema"] != self.version:
                raise ValueError(f"schema version {plain['schema']} in a dataset of version {self.version}")
            return LegacyPart(
                folder, tuple(plain["fields"]), tuple(plain["sequences"]), dict(plain["provenance"]), self.info
            )
        except _DAMAGE as error:
            raise ShardError(f"the attributes are damaged: {error!r}", where=str(folder), hint=_HINT) from error


@dataclass(frozen=True, slots=True)
class LegacyPart:
    """One part of such a dataset."""

    folder: Path
    fields: tuple[str, ...]
    _plain: tuple[Mapping[str, Any], ...]
    provenance: Mapping[str, Any]
    info: DatasetInfo

    @property
    def sides(self) -> dict[str, Side]:
        """Subject to its side of the split."""
        return {SequenceKey.parse(plain["key"]).subject: plain["side"] for plain in self._plain}

    @property
    def keys(self) -> list[SequenceKey]:
        """Of its sequences, in order."""
        return [SequenceKey.parse(plain["key"]) for plain in self._plain]

    def sequences(self) -> Iterator[SequenceData]:
        """Its sequences, in order; some thousand frames are in memory at a time. Raises ShardError on damage."""
        for block in self._blocks():
            start, stop = block[0]["start"], block[-1]["start"] + block[-1]["length"]
            arrays = {name: self._read(name, start, stop) for name in self.fields}
            for plain in block:
                first = plain["start"] - start
                rows = slice(first, first + plain["length"])
                yield self._restored(plain, {name: array[rows] for name, array in arrays.items()})

    def _blocks(self) -> Iterator[list[Mapping[str, Any]]]:
        """Consecutive sequences that are decoded together."""
        block: list[Mapping[str, Any]] = []
        end = 0
        for plain in self._plain:
            if plain["start"] != end or plain["length"] < 1:
                where = str(self.folder)
                raise ShardError(f"{plain['key']} does not follow the one before", where=where, hint=_HINT)
            end += plain["length"]
            block.append(plain)
            if end - block[0]["start"] >= _BLOCK:
                yield block
                block = []
        if block:
            yield block

    def _read(self, name: str, start: int, stop: int) -> NDArray[Any]:
        import zarr

        try:
            # Each chunk ends with its crc32c, which zarr-python compares.
            frames: NDArray[Any] = np.asarray(zarr.open_array(self.folder / name, mode="r")[start:stop])
        except _DAMAGE as error:
            where = str(self.folder / name)
            raise ShardError(f"frames {start} to {stop} are damaged: {error}", where=where, hint=_HINT) from error
        if len(frames) != stop - start:
            raise ShardError(f"{name} ends before frame {stop}", where=str(self.folder), hint=_HINT)
        return frames

    def _restored(self, plain: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> SequenceData:
        try:
            return SequenceData(
                SequenceKey.parse(plain["key"]),
                plain["identity"],
                plain["fps"],
                restore_camera(plain["camera"]),
                np.array(plain["betas"], np.float32),
                arrays,
                tuple(plain["dropped"]),
                self.info.joint_set.name,
            )
        except _DAMAGE as error:
            raise ShardError(f"a sequence is damaged: {error!r}", where=str(self.folder), hint=_HINT) from error


def legacy_version(root: str | Path) -> str | None:
    """Schema version of a packed dataset on this machine if it is one of ``VERSIONS``, else None."""
    try:
        version = str(json.loads((Path(root) / DATASET).read_text(encoding="utf-8"))["schema"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return version if version in VERSIONS else None


def open_legacy(root: Path) -> LegacyDataset:
    """Open a packed dataset of version 1 or 2.

    Raises
    ------
    ShardError
        Where it is of another version, incomplete, or damaged as far as sizes of files tell. Checksums of chunks are
        compared when they are read.
    """
    where = str(root / DATASET)
    try:
        plain = json.loads((root / DATASET).read_text(encoding="utf-8"))
        version = str(plain["schema"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ShardError(f"not a packed dataset: {error}", where=where) from error
    if version not in VERSIONS:
        raise ShardError(f"schema version {version} is not one of {', '.join(VERSIONS)}", where=where)
    if plain.get("complete") is not True:
        raise ShardError(
            "packing has not ended here", where=str(root), hint="finish it with the meshgait that began it"
        )
    try:
        old = build(_Dataset, plain, where)
        info = _todays(old)
    except (ManifestError, ValueError) as error:
        raise ShardError(f"damaged: {error}", where=where, hint=_HINT) from error
    for entry in old.parts:
        _check_files(root / entry.name, entry.crc32c)
    _check_sum(root / MARKERS, old.markers_crc32c)
    return LegacyDataset(root, version, info, tuple(entry.name for entry in old.parts))


def _todays(old: _Dataset) -> DatasetInfo:
    return DatasetInfo(
        schema=SCHEMA_VERSION,
        format="zarr",
        name=old.name,
        title=old.title,
        homepage=old.homepage,
        citation=old.citation,
        licence=old.licence,
        split=old.split,
        protocol=old.protocol,
        manifest_sha256=old.manifest_sha256,
        body=BodyInfo(old.body_name, old.body_sha256, old.body_licence),
        markers=MarkersInfo(old.markers_name, old.sizes.get("K", 0), old.markers_crc32c),
        joint_set=JointSet(old.joint_set, old.joint_names, old.joint_mirror),
        fields={},
        parts=(),
        index_crc32c=0,
        versions=old.versions,
    )


def _check_files(folder: Path, crc32c: int) -> None:
    """Compare the sizes of a part's files with its list: a missing object of an array would read as zeros."""
    data = _check_sum(folder / "MANIFEST.json", crc32c)
    for name, (size, _) in json.loads(data)["files"].items():
        path = folder / name
        found = path.stat().st_size if path.is_file() else None
        if found != size:
            what = "the file is missing" if found is None else f"{found} bytes, expected {size}"
            raise ShardError(what, where=str(path), hint=_HINT)


def _check_sum(path: Path, crc32c: int) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ShardError(f"cannot be read: {error.strerror}", where=str(path), hint=_HINT) from error
    if google_crc32c.value(data) != crc32c:
        raise ShardError("the content has changed since it was packed", where=str(path), hint=_HINT)
    return data
