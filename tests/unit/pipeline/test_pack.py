"""Packing a work folder: complete or not, resumed, refreshed, with failures that stop nothing."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from packed_work import WALKS, make_fit, make_work

from meshgait_data.errors import ShardError, UsageError
from meshgait_data.findings import from_jsonl
from meshgait_data.fits import fit_path, read_fit, write_fit
from meshgait_data.pipeline.pack import PackReport, PackSettings, pack
from meshgait_data.shards import open_shards
from meshgait_data.shards.dataset import Format, part_name
from meshgait_data.shards.verify import verify
from meshgait_data.types import CaptureKey

SETTINGS = PackSettings(part_captures=2, progress=False)
KEYS = [CaptureKey("cmu_walk", subject, condition) for subject, condition, _ in WALKS]


@pytest.fixture
def work(tmp_path: Path) -> Path:
    return make_work(tmp_path / "work")


def stamps(out: Path) -> dict[str, tuple[int, int]]:
    """Inode and time of every file: changes when it is written again."""
    return {
        str(path.relative_to(out)): (path.stat().st_ino, path.stat().st_mtime_ns)
        for path in out.rglob("*")
        if path.is_file()
    }


def contents(out: Path) -> dict[str, bytes]:
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}


def counts(report: PackReport) -> tuple[int, int, int]:
    return report.written, report.reused, report.removed


def test_all_of_it_is_packed_and_sound(work: Path, tmp_path: Path) -> None:
    out = tmp_path / "shards"
    report = pack(work, out, SETTINGS)
    assert (report.exit_code, counts(report), report.sequences) == (0, (3, 0, 0), 10)
    assert verify(out, deep=True) == []
    shards = open_shards(out)
    assert [record.key.walk for record in shards.sequences[::2]] == list(map(str, KEYS))
    assert shards.sequences.lengths.tolist() == [n for _, _, n in WALKS for _ in range(2)]
    assert all(shards.read(record, "valid").all() for record in shards.sequences)
    assert shards.read(shards.sequences[0], "fit_error") == pytest.approx(10)
    assert shards.markers.body_sha256 == shards.body_sha256
    assert len(shards.markers) == shards.num_markers
    card = (out / "card.md").read_text()
    assert "NSF EIA-0196217" in card
    assert not (work / "failures.jsonl").exists()


def test_again_changes_no_file(work: Path, tmp_path: Path) -> None:
    out = tmp_path / "shards"
    pack(work, out, SETTINGS)
    before = stamps(out)
    assert counts(pack(work, out, SETTINGS)) == (0, 3, 0)
    assert stamps(out) == before


@pytest.mark.parametrize("format", ["zarr", pytest.param("hdf5", marks=pytest.mark.slow)])
def test_same_input_gives_the_same_bytes(work: Path, tmp_path: Path, format: Format) -> None:
    for name, jobs in (("a", 1), ("b", 2)):
        pack(work, tmp_path / name, replace(SETTINGS, jobs=jobs, format=format))
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_changed_fit_rewrites_its_part_only(work: Path, tmp_path: Path) -> None:
    out = tmp_path / "shards"
    pack(work, out, SETTINGS)
    before = stamps(out)
    write_fit(fit_path(work, KEYS[0]), make_fit(KEYS[0], 5, way=1.5))
    assert counts(pack(work, out, SETTINGS)) == (1, 2, 0)
    changed = {name for name, stamp in stamps(out).items() if before[name] != stamp}
    assert not any(name.startswith(("part-00001", "part-00002")) for name in changed)
    assert verify(out, deep=True) == []


@pytest.mark.parametrize("name", ["dataset.json", "index.parquet", "markers.npz"])
def test_damage_beside_the_parts_is_repaired(work: Path, tmp_path: Path, name: str) -> None:
    out = tmp_path / "shards"
    pack(work, out, SETTINGS)
    sound = contents(out)
    (out / name).write_bytes(b"{")
    assert verify(out)
    assert counts(pack(work, out, SETTINGS)) == (0, 3, 0)
    assert contents(out) == sound


@pytest.mark.parametrize("name", ["part-00001.zarr/joints/c/0/0/0", "part-00001.zarr/MANIFEST.json", "part-00001.h5"])
def test_damage_is_repaired(work: Path, tmp_path: Path, name: str) -> None:
    out = tmp_path / "shards"
    settings = replace(SETTINGS, format="hdf5") if name.endswith(".h5") else SETTINGS
    pack(work, out, settings)
    sound = contents(out)
    data = bytearray((out / name).read_bytes())
    data[len(data) // 2] ^= 1
    (out / name).write_bytes(data)
    assert verify(out, deep=True)
    assert counts(pack(work, out, settings)) == (1, 2, 0)
    assert contents(out) == sound


def test_another_part_size_counts_for_new_parts_only(work: Path, tmp_path: Path) -> None:
    out = tmp_path / "shards"
    pack(work, out, SETTINGS)
    before = stamps(out)
    bigger = replace(SETTINGS, part_captures=5)
    assert counts(pack(work, out, bigger)) == (0, 3, 0)
    assert stamps(out) == before
    assert counts(pack(work, out, replace(bigger, existing="overwrite"))) == (1, 0, 2)
    assert verify(out, deep=True) == []
    assert len(list(out.glob("part-*"))) == 1


def test_sequences_bound_parts_and_captures_stay_whole(work: Path, tmp_path: Path) -> None:
    out = tmp_path / "shards"
    pack(work, out, PackSettings(part_sequences=5, progress=False))
    assert [entry.sequences for entry in open_shards(out).info.parts] == [4, 4, 2]


def test_another_container_replaces_the_parts(work: Path, tmp_path: Path) -> None:
    out = tmp_path / "shards"
    pack(work, out, SETTINGS)
    zarr = {str(s.key): open_shards(out).sequence(s).arrays for s in open_shards(out).sequences}
    assert counts(pack(work, out, replace(SETTINGS, format="hdf5"))) == (3, 0, 3)
    assert sorted(path.name for path in out.glob("part-*")) == [f"part-0000{i}.h5" for i in range(3)]
    assert verify(out, deep=True) == []
    hdf5 = {str(s.key): open_shards(out).sequence(s).arrays for s in open_shards(out).sequences}
    np.testing.assert_equal(hdf5, zarr)


def test_selection(work: Path, tmp_path: Path) -> None:
    report = pack(work, tmp_path / "shards", replace(SETTINGS, select="subject=02|16,view=090"))
    assert report.sequences == 3
    with pytest.raises(UsageError, match="no sequence matches"):
        pack(work, tmp_path / "other", replace(SETTINGS, select="subject=99"))


def test_failed_captures_are_left_out_recorded_and_tried_again(work: Path, tmp_path: Path) -> None:
    out = tmp_path / "shards"
    fit_path(work, KEYS[1]).unlink()
    fit_path(work, KEYS[3]).write_bytes(b"damaged")
    write_fit(fit_path(work, KEYS[4]), make_fit(KEYS[4], 1))
    report = pack(work, out, SETTINGS)
    assert report.exit_code == 1
    assert [failure.key for failure in report.report.failures] == [str(KEYS[i]) for i in (1, 3, 4)]
    records = [json.loads(line) for line in (work / "failures.jsonl").read_text().splitlines()]
    assert [(record["stage"], record["key"]) for record in records] == [("pack", str(KEYS[i])) for i in (1, 3, 4)]
    assert all(record["hint"] for record in records)
    assert {record.key.walk for record in open_shards(out).sequences} == {str(KEYS[0]), str(KEYS[2])}
    assert verify(out, deep=True) == []
    findings = from_jsonl((out / "findings.jsonl").read_text())
    assert [finding.where for finding in findings if finding.id == "MG-PACK-007"] == [str(KEYS[i]) for i in (1, 3, 4)]
    make_work(work)
    assert pack(work, out, SETTINGS).exit_code == 0
    assert len(open_shards(out).sequences) == 10
    assert not (work / "failures.jsonl").exists()


def test_dropped_frames_are_findings(work: Path, tmp_path: Path) -> None:
    fit = read_fit(fit_path(work, KEYS[2]))
    verdict = fit.verdict.copy()
    verdict[:3] = 2
    write_fit(fit_path(work, KEYS[2]), replace(fit, verdict=verdict))
    out = tmp_path / "shards"
    assert pack(work, out, SETTINGS).dropped == 6
    assert "3 of 40 frames rejected by the fit" in (out / "findings.jsonl").read_text()
    shards = open_shards(out)
    assert shards.detail(shards.sequences[4]).dropped == tuple(fit.frame_ids[:3])


def test_nothing_packable_is_an_error_and_no_dataset(work: Path, tmp_path: Path) -> None:
    for key in KEYS:
        fit_path(work, key).write_bytes(b"damaged")
    with pytest.raises(ShardError, match="no capture could be packed"):
        pack(work, tmp_path / "shards", SETTINGS)
    with pytest.raises(ShardError, match="has not ended"):
        open_shards(tmp_path / "shards")
    for key in KEYS:
        fit_path(work, key).unlink()
    with pytest.raises(UsageError, match="nothing is fitted"):
        pack(work, tmp_path / "other", SETTINGS)


def test_folders_of_others_are_left_alone(work: Path, tmp_path: Path) -> None:
    out = tmp_path / "thesis"
    out.mkdir()
    (out / "card.md").write_text("mine")
    with pytest.raises(UsageError, match="other files"):
        pack(work, out, SETTINGS)
    assert (out / "card.md").read_text() == "mine"


def test_unlisted_part_in_the_way(work: Path, tmp_path: Path) -> None:
    out = tmp_path / "shards"
    pack(work, out, replace(SETTINGS, part_captures=5))
    (out / "part-00001.zarr").mkdir()
    with pytest.raises(ShardError, match="in the way"):
        pack(work, out, replace(SETTINGS, existing="overwrite"))
    assert verify(out, deep=True)[0].id == "MG-SHARD-008"
    assert open_shards(out)


KILL = """
import os, signal, sys
from pathlib import Path
from meshgait_data.pipeline import pack
from meshgait_data.shards import writing

