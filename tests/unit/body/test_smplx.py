"""The stock ``smplx`` package loads the very files that ship, and says the same as our two forward passes."""

import numpy as np
import pytest
import torch

from meshgait_data.body.files import find_body, load_body, shipped_bodies
from meshgait_data.body.model import forward
from meshgait_data.body.torch_body import TorchBody
from meshgait_data.types import BodyParams

smplx = pytest.importorskip("smplx")

COUNT = 6


def stock(name="free", **options):
    """``smplx.SMPL`` on the shipped arrays as they are."""
    with np.load(find_body(name).path, allow_pickle=False) as arrays:
        content = smplx.utils.Struct(**{key: arrays[key] for key in arrays.files})
    return smplx.SMPL("", data_struct=content, batch_size=COUNT, **options)


@pytest.fixture(scope="module")
def free():
    return load_body("free")


@pytest.mark.parametrize("name", shipped_bodies())
def test_stock_smplx_and_our_forward_passes_agree(name, rng):
    body = load_body(name)
    draw = lambda *shape, scale: (scale * rng.normal(size=shape)).astype(np.float32)  # noqa: E731
    betas, transl = draw(COUNT, 10, scale=1.5), draw(COUNT, 3, scale=2.0)
    orient, pose = draw(COUNT, 3, scale=1.5), draw(COUNT, 69, scale=0.5)
    inputs = {"betas": betas, "global_orient": orient, "body_pose": pose, "transl": transl}
    with torch.no_grad():
        theirs = stock(name, vertex_ids=dict(body.vertex_ids))(**{k: torch.from_numpy(v) for k, v in inputs.items()})
        ours = TorchBody(body)(
            *(torch.from_numpy(inputs[k]) for k in ("betas", "global_orient", "body_pose", "transl"))
        )
    np.testing.assert_allclose(ours[0], theirs.vertices, atol=1e-5)
    np.testing.assert_allclose(ours[1], theirs.joints[:, :24], atol=1e-5)
    for i in range(COUNT):
        one = slice(i, i + 1)
        output = forward(body, BodyParams(betas[i], orient[one], pose[one], transl[one]))
        np.testing.assert_allclose(output.vertices[0], theirs.vertices[i], atol=1e-5)
        np.testing.assert_allclose(output.joints[0], theirs.joints[i, :24], atol=1e-5)


def test_the_21_extra_joints_are_the_named_vertices(free):
    output = stock(vertex_ids=dict(free.vertex_ids))()
    assert output.joints.shape == (COUNT, 45, 3)
    feet = [free.vertex_ids[name] for name in ("LBigToe", "LSmallToe", "LHeel", "RBigToe", "RSmallToe", "RHeel")]
    np.testing.assert_allclose(output.joints[0, 29:35].detach(), free.v_template[feet], atol=1e-6)


def test_smpls_own_vertex_numbers_fail_loudly(free):
    with pytest.raises((IndexError, RuntimeError), match="out of"):
        stock()()
