"""Names, leaves, partition and config of a tree of OpenGait."""

import json
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from meshgait_data.errors import ManifestError, UsageError
from meshgait_data.export.opengait import (
    TreeFacts,
    expand,
    file_names,
    has_leaf,
    load_facts,
    partition,
    write_beside,
    write_leaf,
)
from meshgait_data.manifest import Protocol, Split, load_manifest
from meshgait_data.types import SequenceKey


@pytest.fixture
def facts() -> TreeFacts:
    return replace(
        TreeFacts.of_manifest(load_manifest("cmu_walk")),
        split=Split(("1", "2"), ("3", "4")),
        same_person=(("2", "2b"),),
        protocol=Protocol(("3/nm-01", "4/nm-01")),
    )


def keys(*paths: str) -> list[SequenceKey]:
    return [SequenceKey.parse(f"set/{path}") for path in paths]


ALL = keys("1/a/0", "2/a/0", "2b/a/0", "3/nm-01/0", "3/nm-01/9", "3/nm-02/0", "4/bg-01/0", "9/a/0")


def test_files_sort_in_the_order_of_the_fields_however_many_there_are() -> None:
    assert file_names(["silhouettes"]) == ("00_silhouettes.pkl",)
    fields = [f"field{number}" for number in range(12)]
    assert [name.split("_")[1].removesuffix(".pkl") for name in sorted(file_names(fields))] == fields


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([], ("silhouettes", "frame_ids")),
        (["frame_ids", "joints", "joints"], ("silhouettes", "frame_ids", "joints")),
        (["smpl"], ("silhouettes", "global_orient", "body_pose", "transl", "betas", "frame_ids")),
        (["joints", "silhouettes_128"], ("silhouettes_128", "joints", "frame_ids")),
        (["silhouettes_128", "silhouettes"], ("silhouettes_128", "silhouettes", "frame_ids")),
    ],
)
def test_silhouettes_come_first_and_each_field_once(given: list[str], expected: tuple[str, ...]) -> None:
    assert expand(given) == expected


def test_a_leaf_is_written_as_a_whole(tmp_path: Path) -> None:
    key, arrays = ALL[0], {"silhouettes": np.ones((3, 64, 64), np.uint8), "joints": np.zeros((3, 24, 3), np.float32)}
    assert not has_leaf(tmp_path, key, tuple(arrays))
    write_leaf(tmp_path, key, arrays)
    assert has_leaf(tmp_path, key, tuple(arrays))
    assert not has_leaf(tmp_path, key, ("silhouettes",))
    assert [path.relative_to(tmp_path).as_posix() for path in sorted(tmp_path.rglob("*")) if path.is_file()] == [
        "1/a/0/00_silhouettes.pkl",
        "1/a/0/01_joints.pkl",
    ]
    loaded = pickle.loads((tmp_path / "1/a/0/00_silhouettes.pkl").read_bytes())  # noqa: TID251 - our own bytes
    np.testing.assert_array_equal(loaded, arrays["silhouettes"])


def test_nothing_is_left_of_a_leaf_that_fails(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no type of numbers"):
        write_leaf(tmp_path, ALL[0], {"silhouettes": np.ones((3, 4, 4), np.uint8), "names": np.array(["a"])})
    assert not [path for path in tmp_path.rglob("*") if path.is_file() or path.name.startswith(".")]


def test_the_partition_names_who_was_exported(facts: TreeFacts) -> None:
    assert partition(facts, ALL) == {
        "TRAIN_SET": ["1", "2", "2b"],
        "TEST_SET": ["3", "4"],
        # Of 4 no walk of the gallery is there, so nothing could match its probe.
        "PROBE_SET": ["3-nm-02-0"],
        "GALLERY_SET": ["3-nm-01-0", "3-nm-01-9"],
    }
    named = replace(facts, protocol=Protocol(("3/nm-01",), ("4/bg-01",)))
    assert partition(named, ALL)["PROBE_SET"] == ["4-bg-01-0"]


def test_facts_come_back_from_their_file(facts: TreeFacts, tmp_path: Path) -> None:
    write_beside(tmp_path, facts, ALL, ("silhouettes", "frame_ids"))
    assert load_facts(str(tmp_path / "dataset.yaml")) == facts
    assert json.loads((tmp_path / "partition.json").read_text())["TEST_SET"] == ["3", "4"]


def test_facts_of_a_manifest_say_what_it_says() -> None:
    manifest, facts = load_manifest("cmu_walk"), load_facts("cmu_walk")
    assert facts.fps == 30
    assert (facts.split, facts.protocol, facts.licence) == (manifest.split, manifest.protocol, manifest.licence)
    assert facts.sha256() == manifest.sha256()
    for subject in ("07", "38", "02", "nobody"):
        assert facts.identity(subject) == manifest.identity(subject)
        assert facts.side(subject) == manifest.side(subject)


def test_a_file_that_is_neither_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "facts.yaml"
    path.write_text("name: set\nlicense: free\n")
    with pytest.raises(ManifestError, match="unknown key 'license'"):
        load_facts(str(path))
    with pytest.raises(UsageError):
        load_facts(str(tmp_path / "missing.yaml"))
