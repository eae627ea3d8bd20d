"""Zarr to HDF5 and back: the same bytes in every file, runs that are continued, and nothing declared too early."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import fsspec
import numpy as np
import pytest
from sample_shards import folder_bytes, make_dataset, make_sequence

from meshgait_data.errors import ShardError, UsageError
from meshgait_data.pipeline.card import write_card
from meshgait_data.pipeline.convert import ConvertReport, ConvertSettings, convert
from meshgait_data.shards import open_shards
from meshgait_data.shards.dataset import mark_incomplete
from meshgait_data.shards.verify import verify
from meshgait_data.types import SequenceData

CARD = "---\npacked: 2024-02-29\n---\n"


def run(source: Path | str, out: Path, format: str, jobs: int = 1) -> ConvertReport:
    return convert(str(source), out, ConvertSettings(format=format, jobs=jobs, progress=False))


def carded(root: Path) -> Path:
    """With the files that packing leaves beside the parts."""
    (root / "card.md").write_text(CARD)
    write_card(root)
    (root / "findings.jsonl").write_text('{"id": "MG-X-001"}\n')
    return root


def content(sequence: SequenceData) -> dict[str, object]:
    arrays = {name: (array.dtype.str, array.shape, array.tobytes()) for name, array in sequence.arrays.items()}
    return arrays | {"betas": sequence.betas.tobytes(), "rest": (sequence.identity, sequence.fps, sequence.dropped)}


@pytest.mark.parametrize(("there", "back"), [("hdf5", "zarr"), ("zarr", "hdf5")])
def test_there_and_back_gives_the_same_bytes_in_every_file(
    dataset: Path, dataset_hdf5: Path, tmp_path: Path, there: str, back: str
) -> None:
    source = carded(dataset if back == "zarr" else dataset_hdf5)
    report = run(source, tmp_path / "there", there)
    assert (report.written, report.reused, report.sequences, report.exit_code) == (2, 0, 6, 0)
    run(tmp_path / "there", tmp_path / "back", back)
    assert folder_bytes(tmp_path / "back") == folder_bytes(source)


def test_both_containers_of_the_same_sequences_are_what_converting_makes(
    dataset: Path, packed_hdf5: Path, tmp_path: Path
) -> None:
    run(dataset, tmp_path / "out", "hdf5")
    (tmp_path / "out" / "card.md").unlink()
    assert folder_bytes(tmp_path / "out") == folder_bytes(packed_hdf5)


def test_each_sequence_is_the_same_and_the_result_is_sound(dataset: Path, tmp_path: Path) -> None:
    run(dataset, tmp_path / "out", "hdf5")
    before, after = open_shards(dataset), open_shards(tmp_path / "out")
    assert [content(after.sequence(r.key)) for r in before.sequences] == [
        content(before.sequence(r)) for r in before.sequences
    ]
    assert replace(after.info, format="zarr", parts=(), index_crc32c=0) == replace(
        before.info, parts=(), index_crc32c=0
    )
    assert verify(tmp_path / "out", deep=True) == []


def test_bits_stay_bits(packed_1bit: Path, tmp_path: Path) -> None:
    source = carded(shutil.copytree(packed_1bit, tmp_path / "bits"))
    run(source, tmp_path / "there", "hdf5")
    assert "silhouettes_1bit" in open_shards(tmp_path / "there").info.fields
    run(tmp_path / "there", tmp_path / "back", "zarr")
    assert folder_bytes(tmp_path / "back") == folder_bytes(source)


def test_what_rides_along_keeps_its_unit_and_description(tmp_path: Path) -> None:
    source = make_dataset(tmp_path / "a", [[make_sequence(4, 1, extra=True)]])
    run(source, tmp_path / "b", "hdf5")
    assert open_shards(tmp_path / "b").info.fields == open_shards(source).info.fields


@pytest.mark.parametrize("format", ["hdf5", "zarr"])
def test_any_number_of_workers_writes_the_same_bytes(
    dataset: Path, dataset_hdf5: Path, tmp_path: Path, format: str
) -> None:
    source = carded(dataset if format == "hdf5" else dataset_hdf5)
    run(source, tmp_path / "one", format)
    run(source, tmp_path / "two", format, jobs=2)
    assert folder_bytes(tmp_path / "one") == folder_bytes(tmp_path / "two")


def test_a_second_run_writes_nothing(dataset: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(dataset, out, "hdf5")
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    report = run(dataset, out, "hdf5")
    assert (report.written, report.reused) == (0, 2)
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == before


def _interrupt(out: Path) -> None:
    """Leave what a run leaves that was killed in its second part."""
    mark_incomplete(out, {path.name for path in out.glob("part-*")})
    second = sorted(out.glob("part-*"))[1]
    second.rename(second.with_name(f".{second.name}.0a1b2c3d.tmp"))
    (out / "index.parquet").unlink()


@pytest.mark.parametrize("format", ["hdf5", "zarr"])
def test_an_interrupted_run_is_continued(dataset: Path, dataset_hdf5: Path, tmp_path: Path, format: str) -> None:
    source, out = carded(dataset if format == "hdf5" else dataset_hdf5), tmp_path / "out"
    run(source, out, format)
    whole = folder_bytes(out)
    _interrupt(out)
    with pytest.raises(ShardError, match="not ended"):
        open_shards(out)
    report = run(source, out, format)
    assert (report.written, report.reused) == (1, 1)
    assert folder_bytes(out) == whole


@pytest.mark.parametrize("format", ["hdf5", "zarr"])
def test_a_damaged_part_is_written_again(dataset: Path, dataset_hdf5: Path, tmp_path: Path, format: str) -> None:
    source, out = carded(dataset if format == "hdf5" else dataset_hdf5), tmp_path / "out"
    run(source, out, format)
    whole = folder_bytes(out)
    mark_incomplete(out, {path.name for path in out.glob("part-*")})
    victim = out / ("part-00001.h5" if format == "hdf5" else "part-00001.zarr/joints/c/0/0/0")
    data = bytearray(victim.read_bytes())
    data[-4000] ^= 1
    victim.write_bytes(bytes(data))
    report = run(source, out, format)
    assert (report.written, report.reused) == (1, 1)
    assert folder_bytes(out) == whole


def test_a_changed_source_is_converted_again(tmp_path: Path) -> None:
    first = make_dataset(tmp_path / "a", [[make_sequence(4, 1)], [make_sequence(5, 2)]])
    run(first, tmp_path / "out", "hdf5")
    shutil.rmtree(first)
    make_dataset(first, [[make_sequence(4, 1)], [make_sequence(5, 3)]])
    report = run(first, tmp_path / "out", "hdf5")
    assert (report.written, report.reused) == (1, 1)
    assert [record.key.condition for record in open_shards(tmp_path / "out").sequences] == ["01", "03"]


def test_parts_that_the_source_no_longer_has_are_removed(tmp_path: Path) -> None:
    source = make_dataset(tmp_path / "a", [[make_sequence(4, 1)], [make_sequence(5, 2)]])
    run(source, tmp_path / "out", "hdf5")
    shutil.rmtree(source)
    make_dataset(source, [[make_sequence(4, 1)]])
    run(source, tmp_path / "out", "hdf5")
    assert sorted(path.name for path in (tmp_path / "out").glob("part-*")) == ["part-00000.h5"]
    assert len(open_shards(tmp_path / "out").sequences) == 1


def test_damage_in_the_source_ends_the_run_and_leaves_the_rest_for_the_next(dataset: Path, tmp_path: Path) -> None:
    victim = dataset / "part-00001.zarr/markers/c/0/0/0"
    sound = victim.read_bytes()
    data = bytearray(sound)
    data[100] ^= 1
    victim.write_bytes(bytes(data))
    with pytest.raises(ShardError, match=r"part-00001\.h5 cannot be converted.*damaged"):
        run(dataset, tmp_path / "out", "hdf5")
    with pytest.raises(ShardError, match="not ended"):
        open_shards(tmp_path / "out")
    victim.write_bytes(sound)
    assert run(dataset, tmp_path / "out", "hdf5").reused == 1


def test_a_dataset_behind_a_url_is_converted(dataset: Path, tmp_path: Path) -> None:
    memory = fsspec.filesystem("memory")
    memory.put(str(dataset), "/shards", recursive=True)
    try:
        run("memory://shards", tmp_path / "url", "hdf5")
    finally:
        memory.rm("/shards", recursive=True)
    run(dataset, tmp_path / "path", "hdf5")
    assert folder_bytes(tmp_path / "url") == folder_bytes(tmp_path / "path")


def test_a_sequence_that_lacks_fields_lacks_them_afterwards(dataset: Path, tmp_path: Path) -> None:
    run(dataset, tmp_path / "out", "hdf5")
    shards = open_shards(tmp_path / "out")
    without = shards.sequence("cmu_walk/02/06/090")
    assert sorted(without.arrays) == ["frame_ids", "silhouettes", "windows"]
    assert without.camera is None
    assert without.betas.size == 0
    np.testing.assert_array_equal(shards.sequences.rows("joints") >= 0, [True, True, True, True, False, True])


def test_places_and_settings_that_make_no_sense_are_refused(dataset: Path, tmp_path: Path) -> None:
    for out in (dataset, dataset / "inside", dataset.parent):
        with pytest.raises(UsageError, match="two places"):
            run(dataset, out, "hdf5")
    with pytest.raises(UsageError, match="is zarr of schema version 3 already") as caught:
        run(dataset, tmp_path / "out", "zarr")
    assert "--format hdf5" in caught.value.hint
    with pytest.raises(UsageError, match="no such folder"):
        run(tmp_path / "nothing", tmp_path / "out", "hdf5")
    with pytest.raises(UsageError, match="--fields"):
        convert(str(dataset), tmp_path / "out", ConvertSettings(format="hdf5", fields=("joints",)))
    with pytest.raises(UsageError, match="--manifest"):
        convert(str(dataset), tmp_path / "out", ConvertSettings(format="hdf5", manifest="cmu_walk"))
    assert not (tmp_path / "out").exists()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.tex").write_text("")
    with pytest.raises(UsageError, match="holds other files"):
        run(dataset, tmp_path / "other", "hdf5")


def test_a_newer_source_asks_for_a_newer_meshgait(dataset: Path, tmp_path: Path) -> None:
    plain = json.loads((dataset / "dataset.json").read_text())
    (dataset / "dataset.json").write_text(json.dumps({**plain, "schema": "4"}))
    with pytest.raises(ShardError, match="schema version 4 is not 3") as caught:
        run(dataset, tmp_path / "out", "hdf5")
    assert "upgrade" in caught.value.hint


def test_parts_without_the_file_of_the_dataset_are_damage_and_no_tree(dataset: Path, tmp_path: Path) -> None:
    (dataset / "dataset.json").unlink()
    with pytest.raises(ShardError, match=r"cannot read dataset\.json"):
        run(dataset, tmp_path / "out", "hdf5")
