"""A few random sequences and packed datasets of them in both containers."""

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
    """All labelled, all with the same fields."""
    return [make_sequence(40, 1), make_sequence(1, 2, view="000"), make_sequence(70, 3, subject="35")]


@pytest.fixture(scope="session")
def others() -> list[SequenceData]:
    """With more fields, with fewer, and with all."""
    return [
        make_sequence(33, 4, extra=True),
        make_sequence(5, 6, subject="02", labels=False),
        make_sequence(3, 5, subject="02"),
    ]


@pytest.fixture(scope="session")
def packed(tmp_path_factory: pytest.TempPathFactory, sequences: list[SequenceData], others: list[SequenceData]) -> Path:
    """A Zarr dataset of two parts; leave it as it is."""
    return make_dataset(tmp_path_factory.mktemp("packed") / "shards", [sequences, others])


@pytest.fixture(scope="session")
def packed_hdf5(
    tmp_path_factory: pytest.TempPathFactory, sequences: list[SequenceData], others: list[SequenceData]
) -> Path:
    """The same in HDF5."""
    return make_dataset(tmp_path_factory.mktemp("packed") / "shards", [sequences, others], format="hdf5")


@pytest.fixture(scope="session")
def packed_1bit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Zarr dataset of one part with 1-bit silhouettes."""
    sequences = [make_sequence(40, 1, one_bit=True), make_sequence(35, 2, one_bit=True, labels=False)]
    return make_dataset(tmp_path_factory.mktemp("packed") / "shards", [sequences])


@pytest.fixture
def dataset(packed: Path, tmp_path: Path) -> Path:
    """A copy of the Zarr dataset that a test may damage."""
    return shutil.copytree(packed, tmp_path / "shards")


@pytest.fixture
def dataset_hdf5(packed_hdf5: Path, tmp_path: Path) -> Path:
    """A copy of the HDF5 dataset that a test may damage."""
    return shutil.copytree(packed_hdf5, tmp_path / "shards_hdf5")
