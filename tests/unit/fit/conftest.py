"""A synthetic walk of the free body, whose parameters are known."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from toy_walk import KEY

from meshgait_data.body.files import load_body
from meshgait_data.body.model import Body, forward
from meshgait_data.conventions import SMPL_JOINTS
from meshgait_data.fit.priors import PosePrior
from meshgait_data.manifest import JointMap, MappedJoint
from meshgait_data.pipeline.prior_files import load_priors
from meshgait_data.types import BodyParams, Observations


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def body() -> Body:
    return load_body("free")


@pytest.fixture(scope="session")
def prior() -> PosePrior:
    """The shipped pose prior of walking people."""
    return load_priors().pose


@pytest.fixture(scope="session")
def own_map() -> JointMap:
    """The body's own joints, observed where they are."""
    return JointMap("smpl", "identity", tuple(MappedJoint(name, name) for name in SMPL_JOINTS))


@pytest.fixture(scope="session")
def observed(body: Body) -> Callable[..., Observations]:
    """Observe the own joints of a body."""

    def observe(params: BodyParams, noise_m: float = 0.0, frame_ids: np.ndarray | None = None) -> Observations:
        joints = forward(body, params, np.array([0])).joints.astype(np.float64)
        joints += np.random.default_rng(3).normal(0, 1, joints.shape) * noise_m
        ids = np.arange(len(joints)) if frame_ids is None else frame_ids
        return Observations(KEY, joints, SMPL_JOINTS, "smpl", ids, 30.0)

    return observe
