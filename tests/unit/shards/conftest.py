"""A few random sequences and a packed dataset of them."""

import shutil
from pathlib import Path

import pytest
from sample_shards import make_dataset, make_sequence

from meshgait_data.manifest import Manifest, load_manifest
from meshgait_data.types import SequenceData


@pytest.fixture(scope="session")
def manifest() -> Manifest:
    return load_manifest("cmu_walk")


@pytest.fixture(scope="session")
def sequences() -> list[SequenceData]:
    return [make_sequence(40, 1), make_sequence(1, 2, view="000"), make_sequence(70, 3, subject="35")]


@pytest.fixture(scope="session")
def packed(tmp_path_factory: pytest.TempPathFactory, sequences: list[SequenceData]) -> Path:
    others = [make_sequence(33, 4), make_sequence(3, 5, subject="02")]
    return make_dataset(tmp_path_factory.mktemp("packed") / "shards", [sequences, others])


@pytest.fixture
def dataset(packed: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return shutil.copytree(packed, tmp_path / "shards")
