"""The user's own model file, named by MESHGAIT_BODY: it loads, and the stock package says the same."""

import os

import numpy as np
import pytest
import torch
from random_body import make_params

from meshgait_data.body.files import ENVIRONMENT, load_body
from meshgait_data.body.model import forward

pytestmark = pytest.mark.licensed


@pytest.fixture(scope="module")
def body():
    if not os.environ.get(ENVIRONMENT):
        pytest.skip(f"{ENVIRONMENT} names no body")
    return load_body()


def test_the_stock_package_agrees(body):
    smplx = pytest.importorskip("smplx")
    params = make_params(8, betas=min(body.num_betas, 10))
    params.body_pose[:, 63:] = 0.0
    lbs = [torch.tensor(getattr(body, name)) for name in ("v_template", "shapedirs", "posedirs", "J_regressor")]
    lbs[1] = lbs[1][..., : len(params.betas)]
    lbs[2] = lbs[2].reshape(-1, 207).T
    pose = torch.from_numpy(np.concatenate([params.global_orient, params.body_pose], 1))
    betas = torch.from_numpy(np.tile(params.betas, (8, 1)))
    parents, weights = torch.tensor(body.parents), torch.tensor(body.weights)
    vertices, joints = smplx.lbs.lbs(betas, pose, *lbs, parents, weights)
    output = forward(body, params)
    np.testing.assert_allclose(output.vertices, vertices + params.transl[:, None], atol=1e-5)
    np.testing.assert_allclose(output.joints, joints + params.transl[:, None], atol=1e-5)


def test_it_is_a_person(body):
    height = np.ptp(body.v_template[:, 1])
    assert 1.3 < height < 2.2
    assert body.num_betas >= 10
