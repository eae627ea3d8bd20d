"""The index of trees with several layouts, views, parts and expectations; runs that are interrupted or repeated."""

import dataclasses
import os

import cv2
import numpy as np
import pytest

import meshgait_data.index.look as looking
import meshgait_data.index.walk as walking
from meshgait_data.findings import Severity
from meshgait_data.index import read_index, scan, write_index
from meshgait_data.index.claims import Claims
from meshgait_data.manifest import Expected, Layout, Partition, Split, load_manifest
from meshgait_data.manifest_protocol import Protocol, Select, Submission
from meshgait_data.manifest_source import Source
from meshgait_data.strict import build
from meshgait_data.types import SequenceKey

CMU = load_manifest("cmu_walk")


def manifest(*layouts, **more):
    layouts = layouts or (Layout("{subject}/{condition}/{view}", captures="each"),)
    source = build(Source, {"fps": 25, "min_seconds": 0, "silhouettes": {"path": "{folder}"}}, "f: source")
    plain = {"split": Split(), "protocol": Protocol(), "same_person": ()} | more
    return dataclasses.replace(CMU, layout=layouts[0], further_layouts=layouts[1:], source=source, **plain)


def put(root, *paths, frames=6):
    for number, path in enumerate(paths):
        (root / path).mkdir(parents=True)
        for frame in range(frames):
            image = np.zeros((64, 64), np.uint8)
            image[4 + frame : 60, 20 : 40 + number % 20] = 255
            cv2.imwrite(str(root / path / f"{frame + 1:03d}.png"), image)


def the(found, id):
    (one,) = [finding for finding in found if finding.id == id]
    return one


def serious(found):
    return {finding.id for finding in found if finding.severity > Severity.INFO}


def test_parts_make_keys_and_layouts_have_their_own(tmp_path):
    put(tmp_path, "train/00001/4XPn5Z28", "gallery/00001/79XJefi8", "probe/01DdvEHX")
    parts = {"hash": "[0-9A-Za-z]{8}"}
    keys = {"view": "{hash}"}
    found = manifest(
        Layout("train/{subject}/{hash}", parts=parts, keys={"condition": "00", "subject": "{subject}train", **keys}),
        Layout("gallery/{subject}/{hash}", parts=parts, keys={"condition": "01", **keys}),
        Layout("probe/{hash}", parts=parts, keys={"subject": "probe", "condition": "03", **keys}),
    )
    index, findings = scan(found, tmp_path)
    assert [str(row.key) for row in index.rows] == [
        "cmu_walk/00001/01/79XJefi8",
        "cmu_walk/00001train/00/4XPn5Z28",
        "cmu_walk/probe/03/01DdvEHX",
    ]
    assert index.row(SequenceKey("cmu_walk", "00001train", "00", "4XPn5Z28")).path == "train/00001/4XPn5Z28"
    assert serious(findings) == set()


def test_views_of_one_walk_or_walks_of_their_own(tmp_path):
    put(tmp_path, "1/a/000", "1/a/090", "1/a/180")
    groups = {"there": ("000", "090"), "back": ("180",)}
    for captures, names in (
        ("each", ["1/a/000", "1/a/090", "1/a/180"]),
        ("together", ["1/a"]),
        (groups, ["1/a/back", "1/a/there"]),
    ):
        index, _ = scan(manifest(Layout("{subject}/{condition}/{view}", captures=captures)), tmp_path)
        assert [str(key) for key in index.captures()] == [f"cmu_walk/{name}" for name in names]
        assert [row.view for row in index.rows] == ["000", "090", "180"]


