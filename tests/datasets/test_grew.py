"""GREW: the original folders and OpenGait's two trees, from the files to the check within the gallery and the CSV."""

import numpy as np
import pytest
from dataset_line import assert_same_frames, embedded, unfound

from meshgait_data.fits import fit_path, read_fit
from meshgait_data.types import CaptureKey
from meshgait_model.protocols.scoring import score

WALK = ("00001", "01", "79XJefi8")
SELECT = "subject=00001,condition=01"


@pytest.fixture(scope="module", params=["grew", "grew_opengait"])
def done(request, line):
    return line(request.param).run(fit=SELECT)


def test_every_planted_defect_is_found(done):
    assert unfound(done.fake.planted, done.findings) == []


def test_all_other_frames_arrive_under_their_numbers_with_their_pixels(done):
    assert_same_frames(done.shards, done.fake)


def test_keys_are_those_of_opengait_and_ids_of_train_and_test_are_apart(done):
    keys = {str(record.key).partition("/")[2]: record.side for record in done.shards.sequences}
    assert keys["00001train/00/4XPn5Z28"] == "train"
    assert keys["00001/01/79XJefi8"] == keys["00001/02/t16VLaQf"] == keys["probe/03/etaGVnWf"] == "test"


def test_the_fit_is_in_the_picture_of_the_silhouettes(done):
    name = done.shards.sequences[0].key.dataset
    fit = read_fit(fit_path(done.work, CaptureKey(name, *WALK)))
    assert fit.cameras[WALK[2]].size == (64, 64)
    assert np.nanmedian(fit.residuals[f"mask_iou:{WALK[2]}"]) > 0.8
    arrays = done.shards.sequence("/".join((name, *WALK))).arrays
    assert np.isfinite(arrays["joints"]).all()
    assert np.median(arrays["mask_iou"]) > 0.8


def test_the_check_within_the_gallery(done):
    scores = score(embedded(done.shards), done.shards.protocol)
    (group,) = scores.groups
    assert len(group.probes.camera) == 2
    assert group.people >= 2
