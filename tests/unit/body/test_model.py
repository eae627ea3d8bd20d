"""The numpy forward pass: what it does to known poses, and what it must do to any."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_body import FLIP, make_body, make_params

from meshgait_data.body.model import chain, forward, local_rotations, move, rest_joints
from meshgait_data.conventions import SMPL_MIRROR, SMPL_PARENTS
from meshgait_data.errors import InvalidData
from meshgait_data.rotations import exp
from meshgait_data.types import BodyParams

seeds = st.integers(0, 2**32 - 1)


def naive(body, params):
    """Dense, double precision, one frame and one vertex at a time: slow and easy to believe."""
    rotations = local_rotations(params)
    shaped = body.v_template + body.shapedirs.astype(float) @ params.betas
    rest = body.J_regressor.astype(float) @ shaped
    result = []
    for R, shift in zip(rotations, params.transl, strict=True):
        world = []
        for joint, parent in enumerate(SMPL_PARENTS):
            own = np.eye(4)
            own[:3, :3] = R[joint]
            own[:3, 3] = rest[joint] - (rest[parent] if parent >= 0 else 0)
            world.append(own if parent < 0 else world[parent] @ own)
        corrected = shaped + body.posedirs.astype(float) @ (R[1:] - np.eye(3)).ravel()
        posed = [
            sum(w * (G[:3, :3] @ (x - J) + G[:3, 3]) for w, G, J in zip(weights, world, rest, strict=True))
            for weights, x in zip(body.weights.astype(float), corrected, strict=True)
        ]
        result.append(np.array(posed) + shift)
    return np.array(result)


def test_forward_is_skinning_by_the_book(random_body):
    params = make_params(3)
    np.testing.assert_allclose(forward(random_body, params).vertices, naive(random_body, params), atol=2e-6)


def test_identity_pose_is_the_shaped_template(random_body):
    params = make_params(2)
    still = BodyParams(params.betas, np.zeros((2, 3)), np.zeros((2, 69)), np.zeros((2, 3)))
    output = forward(random_body, still)
    shaped = random_body.v_template + random_body.shapedirs @ params.betas
    np.testing.assert_allclose(output.vertices[1], shaped, atol=1e-6)
    np.testing.assert_allclose(output.joints[1], random_body.J_regressor @ shaped, atol=1e-6)
    assert output.vertices.dtype == output.joints.dtype == np.float32


@settings(deadline=None, max_examples=25)
@given(seeds)
def test_moved_parameters_move_the_vertices(seed):
    body, params, rng = make_body(30), make_params(3, seed=seed), np.random.default_rng(seed)
    R, T = exp(2 * rng.normal(size=3)), rng.normal(size=3)
    before, after = forward(body, params), forward(body, move(body, params, R, T))
    np.testing.assert_allclose(after.vertices, before.vertices @ R.T + T, atol=2e-5)
    np.testing.assert_allclose(after.joints, before.joints @ R.T + T, atol=2e-5)


@settings(deadline=None, max_examples=25)
@given(seeds)
def test_mirrored_pose_gives_the_mirrored_body(seed):
    body, params = make_body(30), make_params(2, seed=seed)
    pose = np.concatenate([params.global_orient, params.body_pose], 1).reshape(2, 24, 3)
    # An axis of rotation is a pseudovector: the mirror keeps its x and flips y and z.
    pose = -FLIP * pose[:, SMPL_MIRROR]
    mirrored = BodyParams(params.betas, pose[:, 0], pose[:, 1:].reshape(2, 69), FLIP * params.transl)
    expected = FLIP * forward(body, params).vertices[:, body.mirror]
    np.testing.assert_allclose(forward(body, mirrored).vertices, expected, atol=1e-5)


def test_chosen_vertices_equal_the_full_mesh(random_body):
    params = make_params(4)
    ids = np.array([3, 3, 59, 0])
    full, some = forward(random_body, params), forward(random_body, params, ids)
    np.testing.assert_allclose(some.vertices, full.vertices[:, ids], atol=1e-6)
    np.testing.assert_array_equal(some.joints, full.joints)
    assert forward(random_body, params, ids[:0]).vertices.shape == (4, 0, 3)


@pytest.fixture(params=["sparse", "dense"])
def either_body(request, random_body):
    """A body whose pose correctives are all there, and one where most are zero: the two ways of adding them up."""
    if request.param == "dense":
        return random_body
    beside = np.random.default_rng(0).random((60, 1, 207)) < 0.05
    return replace(random_body, posedirs=random_body.posedirs * beside)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("frames", [1, 7, 8, 31, 33, 100])
def test_both_ways_of_skinning_are_by_the_book(either_body, frames, dtype):
    params = make_params(frames)
    output = forward(either_body, params, dtype=dtype)
    assert output.vertices.dtype == output.joints.dtype == dtype
    picked = [0, frames // 2, frames - 1]
    atol = 1e-12 if dtype == np.float64 else 2e-6
    np.testing.assert_allclose(output.vertices[picked], naive(either_body, params.take(picked)), atol=atol)


@settings(deadline=None, max_examples=25)
@given(seeds, st.integers(0, 70), st.sampled_from([np.float32, np.float64]))
def test_the_compiled_joints_are_those_of_numpy(seed, frames, dtype):
    body, params = make_body(30), make_params(frames, seed=seed)
    params.body_pose[:, :6] *= 1e-6
    params.body_pose[:, 6:9] = 0
    rest, directions = rest_joints(body)
    expected = chain(body.parents, local_rotations(params), rest + directions @ params.betas)[1]
    joints = forward(body, params, np.zeros(0, int), dtype=dtype).joints
    np.testing.assert_allclose(joints, expected + params.transl[:, None], atol=1e-12 if dtype == np.float64 else 1e-6)


@settings(deadline=None, max_examples=40)
@given(seeds, st.integers(1, 70), st.integers(1, 20))
def test_a_frame_and_a_vertex_do_not_depend_on_their_company(seed, frames, count):
    body, rng = make_body(30), np.random.default_rng(seed)
    sparse = replace(body, posedirs=body.posedirs * (rng.random((30, 1, 207)) < 0.05))
    params, ids = make_params(frames, seed=seed), rng.integers(0, 30, count)
    picked = rng.integers(0, frames, rng.integers(1, 20))
    for each, exact in ((sparse, True), (body, False)):
        whole, part = forward(each, params), forward(each, params.take(picked), ids)
        expected = whole.vertices[np.ix_(picked, ids)]
        np.testing.assert_array_equal(part.joints, whole.joints[picked])
        if exact:
            np.testing.assert_array_equal(part.vertices, forward(each, params, ids).vertices[picked])
        np.testing.assert_allclose(part.vertices, expected, atol=1e-6)


@pytest.mark.parametrize("frames", [1, 40])
def test_weights_that_do_not_sum_to_one_do_not_scale_the_place(random_body, frames):
    # Published weights are rounded; the translation is added after skinning, as everybody does.
    rough, params = replace(random_body, weights=0.999 * random_body.weights), make_params(frames)
    params.transl[:] += 100
    np.testing.assert_allclose(forward(rough, params).vertices, naive(rough, params), atol=2e-5)


def test_no_frames(random_body):
    output = forward(random_body, make_params(0))
    assert output.vertices.shape == (0, 60, 3)
    assert output.joints.shape == (0, 24, 3)


@pytest.mark.parametrize("ids", [[-1], [60], [[1]], [0.5], [True, False]])
def test_vertices_that_are_none_are_refused(random_body, ids):
    with pytest.raises(InvalidData, match="from 0 to 59"):
        forward(random_body, make_params(1), np.array(ids))


def test_many_components_of_which_few_are_given():
    wide, narrow = make_body(betas=40), make_body(betas=10)
    same = replace(wide, shapedirs=np.concatenate([narrow.shapedirs, wide.shapedirs[..., 10:]], axis=2))
    params = make_params(3)
    np.testing.assert_allclose(forward(same, params).vertices, forward(narrow, params).vertices, atol=1e-6)
    R, T = exp(np.array([0.3, 0.2, 0.1])), np.ones(3)
    moved, expected = move(same, params, R, T), move(narrow, params, R, T)
    np.testing.assert_allclose(moved.transl, expected.transl, atol=1e-6)


def test_missing_betas_are_zero(random_body):
    params = make_params(2)
    few = BodyParams(params.betas[:3], params.global_orient, params.body_pose, params.transl)
    padded = BodyParams(np.append(params.betas[:3], np.zeros(7)), params.global_orient, params.body_pose, params.transl)
    np.testing.assert_allclose(forward(random_body, few).vertices, forward(random_body, padded).vertices, atol=1e-6)


def test_rest_joints_are_linear_in_shape(random_body):
    J_template, J_shapedirs = rest_joints(random_body)
    betas = np.arange(10) / 10
    shaped = random_body.v_template + random_body.shapedirs @ betas
    np.testing.assert_allclose(J_template + J_shapedirs @ betas, random_body.J_regressor @ shaped, atol=1e-6)


def test_chain_keeps_bone_lengths(random_body):
    rest = rest_joints(random_body)[0]
    joints = chain(random_body.parents, local_rotations(make_params(3)), rest)[1]
    bones = joints[:, 1:] - joints[:, random_body.parents[1:]]
    expected = np.linalg.norm(rest[1:] - rest[random_body.parents[1:]], axis=-1)
    np.testing.assert_allclose(np.linalg.norm(bones, axis=-1), np.tile(expected, (3, 1)), atol=1e-12)


@pytest.mark.parametrize("name", ["global_orient", "body_pose", "transl", "betas"])
def test_arrays_that_do_not_fit_are_named(random_body, name):
    arrays = {field: getattr(make_params(3), field) for field in ("betas", "global_orient", "body_pose", "transl")}
    arrays[name] = np.zeros((3, 11))
    with pytest.raises(InvalidData, match=name):
        forward(random_body, BodyParams(**arrays))


def test_more_betas_than_the_body_has(random_body):
    params = make_params(2, betas=11)
    with pytest.raises(InvalidData, match="10 shape components"):
        forward(random_body, params)
