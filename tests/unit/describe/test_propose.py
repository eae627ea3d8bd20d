"""Proposals for trees of many shapes: they index as they are, and say who, what and which view right."""

import json
import shutil

import numpy as np
import pytest
from trees import aligned, amass, poses, write_masks, write_pickle

from meshgait_data.describe.propose import propose
from meshgait_data.describe.template import Answers, template
from meshgait_data.errors import InvalidData, UsageError
from meshgait_data.index import scan
from meshgait_data.manifest import load_manifest, manifest_of
from meshgait_data.yaml_files import parse_yaml


def described(root, **answers):
    """Manifest that is proposed, and the index that it makes."""
    proposal = propose(root)
    manifest = manifest_of(parse_yaml(template(proposal, Answers(**answers)), "text"), "text")
    index, findings = scan(manifest, root)
    assert not [f for f in findings if f.severity >= 30], findings
    return index


def keys(index):
    return {str(row.key).split("/", 1)[1] for row in index.rows}


def test_subject_condition_view(tmp_path):
    for person, subject in enumerate(("p01", "p02", "p11")):
        for walk in ("nm-01", "bg-02"):
            for view in ("000", "018", "036"):
                folder = tmp_path / subject / walk / view
                write_masks(folder, name=f"{subject}-{walk}-{view}-{{:03d}}.png", person=person)
    index = described(tmp_path, name="lab", synchronous=True)
    assert keys(index) == {
        f"{s}/{c}/{v}" for s in ("p01", "p02", "p11") for c in ("nm-01", "bg-02") for v in ("000", "018", "036")
    }
    layout = index.manifest.layout
    assert (layout.subject, layout.condition, layout.view) == (r"p\d{2}", r"[A-Za-z]+-\d{2}", r"\d{3}")
    assert layout.captures == "together"
    assert index.manifest.source.silhouettes.file == "{subject}-{condition}-{view}-{frame}.png"
    assert index.manifest.split.train == ("p01", "p02")
    assert index.manifest.split.test == ("p11",)
    assert index.manifest.protocol.kind == "view_pairs"
    assert index.manifest.protocol.gallery.conditions == ("bg-02",)


def test_cameras_above_people(tmp_path):
    for camera in ("cam1", "cam2", "cam3"):
        for subject in ("anna", "bob"):
            for walk in ("walk1", "walk2"):
                write_masks(tmp_path / camera / subject / walk)
    assert keys(described(tmp_path)) == {
        f"{s}/{w}/{c}" for s in ("anna", "bob") for w in ("walk1", "walk2") for c in ("cam1", "cam2", "cam3")
    }


def test_two_words_in_one_folder(tmp_path):
    for view in ("000", "090", "180"):
        for sequence in ("00", "01"):
            for subject in ("00001", "00002"):
                write_masks(tmp_path / f"Silhouette_{view}-{sequence}" / subject)
                write_masks(tmp_path / "meshes" / subject / f"{view}_{sequence}")
    index = described(tmp_path)
    assert len(index.rows) == 12
    assert "00001/01/090" in keys(index)
    assert propose(tmp_path).left == (
        "meshes/{subject}/{view}_{condition} holds silhouettes of the same sequences once more",
    )


def test_kinds_beside_each_other_and_files_that_number_frames(tmp_path):
    for subject in ("001", "002"):
        for view in ("a", "b"):
            folder = tmp_path / "pkl" / subject / "01" / view
            write_pickle(folder / f"{view}-aligned-sils.pkl", aligned())
            write_pickle(folder / f"{view}-pose.pkl", poses())
            write_pickle(folder / f"{view}-ratios.pkl", np.linspace(0.3, 0.5, 6))
            (folder / "mapping.txt").write_text("".join(f"{number}\n" for number in range(3, 9)))
    index = described(tmp_path)
    source = index.manifest.source
    assert source.silhouettes.path == "{folder}/{view}-aligned-sils.pkl"
    assert source.keypoints2d.path == "{folder}/{view}-pose.pkl"
    assert not source.silhouettes.fit
    assert {name: block.path for name, block in source.also.items()} == {"ratios": "{folder}/{view}-ratios.pkl"}
    assert {(row.first_frame, row.last_frame) for row in index.rows} == {(3, 8)}
    assert all({"keypoints2d", "silhouettes"} <= set(row.kinds) for row in index.rows)


def test_kinds_in_trees_of_their_own(tmp_path):
    for subject in ("0001", "0002"):
        write_masks(tmp_path / "silhouettes" / subject / "walk1" / "cam0")
        write_pickle(tmp_path / "poses" / subject / "walk1" / "cam0" / "cam0.pkl", poses())
    source = described(tmp_path).manifest.source
    assert source.silhouettes.path == "{folder}"
    assert source.keypoints2d.path == "poses/{subject}/{condition}/{view}/{view}.pkl"


def test_sides_in_trees_of_their_own(tmp_path):
    for folder in ("train/0001/a1", "train/0001/a2", "train/0002/b1", "test/gallery/0001/c1", "test/gallery/0002/c2"):
        write_masks(tmp_path / folder)
    for folder in ("test/probe/hx1", "test/probe/hx2", "distractors/zz1"):
        write_masks(tmp_path / folder)
    (tmp_path / "train/0001/a1_gei.png").write_bytes((tmp_path / "train/0001/a1/0001.png").read_bytes())
    index = described(tmp_path)
    assert {row.subject: row.side for row in index.rows} == {
        "0001-train": "train",
        "0002-train": "train",
        "0001": "test",
        "0002": "test",
        "hx1": "test",
        "hx2": "test",
        "zz1": "unused",
    }


