"""What all tests of synthetic walkers share."""

import pytest

from meshgait_data.body.files import load_body
from meshgait_data.body.model import Body
from meshgait_data.pipeline.prior_files import load_gait
from meshgait_data.synth.gait import GaitSpace


@pytest.fixture(scope="session")
def body() -> Body:
    return load_body("free")


@pytest.fixture(scope="session")
def space() -> GaitSpace:
    return GaitSpace.of(load_gait())
