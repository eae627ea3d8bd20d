"""Rotations: inverse pairs, agreement with scipy, and the places where closed forms lose digits."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from meshgait_data import rotations

ORDERS = ["x", "zx", "xyz", "zyx", "yxz", "xzy"]
vectors = st.lists(st.floats(-10, 10), min_size=3, max_size=3).map(np.array)


@given(vectors, vectors)
def test_skew_is_the_cross_product(v, x):
    np.testing.assert_allclose(rotations.skew(v) @ x, np.cross(v, x), atol=1e-12)


@given(vectors, st.floats(-12, 1))
def test_exp_agrees_with_scipy_at_every_size(v, exponent):
    v = v * 10**exponent
    np.testing.assert_allclose(
        rotations.exp(v), Rotation.from_rotvec(v).as_matrix(), atol=2e-9 if exponent < -3 else 1e-12
    )


@given(vectors)
def test_log_undoes_exp(v):
    R = rotations.exp(v)
    back = rotations.log(R)
    assert np.linalg.norm(back) <= np.pi + 1e-12
    np.testing.assert_allclose(rotations.exp(back), R, atol=1e-7)


@pytest.mark.parametrize("angle", [0.0, 1e-12, 1e-8, 1e-5, 1e-4, 1.0, np.pi - 1e-7, np.pi])
def test_log_gives_the_angle_back(rng, angle):
    axes = rng.normal(size=(200, 3))
    axes /= np.linalg.norm(axes, axis=-1, keepdims=True)
    back = rotations.log(rotations.exp(angle * axes))
    # At a half turn both signs of the axis are right.
    error = np.minimum(np.abs(back - angle * axes).max(-1), np.abs(back + angle * axes).max(-1) + 9 * (angle < 3))
    assert error.max() < 1e-7


def test_quaternions_are_unit_and_agree_with_scipy(rng):
    R = Rotation.random(500, random_state=3).as_matrix()
    R = np.concatenate([R, rotations.exp(np.pi * np.eye(3)), np.eye(3)[None]])
    quaternions = rotations.to_quaternions(R)
    np.testing.assert_allclose(np.linalg.norm(quaternions, axis=-1), 1)
    assert (quaternions[:, 0] >= 0).all()
    theirs = Rotation.from_matrix(R).as_quat(scalar_first=True)
    assert np.abs(np.abs(np.sum(quaternions * theirs, -1)) - 1).max() < 1e-12


@given(vectors, vectors)
def test_between_takes_source_to_target_on_the_shortest_way(a, b):
    if min(np.linalg.norm(a), np.linalg.norm(b)) < 1e-3:
        return
    R = rotations.between(a, b)
    unit_a, unit_b = a / np.linalg.norm(a), b / np.linalg.norm(b)
    np.testing.assert_allclose(R @ unit_a, unit_b, atol=1e-4)
    np.testing.assert_allclose(R @ R.T, np.eye(3), atol=1e-4)
    assert np.trace(R) == pytest.approx(1 + 2 * unit_a @ unit_b, abs=1e-4)


def test_between_of_opposite_and_equal_directions():
    a = np.concatenate([np.eye(3), np.ones((1, 3))])
    np.testing.assert_allclose(np.einsum("nij,nj->ni", rotations.between(a, -a), a), -a, atol=1e-12)
    np.testing.assert_allclose(rotations.between(a, 2 * a), np.broadcast_to(np.eye(3), (4, 3, 3)), atol=1e-12)


@pytest.mark.parametrize("order", ORDERS)
def test_euler_turns_about_fixed_axes_first_letter_first(rng, order):
    angles = rng.uniform(-4, 4, size=(5, 7, len(order)))
    theirs = Rotation.from_euler(order, angles.reshape(-1, len(order))).as_matrix().reshape(5, 7, 3, 3)
    np.testing.assert_allclose(rotations.euler(angles, order), theirs, atol=1e-12)


def test_batches_equal_single_values(rng):
    v = rng.normal(size=(4, 5, 3))
    R = rotations.exp(v)
    assert R.shape == (4, 5, 3, 3)
    np.testing.assert_array_equal(R[2, 3], rotations.exp(v[2, 3]))
    np.testing.assert_array_equal(rotations.log(R)[1, 4], rotations.log(R[1, 4]))


def test_single_precision_stays_single():
    assert rotations.exp(np.zeros((2, 3), np.float32)).dtype == np.float32
