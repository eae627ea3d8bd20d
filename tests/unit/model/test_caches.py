"""Decoded in memory, mapped from files, or straight from the shards: the same frames, whatever was packed."""

import json
import multiprocessing
import os
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import fsspec
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from walk_shards import mixed_sequences, write_dataset_of

from meshgait_data.errors import EnvironmentLacks, InvalidData, ShardError
from meshgait_data.shards.reader import open_shards
from meshgait_model.data import budget
from meshgait_model.data import cache as cache_module
from meshgait_model.data.budget import GIB, choose
from meshgait_model.data.dataset import ClipDataset
from meshgait_model.data.memory import MappedArray, SharedArray
from meshgait_model.data.picks import Picks

FIELDS = (
    "silhouettes",
    "silhouettes_128",
    "joints",
    "windows",
    "keypoints",
    "valid",
    "frame_ids",
    "betas",
    "intrinsics",
)
CACHES = ("ram", "mmap", "none")


def opened(shards, cache, folder, fields=FIELDS, **more):
    return ClipDataset(shards, fields=fields, cut=10, cache=cache, cache_folder=folder, **more)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("caches")


@pytest.fixture(scope="module")
def datasets(mixed, folder):
    return {cache: opened(mixed, cache, folder) for cache in CACHES}


def expected(record, shards, name, frames):
    """What the reader says, cut by hand."""
    detail = shards.detail(record)
    if name == "betas":
        return np.tile(np.pad(detail.betas, (0, 10 - len(detail.betas))), (len(frames), 1))
    if name == "intrinsics":
        matrix = np.zeros((3, 3)) if detail.camera is None else detail.camera.intrinsics
        return np.tile(matrix, (len(frames), 1, 1)).astype(np.float32)
    if name not in record.rows:
        return None
    values = shards.read(record, name)[frames]
    if name == "silhouettes":
        return values[:, :, 10:54]
    if name == "silhouettes_128":
        return values[:, :, 20:108]
    if name == "joints":
        return values - np.array([10, 0, 0], np.float32)
    if name == "windows":
        return values - np.array([[0, 0, 10], [0, 0, 0]], np.float32)
    return values


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_every_source_gives_the_frames_that_were_packed(mixed, datasets, data):
    """Any sequences, any frames, in any order, some of them twice; zeros and ``present`` where there is nothing."""
    count = len(mixed.sequences)
    sequences = data.draw(st.lists(st.integers(0, count - 1), min_size=1, max_size=8).map(np.array))
    length = data.draw(st.integers(1, 40))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    frames = rng.integers(0, mixed.sequences.lengths[sequences][:, None], (len(sequences), length))
    if data.draw(st.booleans()):
        frames.sort(axis=1)
    for dataset in datasets.values():
        batch = dataset[Picks(sequences, frames, step=7)]
        assert batch.step == 7
        assert set(batch.arrays) == set(FIELDS)
        for clip, (sequence, chosen) in enumerate(zip(sequences.tolist(), frames, strict=True)):
            record = mixed.sequences[sequence]
            assert dataset.people[batch.identities[clip]] == record.identity
            for name in FIELDS:
                truth = expected(record, mixed, name, chosen)
                found = batch.arrays[name][clip].numpy()
                fitted = {"betas": "joints", "intrinsics": "joints"}.get(name, name) in record.rows
                assert bool(batch.present[name][clip]) == fitted
                np.testing.assert_array_equal(found, np.zeros_like(found) if truth is None else truth)
                assert truth is None or found.dtype == truth.dtype


