"""Local folders and URLs give the same bytes, hold nothing that breaks, and say what went wrong."""

import copy
import multiprocessing
import os
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import fsspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from served import served

from meshgait_data.errors import EnvironmentLacks, MissingExtra, ShardError, UsageError
from meshgait_data.shards import store as module
from meshgait_data.shards.store import LocalStore, RemoteStore, Store, open_store, reading

CONTENT = bytes(range(256)) * 40


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("store")
    (root / "a" / "b").mkdir(parents=True)
    (root / "top.bin").write_bytes(CONTENT)
    (root / "a" / "one.bin").write_bytes(b"1")
    (root / "a" / "b" / "two.bin").write_bytes(b"")
    return root


@pytest.fixture(scope="module")
def memory(folder: Path) -> Store:
    system = fsspec.filesystem("memory")
    system.put(f"{folder}/", "/stored/", recursive=True)
    return open_store("memory://stored")


def test_local_file_urls_and_paths_are_one(folder: Path) -> None:
    for place in (folder, str(folder), f"file://{folder}"):
        found = open_store(place)
        assert found.is_local
        assert str(found) == str(folder)


@pytest.mark.parametrize("kind", ["local", "memory"])
def test_content_sizes_and_names(folder: Path, memory: Store, kind: str) -> None:
    found = open_store(folder) if kind == "local" else memory
    assert found.read("top.bin") == CONTENT
    assert found.size("top.bin") == len(CONTENT)
    assert found.size("a/b/two.bin") == 0
    assert found.size("a") is None
    assert found.size("absent") is None
    assert found.size("top.bin/absent") is None
    assert found.names() == ["a", "top.bin"]
    assert found.names("a") == ["b", "one.bin"]
    assert found.names("absent") == []
    assert found.files("a") == ["b/two.bin", "one.bin"]
    for call in (lambda: found.read("absent"), lambda: found.read_range("absent", 0, 1)):
        with pytest.raises(FileNotFoundError):
            call()


@given(st.integers(0, len(CONTENT) + 5), st.integers(0, 700))
def test_ranges(folder: Path, memory: Store, start: int, length: int) -> None:
    for found in (open_store(folder), memory):
        assert found.read_range("top.bin", start, start + length) == CONTENT[start : start + length]


def test_web_server(folder: Path) -> None:
    with served(folder) as asked:
        found = open_store(asked.url + "/")
        assert not found.is_local
        assert str(found) == asked.url
        assert found.read_range("top.bin", 1000, 1100) == CONTENT[1000:1100]
        assert asked.sent == [("/top.bin", 100)]
        assert found.read("top.bin") == CONTENT
        assert found.size("top.bin") == len(CONTENT)
        assert found.size("absent") is None
        assert found.names() is None
        assert found.files("a") is None
        with pytest.raises(FileNotFoundError):
            found.read("absent")


def test_web_server_that_sends_whole_files(folder: Path) -> None:
    with served(folder, ranges=False) as asked:
        with pytest.raises(EnvironmentLacks, match="whole files") as caught:
            open_store(asked.url).read_range("top.bin", 5, 10)
        assert "byte ranges" in caught.value.hint
        assert caught.value.where == f"{asked.url}/top.bin"


def test_server_that_is_not_there() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
        with pytest.raises(EnvironmentLacks, match="cannot read") as caught:
            open_store(url).read("a.bin")
        assert caught.value.where == f"{url}/a.bin"


def test_urls_that_nobody_knows() -> None:
    with pytest.raises(UsageError, match="nope"):
        open_store("nope://bucket/shards")
    with pytest.raises(MissingExtra, match="gcsfs") as caught:
        open_store("gs://bucket/shards")
    assert "pip" in caught.value.hint


def test_stores_are_sent_to_processes_by_name(folder: Path, memory: Store) -> None:
    local = LocalStore(folder)
    local.read_range("top.bin", 0, 1)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(_read, (local,)) == CONTENT
    assert str(copy.copy(memory)) == str(memory)


def _read(store: Store) -> bytes:
    return store.read_range("top.bin", 0, len(CONTENT))


def _descriptors(folder: Path) -> int:
    """How many files of a folder this process has open."""
    links = [path for path in Path("/proc/self/fd").iterdir() if path.is_symlink()]
    return sum(str(folder) in os.readlink(path) for path in links if os.path.lexists(path))


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="the system does not tell")
def test_few_descriptors_whatever_the_number_of_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_OPEN", 8)
    for number in range(100):
        (tmp_path / str(number)).write_bytes(bytes([number]) * 50)
    found = LocalStore(tmp_path)

    def read(number: int) -> bytes:
        return found.read_range(str(number), 10, 20)

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(read, [*range(100)] * 20))
    assert results == [bytes([number]) * 10 for number in range(100)] * 20
    # Without a lock each of the other threads may add one more.
    assert 0 < _descriptors(tmp_path) <= 8 + 7
    found._open.clear()
    assert _descriptors(tmp_path) == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_remote_store_connects_anew_after_a_fork(folder: Path) -> None:
    with served(folder) as asked:
        found = RemoteStore(asked.url)
        assert found.read("a/one.bin") == b"1"
        child = os.fork()
        if child == 0:
            os._exit(0 if found.read("top.bin") == CONTENT else 1)
        assert os.waitpid(child, 0)[1] == 0


def test_errors_of_reading_name_the_file_and_the_way_out(folder: Path) -> None:
    found = open_store(folder)
    for path, what in (("absent", "missing"), ("a", "cannot read: Is a directory")):
        with pytest.raises(ShardError, match=what) as caught, reading(found, path):
            found.read(path)
        assert caught.value.where == str(folder / path)
        assert "mgdata pack" in caught.value.hint
