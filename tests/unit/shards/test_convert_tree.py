"""Shards to a tree of OpenGait and back: what its loader would see, and what comes back."""

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from sample_shards import MARKERS, folder_bytes, make_dataset, make_sequence

from meshgait_data.errors import InvalidData, ShardError, UsageError
from meshgait_data.findings import Severity, from_jsonl
from meshgait_data.pipeline import convert_tree
from meshgait_data.pipeline.convert import ConvertReport, ConvertSettings, convert
from meshgait_data.shards import open_shards
from meshgait_data.shards.schema import unpack_bits
from meshgait_data.shards.verify import verify

LABELS = (
    "joints",
    "joints_visible",
    "markers",
    "markers_visible",
    "scale",
    "verdict",
    "valid",
    "fit_error",
    "mask_iou",
)
ALL_FIELDS = ("frame_ids", "windows", *LABELS, "smpl")


def run(source: Path, out: Path, **settings: Any) -> ConvertReport:
    return convert(str(source), out, ConvertSettings(**{"progress": False, **settings}))


def to_tree(source: Path, out: Path, *fields: str, **settings: Any) -> ConvertReport:
    return run(source, out, format="opengait", fields=fields, **settings)


def loaded(root: Path, leaf: str) -> list[np.ndarray]:
    """A leaf by the rules of OpenGait's loader: all .pkl in the order of their names, of one length, not empty."""
    found = [
        pickle.loads(path.read_bytes())  # noqa: TID251 - our own bytes
        for path in sorted((root / leaf).iterdir())
        if path.name.endswith(".pkl")
    ]
    assert len({len(array) for array in found}) == 1
    assert len(found[0]) > 0
    return found


def leaves(root: Path) -> list[str]:
    """As OpenGait walks: every name is taken for a subject, a condition, a view."""
    return [
        f"{subject.name}/{condition.name}/{view.name}"
        for subject in sorted(root.iterdir())
        if subject.is_dir()
        for condition in sorted(subject.iterdir())
        for view in sorted(condition.iterdir())
    ]


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    parts = [[make_sequence(40, 1), make_sequence(1, 2, view="000")], [make_sequence(70, 3, subject="35")]]
    return make_dataset(tmp_path / "labelled", parts)


def test_the_tree_holds_the_silhouettes(dataset: Path, tmp_path: Path) -> None:
    out = tmp_path / "tree"
    report = to_tree(dataset, out)
    shards = open_shards(dataset)
    assert leaves(out) == sorted(str(record.key).split("/", 1)[1] for record in shards.sequences)
    for record in shards.sequences:
        silhouettes, _ = loaded(out, str(record.key).split("/", 1)[1])
        assert silhouettes.dtype == np.uint8
        np.testing.assert_array_equal(silhouettes, shards.read(record, "silhouettes"))
    assert report.fields == ("silhouettes", "frame_ids")
    assert set(report.left_out) == set(shards.info.fields) - {"silhouettes", "frame_ids"}
    assert (report.sequences, report.written, report.exit_code, report.one_bit) == (6, 6, 0, False)


def test_partition_and_config_are_ready(dataset: Path, tmp_path: Path) -> None:
    out = tmp_path / "tree"
    to_tree(dataset, out)
    partition = json.loads((out / "partition.json").read_text())
    assert (partition["TRAIN_SET"], partition["TEST_SET"]) == (["07"], ["02", "35"])
    config = yaml.safe_load((out / "opengait.yaml").read_text())["data_cfg"]
    assert Path(config["dataset_partition"]) == out / "partition.json"
    assert Path(config["dataset_root"]) == out


def test_chosen_fields_follow_in_their_order(labelled: Path, tmp_path: Path) -> None:
    out = tmp_path / "tree"
    report = to_tree(labelled, out, "joints", "smpl", "frame_ids")
    shards = open_shards(labelled)
    record = shards.find("cmu_walk/07/01/090")
    names = ["silhouettes", "joints", "global_orient", "body_pose", "transl", "betas", "frame_ids"]
    assert report.fields == tuple(names)
    for name, array in zip(names, loaded(out, "07/01/090"), strict=True):
        expected = np.tile(shards.detail(record).betas, (40, 1)) if name == "betas" else shards.read(record, name)
        np.testing.assert_array_equal(array, expected)
    assert yaml.safe_load((out / "opengait.yaml").read_text())["data_cfg"]["data_in_use"] == [True] + 6 * [False]