@pytest.mark.parametrize("cache", CACHES)
def test_sequences_of_several_lengths_lie_end_to_end(cache, mixed, datasets):
    offsets = np.array([0, 2, 2 + 12])
    picks = Picks(np.array([4, 1]), np.concatenate([[5, 60], np.arange(12)]), offsets)
    batch = datasets[cache][picks]
    assert batch.silhouettes.shape == (14, 64, 44)
    assert batch.per_frame(batch.present["joints"]).tolist() == [False] * 14
    for place, frames in ((0, [5, 60]), (1, list(range(12)))):
        record = mixed.sequences[picks.sequences[place]]
        rows = slice(offsets[place], offsets[place + 1])
        for name in ("silhouettes", "windows", "intrinsics"):
            truth = expected(record, mixed, name, frames)
            np.testing.assert_array_equal(batch.arrays[name][rows].numpy(), truth)


@pytest.mark.parametrize("frames", [[[-1]], [[3]], [[0, 99]]])
def test_frames_that_do_not_exist_are_refused(frames, datasets):
    for dataset in datasets.values():
        with pytest.raises(InvalidData, match="a frame was picked that its sequence does not have"):
            dataset[Picks(np.array([0]), np.array(frames))]


def test_picks_that_do_not_fit_are_refused(datasets):
    for sequence in (-1, 10**6):
        with pytest.raises(InvalidData, match="a sequence was picked that is not one of these 15"):
            datasets["ram"][Picks(np.array([sequence]), np.array([[0]]))]
    picks = Picks(np.array([0, 1]), np.array([[0], [0]]))
    for clips, frames in ((1, 2), (2, 1)):
        with pytest.raises(InvalidData, match=f"2 clips of 2 frames, but memory for {clips} of {frames}"):
            datasets["ram"].fill(picks, datasets["ram"].buffers(clips, frames))


@pytest.mark.parametrize(("format", "one_bit"), [("hdf5", False), ("zarr", True), ("hdf5", True)])
def test_other_containers_and_one_bit_give_the_same_batches(format, one_bit, tmp_path, mixed, datasets):
    shards = open_shards(write_dataset_of(tmp_path / "s", mixed_sequences(one_bit=one_bit), format=format))
    picks = Picks(np.arange(len(mixed.sequences)), np.tile([0, 2, 1], (len(mixed.sequences), 1)))
    truth = datasets["ram"][picks].silhouettes.numpy()
    for cache in CACHES:
        batch = opened(shards, cache, tmp_path / "c", ("silhouettes", "windows"))[picks]
        grey = np.where(truth >= 128, 255, 0) if one_bit else truth
        np.testing.assert_array_equal(batch.silhouettes.numpy(), grey)


def test_shards_behind_a_url_give_the_same_batches(tmp_path, mixed, datasets):
    memory = fsspec.filesystem("memory")
    memory.put(mixed.url, "/walks", recursive=True)
    remote = open_shards("memory://walks")
    picks = Picks(np.arange(6), np.tile([2, 0, 1], (6, 1)))
    truth = datasets["ram"][picks]
    for cache in CACHES:
        batch = opened(remote, cache, tmp_path)[picks]
        assert all(torch.equal(batch.arrays[name], truth.arrays[name]) for name in FIELDS)
    memory.rm("/walks", recursive=True)


def test_files_are_written_once_and_used_again(mixed, datasets, folder):
    (own,) = folder.iterdir()
    assert own.name.startswith("cmu_walk-")
    assert {path.stem for path in own.glob("*.npy")} == set(FIELDS) - {"betas", "intrinsics"}
    about = json.loads((own / "about.json").read_text())
    assert about == {"shards": mixed.url, "sequences": len(mixed.sequences), "cut": 10}
    # They are plain arrays.
    silhouettes = np.load(own / "silhouettes.npy", mmap_mode="r")
    assert silhouettes.shape == (mixed.sequences.lengths.sum(), 64, 44)
    before = {path: path.stat().st_mtime_ns for path in own.iterdir() if path.suffix == ".npy"}
    again = opened(mixed, "mmap", folder)
    assert "0.0 MiB to be written" in again.cache.reason
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_one_of_several_decodes_and_the_others_wait(mixed, datasets, tmp_path, monkeypatch):
    decoded = []
    in_blocks = cache_module._in_blocks
    monkeypatch.setattr(cache_module, "_in_blocks", lambda *args: (decoded.append(1), in_blocks(*args)))
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: opened(mixed, "mmap", tmp_path, ("silhouettes",)), range(4)))
    assert len(decoded) == 1
    assert len({dataset.source.arrays["silhouettes"].tobytes() for dataset in found}) == 1
    (own,) = tmp_path.iterdir()
    assert sorted(path.name for path in own.iterdir()) == [".lock", "about.json", "silhouettes.npy"]


