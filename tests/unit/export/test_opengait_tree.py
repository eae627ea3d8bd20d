"""Trees of OpenGait as they are found: names of files, silhouettes, modalities that do not fit, and foreign files."""

import json
import pickle
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from meshgait_data.errors import InvalidData, UsageError
from meshgait_data.export.opengait import TreeFacts, partition
from meshgait_data.export.opengait_partition import people_findings, with_partition
from meshgait_data.export.opengait_tree import modality, plan, read_leaf, scan
from meshgait_data.findings import Finding
from meshgait_data.manifest import Protocol, Split, load_manifest
from meshgait_data.manifest_protocol import Select
from meshgait_data.types import SequenceData, SequenceKey


@pytest.fixture
def facts() -> TreeFacts:
    return replace(TreeFacts.of_manifest(load_manifest("cmu_walk")), split=Split(("001",), ("002",)))


def figure(frames: int, size: int = 64, seed: int = 0) -> np.ndarray:
    images = np.zeros((frames, size, size), np.uint8)
    images[:, 4:-4, size // 3 : -size // 3] = 255
    images[:, 5:9, size // 4] = np.random.default_rng(seed).integers(1, 255, (frames, 4))
    return images


def put(root: Path, path: str, content: Any) -> None:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content if isinstance(content, bytes) else pickle.dumps(content))


def tree(root: Path, files: Mapping[str, Any]) -> Path:
    for path, content in files.items():
        put(root, path, content)
    return root


def read(root: Path, facts: TreeFacts, silhouettes: str = "") -> tuple[dict[str, SequenceData], list[Finding]]:
    found = scan(root, facts.name)
    reading = plan(found, facts, silhouettes)
    sequences, findings = {}, list(found.findings)
    for leaf in found.leaves:
        sequence, more = read_leaf(leaf, reading)
        findings += more
        if sequence is not None:
            sequences["/".join(str(leaf.key).split("/")[1:])] = sequence
    return sequences, findings


def ids(findings: list[Finding]) -> dict[str, int]:
    return dict(Counter(finding.id for finding in findings))


@pytest.mark.parametrize(
    ("stem", "key", "expected"),
    [
        ("000", "001/nm-01/000", ""),
        ("seq0", "0001/camid0_videoid2/seq0", ""),
        ("sils-seq0", "0001/camid0_videoid2/seq0", "sils"),
        ("000-aligned-sils", "001/nm-01/000", "aligned_sils"),
        ("000-rgbs", "001/nm-01/000", "rgbs"),
        ("06-090-far-Camera-Sils_aligned", "0001/00-nm/090-far", "camera_sils_aligned"),
        ("14-090-sync-Camera-Sils_aligned", "0001/00-nm/090", "sync_camera_sils_aligned"),
        ("0_silhouettes", "001/nm-01/000", "silhouettes"),
        ("3d pose", "001/nm-01/000", "m_3d_pose"),
        ("0000", "001/nm-01/000", "m_0000"),
    ],
)
def test_a_modality_is_called_the_same_in_all_leaves(stem: str, key: str, expected: str) -> None:
    assert modality(stem, SequenceKey.parse(f"set/{key}")) == expected


def test_a_plain_tree_is_read_as_it_is(tmp_path: Path, facts: TreeFacts) -> None:
    images = {"001/nm-01/000": figure(7, seed=1), "001/nm-01/090": figure(1, seed=2), "002/cl-02/000": figure(40)}
    root = tree(tmp_path, {f"{leaf}/{leaf.split('/')[2]}.pkl": array for leaf, array in images.items()})
    sequences, findings = read(root, facts)
    assert findings == []
    assert list(sequences) == sorted(images)
    for leaf, array in images.items():
        found = sequences[leaf]
        np.testing.assert_array_equal(found.arrays["silhouettes"], array)
        np.testing.assert_array_equal(found.arrays["frame_ids"], np.arange(len(array)))
        assert (found.camera, found.betas.size, found.dropped, found.fps) == (None, 0, (), 30)
        assert found.identity == leaf.split("/")[0]


def test_silhouettes_of_128_pixels_make_a_dataset_of_128(tmp_path: Path, facts: TreeFacts) -> None:
    root = tree(tmp_path, {"001/a/000/000.pkl": figure(3, 128)})
    sequences, findings = read(root, facts)
    assert sequences["001/a/000"].arrays["silhouettes"].shape == (3, 128, 128)
    assert findings == []


def test_other_modalities_ride_along_under_names_of_their_own(tmp_path: Path, facts: TreeFacts) -> None:
    pose = np.random.default_rng(0).normal(size=(5, 17, 3))
    files = {"sils": figure(5), "Pose-2D": pose, "joints": pose.astype(np.float32), "flags": np.arange(5) > 2}
    root = tree(tmp_path, {f"001/a/000/{name}-000.pkl": array for name, array in files.items()})
    sequences, findings = read(root, facts)
    arrays = sequences["001/a/000"].arrays
    assert findings == []
    # "joints" of the schema are pixels of the window, which nobody knows of this file.
    assert sorted(arrays) == ["flags", "frame_ids", "joints_given", "pose_2d", "silhouettes"]
    np.testing.assert_array_equal(arrays["pose_2d"], pose)
    np.testing.assert_array_equal(arrays["joints_given"], pose.astype(np.float32))
    assert arrays["flags"].dtype == bool


@pytest.mark.parametrize("name", ["000-aligned-sils", "sils-000", "06-000-Camera-Sils_aligned"])
def test_known_names_of_silhouettes_are_found(tmp_path: Path, facts: TreeFacts, name: str) -> None:
    root = tree(tmp_path, {f"001/a/000/{name}.pkl": figure(2), "001/a/000/000-ratios.pkl": np.ones(2)})
    assert list(read(root, facts)[0]["001/a/000"].arrays) == ["silhouettes", "ratios", "frame_ids"]


def test_silhouettes_of_an_unknown_name_must_be_named(tmp_path: Path, facts: TreeFacts) -> None:
    root = tree(tmp_path, {"001/a/000/body-000.pkl": figure(2), "001/a/000/rgb-000.pkl": np.ones((2, 3))})
    with pytest.raises(UsageError, match="which modality") as caught:
        read(root, facts)
    assert "--silhouettes, one of: body, rgb" in caught.value.hint
    assert "rgb" in read(root, facts, "body")[0]["001/a/000"].arrays
    with pytest.raises(UsageError, match="which modality"):
        read(root, facts, "sils")


def test_silhouettes_as_networks_read_them_get_their_columns_back(tmp_path: Path, facts: TreeFacts) -> None:
    whole = figure(4)
    whole[:, :, :10] = whole[:, :, -10:] = 0
    root = tree(tmp_path, {"001/a/000/000.pkl": whole[:, :, 10:-10]})
    sequences, findings = read(root, facts)
    np.testing.assert_array_equal(sequences["001/a/000"].arrays["silhouettes"], whole)
    assert ids(findings) == {"MG-TREE-005": 1}


@pytest.mark.parametrize("dtype", [np.uint8, bool])
def test_zeros_and_ones_become_black_and_white(tmp_path: Path, facts: TreeFacts, dtype: type) -> None:
    mask = figure(4) > 0
    root = tree(tmp_path, {"001/a/000/000.pkl": mask.astype(dtype)})
    sequences, findings = read(root, facts)
    np.testing.assert_array_equal(sequences["001/a/000"].arrays["silhouettes"], mask * np.uint8(255))
    assert ids(findings) == {"MG-TREE-005": 1}


def test_empty_frames_stay_and_are_marked(tmp_path: Path, facts: TreeFacts) -> None:
    images = figure(6)
    images[[1, 4]] = 0
    root = tree(tmp_path, {"001/a/000/sils.pkl": images, "001/a/000/pose.pkl": np.arange(6.0)})
    sequences, findings = read(root, facts)
    found = sequences["001/a/000"]
    assert found.dropped == ()
    np.testing.assert_array_equal(found.arrays["frame_ids"], range(6))
    np.testing.assert_array_equal(found.arrays["pose"], range(6))
    np.testing.assert_array_equal(found.arrays["silhouettes"], images)
    np.testing.assert_array_equal(found.arrays["valid"], [1, 0, 1, 1, 0, 1])
    assert ids(findings) == {"MG-TREE-003": 1}


def test_a_sequence_that_is_all_empty_is_lost(tmp_path: Path, facts: TreeFacts) -> None:
    root = tree(tmp_path, {"001/a/000/sils.pkl": np.zeros((3, 64, 64), np.uint8), "002/a/000/sils.pkl": figure(3)})
    sequences, findings = read(root, facts)
    assert list(sequences) == ["002/a/000"]
    assert ids(findings)["MG-TREE-001"] == 1


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("pwned"),)


