"""Priors learned from invented people: phases, cycle and styles come out as they went in; what goes wrong is said."""

import dataclasses

import numpy as np
import pytest
import torch
from prior_people import SUBJECTS, invented_fit, write_work

from meshgait_data.body.files import load_body
from meshgait_data.conventions import REJECTED, SMPL_MIRROR
from meshgait_data.errors import InvalidData, UsageError
from meshgait_data.fit.priors.gait_learn import GaitSettings, coefficients, fit_cycle, mirror_cycle, stride
from meshgait_data.fit.priors.gait_project import project
from meshgait_data.fit.priors.learn import learn_gait
from meshgait_data.fit.priors.phase import first_phase, harmonics, heel_strikes, refine_phase
from meshgait_data.fit.priors.pose import learn_pose, log_likelihood
from meshgait_data.fit.priors.walks import mirrored, turn_about_y
from meshgait_data.fits import fit_path, read_fit, write_fit
from meshgait_data.pipeline.prior_files import load_gait
from meshgait_data.pipeline.priors import learn, walks_of

FEW = GaitSettings(styles=3)


@pytest.fixture(scope="module")
def lite():
    return load_body("free-lite")


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    return write_work(tmp_path_factory.mktemp("people") / "work")


@pytest.fixture(scope="module")
def walks(work, lite):
    found, unused = walks_of(work, lite)
    assert not unused
    return found


@pytest.fixture(scope="module")
def strided(walks):
    return stride(walks, FEW)


def wrapped(angles):
    return (np.asarray(angles) + np.pi) % (2 * np.pi) - np.pi


def test_subjects_who_may_be_one_person_are_one(walks):
    assert sorted({walk.person for walk in walks}) == ["02", "05", "06", "07"]
    assert len(walks) == 2 * len(SUBJECTS)


def test_phases_headings_and_floor_come_out_as_they_went_in(walks, strided):
    for one in strided[1]:
        number = SUBJECTS.index(one.walk.name.split("/")[1])
        take = int(one.walk.name[-1]) - 1
        assert abs(wrapped(one.paced.phase[0] - number - 2.0 * take)) < 0.12
        np.testing.assert_allclose(wrapped(one.paced.heading - 1.3 * number), 0, atol=0.04)
        assert abs(one.walk.ground_m) < 0.03
        np.testing.assert_allclose(heel_strikes(one.walk, one.paced), 0, atol=0.25)


def test_phase_advances_evenly(strided):
    for one in strided[1]:
        steps = np.diff(one.paced.phase)
        assert steps.std() < 0.02 * steps.mean()


def test_a_mirrored_walk_is_half_a_cycle_on(walks, strided):
    _, ours = strided
    _, images = stride([mirrored(walk) for walk in walks], FEW)
    for one, image in zip(ours, images, strict=True):
        np.testing.assert_allclose(wrapped(image.paced.phase - one.paced.phase - np.pi), 0, atol=0.02)
        assert image.paced.speed == pytest.approx(one.paced.speed)
    np.testing.assert_allclose(mirror_cycle(coefficients(ours[0], 4)), coefficients(images[0], 4), atol=2e-3)


def test_the_mean_pose_and_cycle_are_symmetric(walks, strided):
    mean, ours = strided
    signs = np.array([-1.0, 1.0, 1.0])
    np.testing.assert_allclose(mean[SMPL_MIRROR] * signs[:, None] * signs, mean, atol=1e-12)
    cycle = fit_cycle(mean, ours, FEW, name="toy").cycle.numpy()
    np.testing.assert_allclose(mirror_cycle(cycle), cycle, atol=1e-12)


def test_strangers_are_as_near_as_the_styles_they_share(walks):
    prior = learn_gait(walks, GaitSettings(styles=6))
    assert prior.size == 6
    assert prior.harmonics == 4
    assert 0 < prior.memory_s < 1.2
    known = load_gait("walk")
    phases = torch.linspace(0, 6, 20).double()
    turned = prior.rotations(phases).mT @ known.rotations(phases)
    cosine = (turned.diagonal(dim1=-2, dim2=-1).sum(-1) - 1) / 2
    # Four invented people in random styles: their mean is near the mean that they were drawn around, not on it.
    assert float(cosine.clamp(max=1).arccos().mean()) < np.radians(8)


def test_projection_explains_walks_that_were_learned(walks, strided):
    mean, ours = strided
    space = fit_cycle(mean, ours, GaitSettings(styles=8), name="toy")
    for one in ours:
        found = project(space, one, FEW)
        assert np.sqrt(np.square(found.misses[:, :72]).mean()) < np.radians(1.0)
        assert np.abs(found.style).max() < 4