def test_every_file_is_somewhere(tmp_path):
    put(tmp_path, "1/a/000")
    (tmp_path / "1/a/000/notes.txt").write_text("x")
    (tmp_path / "1/a/000_gei.png").write_text("x")
    (tmp_path / "1/stray.png").write_text("x")
    (tmp_path / "read.me").write_text("x")
    (tmp_path / "1/a/000/099.png").symlink_to(tmp_path / "gone.png")
    (tmp_path / "1/a/000/098.png").write_text("")
    layout = Layout("{subject}/{condition}/{view}", captures="each", exclude=("*_gei.png",))
    index, found = scan(manifest(layout), tmp_path)
    assert len(index.rows) == 1
    told = {finding.id: finding.message for finding in found}
    assert told["MG-INDEX-019"].endswith(": 1/a/000/notes.txt")
    assert told["MG-INDEX-023"] == "1 path left out by layout: exclude: *_gei.png: 1/a/000_gei.png"
    assert told["MG-INDEX-005"].endswith(": 1/stray.png")
    assert told["MG-INDEX-004"] == "1 file not used: read.me"
    assert told["MG-INDEX-015"].endswith(": 1/a/000/099.png")
    assert told["MG-INDEX-016"].endswith(": 1/a/000/098.png")


def test_who_searched_what_makes_no_difference(tmp_path, monkeypatch):
    inside, outside = tmp_path / "data", tmp_path / "disk"
    put(inside, *(f"{walk}/{view}" for walk in ("1/a", "1/b", "2/a", "2/b", "3/a", "3/b") for view in ("000", "090")))
    put(outside, "c/000", "c/090")
    for place in ("1/stray.png", "2/notes.txt", "2/a/000/notes.txt", "2/a/000_gei.png", "3/x.mat", "read.me"):
        (inside / place).write_text("x")
    (inside / "1/a/000/099.png").symlink_to(inside / "gone.png")
    (inside / "3/c").symlink_to(outside / "c", target_is_directory=True)
    (inside / "2/up").symlink_to(inside, target_is_directory=True)
    layout = Layout("{subject}/{condition}/{view}", captures="each", exclude=("*_gei.png",), links=True)
    dataset = manifest(layout)
    monkeypatch.setattr(walking, "_ALONE", 1)
    found = [walking.walk(inside, Claims.of(dataset), dataset.excluded, jobs=jobs) for jobs in (1, 2)]
    # One of the others is left out by the layout.
    assert found[0].files == 6 * 14 + 6
    assert len(found[0].records) == 14
    assert found[1] == found[0]
    one, two = (scan(dataset, inside, jobs=jobs) for jobs in (1, 2))
    assert two == one
    assert [row.path for row in one[0].rows if row.condition == "c"] == ["3/c/000", "3/c/090"]


def test_links_that_lead_to_one_folder(tmp_path):
    put(tmp_path, "1/a/000")
    for number in range(walking.MOST_VISITS + 2):
        (tmp_path / f"1/b{number}").symlink_to(tmp_path / "1/a", target_is_directory=True)
    (tmp_path / "1/a/above").symlink_to(tmp_path / "1", target_is_directory=True)
    index, findings = scan(manifest(), tmp_path)
    # Links are followed in the order of their paths, after the folders that lie there.
    assert [row.condition for row in index.rows] == ["a", *(f"b{number}" for number in range(walking.MOST_VISITS))]
    again = [finding.where for finding in findings if finding.id == "MG-INDEX-011"]
    assert str(tmp_path / "1/a/above") in again
    assert str(tmp_path / f"1/b{walking.MOST_VISITS}") in again


def test_two_paths_of_one_key_and_keys_that_differ_in_case(tmp_path):
    put(tmp_path, "1/a-b/c/000", "1/a/b-c/000", "2/x/Y/000", "2/x/y/000")
    parts = {"first": "[^/]+", "second": "[^/]+"}
    layout = Layout("{subject}/{first}/{second}/{view}", parts=parts, keys={"condition": "{first}-{second}"})
    index, found = scan(manifest(layout), tmp_path)
    assert len(index.rows) == 3
    assert the(found, "MG-INDEX-017").severity == Severity.ERROR
    assert "cmu_walk/2/x-Y/000 and cmu_walk/2/x-y/000" in the(found, "MG-INDEX-018").message