def test_silhouettes_of_128_pixels(tmp_path: Path) -> None:
    source = make_dataset(tmp_path / "a", [[make_sequence(4, 1, extra=True)]])
    to_tree(source, tmp_path / "both", "silhouettes", "silhouettes_128")
    assert [array.shape[1:] for array in loaded(tmp_path / "both", "07/01/090")[:2]] == [(64, 64), (128, 128)]
    to_tree(source, tmp_path / "large", "silhouettes_128", "windows")
    run(tmp_path / "large", tmp_path / "back")
    shards = open_shards(tmp_path / "back")
    # Windows lead to pixels of 64 x 64, and must not pass for those of 128 x 128.
    assert (shards.aligned_size, set(shards.fields)) == (128, {"frame_ids", "silhouettes", "windows_given"})


def test_bits_are_unpacked_and_it_is_said(packed_1bit: Path, tmp_path: Path) -> None:
    report = to_tree(packed_1bit, tmp_path / "tree")
    shards = open_shards(packed_1bit)
    record = shards.sequences[0]
    silhouettes, _ = loaded(tmp_path / "tree", str(record.key).split("/", 1)[1])
    np.testing.assert_array_equal(silhouettes, unpack_bits(shards.read(record, "silhouettes_1bit")))
    assert report.one_bit
    assert "silhouettes_1bit" not in report.left_out


def test_all_that_a_tree_can_hold_comes_back(labelled: Path, tmp_path: Path) -> None:
    to_tree(labelled, tmp_path / "tree", *ALL_FIELDS)
    report = run(tmp_path / "tree", tmp_path / "back", format="hdf5")
    before, after = open_shards(labelled), open_shards(tmp_path / "back")
    assert report.exit_code == 0
    assert [str(record.key) for record in after.sequences] == sorted(str(record.key) for record in before.sequences)
    for record in after.sequences:
        old, new = before.sequence(record.key), after.sequence(record)
        assert (new.identity, new.fps, new.joint_set) == (old.identity, old.fps, old.joint_set)
        assert record.side == before.find(record.key).side
        np.testing.assert_array_equal(new.betas, old.betas)
        assert new.camera is None
        assert set(new.arrays) == set(old.arrays)
        for name, array in old.arrays.items():
            assert new.arrays[name].dtype == array.dtype
            np.testing.assert_array_equal(new.arrays[name], array)
    for name in ("name", "title", "licence", "citation", "split", "protocol", "body", "markers", "joint_set"):
        assert getattr(after.info, name) == getattr(before.info, name)
    assert after.info.manifest_sha256 == before.info.manifest_sha256
    assert (tmp_path / "back" / "markers.npz").read_bytes() == (labelled / "markers.npz").read_bytes()
    assert [finding.severity for finding in verify(tmp_path / "back", deep=True)] == []


