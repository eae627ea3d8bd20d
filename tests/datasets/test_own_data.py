"""Own recordings and motion capture: AMASS, BVH and C3D files, keypoints of detectors, folders of masks."""

import numpy as np
import pytest
from dataset_line import Done, assert_same_frames, unfound

from meshgait_data.body.files import load_body
from meshgait_data.body.model import forward
from meshgait_data.fits import fit_path, read_fit
from meshgait_data.types import CaptureKey

RENDERED = {
    "amass": "view=090",
    "bvh_lab": "view=090",
    "c3d_lab": "view=090",
    "own_openpose": "view=000|090",
    "own_coco": "view=000|090",
}
"""Fake without silhouettes of its own to the views that are rendered here."""
RATES = {"CMU-16/16_15_poses": 120, "KIT-3/walking_slow01_poses": 100}
"""Of the files."""


@pytest.fixture(scope="module")
def fitted(line):
    """The line on a fake as far as its fits, and the findings of its index."""
    made = {}

    def get(name):
        if name not in made:
            started = line(name)
            findings = started.index()
            started.fit("")
            made[name] = started, findings
        return made[name]

    return get


@pytest.fixture(scope="module")
def amass(fitted):
    return fitted("amass")


@pytest.fixture(scope="module")
def masks(line):
    return line("own_png").run()


@pytest.mark.parametrize("name", RENDERED)
def test_planted_defects_are_found(fitted, name):
    started, findings = fitted(name)
    assert unfound(started.fake.planted, findings) == []


def test_planted_defects_of_masks_are_found(masks):
    assert unfound(masks.fake.planted, masks.findings) == []


@pytest.mark.parametrize(("name", "views"), RENDERED.items())
def test_what_nobody_filmed_is_rendered_with_labels_and_scored(fitted, name, views):
    started, findings = fitted(name)
    shards = started.pack("--rig", "casia_b", "--select", views)
    fits = {path.relative_to(started.work / "fits").with_suffix("").parts for path in started.work.glob("fits/*/*.npz")}
    assert {(record.key.subject, record.key.condition) for record in shards.sequences} == fits
    data = shards.sequence(shards.sequences[0])
    assert data.arrays["silhouettes"].any(axis=(1, 2)).all()
    assert np.isfinite(data.arrays["joints"]).all()
    (told,) = Done(started, findings, shards).score().values()
    assert told["groups"]


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


def test_bvh_gives_the_walk_back(fitted):
    started, _ = fitted("bvh_lab")
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


@pytest.mark.parametrize("walk", ["anna/walk02", "boris/walk01"])
def test_markers_give_the_walk_back(fitted, walk):
    started, _ = fitted("c3d_lab")
    fit = read_fit(fit_path(started.work, CaptureKey("c3d_lab", *walk.split("/"))))
    assert np.diff(fit.frame_ids).tolist() == [4] * 44
    assert fit.fps == 25
    true = _joints(started.fake.truth[walk], fit.frame_ids.astype(int))
    error = np.linalg.norm(forward(load_body("free"), fit.params).joints - true, axis=-1)
    # Plug-in Gait says little of where hands end, and nothing of how the fakes' spines are bent.
    assert error[:, :22].mean() < 0.03, "metres"


@pytest.mark.parametrize("name", ["own_openpose", "own_coco"])
def test_keypoints_of_two_cameras_give_the_walk_back(fitted, name):
    started, _ = fitted(name)
    errors = []
    for key, seen in started.fake.truth.items():
        subject, condition, _ = key.split("/")
        fit = read_fit(fit_path(started.work, CaptureKey(name, subject, condition)))
        joints = forward(load_body("free"), fit.params).joints
        true = seen.posed.joints[fit.frame_ids.astype(int)]
        errors.append(np.linalg.norm((joints - joints[:, :1]) - (true - true[:, :1]), axis=-1).mean())
    assert np.median(errors) < 0.04, "metres from the root"