describe, count = writing.describe, 0
def sixth_sequence_kills(*args, **kwargs):
    global count
    count += 1
    if count == 6:
        os.kill(os.getpid(), signal.SIGKILL)
    return describe(*args, **kwargs)
writing.describe = sixth_sequence_kills
pack.pack(Path(sys.argv[1]), Path(sys.argv[2]), pack.PackSettings(part_captures=2, progress=False, format=sys.argv[3]))
"""


@pytest.mark.parametrize("format", ["zarr", pytest.param("hdf5", marks=pytest.mark.slow)])
def test_killed_packing_resumes_to_the_same_bytes(work: Path, tmp_path: Path, format: Format) -> None:
    out, settings = tmp_path / "shards", replace(SETTINGS, format=format)
    killed = subprocess.run([sys.executable, "-c", KILL, str(work), str(out), format], check=False)
    assert killed.returncode == -signal.SIGKILL
    with pytest.raises(ShardError, match="has not ended"):
        open_shards(out)
    assert [path.name for path in out.glob("part-*")] == [part_name(0, format)]
    assert counts(pack(work, out, settings)) == (2, 1, 0)
    pack(work, tmp_path / "straight", settings)
    assert contents(out) == contents(tmp_path / "straight")


def _pack_late(work: Path, out: Path) -> str:
    try:
        pack(work, out, SETTINGS)
    except UsageError as error:
        return error.what
    return "packed"


def test_second_packer_is_turned_away(work: Path, tmp_path: Path) -> None:
    import fcntl

    out = tmp_path / "shards"
    out.mkdir()
    lock = os.open(out, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        assert "another mgdata" in _pack_late(work, out)
    finally:
        os.close(lock)
    assert _pack_late(work, out) == "packed"
