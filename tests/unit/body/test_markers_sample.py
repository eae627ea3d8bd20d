"""Meshes to learn markers from: poses stay within limits, wide ones are wide, shapes are random."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_body import make_body, make_params

from meshgait_data.body.marker_sample import (
    MAIN_BETAS,
    draw_frames,
    draw_sample,
    joint_limits,
    random_meshes,
    wide_poses,
    within_limits,
)
from meshgait_data.body.model import forward
from meshgait_data.conventions import SMPL_MIRROR
from meshgait_data.types import BodyParams

seeds = st.integers(0, 2**32 - 1)


def test_limits_are_mirror_images():
    low, high = joint_limits()
    assert np.all(low < high)
    mirrored = np.stack([low, high])[:, SMPL_MIRROR[1:] - 1] * [1, -1, -1]
    paired = SMPL_MIRROR[1:] != np.arange(1, 24)
    np.testing.assert_allclose(np.sort(mirrored, axis=0)[:, paired], np.stack([low, high])[:, paired])


@settings(deadline=None, max_examples=20)
@given(seeds, st.integers(1, 30))
def test_wide_poses_stay_within_limits_and_go_beyond_the_walk(seed, frames):
    rng = np.random.default_rng(seed)
    walk = within_limits(0.2 * rng.normal(size=(frames, 69)))
    wide = wide_poses(walk, rng)
    low, high = joint_limits().reshape(2, 69)
    assert wide.shape == walk.shape
    assert np.all(wide >= low - 1e-6)
    assert np.all(wide <= high + 1e-6)
    if frames > 10:
        assert wide.std(axis=0).mean() > 1.5 * walk.std(axis=0).mean()


def test_frames_come_evenly_from_all_people():
    people = {"a": np.full((50, 69), 1.0), "b": np.full((3, 69), 2.0), "c": np.full((9, 69), 3.0)}
    drawn = draw_frames(people, 10, np.random.default_rng(0))
    np.testing.assert_array_equal(np.unique(drawn[:, 0], return_counts=True)[1], [4, 3, 3])


def test_random_meshes_are_posed_bodies_without_root_rotation():
    body, params = make_body(betas=12), make_params(2)
    meshes = random_meshes(body, params.body_pose, np.random.default_rng(0))
    betas = np.random.default_rng(0).normal(size=(2, 12))
    betas[0, MAIN_BETAS:] = 0  # the first has the main components only
    still = np.zeros((1, 3), np.float32)
    for index in range(2):
        pose = BodyParams(betas[index], still, params.body_pose[index : index + 1], still)
        np.testing.assert_allclose(meshes[index], forward(body, pose).vertices[0], atol=1e-6)


def test_samples_follow_from_their_seed():
    body, people = make_body(), {"a": make_params(8).body_pose, "b": make_params(5, seed=1).body_pose}
    first, second = (draw_sample(body, people, (6, 3), np.random.default_rng(4)) for _ in range(2))
    np.testing.assert_array_equal(first.all, second.all)
    assert (len(first.walks), len(first.wide)) == (6, 3)
    with pytest.raises(AssertionError):
        np.testing.assert_array_equal(first.all, draw_sample(body, people, (6, 3), np.random.default_rng(5)).all)
