"""Missing, truncated, flipped, foreign, half-written: each is noticed, named, and never read as data."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from sample_shards import make_sequence

from meshgait_data.errors import ShardError
from meshgait_data.findings import Severity
from meshgait_data.manifest import Manifest, load_manifest
from meshgait_data.shards import open_shards
from meshgait_data.shards.dataset import mark_incomplete
from meshgait_data.shards.verify import verify
from meshgait_data.shards.zarr import write_part

OBJECT = "part-00000.zarr/joints/c/0/0/0"


def delete(path: Path) -> None:
    path.unlink()


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size * 6 // 10)


def flip(path: Path, place: float = 0.4) -> None:
    data = bytearray(path.read_bytes())
    data[int(len(data) * place)] ^= 1
    path.write_bytes(data)


def test_sound_dataset_has_no_findings(dataset: Path) -> None:
    assert verify(dataset) == []
    assert verify(dataset, deep=True) == []


@pytest.mark.parametrize(("damage", "id"), [(delete, "MG-SHARD-003"), (truncate, "MG-SHARD-004")])
@pytest.mark.parametrize("name", [OBJECT, "part-00001.zarr/zarr.json", "part-00000.zarr/silhouettes/zarr.json"])
def test_missing_and_truncated_files(dataset: Path, damage: Callable[[Path], None], id: str, name: str) -> None:
    damage(dataset / name)
    with pytest.raises(ShardError) as caught:
        open_shards(dataset)
    assert caught.value.where == str(dataset / name)
    assert "mgdata pack" in caught.value.hint
    assert [(finding.id, finding.where) for finding in verify(dataset)] == [(id, str(dataset / name))]


@pytest.mark.parametrize("place", [0.0, 0.2, 0.4, 0.6, 0.8, 0.99999])
@pytest.mark.parametrize("field", ["silhouettes", "joints", "frame_ids"])
def test_one_flipped_bit_is_never_read_as_data(dataset: Path, field: str, place: float) -> None:
    path = next(path for path in (dataset / "part-00000.zarr" / field / "c").rglob("*") if path.is_file())
    flip(path, place)
    with pytest.raises(ShardError, match="damaged"):
        open_shards(dataset).load(field)
    assert verify(dataset) == []
    assert [(finding.id, finding.where) for finding in verify(dataset, deep=True)] == [("MG-SHARD-005", str(path))]


@pytest.mark.parametrize("name", ["dataset.json", "part-00000.zarr/MANIFEST.json", "part-00001.zarr", "index.parquet"])
def test_missing_pieces(dataset: Path, name: str) -> None:
    (dataset / name).rename(dataset / "elsewhere")
    (finding,) = verify(dataset)
    assert finding.severity is Severity.ERROR
    assert "mgdata" in finding.hint
    if name != "index.parquet":
        with pytest.raises(ShardError):
            open_shards(dataset)


def test_part_of_another_dataset(dataset: Path, manifest: Manifest) -> None:
    (dataset / "part-00001.zarr").rename(dataset / "old")
    write_part(dataset / "part-00001.zarr", [make_sequence(36, 9)], manifest=manifest, provenance={})
    with pytest.raises(ShardError, match="not the one"):
        open_shards(dataset)
    assert [finding.id for finding in verify(dataset)] == ["MG-SHARD-007", "MG-SHARD-009"]


def test_unlisted_files_and_parts_are_warnings(dataset: Path, manifest: Manifest) -> None:
    (dataset / "part-00000.zarr" / "notes.txt").write_text("mine")
    write_part(dataset / "part-00007.zarr", [make_sequence(3, 9)], manifest=manifest, provenance={})
    assert open_shards(dataset)
    findings = verify(dataset, deep=True)
    assert {finding.id for finding in findings} == {"MG-SHARD-006", "MG-SHARD-008"}
    assert all(finding.severity is Severity.WARNING for finding in findings)


def test_index_that_disagrees(dataset: Path) -> None:
    import pyarrow.parquet as pq

    table = pq.read_table(dataset / "index.parquet")
    pq.write_table(table.slice(1), dataset / "index.parquet")
    assert [finding.id for finding in verify(dataset)] == ["MG-SHARD-009"]


def test_markers_that_changed(dataset: Path) -> None:
    flip(dataset / "markers.npz")
    assert [finding.id for finding in verify(dataset)] == ["MG-SHARD-005"]
    with pytest.raises(ShardError, match="changed"):
        _ = open_shards(dataset).markers


@pytest.mark.parametrize(("version", "way_out"), [("0", "pack it again"), ("3", "upgrade"), ("x", "pack it again")])
def test_other_schema_versions(dataset: Path, version: str, way_out: str) -> None:
    path = dataset / "dataset.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "schema": version}))
    with pytest.raises(ShardError, match=f"schema version {version} is not 2") as caught:
        open_shards(dataset)
    assert way_out in caught.value.hint


@pytest.mark.parametrize("text", ["", "[]", "{", '{"schema": "1"}', '{"schema": "1", "complete": true, "parts": []}'])
def test_damaged_dataset_file(dataset: Path, text: str) -> None:
    (dataset / "dataset.json").write_text(text)
    with pytest.raises(ShardError):
        open_shards(dataset)


def test_incomplete_dataset_says_so(dataset: Path) -> None:
    mark_incomplete(dataset, {"part-00000.zarr"})
    with pytest.raises(ShardError, match="packing has not ended") as caught:
        open_shards(dataset)
    assert "mgdata pack" in caught.value.hint


def test_part_exists_already(dataset: Path, manifest: Manifest) -> None:
    with pytest.raises(ShardError, match="exists already"):
        write_part(dataset / "part-00000.zarr", [make_sequence(3)], manifest=manifest, provenance={})
    assert open_shards(dataset)


KILLED = """
import os, signal, sys
sys.path.insert(0, {tests!r})
from pathlib import Path
from sample_shards import make_sequence
from meshgait_data.manifest import load_manifest
from meshgait_data.shards import zarr
zarr.write_manifest = lambda *a, **k: os.kill(os.getpid(), signal.SIGKILL)
zarr.write_part(Path({folder!r}), [make_sequence(40)], manifest=load_manifest("cmu_walk"), provenance={{}})
"""


def test_killed_writer_leaves_nothing_visible(tmp_path: Path, manifest: Manifest) -> None:
    folder = tmp_path / "part-00000.zarr"
    code = KILLED.format(tests=str(Path(__file__).parent), folder=str(folder))
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -signal.SIGKILL
    assert all(path.name.startswith(".") for path in tmp_path.iterdir())
    write_part(folder, [make_sequence(40)], manifest=manifest, provenance={})
    assert folder.is_dir()


def _write(folder: Path) -> str:
    try:
        write_part(folder, [make_sequence(200)], manifest=load_manifest("cmu_walk"), provenance={})
    except ShardError:
        return "lost"
    return "won"


def test_two_writers_of_one_part(tmp_path: Path) -> None:
    folder = tmp_path / "part-00000.zarr"
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        assert sorted(pool.map(_write, [folder, folder], 1)) == ["lost", "won"]
    assert [path.name for path in tmp_path.iterdir()] == ["part-00000.zarr"]
