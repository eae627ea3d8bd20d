"""Fakes are made once a session; each test gets a work folder of its own."""

import importlib
from collections.abc import Callable
from pathlib import Path

import pytest
from dataset_line import Line
from fakes.make import FAKES
from fakes.plan import Fake


@pytest.fixture(scope="session")
def fake(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Fake]:
    """A fake by its name in ``fakes.make``."""
    made: dict[str, Fake] = {}

    def get(name: str) -> Fake:
        if name not in made:
            module, function = FAKES[name]
            make = getattr(importlib.import_module(f"fakes.{module}"), function)
            made[name] = make(tmp_path_factory.mktemp("fakes") / name)
        return made[name]

    return get


@pytest.fixture(scope="session")
def line(
    fake: Callable[[str], Fake], mgdata, mgtrain, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Line]:
    """The line on a fake, in a new work folder."""

    def start(name: str) -> Line:
        folder: Path = tmp_path_factory.mktemp(name)
        return Line(fake(name), folder / "work", mgdata, mgtrain)

    return start
