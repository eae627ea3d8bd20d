"""A packed dataset that grows, shrinks or changes: what need not be written again keeps its bytes and its inodes."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from packed_work import WALKS, make_fit, make_work
from test_pack import SETTINGS, contents, counts, stamps

from meshgait_data.errors import EnvironmentLacks, ShardError
from meshgait_data.findings import from_jsonl
from meshgait_data.fits import fit_path, write_fit
from meshgait_data.index import read_index, write_index
from meshgait_data.pipeline import pack_part
from meshgait_data.pipeline.pack import pack
from meshgait_data.pipeline.pack_plan import PENDING
from meshgait_data.shards import open_shards
from meshgait_data.shards.dataset import Format
from meshgait_data.shards.verify import verify
from meshgait_data.shards.writing import write_part
from meshgait_data.types import CaptureKey

LATER = (*WALKS, ("02", "03", 4), ("16", "01", 3), ("55", "01", 6))
"""With walks of old and of new people, among the old ones and after them."""


def parts(out: Path) -> dict[str, tuple[int, int]]:
    return {name: stamp for name, stamp in stamps(out).items() if name.startswith("part-")}


def keys(out: Path) -> list[str]:
    return [str(record.key) for record in open_shards(out).sequences]


@pytest.mark.parametrize("format", ["zarr", "hdf5"])
def test_new_walks_come_into_new_parts(tmp_path: Path, format: Format) -> None:
    work, out, settings = tmp_path / "work", tmp_path / "shards", replace(SETTINGS, format=format)
    pack(make_work(work), out, settings)
    before, old, packed = parts(out), contents(out), keys(out)
    report = pack(make_work(work, LATER), out, settings)
    assert (counts(report), report.sequences) == ((2, 3, 0), 16)
    after = parts(out)
    assert {name: after[name] for name in before} == before
    assert {name: contents(out)[name] for name in before} == {name: old[name] for name in before}
    new = [f"cmu_walk/{walk}/{view}" for walk in ("02/03", "16/01", "55/01") for view in ("000", "090")]
    assert keys(out) == packed + new
    assert verify(out, deep=True) == []
    assert not (out / PENDING).exists()
    again = stamps(out)
    assert counts(pack(work, out, settings)) == (0, 5, 0)
    assert stamps(out) == again


def test_an_interrupted_addition_goes_on_as_it_began(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work, out, straight = tmp_path / "work", tmp_path / "shards", tmp_path / "straight"
    one_each = replace(SETTINGS, part_captures=1)
    pack(make_work(work), out, SETTINGS)
    shutil.copytree(out, straight)
    make_work(work, LATER)
    pack(work, straight, SETTINGS)

    def no_space(path: Path, *args: Any, **kwargs: Any) -> Any:
        if path.name == "part-00003.zarr":
            raise EnvironmentLacks("cannot write: no space left", where=str(path))
        return write_part(path, *args, **kwargs)

    monkeypatch.setattr(pack_part, "write_part", no_space)
    with pytest.raises(ShardError, match="no space left"):
        pack(work, out, SETTINGS)
    with pytest.raises(ShardError, match="has not ended"):
        open_shards(out)
    assert sorted(path.name for path in out.glob("part-*")) == [f"part-0000{number}.zarr" for number in (0, 1, 2, 4)]
    monkeypatch.undo()
    # Whatever size new parts would have by now.
    assert counts(pack(work, out, one_each)) == (1, 4, 0)
    assert contents(out) == contents(straight)


def test_a_walk_that_goes_takes_only_its_part_along(tmp_path: Path) -> None:
    work, out = tmp_path / "work", tmp_path / "shards"
    pack(make_work(work, LATER), out, SETTINGS)
    before = parts(out)
    gone = ("02", "01")
    left = [walk for walk in LATER if walk[:2] != gone]
    report = pack(make_work(work, left), out, SETTINGS)
    assert counts(report) == (1, 3, 0)
    changed = {name for name, stamp in parts(out).items() if before[name] != stamp}
    assert all(name.startswith("part-00000") for name in changed)
    assert len(keys(out)) == 14
    assert verify(out, deep=True) == []


def test_parts_whose_walks_are_all_gone_are_removed(tmp_path: Path) -> None:
    work, out = tmp_path / "work", tmp_path / "shards"
    pack(make_work(work), out, SETTINGS)
    assert counts(pack(work, out, replace(SETTINGS, select="subject=05|16"))) == (0, 1, 2)
    assert sorted(path.name for path in out.glob("part-*")) == ["part-00001.zarr"]
    # Their numbers are free again.
    assert counts(pack(work, out, SETTINGS)) == (2, 1, 0)
    assert sorted(path.name for path in out.glob("part-*")) == [f"part-0000{number}.zarr" for number in range(3)]
    assert verify(out, deep=True) == []


def test_a_split_that_leaves_a_walk_where_it_was_changes_no_part(tmp_path: Path) -> None:
    work, out = tmp_path / "work", tmp_path / "shards"
    pack(make_work(work), out, SETTINGS)
    before, index = parts(out), read_index(work)
    split = replace(index.manifest.split, train=(*index.manifest.split.train, "99"))
    write_index(work, replace(index, manifest=replace(index.manifest, split=split)), [])
    assert counts(pack(work, out, SETTINGS)) == (0, 3, 0)
    assert parts(out) == before
    assert "99" in open_shards(out).split.train


def test_what_is_wanted_otherwise_is_written_again(tmp_path: Path) -> None:
    work, out = tmp_path / "work", tmp_path / "shards"
    few = replace(SETTINGS, select="subject=02|16")
    pack(make_work(work), out, few)
    for change in ({"with_128": True}, {"one_bit": True}, {"also": ("parts",)}, {"size": 32}):
        other = replace(few, **change)
        assert counts(pack(work, out, other)) == (2, 0, 0)
        assert verify(out, deep=True) == []
    pack(work, tmp_path / "straight", other)
    assert contents(out) == contents(tmp_path / "straight")


def test_a_view_that_fails_is_told_every_time_without_writing_again(tmp_path: Path) -> None:
    work, out = make_work(tmp_path / "work"), tmp_path / "shards"
    key = CaptureKey("cmu_walk", "02", "01")
    # Two frames so far apart that the camera at the side shows neither.
    write_fit(fit_path(work, key), make_fit(key, 2, way=9.0))
    first = pack(work, out, SETTINGS)
    failed = [outcome.key for outcome in first.report.failures]
    assert failed == ["cmu_walk/02/01/090"]
    assert "cmu_walk/02/01/000" in keys(out)
    before = parts(out)
    again = pack(work, out, SETTINGS)
    assert (again.exit_code, counts(again)) == (1, (0, 3, 0))
    assert [outcome.key for outcome in again.report.failures] == failed
    assert parts(out) == before
    findings = from_jsonl((out / "findings.jsonl").read_text())
    assert [finding.where for finding in findings if finding.id == "MG-PACK-007"] == failed
