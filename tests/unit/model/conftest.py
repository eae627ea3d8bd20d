"""One small packed dataset for all tests of the model."""

from pathlib import Path

import pytest
import torch
from walk_shards import make_shards, mixed_sequences, write_dataset_of

from meshgait_data.shards.reader import Shards, open_shards


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def shards_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_shards(tmp_path_factory.mktemp("model") / "shards")


@pytest.fixture(scope="session")
def shards(shards_path: Path) -> Shards:
    return open_shards(shards_path)


@pytest.fixture(scope="session")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Shards:
    """Two parts; not all sequences have labels."""
    return open_shards(write_dataset_of(tmp_path_factory.mktemp("mixed") / "shards", mixed_sequences()))
