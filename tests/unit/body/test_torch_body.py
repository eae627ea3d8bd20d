"""The torch forward pass equals the numpy one and can be differentiated, also at the rest pose."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from random_body import make_params

from meshgait_data import torch_rotations
from meshgait_data.body.model import forward
from meshgait_data.body.torch_body import TorchBody
from meshgait_data.errors import InvalidData
from meshgait_data.rotations import exp


def tensors(params, dtype=torch.float64):
    arrays = (np.tile(params.betas, (len(params), 1)), params.global_orient, params.body_pose, params.transl)
    return [torch.tensor(array, dtype=dtype) for array in arrays]


def test_equals_numpy(random_body):
    params = make_params(5)
    vertices, joints = TorchBody(random_body, dtype=torch.float64)(*tensors(params))
    output = forward(random_body, params)
    np.testing.assert_allclose(vertices.numpy(), output.vertices, atol=1e-6)
    np.testing.assert_allclose(joints.numpy(), output.joints, atol=1e-6)


def test_single_precision_and_shared_shape(random_body):
    params = make_params(5)
    _, *rest = tensors(params, torch.float32)
    shared = torch.tensor(params.betas)[None]
    vertices, _ = TorchBody(random_body)(shared, *rest)
    assert vertices.dtype == torch.float32
    np.testing.assert_allclose(vertices.numpy(), forward(random_body, params).vertices, atol=1e-5)


def test_chosen_vertices(random_body):
    params, ids = make_params(2), np.array([7, 2, 59])
    vertices, joints = TorchBody(random_body, ids, torch.float64)(*tensors(params))
    expected = forward(random_body, params, ids)
    np.testing.assert_allclose(vertices.numpy(), expected.vertices, atol=1e-6)
    np.testing.assert_allclose(joints.numpy(), expected.joints, atol=1e-6)


def test_gradients(random_body):
    module = TorchBody(random_body, np.arange(0, 60, 20), torch.float64)
    inputs = tensors(make_params(1))
    inputs[2][:, :6] = 0.0
    assert torch.autograd.gradcheck(module, [tensor.requires_grad_() for tensor in inputs], fast_mode=True)


@pytest.mark.parametrize("name", ["betas", "global_orient", "body_pose", "transl"])
def test_gradients_at_the_rest_pose(random_body, name):
    module = TorchBody(random_body, np.array([1, 30, 59]), torch.float64)
    inputs = [torch.zeros_like(tensor) for tensor in tensors(make_params(2))]
    which = ["betas", "global_orient", "body_pose", "transl"].index(name)

    def of_one(value):
        return module(*inputs[:which], value, *inputs[which + 1 :])

    assert torch.autograd.gradcheck(of_one, (inputs[which].clone().requires_grad_(),))


@pytest.mark.parametrize("count", [0, 1, 31, 33, 70])
def test_any_number_of_bodies(random_body, count):
    params = make_params(count)
    vertices, joints = TorchBody(random_body, dtype=torch.float64)(*tensors(params))
    output = forward(random_body, params, dtype=np.float64)
    np.testing.assert_allclose(vertices.numpy(), output.vertices, atol=1e-12)
    np.testing.assert_allclose(joints.numpy(), output.joints, atol=1e-12)


def test_each_body_has_its_own_shape(random_body):
    inputs = tensors(make_params(3))
    inputs[0] = inputs[0] * torch.tensor([[0.0], [1.0], [2.0]])
    together = TorchBody(random_body, dtype=torch.float64)(*inputs)[0]
    for i in range(3):
        alone = TorchBody(random_body, dtype=torch.float64)(*(tensor[i : i + 1] for tensor in inputs))[0]
        np.testing.assert_allclose(together[i], alone[0], atol=1e-12)


def test_fewer_betas_than_the_body_has_and_never_more(random_body):
    module, inputs = TorchBody(random_body, dtype=torch.float64), tensors(make_params(2))
    padded = torch.cat([inputs[0][:, :3], torch.zeros(2, 7)], 1)
    few, full = module(inputs[0][:, :3], *inputs[1:]), module(padded, *inputs[1:])
    np.testing.assert_allclose(few[0], full[0], atol=1e-12)
    with pytest.raises(InvalidData, match="10 shape components"):
        module(torch.zeros(2, 11), *inputs[1:])


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**32 - 1), st.floats(-9, 0.8))
def test_exp_equals_numpy_and_has_gradients_at_every_size(seed, exponent):
    vector = 10.0**exponent * np.random.default_rng(seed).normal(size=3)
    tensor = torch.tensor(vector, requires_grad=True)
    np.testing.assert_allclose(torch_rotations.exp(tensor).detach().numpy(), exp(vector), atol=1e-9)
    assert torch.autograd.gradcheck(torch_rotations.exp, (tensor,), atol=1e-5)


def test_rest_pose_has_finite_gradients():
    zero = torch.zeros(2, 3, requires_grad=True)
    torch_rotations.exp(zero).sum().backward()
    assert torch.isfinite(zero.grad).all()


def test_arrays_stay_out_of_checkpoints(random_body):
    assert not TorchBody(random_body).state_dict()
