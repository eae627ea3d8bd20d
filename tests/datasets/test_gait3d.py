"""Gait3D: the original trees and the merged pickles, from the files to the scores of its protocol."""

import numpy as np
import pytest
from dataset_line import assert_same_frames, unfound

from meshgait_data.body.model import forward
from meshgait_data.fits import fit_path, read_fit
from meshgait_data.types import CaptureKey

PLAIN = "0002/camid33_videoid2/seq0"
SELECT = "subject=0002,condition=camid33_videoid2"


@pytest.fixture(scope="module")
def original(line):
    return line("gait3d").run(fit=SELECT)


@pytest.fixture(scope="module")
def merged(line):
    return line("gait3d_pkl").run(fit="subject=0002")


def _fit(done, name, key):
    subject, condition, view = key.split("/")
    return read_fit(fit_path(done.work, CaptureKey(name, subject, condition, view)))


def test_every_planted_defect_is_found(original):
    assert unfound(original.fake.planted, original.findings) == []


def test_all_other_frames_arrive_under_their_numbers_with_their_pixels(original):
    assert_same_frames(original.shards, original.fake)


def test_parameters_of_crops_are_put_to_where_the_masks_are(original):
    fit = _fit(original, "gait3d", PLAIN)
    assert fit.frame_ids.tolist() == list(range(3025, 3039))
    assert np.median(fit.residuals["mask_iou:seq0"]) > 0.85
    # Poses are those that were given: the same turns of knees and elbows, in half precision.
    truth = original.fake.truth[PLAIN].params
    np.testing.assert_allclose(fit.params.body_pose[:, :60], truth.body_pose[:, :60], atol=2e-3)


def test_labels_stand_where_the_true_joints_are(original):
    arrays = original.shards.sequence(f"gait3d/{PLAIN}").arrays
    view = original.fake.truth[PLAIN]
    joints = arrays["joints"][..., :2]
    assert arrays["valid"].all()
    # The height of the true body and of the labelled one in the aligned window, which is 64 pixels tall.
    assert np.median(np.ptp(joints[..., 1], axis=1)) == pytest.approx(
        np.median(np.ptp(view.keypoints("smpl24").points[..., 1], axis=1) / np.ptp(view.boxes[:, 1::2], axis=1)) * 64,
        abs=4,
    )


def test_the_protocol_counts_the_listed_probes_that_are_there(original):
    (group,) = original.score()["gait"]["groups"].values()
    assert group["probes"] == 2
    # All other sequences of the three people, also those of the probe's own camera.
    assert group["gallery_sequences"] == 4
    assert any("0008-camid38_videoid1-seq0" in name for name in group["unmatched"])


def test_a_network_is_trained_and_scored_on_the_pickles(merged):
    told = merged.train_and_score()["gait"]
    (group,) = told["groups"].values()
    assert (told["probes"], group["gallery_sequences"]) == (2, 4)
    assert 0 <= group["skip"]["rank1"]["mean"] <= 100


def test_every_planted_defect_of_the_pickles_is_found(merged):
    assert unfound(merged.fake.planted, merged.findings) == []


def test_silhouettes_of_the_pickles_arrive_as_they_are(merged):
    assert_same_frames(merged.shards, merged.fake)


def test_rows_of_85_give_labels_in_aligned_silhouettes(merged):
    fit = _fit(merged, "gait3d_pkl", PLAIN)
    assert fit.cameras["seq0"].size == (64, 64)
    assert np.median(fit.residuals["mask_iou:seq0"]) > 0.85
    arrays = merged.shards.sequence(f"gait3d_pkl/{PLAIN}").arrays
    assert arrays["valid"].all()
    assert ((arrays["joints"][..., :2] > -4) & (arrays["joints"][..., :2] < 68)).all()


def test_a_walk_whose_rows_do_not_belong_is_fitted_to_its_silhouettes(merged):
    fit = _fit(merged, "gait3d_pkl", "0002/camid5_videoid1/seq0")
    assert len(fit.frame_ids) == 13
    assert np.median(fit.residuals["mask_iou:seq0"]) > 0.85


def test_other_modalities_ride_along(merged):
    arrays = merged.shards.sequence(f"gait3d_pkl/{PLAIN}").arrays
    assert arrays["parsing"].shape == (14, 64, 64)
    assert set(np.unique(arrays["parsing"])) <= set(range(6))


def test_bodies_put_to_masks_are_as_tall_as_these(original):
    from meshgait_data.body.files import load_body
    from meshgait_data.render.cameras import project

    fit = _fit(original, "gait3d", PLAIN)
    body = load_body(None)
    pixels, _ = project(fit.cameras["seq0"], forward(body, fit.params).vertices)
    heights = np.ptp(pixels[..., 1], axis=1)
    boxes = original.fake.truth[PLAIN].boxes
    np.testing.assert_allclose(heights, boxes[:, 3] - boxes[:, 1], atol=0.5)
