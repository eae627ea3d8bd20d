"""Bodies and random states for the checks of derivatives."""

from collections.abc import Callable

import pytest
import torch

from meshgait_data.body.files import load_body
from meshgait_data.body.model import Body
from meshgait_data.fit.batch import Layout, State
from meshgait_data.fit.chain import Chain
from meshgait_data.torch_rotations import exp

NUM_BETAS = 4


@pytest.fixture(scope="session")
def lite() -> Body:
    return load_body("free-lite")


@pytest.fixture(scope="session")
def chain(lite: Body) -> Chain:
    return Chain.of(lite, num_betas=NUM_BETAS)


@pytest.fixture
def random_state() -> Callable[..., tuple[Layout, State]]:
    """Captures of 4, 1 and 3 frames, bent at random by up to some half radian, betas of one standard deviation."""

    def make(lengths: tuple[int, ...] = (4, 1, 3), seed: int = 0, bend: float = 0.3) -> tuple[Layout, State]:
        generator = torch.Generator().manual_seed(seed)

        def normal(*shape: int) -> torch.Tensor:
            return torch.randn(shape, generator=generator, dtype=torch.float64)

        frames = sum(lengths)
        rotations = exp(bend * normal(frames, 24, 3))
        state = State(rotations, normal(frames, 3), normal(len(lengths), NUM_BETAS))
        return Layout.of(lengths), state

    return make
