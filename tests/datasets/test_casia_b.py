"""CASIA-B: the original pictures and OpenGait's tree, from the files to the table of scores."""

import json

import numpy as np
import pytest
from dataset_line import assert_same_frames, unfound

from meshgait_data.conventions import SMPL_JOINTS
from meshgait_data.fits import fit_path, read_fit
from meshgait_data.types import CaptureKey

WALK = "075/nm-01"
VIEWS = ("000", "054", "090", "144")


@pytest.fixture(scope="module")
def original(line):
    subject, condition = WALK.split("/")
    return line("casia_b").run(fit=f"subject={subject},condition={condition}")


@pytest.fixture(scope="module")
def tree(line):
    return line("casia_b_opengait").run()


def test_every_planted_defect_is_found(original):
    assert unfound(original.fake.planted, original.findings) == []


def test_the_table_and_json_of_the_index_count_the_same(original, mgdata, tmp_path):
    result = mgdata("index", "casia_b", "--root", original.fake.root, "--work", tmp_path / "work", "--json")
    told = json.loads(result.stdout)
    assert told["sequences"] == len(original.fake.silhouettes)


def test_all_other_frames_arrive_under_their_numbers_with_their_pixels(original):
    assert_same_frames(original.shards, original.fake)


def test_labels_of_a_fit_from_nominal_cameras_agree_with_the_walker_who_was_filmed(original):
    fit = read_fit(fit_path(original.work, CaptureKey("casia_b", *WALK.split("/"))))
    assert fit.frame_ids.tolist() == list(range(1, 15))
    assert tuple(fit.cameras) == VIEWS
    ankles = [SMPL_JOINTS.index(f"{side}_ankle") for side in ("left", "right")]
    for name in VIEWS:
        arrays = original.shards.sequence(f"casia_b/{WALK}/{name}").arrays
        assert arrays["valid"].all()
        assert np.median(arrays["mask_iou"]) > 0.8
        pixels, windows = original.fake.truth[f"{WALK}/{name}"].keypoints("smpl24").points, arrays["windows"]
        true = np.einsum("fij,fpj->fpi", windows[:, :, :2], pixels) + windows[:, None, :, 2]
        error = np.linalg.norm(arrays["joints"][..., :2] - true, axis=-1)
        assert np.median(error) < 2, "pixels of 64"
        assert np.median(error[:, ankles]) < 4


def test_the_published_protocol_has_its_groups_and_views(original):
    groups = original.score()["gait"]["groups"]
    assert {name: group["probes"] for name, group in groups.items()} == {"NM": 16, "BG": 16, "CL": 15}
    for group in groups.values():
        assert group["gallery_sequences"] == 32
        assert group["views"] == list(VIEWS)
        rank1 = group["wrong"]["rank1"]
        assert np.array(rank1["cells"], float).shape == (4, 4)
        assert np.isfinite(np.array(rank1["by_probe_view"], float)).all()


def test_a_network_is_trained_and_scored_by_all_published_protocols(original):
    told = original.train_and_score()
    assert {name: list(one["groups"]) for name, one in told.items()} == {
        "gait": ["NM", "BG", "CL"],
        "cross_view": ["NM", "BG", "CL"],
    }
    assert {name: one["probes"] for name, one in told.items()} == {"gait": 47, "cross_view": 24}
    assert told["gait"]["groups"]["CL"]["probes_by_view"] == [4, 4, 4, 3]


def test_every_planted_defect_of_the_tree_is_found(tree):
    assert unfound(tree.fake.planted, tree.findings) == []


def test_silhouettes_of_the_tree_arrive_as_they_are(tree):
    assert_same_frames(tree.shards, tree.fake)


def test_the_tree_has_the_groups_of_the_original(tree):
    groups = tree.score()["gait"]["groups"]
    assert {name: group["probes"] for name, group in groups.items()} == {"NM": 16, "BG": 16, "CL": 15}