@pytest.mark.parametrize("fields", [(), ALL_FIELDS])
def test_tree_to_shards_to_tree_gives_the_same_pickles(labelled: Path, tmp_path: Path, fields: tuple[str, ...]) -> None:
    to_tree(labelled, tmp_path / "tree", *fields)
    run(tmp_path / "tree", tmp_path / "shards")
    to_tree(tmp_path / "shards", tmp_path / "again", *fields)
    first, second = folder_bytes(tmp_path / "tree"), folder_bytes(tmp_path / "again")
    assert first.keys() == second.keys()
    assert all(first[name] == second[name] for name in first if name.endswith(".pkl"))
    for name in ("dataset.yaml", "partition.json"):
        assert (tmp_path / "tree" / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_a_foreign_tree_comes_back_value_for_value(tmp_path: Path, rng: np.random.Generator) -> None:
    arrays: dict[str, dict[str, np.ndarray]] = {}
    for number in range(5):
        frames = int(rng.integers(1, 40))
        leaf = tmp_path / "tree" / f"00{number}" / "nm-01" / "090"
        leaf.mkdir(parents=True)
        images = rng.integers(0, 256, (frames, 64, 64)).astype(np.uint8)
        arrays[f"00{number}"] = {"sils": images, "pose": rng.normal(size=(frames, 17, 3))}
        for name, array in arrays[f"00{number}"].items():
            (leaf / f"{name}-090.pkl").write_bytes(pickle.dumps(array, protocol=number))
    run(tmp_path / "tree", tmp_path / "shards", manifest="cmu_walk")
    to_tree(tmp_path / "shards", tmp_path / "again", "pose")
    for subject, expected in arrays.items():
        silhouettes, pose, _ = loaded(tmp_path / "again", f"{subject}/nm-01/090")
        np.testing.assert_array_equal(silhouettes, expected["sils"])
        np.testing.assert_array_equal(pose, expected["pose"])


def test_any_number_of_workers_writes_the_same(labelled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(convert_tree, "PART_SEQUENCES", 1)
    for jobs in (1, 2):
        to_tree(labelled, tmp_path / f"tree{jobs}", "joints", jobs=jobs)
        run(tmp_path / "tree1", tmp_path / f"shards{jobs}", jobs=jobs)
    assert folder_bytes(tmp_path / "shards1") == folder_bytes(tmp_path / "shards2")
    one, two = folder_bytes(tmp_path / "tree1"), folder_bytes(tmp_path / "tree2")
    assert {name for name in one if one[name] != two.get(name)} == {"opengait.yaml"}
    assert len(open_shards(tmp_path / "shards1").info.parts) == 3


def test_sequences_without_a_chosen_field_are_left_out_and_named(dataset: Path, tmp_path: Path) -> None:
    report = to_tree(dataset, tmp_path / "tree", "joints")
    assert report.exit_code == 1
    finding, *notes = sorted(report.findings, key=lambda one: one.id)
    assert {note.id for note in notes} == {"MG-TREE-012"}
    assert (finding.id, finding.where) == ("MG-TREE-010", "cmu_walk/02/06/090")
    assert len(leaves(tmp_path / "tree")) == report.sequences == 5
    assert from_jsonl((tmp_path / "tree" / "findings.jsonl").read_text()) == list(report.findings)
    parts = [[make_sequence(3, 1, labels=False, extra=True)], [make_sequence(3, 2)]]
    source = make_dataset(tmp_path / "disjoint", parts)
    with pytest.raises(ShardError, match="no sequence has all of these"):
        to_tree(source, tmp_path / "none", "joints", "depth")


def test_people_with_several_names_are_said(tmp_path: Path) -> None:
    source = make_dataset(tmp_path / "a", [[make_sequence(3, 1, subject="07"), make_sequence(3, 2, subject="38")]])
    report = to_tree(source, tmp_path / "tree")
    finding = next(one for one in report.findings if one.severity > Severity.INFO)
    assert (finding.id, finding.severity) == ("MG-TREE-011", Severity.WARNING)
    assert "07, 38" in finding.message
    run(tmp_path / "tree", tmp_path / "back")
    assert [record.identity for record in open_shards(tmp_path / "back").sequences] == ["07", "07"]


def test_an_unknown_field_is_refused(dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no field 'joint'") as caught:
        to_tree(dataset, tmp_path / "tree", "joint")
    assert "joints" in caught.value.hint
    assert not (tmp_path / "tree").exists()


def test_an_interrupted_export_is_continued(labelled: Path, tmp_path: Path) -> None:
    out = tmp_path / "tree"
    to_tree(labelled, out, "joints")
    whole = folder_bytes(out)
    view = out / "07/01/090"
    view.rename(view.with_name(".090.0a1b2c3d.tmp"))
    (out / "partition.json").unlink()
    report = to_tree(labelled, out, "joints")
    assert (report.written, report.reused) == (1, 2)
    assert folder_bytes(out) == whole
    with pytest.raises(UsageError, match="other fields"):
        to_tree(labelled, out, "markers")


def test_an_interrupted_import_is_continued(labelled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(convert_tree, "PART_SEQUENCES", 1)
    tree, out = tmp_path / "tree", tmp_path / "shards"
    to_tree(labelled, tree)
    assert run(tree, out).written == 3
    whole = folder_bytes(out)
    assert (run(tree, out).written, folder_bytes(out)) == (0, whole)
    changed = tree / "07/02/000/00_silhouettes.pkl"
    data = bytearray(changed.read_bytes())
    data[-700] ^= 8
    changed.write_bytes(bytes(data))
    report = run(tree, out)
    assert (report.written, report.reused) == (1, 2)


def test_one_bad_sequence_never_stops_a_run(labelled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(convert_tree, "PART_SEQUENCES", 1)
    tree, out = tmp_path / "tree", tmp_path / "shards"
    to_tree(labelled, tree)
    (tree / "07/01/090/00_silhouettes.pkl").write_bytes(b"")
    report = run(tree, out)
    assert (report.exit_code, report.sequences) == (1, 2)
    assert [finding.id for finding in report.findings if finding.severity is Severity.ERROR] == ["MG-TREE-001"]
    assert [part.name for part in open_shards(out).info.parts] == ["part-00001.zarr", "part-00002.zarr"]
    assert from_jsonl((out / "findings.jsonl").read_text()) == list(report.findings)
    again = run(tree, out)
    assert (again.findings, again.exit_code, again.written, again.reused) == (report.findings, 1, 0, 2)


def test_a_tree_of_nothing_but_damage_is_an_error(labelled: Path, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    to_tree(labelled, tree)
    for path in tree.rglob("*.pkl"):
        path.write_bytes(b"x")
    with pytest.raises(InvalidData, match="no sequence can be used"):
        run(tree, tmp_path / "shards")


def test_a_tree_needs_facts_and_its_labels_theirs(labelled: Path, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    to_tree(labelled, tree, "markers", "joints")
    facts = yaml.safe_load((tree / "dataset.yaml").read_text())
    assert facts["markers"]["count"] == MARKERS
    (tree / "dataset.yaml").unlink()
    with pytest.raises(UsageError, match="licence") as caught:
        run(tree, tmp_path / "shards")
    assert "--manifest" in caught.value.hint
    with pytest.raises(InvalidData, match="points"):
        run(tree, tmp_path / "shards", manifest="cmu_walk")
    (tree / "dataset.yaml").write_text(yaml.safe_dump(facts))
    run(tree, tmp_path / "shards", manifest="cmu_walk")
    (tree / "markers.npz").unlink()
    with pytest.raises(InvalidData, match=r"markers\.npz"):
        run(tree, tmp_path / "other")


def test_a_partition_changes_sides(labelled: Path, tmp_path: Path) -> None:
    tree, partition = tmp_path / "tree", tmp_path / "p.json"
    to_tree(labelled, tree)
    partition.write_text(json.dumps({"TRAIN_SET": ["35"], "TEST_SET": ["07"]}))
    run(tree, tmp_path / "shards", partition=partition)
    shards = open_shards(tmp_path / "shards")
    assert {record.key.subject: record.side for record in shards.sequences} == {"07": "test", "35": "train"}


def test_a_tree_is_not_made_of_a_tree(labelled: Path, tmp_path: Path) -> None:
    to_tree(labelled, tmp_path / "tree")
    with pytest.raises(UsageError, match="already"):
        to_tree(tmp_path / "tree", tmp_path / "again")


def test_a_tree_that_is_not_complete_is_refused(labelled: Path, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    to_tree(labelled, tree)
    for text in (json.dumps({**json.loads((tree / "meshgait.json").read_text()), "complete": False}), "", "[]"):
        (tree / "meshgait.json").write_text(text)
        with pytest.raises(UsageError, match="not complete"):
            run(tree, tmp_path / "shards")
