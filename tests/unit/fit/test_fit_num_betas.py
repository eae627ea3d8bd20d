"""How many shape components are estimated is the fit's choice, not the body's."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from toy_walk import gait

from meshgait_data.body.model import Body, forward
from meshgait_data.fit import FitSettings, fit_joints
from meshgait_data.fit.priors import PosePrior
from meshgait_data.manifest import JointMap
from meshgait_data.types import Observations

Observe = Callable[..., Observations]


@pytest.fixture(scope="module")
def wide(body: Body) -> Body:
    """The first ten components of the free body and twenty more that move nothing but the belly."""
    more = np.zeros((body.num_vertices, 3, 20), np.float32)
    more[100:200, 2] = 0.01
    return replace(body, shapedirs=np.concatenate([body.shapedirs[..., :10], more], axis=2))


def test_ten_by_default_and_the_same_ones_whatever_the_body_has_besides(
    body: Body, wide: Body, own_map: JointMap, observed: Observe, prior: PosePrior
) -> None:
    seen = observed(gait(12, np.linspace(1, -1, 10)), 0.003)
    narrow = replace(body, shapedirs=np.ascontiguousarray(body.shapedirs[..., :10]))
    fits = [fit_joints(each, seen, own_map, prior) for each in (narrow, wide)]
    for name in ("betas", "global_orient", "body_pose", "transl"):
        few, many = (getattr(fit.params, name) for fit in fits)
        assert few.shape == many.shape
        np.testing.assert_allclose(few, many, atol=1e-5)
    assert forward(wide, fits[1].params).vertices.shape == (12, body.num_vertices, 3)


@pytest.mark.parametrize(("asked", "estimated"), [(1, 1), (4, 4), (30, 30), (99, 30)])
def test_as_many_as_asked_for_and_the_body_has(
    wide: Body, own_map: JointMap, observed: Observe, asked: int, estimated: int, prior: PosePrior
) -> None:
    fit = fit_joints(wide, observed(gait(8)), own_map, prior, FitSettings(num_betas=asked))
    assert fit.params.betas.shape == (estimated,)
    assert fit.converged


def test_none_is_refused() -> None:
    with pytest.raises(ValueError, match="num_betas=0 must be positive"):
        FitSettings(num_betas=0)