BAD_SILHOUETTES = {
    "empty file": b"",
    "text": b"hello",
    "cut": pickle.dumps(figure(5))[:-300],
    "code": pickle.dumps(Evil()),
    "objects": np.array([np.zeros(3), np.zeros(4)], dtype=object),
    "a list": [figure(2)],
    "no frames": np.zeros((0, 64, 64), np.uint8),
    "floats": figure(3).astype(np.float32) / 255,
    "colours": np.zeros((3, 64, 64, 3), np.uint8),
    "oblong": np.ones((3, 64, 60), np.uint8),
    "of another size": figure(3, 128),
    "all empty": np.zeros((3, 64, 64), np.uint8),
}


@pytest.mark.parametrize("what", BAD_SILHOUETTES)
def test_a_bad_sequence_is_a_finding_and_stops_nothing(
    tmp_path: Path, facts: TreeFacts, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    root = tree(tmp_path / "tree", {"001/a/000/0.pkl": figure(3), "001/b/000/0.pkl": BAD_SILHOUETTES[what]})
    put(root, "002/a/000/0.pkl", figure(2))
    sequences, findings = read(root, facts)
    assert list(sequences) == ["001/a/000", "002/a/000"]
    (lost,) = [finding for finding in findings if finding.severity.name == "ERROR"]
    assert (lost.id, lost.where.split()[0]) == ("MG-TREE-001", "cmu_walk/001/b/000")
    assert not (tmp_path / "pwned").exists()


BAD_POSES = {
    "shorter": np.ones((4, 17)),
    "longer": np.ones((6, 17)),
    "empty file": b"",
    "code": pickle.dumps(Evil()),
    "objects": np.array([None] * 5, dtype=object),
    "another type": np.ones((5, 17), np.float32),
    "another shape": np.ones((5, 18)),
}


@pytest.mark.parametrize("what", BAD_POSES)
def test_a_bad_modality_is_left_out_of_its_sequence(tmp_path: Path, facts: TreeFacts, what: str) -> None:
    files = {"001/a/000/sils.pkl": figure(3), "001/a/000/pose.pkl": np.ones((3, 17))}
    files |= {"001/b/000/sils.pkl": figure(5), "001/b/000/pose.pkl": BAD_POSES[what]}
    sequences, findings = read(tree(tmp_path, files), facts)
    assert "pose" in sequences["001/a/000"].arrays
    assert list(sequences["001/b/000"].arrays) == ["silhouettes", "frame_ids"]
    assert [(finding.id, finding.where) for finding in findings] == [("MG-TREE-002", "cmu_walk/001/b/000 pose.pkl")]


def test_a_modality_that_is_nowhere_of_use_is_said_everywhere(tmp_path: Path, facts: TreeFacts) -> None:
    files: dict[str, Any] = {}
    for condition in "ab":
        files |= {f"001/{condition}/000/sils.pkl": figure(2), f"001/{condition}/000/points.pkl": [1, 2]}
    sequences, findings = read(tree(tmp_path, files), facts)
    assert len(sequences) == 2
    assert ids(findings) == {"MG-TREE-002": 2}


def test_files_without_a_place_are_counted(tmp_path: Path, facts: TreeFacts) -> None:
    files = {"001/a/000/000.pkl": figure(2), "readme.txt": b"", "001/a/000/preview.png": b"", "001/a/x.pkl": b""}
    (tmp_path / "001" / "empty" / "000").mkdir(parents=True)
    (tmp_path / "001" / "a" / "000" / "deeper").mkdir(parents=True)
    sequences, findings = read(tree(tmp_path, files), facts)
    assert list(sequences) == ["001/a/000"]
    assert [finding.id for finding in findings] == ["MG-TREE-004"]
    assert "5 files or folders" in findings[0].message


def test_names_that_cannot_be_keys_are_findings(tmp_path: Path, facts: TreeFacts) -> None:
    files = {"001/a/000/000.pkl": figure(2), "001/long coat/000/000.pkl": figure(2)}
    files |= {"001/b/000/01-sils.pkl": figure(2), "001/b/000/02-sils.pkl": figure(2)}
    sequences, findings = read(tree(tmp_path, files), facts)
    assert list(sequences) == ["001/a/000"]
    assert ids(findings) == {"MG-TREE-001": 2}


def test_a_folder_without_a_tree_is_refused(tmp_path: Path, facts: TreeFacts) -> None:
    (tmp_path / "001").mkdir()
    for root in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(UsageError):
            scan(root, facts.name)


def test_files_of_the_big_endian_and_of_fortran_are_read(tmp_path: Path, facts: TreeFacts) -> None:
    pose = np.random.default_rng(0).normal(size=(3, 4, 2)).astype(">f4")
    root = tree(tmp_path, {"001/a/000/sils.pkl": np.asfortranarray(figure(3)), "001/a/000/pose.pkl": pose})
    arrays = read(root, facts)[0]["001/a/000"].arrays
    np.testing.assert_array_equal(arrays["silhouettes"], figure(3))
    assert arrays["pose"].dtype == np.float32
    np.testing.assert_array_equal(arrays["pose"], pose)


def _partition(path: Path, **sets: list[str]) -> Path:
    path.write_text(json.dumps(sets))
    return path


def test_a_partition_gives_the_split(tmp_path: Path, facts: TreeFacts) -> None:
    root = tree(tmp_path / "tree", {f"{name}/a/000/000.pkl": figure(2) for name in ("001", "002", "003")})
    path = _partition(tmp_path / "p.json", TRAIN_SET=["001", "009"], TEST_SET=["002"])
    found = scan(root, facts.name)
    changed = with_partition(facts, path, found)
    assert changed.split == Split(("001", "009"), ("002",))
    assert [changed.side(name) for name in ("001", "002", "003")] == ["train", "test", "unused"]
    assert changed.protocol == facts.protocol
    people = people_findings(found, changed)
    assert [finding.id for finding in people] == ["MG-TREE-006", "MG-TREE-008"]


def test_probes_of_a_partition_become_the_protocol(tmp_path: Path, facts: TreeFacts) -> None:
    leaves = ["001/a/0", "002/a/0", "002/a/1", "002/b/0", "003/a/0"]
    root = tree(tmp_path / "tree", {f"{leaf}/x.pkl": figure(2) for leaf in leaves})
    found, sets = scan(root, facts.name), {"TRAIN_SET": ["001"], "TEST_SET": ["002", "003"]}
    path = _partition(tmp_path / "p.json", **sets, PROBE_SET=["002-a-0"])
    changed = with_partition(facts, path, found)
    assert (changed.protocol.kind, changed.protocol.gallery) == ("retrieval", "rest")
    assert not changed.protocol.exclude_identical_view
    # What is written of it is what was read.
    assert partition(changed, [leaf.key for leaf in found.leaves])["PROBE_SET"] == ["002-a-0"]
    path = _partition(tmp_path / "p.json", **sets, PROBE_SET=["002-a-0"], GALLERY_SET=["003-a-0"])
    changed = with_partition(facts, path, found)
    assert partition(changed, [leaf.key for leaf in found.leaves])["GALLERY_SET"] == ["003-a-0"]


def test_probes_that_the_protocol_names_anyhow_leave_it_as_it_is(tmp_path: Path, facts: TreeFacts) -> None:
    root = tree(tmp_path / "tree", {f"{leaf}/x.pkl": figure(2) for leaf in ("001/a/0", "002/a/0", "002/b/0")})
    facts = replace(facts, protocol=Protocol(("002/a",), exclude_identical_view=True))
    path = _partition(tmp_path / "p.json", TRAIN_SET=["001"], TEST_SET=["002"], PROBE_SET=["002-b-0"])
    assert with_partition(facts, path, scan(root, facts.name)).protocol == facts.protocol


def test_lists_that_the_protocol_asks_for_are_filled_in(tmp_path: Path, facts: TreeFacts) -> None:
    root = tree(tmp_path / "tree", {f"{leaf}/x.pkl": figure(2) for leaf in ("001/a/0", "002/a/0", "002/b/0")})
    facts = replace(facts, protocol=Protocol("rest", Select(listed="PROBE_SET"), kind="retrieval"))
    path = _partition(tmp_path / "p.json", TRAIN_SET=["001"], TEST_SET=["002"], PROBE_SET=["002-b-0"])
    protocol = with_partition(facts, path, scan(root, facts.name)).protocol
    assert protocol == Protocol("rest", Select(keys=("002-b-0",)), kind="retrieval")
    path = _partition(tmp_path / "p.json", TRAIN_SET=["001"], TEST_SET=["002"])
    with pytest.raises(InvalidData, match="PROBE_SET"):
        with_partition(facts, path, scan(root, facts.name))


@pytest.mark.parametrize(
    "text", ["", "[]", '{"TRAIN_SET": [1], "TEST_SET": []}', '{"TRAIN_SET": ["1"], "TEST_SET": ["1"]}']
)
def test_what_is_no_partition_is_refused(tmp_path: Path, facts: TreeFacts, text: str) -> None:
    found = scan(tree(tmp_path / "tree", {"001/a/000/000.pkl": figure(2)}), facts.name)
    (tmp_path / "p.json").write_text(text)
    with pytest.raises(InvalidData, match="not a partition"):
        with_partition(facts, tmp_path / "p.json", found)
    with pytest.raises(UsageError):
        with_partition(facts, tmp_path / "missing.json", found)


def test_one_person_on_both_sides_is_refused(tmp_path: Path, facts: TreeFacts) -> None:
    root = tree(tmp_path / "tree", {"001/a/000/000.pkl": figure(2)})
    twins = replace(facts, same_person=(("001", "002"),))
    path = _partition(tmp_path / "p.json", TRAIN_SET=["001"], TEST_SET=["002"])
    with pytest.raises(InvalidData, match="both sides"):
        with_partition(twins, path, scan(root, facts.name))