@pytest.mark.parametrize("other", [{"cut": 9}, {"side": "test"}])
def test_another_cut_or_choice_has_files_of_its_own(other, mixed, tmp_path):
    for settings_of in ({"cut": 10}, other):
        ClipDataset(mixed, cache="mmap", cache_folder=tmp_path, **settings_of)
    assert len(list(tmp_path.iterdir())) == 2


def test_packing_again_has_files_of_its_own(tmp_path):
    parts = mixed_sequences()
    for number in range(2):
        parts[0][0].arrays["silhouettes"][0, 20, 20] = number
        opened(open_shards(write_dataset_of(tmp_path / f"s{number}", parts)), "mmap", tmp_path / "c", ("silhouettes",))
    assert len(list((tmp_path / "c").iterdir())) == 2


def test_damaged_shards_leave_no_file_behind(tmp_path):
    path = write_dataset_of(tmp_path / "s", mixed_sequences())
    shards = open_shards(path)
    victim = max((path / "part-00001.zarr" / "silhouettes").rglob("*"), key=lambda p: p.stat().st_size * p.is_file())
    data = bytearray(victim.read_bytes())
    data[len(data) // 3] ^= 1
    victim.write_bytes(data)
    for cache in ("ram", "mmap"):
        with pytest.raises(ShardError, match="damaged"):
            opened(shards, cache, tmp_path / "c", ("silhouettes",))
    assert not list((tmp_path / "c").rglob("*.npy*"))


def test_a_file_that_was_cut_off_is_said(mixed, tmp_path):
    dataset = opened(mixed, "mmap", tmp_path, ("silhouettes",))
    del dataset
    (path,) = tmp_path.rglob("*.npy")
    shorter = np.load(path)[1:]
    os.truncate(path, path.stat().st_size - 1)
    for _ in range(2):
        with pytest.raises(InvalidData, match="damaged") as caught:
            opened(mixed, "mmap", tmp_path, ("silhouettes",))
        assert caught.value.hint == "remove the file"
        np.save(path, shorter)


def test_what_shards_lack_is_said(mixed, tmp_path):
    with pytest.raises(InvalidData, match="these shards have no depth"):
        opened(mixed, "none", tmp_path, ("silhouettes", "depth"))
    with pytest.raises(InvalidData, match=r"data.cut=32 leaves nothing of the 64 columns"):
        ClipDataset(mixed, cut=32)
    with pytest.raises(InvalidData, match="no sequence is on the unused side"):
        ClipDataset(mixed, "unused")


def _touch(held, results):
    held.array[1] = 7
    results.put(int(held.array[0]))


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_shared_memory_is_shared(start):
    context = multiprocessing.get_context(start)
    held, results = SharedArray((3,), np.int64), context.Queue()
    held.array[0] = 5
    process = context.Process(target=_touch, args=(held, results))
    process.start()
    assert results.get(timeout=60) == 5
    process.join()
    assert held.array.tolist() == [5, 7, 0]


def test_shared_memory_gives_its_descriptor_back():
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        SharedArray((10,), np.uint8)
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("cache", ["mmap", "none"])
def test_what_is_sent_to_processes_holds_no_frames(cache, mixed, datasets):
    assert len(pickle.dumps(datasets[cache])) < 30_000


def test_scattered_reading_is_the_same(tmp_path):
    array = np.random.default_rng(0).integers(0, 255, (3000, 64, 44)).astype(np.uint8)
    np.save(tmp_path / "a.npy", array)
    mapped = MappedArray(tmp_path / "a.npy", scattered=True)
    for rows in ([], [0], [2999], [5, 6, 7, 100, 99, 98, 2999, 0]):
        mapped.expect(np.array(rows, np.int64))
        np.testing.assert_array_equal(mapped.array[np.array(rows, int)], array[np.array(rows, int)])


def test_auto_takes_the_first_that_fits(tmp_path, monkeypatch):
    def plan(need, **more):
        return choose("auto", need, **({"budget": None, "folder": tmp_path / "no" / "such"} | more)).cache

    monkeypatch.setattr(budget, "free_memory", lambda: 8 * GIB)
    monkeypatch.setattr(budget, "free_space", lambda _: 10 * GIB)
    assert plan(4 * GIB) == "ram"
    assert plan(4 * GIB + 1) == plan(4 * GIB, budget=4 * GIB - 1) == "mmap"
    assert plan(9 * GIB, budget=9 * GIB) == "ram"
    assert plan(9 * GIB + 1) == "none"
    assert plan(100 * GIB, missing=0) == "mmap"
    # Several processes share pages of a file, not memory of their own; where there is no disk they share the memory.
    assert plan(GIB, ranks=2) == "mmap"
    assert plan(GIB, ranks=4, missing=100 * GIB) == "ram"
    assert plan(GIB + 1, ranks=4, missing=100 * GIB) == "none"


def test_a_cache_that_does_not_fit_is_refused(mixed, tmp_path, monkeypatch):
    with pytest.raises(EnvironmentLacks, match=r"do not fit into memory: .* MiB of at most 1.0 MiB") as caught:
        opened(mixed, "ram", tmp_path, cache_gib=2**-10)
    assert "data.cache_gib" in caught.value.hint
    monkeypatch.setattr(budget, "free_space", lambda _: 1000)
    with pytest.raises(EnvironmentLacks, match=r"0.0 MiB are free") as caught:
        opened(mixed, "mmap", tmp_path)
    assert "data.cache_folder" in caught.value.hint
    assert opened(mixed, "auto", tmp_path, cache_gib=2**-10).cache.cache == "none"
    assert not list(tmp_path.iterdir())


def test_the_decision_is_logged(mixed, tmp_path, caplog):
    with caplog.at_level("INFO", "meshgait_model"):
        opened(mixed, "auto", tmp_path, ("silhouettes",))
    assert "are decoded into memory: 1.5 MiB of at most" in caplog.text
    assert "half of the free memory" in caplog.text


def test_limits_of_a_control_group_count(tmp_path):
    def limited(maximum):
        for name, text in {
            "memory.max": maximum,
            "memory.current": "300",
            "memory.stat": "anon 5\ninactive_file 100",
        }.items():
            (tmp_path / name).write_text(text + "\n")
        return budget._control_group(tmp_path, 5000)

    assert limited("1000") == 800
    assert limited("max") == 5000
    assert budget._control_group(tmp_path / "none", 5000) == 5000
    assert 0 < budget.free_memory() < 2**50


def test_processes_of_a_distributed_run_are_counted(monkeypatch):
    for told, count in (("4", 4), ("0", 1), ("many", 1)):
        monkeypatch.setenv("LOCAL_WORLD_SIZE", told)
        assert budget.local_ranks() == count
    monkeypatch.delenv("LOCAL_WORLD_SIZE")
    assert budget.local_ranks() == 1


def test_the_folder_is_the_users(monkeypatch):
    monkeypatch.setenv("MESHGAIT_CACHE", "/somewhere")
    assert budget.default_folder() == Path("/somewhere")
    monkeypatch.delenv("MESHGAIT_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/caches")
    assert budget.default_folder() == Path("/caches/meshgait")