def test_excluded_people_leave_no_trace(walks):
    without = learn_gait(walks, FEW, exclude={"02"})
    again = learn_gait([walk for walk in walks if walk.person != "02"], FEW)
    torch.testing.assert_close(without.cycle, again.cycle, rtol=0, atol=0)
    assert not torch.allclose(without.cycle, learn_gait(walks, FEW).cycle)


def test_refined_phase_finds_a_slow_wander(strided):
    _, ours = strided
    cycle = coefficients(ours[0], 4)
    truth = ours[0].paced.phase + 0.1 * np.sin(2 * np.pi * 0.2 * ours[0].walk.times)
    found = refine_phase(ours[0].paced.phase, harmonics(truth, 4) @ cycle, cycle, np.ones(75), cutoff=1 / 30)
    assert np.abs(found - truth).max() < 0.02


def test_pose_priors(walks):
    prior, wide = learn_pose(walks), learn_pose(walks, wide=True, name="general")
    assert torch.equal(prior.mean[0], torch.eye(3).double())
    assert float(torch.linalg.eigvalsh(prior.covariance)[0]) > 0
    assert (wide.covariance.diagonal() > prior.covariance.diagonal() - 1e-9).float().mean() > 0.9
    assert (wide.acceleration > prior.acceleration).all()
    poses = np.concatenate([walk.rotations for walk in walks])
    assert log_likelihood(prior, poses) > log_likelihood(wide, poses)
    moved = prior.to("cpu", torch.float32)
    assert moved.mean.dtype == moved.acceleration.dtype == torch.float32


def test_too_few_people(walks):
    with pytest.raises(InvalidData, match="at least 3 people"):
        learn_gait(walks, exclude={"02", "05"})
    with pytest.raises(InvalidData, match="at least 2 people"):
        learn_pose(walks, exclude={"02", "05", "06"})


def test_walks_that_are_none_are_named(lite, tmp_path):
    folder = write_work(tmp_path / "work", s49=True)
    short = invented_fit(lite, "55", frames=24)
    rejected = invented_fit(lite, "10")
    rejected.verdict[10:] = REJECTED
    slides = invented_fit(lite, "16")
    pose = slides.params.body_pose
    pose[:] = pose[0] + np.random.default_rng(0).normal(scale=0.01, size=pose.shape)
    for fit in (short, rejected, slides):
        write_fit(fit_path(folder, fit.key), fit)
    found, unused = walks_of(folder, lite)
    assert len(found) == 2 * len(SUBJECTS)
    assert "goes nowhere" in unused["cmu_walk/49/09"]
    assert "ankles do not swing" in unused["cmu_walk/16/01"]
    assert "strides" in unused["cmu_walk/55/01"]
    assert "10 frames" in unused["cmu_walk/10/01"]


def test_learned_priors_say_where_they_come_from(work, lite):
    learned = learn(work, lite, name="mine", exclude_subjects=["38"], settings=FEW)
    about = learned.priors.provenance
    # 38 may be 07: both are left out.
    assert about["excluded"] == ["07"]
    assert about["people"] == ["02", "05", "06"]
    assert "EIA-0196217" in about["acknowledgement"]
    assert about["body_sha256"] == lite.sha256
    assert learned.priors.gait is not None
    assert learn(work, lite, name="mine", general=True).priors.gait is None


def test_wrong_input_is_refused_with_a_way_out(work, lite, tmp_path):
    with pytest.raises(UsageError, match="subject 99"):
        learn(work, lite, name="mine", exclude_subjects=["99"])
    with pytest.raises(UsageError, match="not a work folder"):
        learn(tmp_path, lite, name="mine")
    with pytest.raises(UsageError, match="fitted with body"):
        walks_of(work, load_body("free"))
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "manifest.yaml").write_text((work / "manifest.yaml").read_text())
    with pytest.raises(UsageError, match="no fits"):
        walks_of(empty, lite)


def test_a_turned_world_does_not_change_the_phase(walks):
    walk = walks[0]
    turned = dataclasses.replace(walk, joints=walk.joints @ turn_about_y(np.array(2.0)).T)
    np.testing.assert_allclose(first_phase(turned), first_phase(walk), atol=1e-6)


def test_fits_are_read_as_they_were_written(work, walks):
    fit = read_fit(work / "fits" / "02" / "01.npz")
    assert len(fit.params) == len(walks[0].times)
    np.testing.assert_allclose(np.diff(walks[0].times), 1 / 30)