def test_what_is_expected_and_what_is_known_to_be_absent(tmp_path):
    put(tmp_path, "1/nm/000", "1/nm/090", "1/bg/000", "2/nm/000", "2/nm/045")
    expected = Expected(
        subjects=2, sequences=8, missing_ok=1, conditions=("nm", "bg"), views=("000", "090"), absent=("2/bg/*",)
    )
    _, found = scan(manifest(expected=expected), tmp_path)
    lacks = {finding.where: finding.message for finding in found if finding.id == "MG-INDEX-021"}
    assert lacks == {"cmu_walk/1/bg": "lacks 1 of 2 views: 090", "cmu_walk/2/nm": "lacks 1 of 2 views: 090"}
    assert the(found, "MG-INDEX-020").message == "5 sequences that can be used, where the complete dataset has 8"
    assert "045" in the(found, "MG-INDEX-022").message
    known = dataclasses.replace(expected, findings={"MG-INDEX-021": 2})
    _, found = scan(manifest(expected=known), tmp_path)
    assert {finding.severity for finding in found if finding.id == "MG-INDEX-021"} == {Severity.INFO}


def test_protocols_that_the_folder_cannot_serve(tmp_path):
    put(tmp_path, "1/nm-01/000", "1/nm-01/090", "1/nm-05/000", "1/nm-05/090", "2/nm-01/000", "2/nm-05/090")
    protocol = Protocol(gallery=Select(conditions=("nm-01", "nm-02")), probe=Select(conditions=("nm-05",)))
    _, found = scan(manifest(split=Split(test=("1", "2", "3")), protocols={"cross_view": protocol}), tmp_path)
    assert the(found, "MG-INDEX-007").message.endswith(": 3")
    assert "condition nm-02" in the(found, "MG-INDEX-009").message
    # Person 2 is not enrolled at 090, but their only probe is of that view.
    assert "MG-INDEX-025" not in {finding.id for finding in found}
    put(tmp_path, "2/nm-05/000")
    _, found = scan(manifest(split=Split(test=("1", "2")), protocols={"cross_view": protocol}), tmp_path)
    assert the(found, "MG-INDEX-025").message.startswith("1 pairs of a probe and a gallery view cannot match")


def test_only_what_changed_is_read_again(tmp_path, monkeypatch):
    root, cache = tmp_path / "data", tmp_path / "looks"
    put(root, "1/a/000", "1/a/090", "2/a/000")
    looked = []
    real = looking.glance

    def watched(manifest, root, key):
        looked.append(str(key))
        return real(manifest, root, key)

    monkeypatch.setattr(looking, "glance", watched)
    first = scan(manifest(), root, cache=cache)
    assert len(looked) == 3
    looked.clear()
    bytes_before = cache.read_bytes()
    assert scan(manifest(), root, cache=cache) == first
    assert (looked, cache.read_bytes()) == ([], bytes_before)
    (root / "1/a/090/003.png").unlink()
    scan(manifest(), root, cache=cache)
    assert looked == ["cmu_walk/1/a/090"]
    looked.clear()
    os.utime(root / "2/a/000/001.png", ns=(1, 1))
    scan(manifest(), root, cache=cache)
    assert looked == ["cmu_walk/2/a/000"]
    looked.clear()
    # Another manifest sees other things in the same files.
    scan(manifest(aligned_size=32), root, cache=cache)
    assert len(looked) == 3


@pytest.mark.parametrize("harm", ["half a line", "no sense", "other recipe"])
def test_a_cache_that_was_harmed_is_only_slower(tmp_path, harm):
    root, cache = tmp_path / "data", tmp_path / "looks"
    put(root, "1/a/000", "1/a/090", "2/a/000")
    first = scan(manifest(), root, cache=cache)
    lines = cache.read_bytes().splitlines(keepends=True)
    if harm == "half a line":
        cache.write_bytes(b"".join(lines[:2]) + lines[2][:40])
    elif harm == "no sense":
        cache.write_bytes(lines[0] + b"".join(line[:80] + b"}{\n" for line in lines[1:]))
    else:
        cache.write_bytes(b"0" * 64 + b"\n" + b"".join(lines[1:]))
    assert scan(manifest(), root, cache=cache) == first
    assert cache.read_bytes() == b"".join(lines)


def test_an_interrupted_run_goes_on_where_it_stopped(tmp_path, monkeypatch):
    root, cache = tmp_path / "data", tmp_path / "looks"
    put(root, *(f"{person:02d}/a/000" for person in range(80)), frames=1)
    looked = []
    real = looking.glance

    def stopping(manifest, root, key):
        looked.append(str(key))
        if len(looked) == 70:
            raise KeyboardInterrupt
        return real(manifest, root, key)

    monkeypatch.setattr(looking, "glance", stopping)
    with pytest.raises(KeyboardInterrupt):
        scan(manifest(), root, cache=cache)
    looked.clear()
    index, _ = scan(manifest(), root, cache=cache)
    assert len(index.rows) == 80
    assert len(looked) == 80 - 64, "the first job was kept"