@pytest.mark.parametrize("written", ["digits", "decimal"])
def test_files_named_by_time_and_the_best_of_several_silhouettes(tmp_path, written):
    start, step = 1657079013_023456789, 40_000_000
    for subject in ("01", "02"):
        folder = tmp_path / subject / "nm" / "cam1"
        for modality, size in (("Sils_aligned", (128, 128)), ("Sils_raw", (90, 60)), ("lidar_sils", (64, 64))):
            write_masks(folder / modality, name="{}.png", size=size)
            # A pause of two frames in the middle.
            for frame, path in enumerate(sorted((folder / modality).iterdir())):
                path.rename(path.with_name(time_text(start + step * (frame + 2 * (frame > 2)), written) + ".png"))
        (folder / "Pose").mkdir()
        for frame, points in enumerate(poses()):
            time = time_text(start + step * (frame + 2 * (frame > 2)) + 5_000_000, written)
            (folder / "Pose" / f"{time}.json").write_text(json.dumps(points.tolist()))
    index = described(tmp_path)
    source = index.manifest.source
    assert (source.fps, source.tolerance_s) == (25, 0.02)
    assert index.manifest.layout.pattern == "{subject}/nm/{view}/Sils_aligned"
    assert source.silhouettes.alignment == "sustech1k"
    assert source.keypoints2d.path == "{subject}/nm/{view}/Pose"
    assert {source.silhouettes.times.written, source.keypoints2d.times.written} == {written}
    assert [(row.frames, row.last_frame) for row in index.rows] == [(6, 7)] * 2
    assert {row.kind_frames for row in index.rows} == {(6, 6)}


def time_text(nanoseconds, written):
    seconds, fraction = divmod(nanoseconds, 10**9)
    return f"{seconds}.{fraction:09d}" if written == "decimal" else f"{seconds}{fraction:09d}"


def test_a_partition_in_the_folder(tmp_path):
    for subject in ("7", "8", "19"):
        write_pickle(tmp_path / subject / "a" / "0" / "0.pkl", aligned())
        write_pickle(tmp_path / subject / "b" / "0" / "0.pkl", aligned())
    lists = '{"TRAIN_SET": ["7"], "TEST_SET": ["19", "8"], "PROBE_SET": ["8-a-0", "19-b-0"]}'
    (tmp_path / "mine.json").write_text(lists)
    manifest = described(tmp_path).manifest
    assert (manifest.split.train, manifest.split.test) == (("7",), ("19", "8"))
    assert manifest.protocol.probe.keys == ("8-a-0", "19-b-0")


def test_bodies_and_their_rate(tmp_path):
    for subject in ("s1", "s2"):
        for walk in ("01", "02"):
            path = tmp_path / "Lab" / subject / f"{subject}_{walk}_poses.npz"
            path.parent.mkdir(parents=True, exist_ok=True)
            np.savez(path, **amass())
    index = described(tmp_path)
    assert index.manifest.layout.pattern == "Lab/{subject}/{subject}_{condition}_poses.npz"
    assert index.manifest.source.fps == 60
    assert index.manifest.source.smpl.format == "amass"
    assert {row.condition for row in index.rows} == {"01", "02"}


def test_motion_capture(tmp_path):
    root = load_manifest("cmu_walk").default_root()
    for subject in ("07", "16"):
        shutil.copytree(root / "asfamc" / subject, tmp_path / "asfamc" / subject)
    index = described(tmp_path)
    assert index.manifest.source.mocap.skeleton == "asfamc/{subject}/{subject}.asf"
    assert {row.subject for row in index.rows} == {"07", "16"}


def test_one_level_of_folders(tmp_path):
    for name in ("ann_01_cam1", "ann_01_cam2", "ben_01_cam1", "ben_01_cam2"):
        write_masks(tmp_path / name)
    assert keys(described(tmp_path)) == {"ann/01/cam1", "ann/01/cam2", "ben/01/cam1", "ben/01/cam2"}


def test_links_out_of_the_folder(tmp_path):
    for subject in ("0001", "0002"):
        write_masks(tmp_path / "raw" / subject)
        (tmp_path / "tree" / subject / "00").mkdir(parents=True)
        (tmp_path / "tree" / subject / "00" / "090").symlink_to(tmp_path / "raw" / subject)
    assert described(tmp_path / "tree").manifest.layout.links


def test_hidden_junk_and_loops_do_not_matter(tmp_path):
    for subject in ("1", "2"):
        write_masks(tmp_path / subject / "a" / "cam1")
    write_masks(tmp_path / "__MACOSX" / "1" / "a" / "cam1")
    (tmp_path / ".DS_Store").write_bytes(b"x")
    (tmp_path / "1" / "loop").symlink_to(tmp_path)
    assert keys(described(tmp_path)) == {"1/a/cam1", "2/a/cam1"}


@pytest.mark.parametrize("files", [(), ("readme.txt",), ("0001.png",), ("a/b/c.pkl",)])
def test_nothing_to_propose(tmp_path, files):
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"nothing")
    with pytest.raises(InvalidData, match="looks like"):
        propose(tmp_path)
    with pytest.raises(UsageError, match="no such folder"):
        propose(tmp_path / "not there")


def test_hostile_pickles_are_not_executed(tmp_path):
    for subject in ("1", "2"):
        write_pickle(tmp_path / subject / "a" / "0" / "0.pkl", aligned())
    flag = tmp_path / "executed"
    bad = f"cos\nsystem\n(S'touch {flag}'\ntR.".encode()
    (tmp_path / "1" / "a" / "0" / "0.pkl").write_bytes(bad)
    manifest = manifest_of(parse_yaml(template(propose(tmp_path), Answers()), "text"), "text")
    assert manifest.source.silhouettes is not None
    assert not flag.exists()
