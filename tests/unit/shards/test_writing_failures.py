"""Writers that fail, are killed, run out of space or come second: a part is complete or absent."""

import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sample_shards import attributes_of, make_sequence

from meshgait_data.errors import EnvironmentLacks, ShardError
from meshgait_data.manifest import Manifest, load_manifest
from meshgait_data.shards.dataset import Format, part_name
from meshgait_data.shards.writing import write_part
from meshgait_data.types import SequenceData

formats = pytest.mark.parametrize("format", ["zarr", "hdf5"])


@formats
@pytest.mark.parametrize("error", [ValueError, OSError, KeyboardInterrupt])
def test_source_that_fails_on_the_way(
    tmp_path: Path, manifest: Manifest, format: Format, error: type[BaseException]
) -> None:
    def stream() -> Iterator[SequenceData]:
        yield make_sequence(100, 1)
        raise error("the source broke")

    with pytest.raises(error, match="the source broke"):
        write_part(tmp_path / part_name(0, format), stream(), manifest=manifest, provenance={}, format=format)
    assert not list(tmp_path.iterdir())


@formats
def test_provenance_that_fails(tmp_path: Path, manifest: Manifest, format: Format) -> None:
    path = tmp_path / part_name(0, format)
    with pytest.raises(ShardError, match="JSON"):
        write_part(path, [make_sequence(3)], manifest=manifest, provenance={"a": path}, format=format)
    assert not list(tmp_path.iterdir())


CODE = """
import os, resource, signal, sys
sys.path.insert(0, {tests!r})
from pathlib import Path
from sample_shards import make_sequence
from meshgait_data.errors import EnvironmentLacks
from meshgait_data.manifest import load_manifest
from meshgait_data.shards import hdf5, zarr
from meshgait_data.shards.writing import write_part

def write(sequences, provenance={{}}):
    write_part(Path({path!r}), sequences, manifest=load_manifest("cmu_walk"), provenance=provenance, format={format!r})

def die():
    os.kill(os.getpid(), signal.SIGKILL)

"""


def run(path: Path, format: Format, code: str) -> subprocess.CompletedProcess[str]:
    head = CODE.format(tests=str(Path(__file__).parent), path=str(path), format=format)
    return subprocess.run([sys.executable, "-c", head + code], check=False, capture_output=True, text=True)


IN_THE_MIDDLE = """
def stream():
    for seed in range(5):
        yield make_sequence(100, seed)
    die()
write(stream())
"""

AT_THE_END = """
os.rename = os.link = lambda *paths: die()
write([make_sequence(40)])
"""


@formats
@pytest.mark.parametrize("code", [IN_THE_MIDDLE, AT_THE_END], ids=["middle", "end"])
def test_killed_writer_leaves_nothing_under_the_name(
    tmp_path: Path, manifest: Manifest, format: Format, code: str
) -> None:
    path = tmp_path / part_name(0, format)
    assert run(path, format, code).returncode == -signal.SIGKILL
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(f".{path.name}.")
    assert left.suffix == ".tmp"
    write_part(path, [make_sequence(40)], manifest=manifest, provenance={}, format=format)
    assert len(attributes_of(path)["sequences"]) == 1


FULL = """
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
try:
    write([make_sequence(200, seed) for seed in range(5)])
except EnvironmentLacks as error:
    print(error, "|", error.hint)
"""


# The last one leaves room for each field, but not for all of them in one file.
@pytest.mark.parametrize(
    ("format", "limit"), [("zarr", 1), ("zarr", 100_000), ("hdf5", 1), ("hdf5", 100_000), ("hdf5", 700_000)]
)
def test_full_disk(tmp_path: Path, format: Format, limit: int) -> None:
    """A limit of the size of files is refused in the same way as a write to a full disk."""
    path = tmp_path / part_name(0, format)
    result = run(path, format, FULL.format(limit=limit))
    assert result.returncode == 0, result.stderr
    assert f"{path}: cannot write" in result.stdout
    assert "free some space" in result.stdout
    assert not list(tmp_path.iterdir())


@formats
def test_folder_that_cannot_be_written_to(tmp_path: Path, manifest: Manifest, format: Format) -> None:
    (tmp_path / "file").write_text("")
    path = tmp_path / "file" / part_name(0, format)
    with pytest.raises(EnvironmentLacks) as caught:
        write_part(path, [make_sequence(3)], manifest=manifest, provenance={}, format=format)
    assert "choose another folder" in caught.value.hint


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
@formats
def test_no_right_to_write(tmp_path: Path, manifest: Manifest, format: Format) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(EnvironmentLacks):
        write_part(tmp_path / part_name(0, format), [make_sequence(3)], manifest=manifest, provenance={}, format=format)


@formats
def test_part_exists_already(tmp_path: Path, manifest: Manifest, format: Format) -> None:
    path = tmp_path / part_name(0, format)
    write_part(path, [make_sequence(3)], manifest=manifest, provenance={}, format=format)
    before = attributes_of(path)
    with pytest.raises(ShardError, match="exists already"):
        write_part(path, [make_sequence(4)], manifest=manifest, provenance={}, format=format)
    assert attributes_of(path) == before
    assert list(tmp_path.iterdir()) == [path]


@formats
def test_part_that_appears_meanwhile(tmp_path: Path, manifest: Manifest, format: Format) -> None:
    path = tmp_path / part_name(0, format)

    def overtaken() -> Iterator[SequenceData]:
        yield make_sequence(4, 1)
        write_part(path, [make_sequence(3, 2)], manifest=manifest, provenance={}, format=format)

    with pytest.raises(ShardError, match="exists already"):
        write_part(path, overtaken(), manifest=manifest, provenance={}, format=format)
    assert [plain["length"] for plain in attributes_of(path)["sequences"]] == [3]
    assert list(tmp_path.iterdir()) == [path]


def _write(path: Path, format: Format) -> str:
    try:
        write_part(path, [make_sequence(200)], manifest=load_manifest("cmu_walk"), provenance={}, format=format)
    except ShardError:
        return "lost"
    return "won"


@formats
def test_two_writers_of_one_part(tmp_path: Path, format: Format) -> None:
    path = tmp_path / part_name(0, format)
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        assert sorted(pool.starmap(_write, [(path, format)] * 2, 1)) == ["lost", "won"]
    assert list(tmp_path.iterdir()) == [path]