def test_an_unforeseen_error_costs_one_walk(tmp_path, monkeypatch):
    put(tmp_path, "1/a/000", "2/a/000")
    real = looking.glance

    def failing(manifest, root, key):
        if key.subject == "1":
            raise ZeroDivisionError("of nothing")
        return real(manifest, root, key)

    monkeypatch.setattr(looking, "glance", failing)
    index, found = scan(manifest(), tmp_path)
    assert [row.subject for row in index.rows] == ["2"]
    assert the(found, "MG-INDEX-026").severity == Severity.ERROR


def test_quick_opens_no_file(tmp_path, monkeypatch):
    put(tmp_path, "1/a/000", "1/a/090")
    monkeypatch.setattr(looking, "glance", None)
    index, found = scan(manifest(expected=Expected(views=("000", "090", "180"))), tmp_path, quick=True)
    assert [(row.view, row.frames, row.sha256) for row in index.rows] == [("000", 6, ""), ("090", 6, "")]
    assert the(found, "MG-INDEX-021").message == "lacks 1 of 3 views: 180"


def test_rows_of_views_round_trip(tmp_path):
    put(tmp_path / "data", "1/a/000", "1/a/090")
    index, found = scan(manifest(), tmp_path / "data")
    write_index(tmp_path / "work", index, found)
    assert read_index(tmp_path / "work") == index


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no partition file"),
        ("{", "not a partition of OpenGait"),
        ('{"TRAIN_SET": ["1", "1"], "TEST_SET": []}', "names '1' twice"),
        ('{"TRAIN_SET": ["1"], "TEST_SET": ["1"]}', "both in train and in test"),
    ],
)
def test_without_its_partition_everything_else_is_indexed(tmp_path, content, message):
    root = tmp_path / "data"
    put(root, "1/a/000", "2/a/000")
    if content is not None:
        (root / "who.json").write_text(content)
    protocol = Protocol(gallery=Select(conditions=("a",)), probe="rest")
    split = Split(partition=Partition("who.json", source="from its owners"))
    described = manifest(split=split, protocol=protocol, expected=Expected(subjects=3))
    index, found = scan(described, root, cache=tmp_path / "looks")
    assert [(row.subject, row.side, row.frames) for row in index.rows] == [("1", "unused", 6), ("2", "unused", 6)]
    told = the(found, "MG-INDEX-028")
    assert told.severity == Severity.ERROR
    assert told.where == str(root / "who.json")
    assert message in told.message
    assert told.hint
    assert serious(found) == {"MG-INDEX-028", "MG-INDEX-020"}, "what needs no partition is checked"
    write_index(tmp_path / "work", index, found)
    assert read_index(tmp_path / "work") == index
    (root / "who.json").write_text('{"TRAIN_SET": ["1"], "TEST_SET": ["2"]}')
    index, found = scan(described, root, cache=tmp_path / "looks")
    assert [row.side for row in index.rows] == ["train", "test"]
    assert "MG-INDEX-028" not in serious(found)


def test_people_whom_only_a_server_knows_are_not_missed_in_the_gallery(tmp_path):
    put(tmp_path, "1/01/000", "1/02/000", "2/02/000", "probe/03/000", "probe/03/090")
    gallery, split = Select(conditions=("01",)), Split(test=("1", "2", "probe"))
    local = Protocol(gallery=gallery, probe="rest")
    server = Protocol(kind="submission", gallery=gallery, probe=Select(conditions=("03",)), submission=Submission())
    _, found = scan(manifest(split=split, protocols={"local": local, "server": server}), tmp_path)
    assert the(found, "MG-INDEX-014").message.endswith("never recognised: 2")
    _, found = scan(manifest(split=split, protocols={"local": local}), tmp_path)
    assert the(found, "MG-INDEX-014").message.endswith("never recognised: 2, probe")
