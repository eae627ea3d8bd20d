"""Fixtures that every test may use: the programs as installed, a seeded generator."""

from collections.abc import Callable
from importlib.metadata import entry_points

import numpy as np
import pytest
from click.testing import CliRunner, Result


def _program(name: str) -> Callable[..., Result]:
    command = entry_points(group="console_scripts")[name].load()

    def run(*args: object) -> Result:
        return CliRunner().invoke(command, [str(arg) for arg in args])

    return run


@pytest.fixture(scope="session")
def mgdata() -> Callable[..., Result]:
    """The installed ``mgdata``; called with its arguments, gives click's result (output, stderr, exit_code)."""
    return _program("mgdata")


@pytest.fixture(scope="session")
def mgtrain() -> Callable[..., Result]:
    """The installed ``mgtrain``."""
    return _program("mgtrain")


@pytest.fixture
def rng() -> np.random.Generator:
    """A seeded generator, new for each test."""
    return np.random.default_rng(7)
