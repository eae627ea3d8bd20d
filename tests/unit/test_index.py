"""The index: nothing on disk disappears, the manifest is compared with the disk, and the table round-trips."""

import dataclasses
import re
import shutil

import pyarrow.parquet as pq
import pytest

from meshgait_data.errors import InvalidData, UsageError
from meshgait_data.findings import Severity, from_jsonl
from meshgait_data.index import read_index, scan, write_index
from meshgait_data.manifest import Protocol, Split, load_manifest
from meshgait_data.types import CaptureKey, SequenceKey

CMU = load_manifest("cmu_walk")
SMALL = dataclasses.replace(
    CMU,
    split=Split(train=("07",), test=("16",)),
    protocol=Protocol(gallery=("16/15",)),
    same_person=(),
)


@pytest.fixture
def root(tmp_path):
    """Two people with two walks each, in the layout of the database."""
    for subject, conditions in {"07": ("01", "02"), "16": ("15", "16")}.items():
        source = CMU.default_root() / "asfamc" / subject
        folder = tmp_path / "data" / "asfamc" / subject
        folder.mkdir(parents=True)
        for name in (f"{subject}.asf", *(f"{subject}_{condition}.amc" for condition in conditions)):
            shutil.copy(source / name, folder / name)
    return tmp_path / "data"


def ids(findings, least=Severity.INFO):
    return [finding.id for finding in findings if finding.severity >= least]


def the(findings, id):
    (found,) = [finding for finding in findings if finding.id == id]
    return found


def test_shipped_data_are_clean():
    index, findings = scan(CMU, CMU.default_root())
    assert len(index.captures()) == 69
    assert len(index.rows) == len(index.sequences()) == 69 * 11
    assert ids(findings) == ["MG-INDEX-004"], "the licence text only"
    assert {row.identity for row in index.rows if row.side == "train"} == set(CMU.split.train)
    assert index.row(SequenceKey("cmu_walk", "38", "01", "090")).identity == "07"
    assert index.row(CaptureKey("cmu_walk", "07", "01")).frames == 79


def test_good_folder(root):
    index, findings = scan(SMALL, root)
    assert findings == []
    assert [str(key) for key in index.captures()] == [f"cmu_walk/{key}" for key in ("07/01", "07/02", "16/15", "16/16")]
    row = index.row(SequenceKey("cmu_walk", "16", "15", "018"))
    assert (row.path, row.skeleton_path) == ("asfamc/16/16_15.amc", "asfamc/16/16.asf")
    assert (row.side, row.fps) == ("test", 30)
    with pytest.raises(UsageError, match="no cmu_walk/16/99 in the index"):
        index.row(CaptureKey("cmu_walk", "16", "99"))


def test_processes_change_nothing(root):
    (root / "asfamc/07/07_02.amc").write_text("junk")
    assert scan(SMALL, root, jobs=2) == scan(SMALL, root)


def test_every_file_is_a_capture_a_skeleton_or_in_a_finding(root):
    """Files found = captures' files + skeletons in use + files that findings name or count."""
    folder = root / "asfamc/07"
    (folder / "07_01.amc").write_bytes(b"\0\1")
    (folder / "07_03.amc").write_text("")
    (folder / "08_01.amc").write_text("wrong subject")
    (folder / "._07_01.amc").write_text("left by a copy")
    (root / "asfamc/99").mkdir()
    (root / "asfamc/99/99.asf").write_text("lone")
    (root / "asfamc/55").mkdir()
    (root / "asfamc/55/55_01.amc").write_text("no skeleton")
    for number in range(2000):
        (root / f"frame{number}.png").write_text("")
    for kind in "abcdefghijklmn":
        (root / f"junk.{kind}").write_text("")
    index, findings = scan(SMALL, root)
    files = sum(path.is_file() for path in root.rglob("*"))
    in_use = {row.path for row in index.rows} | {row.skeleton_path for row in index.rows}
    told = [f.message for f in findings if f.id != "MG-INDEX-016"]
    counted = sum(int(re.match(r"(\d+) file", text)[1]) for text in told if re.match(r"\d+ file", text))
    errors = ids(findings, Severity.ERROR)
    assert errors == ["MG-INDEX-001"] * 3
    assert files == len(in_use) + len(errors) + counted
    assert len(findings) < 25, "never one finding per junk file"
    assert "2000 files not used: frame0.png" in " ".join(f.message for f in findings)
    assert the(findings, "MG-INDEX-005").message.startswith("2 files of a known kind in an unknown place")
    assert the(findings, "MG-INDEX-006").message.startswith("1 file: skeletons of subjects without captures")


def test_a_broken_skeleton_takes_its_walks_along(root):
    path = root / "asfamc/07/07.asf"
    path.write_text(path.read_text().replace("    lfoot ltoes", "    lfoot ltoes tail"))
    index, findings = scan(SMALL, root)
    assert {key.subject for key in index.captures()} == {"16"}
    broken = [finding for finding in findings if finding.severity == Severity.ERROR]
    assert [finding.message.split(" cannot")[0] for finding in broken] == ["cmu_walk/07/01", "cmu_walk/07/02"]
    assert all(finding.where.startswith(f"{path}:") for finding in broken)
    assert "names joint 'tail'" in broken[0].message


