"""Fixtures of the body's tests."""

import pytest
from random_body import make_body

from meshgait_data.body.model import Body


@pytest.fixture(scope="session")
def random_body() -> Body:
    """Sixty random vertices, symmetric, on SMPL's tree."""
    return make_body()
