"""OUMVLP-Mesh: joints of each view in the frame of its camera, and silhouettes of the same frames."""

import numpy as np
import pytest
from dataset_line import assert_same_frames, unfound

from meshgait_data.fits import fit_path, read_fit
from meshgait_data.types import CaptureKey


@pytest.fixture(scope="module")
def done(line):
    return line("oumvlp_mesh").run(fit="subject=10307,condition=01")


def test_every_planted_defect_is_found(line):
    started = line("oumvlp_mesh")
    assert unfound(started.fake.planted, started.index()) == []


def test_all_other_frames_arrive_under_their_numbers_with_their_pixels(done):
    assert_same_frames(done.shards, done.fake)


def test_the_protocol_is_that_of_the_silhouettes(done):
    told = done.score()["gait"]
    assert told["groups"]["NM"]["views"] == ["000", "030", "180"]


@pytest.mark.parametrize("view", ["000", "030", "180"])
def test_each_view_is_fitted_for_itself_and_labels_its_silhouettes(done, view):
    fit = read_fit(fit_path(done.work, CaptureKey("oumvlp_mesh", "10307", "01", view)))
    assert list(fit.cameras) == [view]
    assert np.nanmedian(fit.residuals["joints"]) < 0.005
    arrays = done.shards.sequence(f"oumvlp_mesh/10307/01/{view}").arrays
    assert arrays["valid"].all()
    assert np.median(arrays["mask_iou"]) > 0.9
    truth = done.fake.truth[f"10307/01/{view}"].keypoints("smpl24").points
    windows = arrays["windows"]
    true = np.einsum("fij,fpj->fpi", windows[:, :, :2], truth) + windows[:, None, :, 2]
    # Hands and toes are where joint sets differ most; everything else is known to a fraction of a pixel of 64.
    assert np.median(np.linalg.norm(arrays["joints"][..., :2] - true, axis=-1)) < 0.5
