"""Own recordings and motion capture: AMASS, BVH files, folders of masks."""

import numpy as np
import pytest
from dataset_line import assert_same_frames, unfound

from meshgait_data.body.files import load_body
from meshgait_data.body.model import forward
from meshgait_data.fits import fit_path, read_fit
from meshgait_data.types import CaptureKey

RATES = {"CMU-16/16_15_poses": 120, "KIT-3/walking_slow01_poses": 100}
"""Of the files."""


@pytest.fixture(scope="module")
def amass(line):
    started = line("amass")
    findings = started.index()
    started.fit("")
    return started, findings


@pytest.fixture(scope="module")
def bvh(line):
    started = line("bvh_lab")
    findings = started.index()
    started.fit("subject=anna")
    return started, findings


@pytest.fixture(scope="module")
def masks(line):
    return line("own_png").run()


def test_planted_defects_are_found(amass, bvh, masks):
    assert unfound(amass[0].fake.planted, amass[1]) == []
    assert unfound(bvh[0].fake.planted, bvh[1]) == []
    assert unfound(masks.fake.planted, masks.findings) == []


def _joints(params, frames):
    return forward(load_body("free"), params).joints[frames]


@pytest.mark.parametrize("take", ["CMU-16/16_15_poses", "CMU-35/35_05_stageii"])
def test_amass_keeps_every_pose_and_turns_the_world(amass, take):
    started, _ = amass
    fit = read_fit(fit_path(started.work, CaptureKey("amass", *take.split("/"))))
    truth = started.fake.truth[take]
    frames = fit.frame_ids.astype(int)
    np.testing.assert_allclose(fit.params.body_pose[:, :63], truth.body_pose[frames, :63], atol=1e-5)
    np.testing.assert_allclose(fit.params.global_orient, truth.global_orient[frames], atol=1e-4)


def test_amass_keeps_the_rate_of_each_file(amass):
    started, _ = amass
    rates = {"CMU-16/16_15_poses": 30, "KIT-3/walking_slow01_poses": 100 / 3}
    for take, rate in rates.items():
        fit = read_fit(fit_path(started.work, CaptureKey("amass", *take.split("/"))))
        assert fit.fps == pytest.approx(rate)
        assert set(np.diff(fit.frame_ids)) == {round(RATES[take] / rate)}


def test_amass_has_takes_with_spaces_in_their_names(amass):
    started, findings = amass
    key = CaptureKey("amass", "CMU-35", "Walk%20B10%20-%20turn%20left_poses")
    fit = read_fit(fit_path(started.work, key))
    np.testing.assert_allclose(
        fit.params.body_pose[:, :63], started.fake.truth["spaces"].body_pose[::4, :63], atol=1e-5
    )
    assert not [finding for finding in findings if finding.id == "MG-INDEX-002"]


def test_bvh_gives_the_walk_back(bvh):
    started, _ = bvh
    fit = read_fit(fit_path(started.work, CaptureKey("bvh_lab", "anna", "walk01")))
    found = forward(load_body("free"), fit.params).joints
    true = _joints(started.fake.truth["anna/walk01"], fit.frame_ids.astype(int))
    knees_and_ankles = [4, 5, 7, 8]
    error = np.linalg.norm(found - true, axis=-1)[:, knees_and_ankles]
    assert np.median(error) < 0.02, "metres"


def test_masks_arrive_under_their_numbers_with_their_pixels(masks):
    assert_same_frames(masks.shards, masks.fake)


def test_own_protocols_are_scored(masks):
    (told,) = masks.score().values()
    (group,) = told["groups"].values()
    # p003 and p004, each seen by two cameras on the second walk.
    assert group["people"] == 2
    assert group["probes"] <= 4
