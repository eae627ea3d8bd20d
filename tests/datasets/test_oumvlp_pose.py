"""OUMVLP-Pose: keypoints and silhouettes joined by the number of the frame, the right person of two."""

import numpy as np
import pytest
from dataset_line import assert_same_frames, unfound

from meshgait_data.index import read_index
from meshgait_data.sources import observe
from meshgait_data.types import CaptureKey


@pytest.fixture(scope="module")
def done(line):
    return line("oumvlp_pose").run(fit="subject=00002,condition=00")


def test_every_planted_defect_is_found(line):
    started = line("oumvlp_pose")
    assert unfound(started.fake.planted, started.index()) == []


def test_all_other_frames_arrive_under_their_numbers_with_their_pixels(done):
    assert_same_frames(done.shards, done.fake)


@pytest.mark.parametrize(("subject", "view"), [("00001", "000"), ("00002", "000"), ("10307", "180")])
def test_keypoints_are_those_of_the_walker_in_every_frame(done, subject, view):
    index = read_index(done.work)
    group = "there" if view < "180" else "back"
    seen = observe(index.manifest, index.root, CaptureKey("oumvlp_pose", subject, "00", group))
    keypoints = next(one for one in seen.keypoints if one.view == view)
    truth = done.fake.truth[f"{subject}/00/{view}"].keypoints("openpose18")
    np.testing.assert_allclose(keypoints.points, truth.points, atol=0.01)
    masks = next(one for one in seen.masks if one.view == view)
    np.testing.assert_array_equal(masks.images, done.fake.truth[f"{subject}/00/{view}"].masks)


def test_the_protocol_is_that_of_the_silhouettes(done):
    told = done.score()["gait"]
    assert told["groups"]["NM"]["views"] == ["000", "030", "180"]


def test_labels_of_the_fit_lie_on_the_observed_body(done):
    for view in ("000", "030", "180"):
        arrays = done.shards.sequence(f"oumvlp_pose/00002/00/{view}").arrays
        assert np.median(arrays["mask_iou"]) > 0.85
        assert (arrays["valid"] == 1).mean() > 0.8
