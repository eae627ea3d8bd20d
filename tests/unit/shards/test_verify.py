"""Missing, truncated, flipped, foreign, inconsistent: each is found and named, in both containers and behind URLs."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import google_crc32c
import numpy as np
import pytest
from sample_shards import make_dataset, make_sequence
from served import served

from meshgait_data.findings import Severity
from meshgait_data.manifest import Manifest
from meshgait_data.shards import SequenceTable
from meshgait_data.shards.checksums import read_manifest, write_manifest
from meshgait_data.shards.dataset import DATASET, read_dataset
from meshgait_data.shards.store import open_store
from meshgait_data.shards.verify import check_part, verify
from meshgait_data.shards.writing import write_part

both = pytest.mark.parametrize("format", ["zarr", "hdf5"])


@pytest.fixture
def copied(dataset: Path, dataset_hdf5: Path, format: str) -> Path:
    return dataset if format == "zarr" else dataset_hdf5


def found(path: Path | str, *, deep: bool = True) -> list[tuple[str, str]]:
    return [(finding.id, finding.where) for finding in verify(path, deep=deep)]


def flip(path: Path, place: float = 0.4) -> None:
    data = bytearray(path.read_bytes())
    data[int(len(data) * place)] ^= 1
    path.write_bytes(data)


def delete(path: Path) -> None:
    path.unlink()


def shorten(path: Path) -> None:
    os.truncate(path, path.stat().st_size * 6 // 10)


def edit(root: Path, **changes: object) -> None:
    plain = json.loads((root / DATASET).read_text())
    (root / DATASET).write_text(json.dumps({**plain, **changes}))


@both
@pytest.mark.parametrize("deep", [False, True])
def test_sound_datasets(copied: Path, packed_1bit: Path, deep: bool) -> None:
    assert verify(copied, deep=deep) == []
    assert verify(packed_1bit, deep=deep) == []


@pytest.mark.parametrize(("damage", "id"), [(delete, "MG-SHARD-003"), (shorten, "MG-SHARD-004")])
@pytest.mark.parametrize(
    ("format", "name"),
    [
        ("zarr", "part-00000.zarr/joints/c/0/0/0"),
        ("zarr", "part-00001.zarr/zarr.json"),
        ("zarr", "part-00000.zarr/silhouettes/zarr.json"),
        ("hdf5", "part-00001.h5"),
    ],
)
def test_missing_and_truncated_files(copied: Path, name: str, damage: Callable[[Path], None], id: str) -> None:
    damage(copied / name)
    expected = [("MG-SHARD-002" if name.endswith(".h5") and damage is delete else id, str(copied / name))]
    assert found(copied, deep=False) == expected
    assert found(copied) == expected


@pytest.mark.parametrize("place", [0.0, 0.2, 0.4, 0.6, 0.8, 0.99999])
@pytest.mark.parametrize("field", ["silhouettes", "joints", "frame_ids"])
def test_a_flipped_bit_of_a_zarr_array(dataset: Path, field: str, place: float) -> None:
    path = next(path for path in (dataset / "part-00000.zarr" / field / "c").rglob("*") if path.is_file())
    flip(path, place)
    assert found(dataset, deep=False) == []
    findings = verify(dataset, deep=True)
    assert [(finding.id, finding.where) for finding in findings] == [
        ("MG-SHARD-005", str(path)),
        ("MG-SHARD-010", str(path)),
    ]
    frames = {0.0: "frames 0 to 32", 0.99999: "the index of its chunks"}.get(place, "damaged")
    assert frames in findings[1].message
    assert all(finding.severity is Severity.ERROR and "mgdata pack" in finding.hint for finding in findings)
    if place == 0:
        assert findings[1].message.endswith("needed by cmu_walk/07/01/090")


@pytest.mark.parametrize("place", [0.1, 0.3, 0.5, 0.7, 0.9])
def test_a_flipped_bit_of_an_hdf5_file(dataset_hdf5: Path, place: float) -> None:
    path = dataset_hdf5 / "part-00000.h5"
    flip(path, place)
    assert found(dataset_hdf5, deep=False) == []
    assert ("MG-SHARD-005", str(path)) in found(dataset_hdf5)


def test_damaged_attributes(dataset: Path) -> None:
    path = dataset / "part-00000.zarr/zarr.json"
    path.write_bytes(path.read_bytes().replace(b'"07"', b'"08"', 1))
    assert found(dataset, deep=False) == []
    assert found(dataset) == [
        ("MG-SHARD-002", str(path)),
        ("MG-SHARD-005", str(path)),
    ]


@both
@pytest.mark.parametrize(
    ("name", "id"),
    [(DATASET, "MG-SHARD-001"), ("index.parquet", "MG-SHARD-009"), ("markers.npz", "MG-SHARD-003")],
)
def test_missing_pieces(copied: Path, name: str, id: str) -> None:
    (copied / name).unlink()
    for deep in (False, True):
        (finding,) = verify(copied, deep=deep)
        assert finding.id == id
        assert finding.severity is Severity.ERROR
        assert "mgdata" in finding.hint


@pytest.mark.parametrize("name", ["part-00000.zarr", "part-00000.zarr/MANIFEST.json"])
def test_a_missing_part(dataset: Path, name: str) -> None:
    (dataset / name).rename(dataset / "elsewhere")
    assert [id for id, _ in found(dataset)] == ["MG-SHARD-002"]
    assert [id for id, _ in found(dataset, deep=False)] == ["MG-SHARD-002"]


def test_a_part_of_another_dataset(dataset: Path, manifest: Manifest) -> None:
    path = dataset / "part-00001.zarr"
    path.rename(dataset / "old")
    write_part(path, [make_sequence(36, 9)], manifest=manifest, provenance={})
    assert found(dataset, deep=False) == [("MG-SHARD-007", str(path))]


@pytest.mark.parametrize("field", ["name", "sequences", "frames"])
def test_a_description_that_disagrees(dataset: Path, field: str) -> None:
    plain = json.loads((dataset / DATASET).read_text())
    if field == "name":
        plain["fields"]["depth"]["sequences"] += 1
        expected = ("MG-SHARD-007", str(dataset / DATASET))
    else:
        plain["parts"][0][field] += 1
        expected = ("MG-SHARD-007", str(dataset / "part-00000.zarr"))
    (dataset / DATASET).write_text(json.dumps(plain))
    assert found(dataset) == [expected]


def test_a_field_of_another_shape(dataset: Path) -> None:
    plain = json.loads((dataset / DATASET).read_text())
    plain["fields"]["depth"]["shape"] = [6, 5]
    (dataset / DATASET).write_text(json.dumps(plain))
    assert found(dataset) == [("MG-SHARD-007", str(dataset / "part-00001.zarr"))]


def test_unlisted_files_and_parts_are_warnings(dataset: Path, manifest: Manifest) -> None:
    (dataset / "part-00000.zarr" / "notes.txt").write_text("mine")
    write_part(dataset / "part-00007.zarr", [make_sequence(3, 9)], manifest=manifest, provenance={})
    (dataset / "notes.txt").write_text("mine too")
    findings = verify(dataset, deep=True)
    assert [finding.id for finding in findings] == ["MG-SHARD-006", "MG-SHARD-008"]
    assert all(finding.severity is Severity.WARNING for finding in findings)


def _replace_index(root: Path, table: SequenceTable) -> None:
    data = table.parquet()
    (root / "index.parquet").write_bytes(data)
    edit(root, index_crc32c=google_crc32c.value(data))


def test_an_index_that_disagrees(dataset: Path) -> None:
    table = SequenceTable.parse((dataset / "index.parquet").read_bytes())
    _replace_index(dataset, table[1:])
    assert found(dataset, deep=False) == []
    assert found(dataset) == [("MG-SHARD-009", str(dataset / "index.parquet"))]


def test_an_index_that_changed(dataset: Path) -> None:
    flip(dataset / "index.parquet")
    assert found(dataset, deep=False) == [("MG-SHARD-009", str(dataset / "index.parquet"))]


def test_a_sequence_in_two_parts(tmp_path: Path) -> None:
    root = make_dataset(tmp_path / "shards", [[make_sequence(3, 1)], [make_sequence(3, 1)]])
    (finding,) = verify(root, deep=True)
    assert (finding.id, finding.message) == ("MG-SHARD-009", "the sequence cmu_walk/07/01/090 occurs in two parts")


def test_changed_markers(dataset: Path) -> None:
    flip(dataset / "markers.npz")
    assert [id for id, _ in found(dataset, deep=False)] == ["MG-SHARD-005"]


@pytest.mark.parametrize(
    ("field", "what"),
    [("joints", "not finite"), ("frame_ids", "do not increase"), ("valid", "0 or 1"), ("silhouettes", "empty")],
)
@both
def test_values_that_cannot_be_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, field: str, what: str, format: str
) -> None:
    """Written by somebody who does not check."""
    bad = make_sequence(40, 1)
    array = bad.arrays[field]
    array[7] = {"joints": np.nan, "frame_ids": 0, "valid": 3, "silhouettes": 0}[field]
    with monkeypatch.context() as unchecked:
        for check in ("_check_values", "_check_silhouettes"):
            unchecked.setattr(f"meshgait_data.shards.schema.{check}", lambda *_: None)
        root = make_dataset(tmp_path / "shards", [[bad, make_sequence(5, 2)]], format=format)  # type: ignore[arg-type]
    assert verify(root) == []
    (finding,) = verify(root, deep=True)
    assert finding.id == "MG-SHARD-011"
    assert finding.where.endswith(f"part-00000{'.zarr' if format == 'zarr' else '.h5'}: cmu_walk/07/01/090")
    assert what in finding.message


@both
def test_one_part_alone(copied: Path, format: str) -> None:
    store = open_store(copied)
    first, second = read_dataset(store).parts
    assert check_part(store, first, deep=True) == []
    path = copied / second.name
    flip(path / "joints/c/0/0/0" if format == "zarr" else path, 0.5)
    assert check_part(store, first, deep=True) == []
    assert check_part(store, second) == []
    assert "MG-SHARD-005" in {finding.id for finding in check_part(store, second, deep=True)}


@both
def test_behind_a_url(copied: Path, format: str) -> None:
    name = {"zarr": "part-00000.zarr/joints/c/0/0/0", "hdf5": "part-00000.h5"}[format]
    with served(copied) as asked:
        assert found(asked.url) == []
        flip(copied / name, 0.5)
        assert ("MG-SHARD-005", f"{asked.url}/{name}") in found(asked.url)
        shorten(copied / name)
        assert found(asked.url, deep=False) == [("MG-SHARD-004", f"{asked.url}/{name}")]


def test_what_a_newer_version_or_nobody_packed(tmp_path: Path, dataset: Path) -> None:
    assert [id for id, _ in found(tmp_path / "nowhere")] == ["MG-SHARD-001"]
    edit(dataset, schema="4")
    (finding,) = verify(dataset)
    assert finding.id == "MG-SHARD-001"
    assert "upgrade" in finding.hint


def test_hidden_damage_of_a_list_is_found(dataset: Path) -> None:
    """Somebody changed an array and wrote the part's list anew."""
    part = dataset / "part-00000.zarr"
    flip(part / "joints/c/0/0/0")
    old = read_manifest(part)
    (part / "MANIFEST.json").unlink()
    write_manifest(part, sequences=old.sequences, frames=old.frames)
    assert found(dataset, deep=False) == [("MG-SHARD-007", str(part))]