def test_a_missing_skeleton_is_an_error_of_each_walk(root):
    (root / "asfamc/07/07.asf").unlink()
    _, findings = scan(SMALL, root)
    assert ids(findings, Severity.ERROR) == ["MG-INDEX-001"] * 2
    assert "no skeleton file for cmu_walk/07/01" in findings[-2].message


def test_people_and_walks_that_the_manifest_names(root):
    manifest = dataclasses.replace(
        SMALL,
        split=Split(train=("07", "98"), test=("97",)),
        protocol=Protocol(gallery=("16/15", "97/01"), probe=("07/01",)),
        same_person=(("98", "96"),),
    )
    _, findings = scan(manifest, root)
    missing = {f.where: f.message for f in findings if f.id == "MG-INDEX-007"}
    assert {where.split(": ", 1)[1] for where in missing} == {"split: train", "split: test", "same_person"}
    assert missing["cmu_walk: same_person"].endswith("96, 98")
    assert the(findings, "MG-INDEX-009").message.endswith(": 97/01")
    assert {f.where for f in findings if f.id == "MG-INDEX-013"} == {
        "cmu_walk: protocol: gallery",
        "cmu_walk: protocol: probe",
    }
    assert the(findings, "MG-INDEX-012").message.endswith(": 16")


def test_test_people_who_can_never_be_recognised(root):
    manifest = dataclasses.replace(SMALL, split=Split(train=(), test=("07", "16")))
    _, findings = scan(manifest, root)
    assert the(findings, "MG-INDEX-014").message.endswith("never recognised: 07")


def test_copies_are_noticed(root):
    shutil.copy(root / "asfamc/07/07_01.amc", root / "asfamc/16/16_58.amc")
    _, findings = scan(SMALL, root)
    message = the(findings, "MG-INDEX-008").message
    assert "cmu_walk/07/01 = cmu_walk/16/58" in message
    assert "1 of them across people" in message


@pytest.mark.parametrize("step", ["asfamc", "asfamc/07", ".."])
def test_one_folder_off(root, step):
    _, findings = scan(SMALL, (root / step).resolve())
    finding = the(findings, "MG-INDEX-003")
    assert finding.severity == Severity.ERROR
    assert finding.hint == f"did you mean --root {root}?"


def test_empty_folder(tmp_path):
    index, (finding,) = scan(SMALL, tmp_path)
    assert index.rows == ()
    assert finding.id == "MG-INDEX-003"
    assert finding.hint == f"a path that would match: {tmp_path}/asfamc/16/16_15.amc"


def test_no_folder(tmp_path):
    with pytest.raises(UsageError, match="no such folder") as caught:
        scan(SMALL, tmp_path / "gone")
    assert "--root" in caught.value.hint


def test_links_in_a_circle_end(root):
    (root / "again").symlink_to(root, target_is_directory=True)
    index, findings = scan(SMALL, root)
    assert len(index.captures()) == 4
    assert ids(findings) == ["MG-INDEX-011"]


def test_a_name_that_cannot_be_a_key(root):
    (root / "asfamc/07/07_0 1.amc").write_text("")
    manifest = dataclasses.replace(SMALL, layout=dataclasses.replace(SMALL.layout, condition="[^/]+"))
    index, findings = scan(manifest, root)
    assert len(index.captures()) == 4
    assert ids(findings, Severity.ERROR) == ["MG-INDEX-002"]


def test_round_trip_and_equal_bytes(root, tmp_path):
    (root / "notes.txt").write_text("x")
    index, findings = scan(SMALL, root)
    for name in ("a", "b"):
        write_index(tmp_path / name, index, findings)
        assert read_index(tmp_path / name) == index
    for name in ("index.parquet", "manifest.yaml", "findings.jsonl"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert from_jsonl((tmp_path / "a/findings.jsonl").read_text()) == findings
    assert {path.name for path in (tmp_path / "a").iterdir()} == {"index.parquet", "manifest.yaml", "findings.jsonl"}


def test_reading_what_is_not_an_index(root, tmp_path):
    with pytest.raises(UsageError, match=r"no index.parquet in the work folder") as caught:
        read_index(tmp_path)
    assert "mgdata index" in caught.value.hint
    index, findings = scan(SMALL, root)
    work = tmp_path / "work"
    write_index(work, index, findings)
    path = work / "index.parquet"
    whole = path.read_bytes()
    path.write_bytes(whole[:-40])
    with pytest.raises(InvalidData, match="damaged"):
        read_index(work)
    path.write_bytes(whole)
    table = pq.read_table(path)
    metadata = dict(table.schema.metadata)
    pq.write_table(table.replace_schema_metadata(metadata | {b"meshgait.index_schema": b"1"}), path)
    with pytest.raises(InvalidData, match="schema version 1; this meshgait reads 2"):
        read_index(work)
    pq.write_table(table.drop_columns(["fps"]).replace_schema_metadata(metadata), path)
    with pytest.raises(InvalidData, match="columns"):
        read_index(work)
    path.write_bytes(whole)
    manifest = work / "manifest.yaml"
    manifest.write_text(manifest.read_text().replace("keep_every: 4", "keep_every: 2"))
    with pytest.raises(InvalidData, match="manifest was changed after the index") as caught:
        read_index(work)
    assert f"--root {root}" in caught.value.hint
