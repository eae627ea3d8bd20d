"""Partition files of OpenGait in the place of lists: read, counted, compared by content."""

import json
from dataclasses import replace

import pytest

from meshgait_data.errors import InvalidData, UsageError
from meshgait_data.manifest import Partition, Split, load_manifest
from meshgait_data.manifest_partition import read_partition
from meshgait_data.manifest_protocol import Protocol, Select

LISTS = {"TRAIN_SET": ["001", "7"], "TEST_SET": ["010", "002"], "PROBE_SET": ["010-a-0"]}
CMU = load_manifest("cmu_walk")


def manifest(same_person=(), **partition):
    return replace(CMU, split=Split(partition=Partition("p.json", **partition)), same_person=same_person)


def written(folder, lists, **how):
    (folder / "p.json").write_text(lists if isinstance(lists, str) else json.dumps(lists, **how))
    return folder


def test_lists_keep_their_order_and_ids_their_zeros(tmp_path):
    found = manifest(counts={"train": 2, "probe": 1, "gallery": 0}).resolved(written(tmp_path, LISTS))
    assert (found.split.train, found.split.test) == (("001", "7"), ("010", "002"))
    assert found.split.probe == ("010-a-0",)
    assert "p.json" in found.split.origin
    assert found.split.partition is None
    assert found.resolved(tmp_path) is found
    assert found.side("7") == "train"


def test_the_hash_is_of_the_content(tmp_path):
    first = read_partition(written(tmp_path, LISTS) / "p.json").sha256
    reordered = {name: LISTS[name][::-1] for name in sorted(LISTS, reverse=True)}
    assert read_partition(written(tmp_path, reordered, indent=3) / "p.json").sha256 == first
    manifest(content_sha256=first).resolved(tmp_path)
    manifest(content_sha256=first[:16]).resolved(tmp_path)
    with pytest.raises(InvalidData, match="hash of the content"):
        manifest(content_sha256="0" * 16).resolved(tmp_path)


def test_anywhere_on_disk(tmp_path):
    written(tmp_path, LISTS)
    split = Split(partition=Partition(str(tmp_path / "p.json")))
    assert replace(CMU, split=split, same_person=()).resolved(tmp_path / "elsewhere").split.train == ("001", "7")


def test_protocols_get_their_probes(tmp_path):
    protocol = Protocol(gallery="rest", probe=Select(listed="PROBE_SET"), kind="retrieval")
    asked = replace(manifest(), protocol=protocol, protocols={"a": protocol})
    found = asked.resolved(written(tmp_path, LISTS))
    assert found.protocol.probe.keys == ("010-a-0",)
    assert found.protocols["a"].probe.keys == ("010-a-0",)
    with pytest.raises(InvalidData, match="no list 'PROBE_SET'"):
        asked.resolved(written(tmp_path, LISTS | {"PROBE_SET": []}))


@pytest.mark.parametrize(
    ("lists", "message"),
    [
        ("{", "not a partition"),
        ("[]", "no TRAIN_SET"),
        ('{"a": []}', "no TRAIN_SET"),
        ({"TRAIN_SET": [1], "TEST_SET": []}, "must list texts"),
        ({"TRAIN_SET": "1", "TEST_SET": []}, "must list texts"),
        ({"TRAIN_SET": ["1", "1"], "TEST_SET": []}, "names '1' twice"),
        ({"TRAIN_SET": ["1", "2"], "TEST_SET": ["1"]}, "both in train and in test"),
        (LISTS | {"TRAIN_SET": ["7"]}, "1 in TRAIN_SET, not 2"),
        ("[" * 100_000, "not a partition"),
        (LISTS | {"TRAIN_SET": ["001", "07"], "TEST_SET": ["38"]}, "may be one person"),
    ],
)
def test_other_files(tmp_path, lists, message):
    people = (("07", "38"),)
    with pytest.raises(InvalidData, match=message):
        manifest(counts={"train": 2}, same_person=people).resolved(written(tmp_path, lists))


def test_no_file(tmp_path):
    with pytest.raises(UsageError, match="no partition file") as caught:
        manifest(source="from its owners").resolved(tmp_path)
    assert "from its owners" in caught.value.hint


def test_empty_sides_are_allowed(tmp_path):
    found = manifest().resolved(written(tmp_path, {"TRAIN_SET": [], "TEST_SET": ["1"]}))
    assert found.split.train == ()
