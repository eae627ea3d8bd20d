"""Atomic files: complete or absent, whatever happens on the way."""

import os

import numpy as np
import pytest

from meshgait_data import atomic
from meshgait_data.errors import EnvironmentLacks


def names(folder):
    return sorted(path.name for path in folder.rglob("*"))


def test_writes_and_replaces(tmp_path):
    path = tmp_path / "new" / "a.txt"
    atomic.write_text(path, "ä")
    atomic.write_text(path, "ß")
    assert path.read_text(encoding="utf-8") == "ß"
    assert names(tmp_path) == ["a.txt", "new"]


def test_a_failure_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")

    def fail(file):
        file.write(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        atomic.write_with(path, fail)
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["a.bin"]


def test_no_place_to_write(tmp_path):
    (tmp_path / "file").write_text("")
    for write in (lambda path: atomic.write_text(path, "x"), lambda path: atomic.new_folder(path).__enter__()):
        with pytest.raises(EnvironmentLacks, match="cannot write") as caught:
            write(tmp_path / "file" / "a.txt")
        assert caught.value.where.endswith("a.txt")
        assert caught.value.hint


def test_npz_needs_no_pickle_and_equal_arrays_give_equal_bytes(tmp_path, rng):
    arrays = {"pose": rng.normal(size=(5, 69)).astype(np.float32), "name": np.array("free"), "ids": np.arange(5)}
    for name in "ab":
        atomic.write_npz(tmp_path / f"{name}.npz", arrays)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    with np.load(tmp_path / "a.npz", allow_pickle=False) as back:
        assert set(back) == set(arrays)
        for name, array in arrays.items():
            np.testing.assert_array_equal(back[name], array)
            assert back[name].dtype == array.dtype


def test_objects_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"[Oo]bject"):
        atomic.write_npz(tmp_path / "a.npz", {"a": np.array([{}], dtype=object)})
    assert names(tmp_path) == []


def test_new_folder_appears_at_the_end(tmp_path):
    path = tmp_path / "deep" / "part"
    with atomic.new_folder(path) as folder:
        (folder / "sub").mkdir()
        (folder / "sub" / "a").write_text("a")
        assert not path.exists()
    assert names(path) == ["a", "sub"]
    assert names(path.parent) == ["a", "part", "sub"]


def test_new_folder_vanishes_on_an_error(tmp_path):
    def interrupted():
        with atomic.new_folder(tmp_path / "part") as folder:
            (folder / "a").write_text("a")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert names(tmp_path) == []


def test_new_folder_never_replaces_another(tmp_path):
    def late():
        with atomic.new_folder(tmp_path / "part") as folder:
            (folder / "late").write_text("")
            atomic.write_text(tmp_path / "part" / "early", "")

    with pytest.raises(FileExistsError):
        late()
    assert names(tmp_path) == ["early", "part"]


def test_a_folder_that_appears_after_the_last_look_is_kept(tmp_path, monkeypatch):
    other = tmp_path / "part"
    rename = os.rename

    def too_late(source, target):
        other.mkdir()
        (other / "theirs").write_text("first")
        rename(source, target)

    monkeypatch.setattr(os, "rename", too_late)
    with pytest.raises(FileExistsError), atomic.new_folder(other) as folder:
        (folder / "ours").write_text("second")
    assert [path.name for path in tmp_path.rglob("*")] == ["part", "theirs"]


def test_new_file_appears_at_the_end_and_alone(tmp_path):
    path = tmp_path / "deep" / "part"
    with atomic.new_file(path) as file:
        file.write_text("a")
        (file.parent / "on_the_way").write_text("b")
        assert not path.exists()
    assert path.read_text() == "a"
    assert names(tmp_path) == ["deep", "part"]


def test_new_file_vanishes_on_an_error(tmp_path):
    def interrupted():
        with atomic.new_file(tmp_path / "part") as file:
            file.write_text("a")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert names(tmp_path) == []


@pytest.mark.parametrize("links", [True, False])
def test_new_file_never_replaces_another(tmp_path, monkeypatch, links):
    def refuse(source, target):
        raise PermissionError("no hard links here")

    if not links:
        monkeypatch.setattr(os, "link", refuse)
    with atomic.new_file(tmp_path / "part") as file:
        file.write_text("first")
    with pytest.raises(FileExistsError), atomic.new_file(tmp_path / "part") as file:
        file.write_text("second")
    assert (tmp_path / "part").read_text() == "first"
    assert names(tmp_path) == ["part"]


def test_refused_writing_is_a_lack_of_the_machine(tmp_path):
    with pytest.raises(EnvironmentLacks, match="cannot write"), atomic.writing(tmp_path):
        raise OSError(28, "No space left on device")
    with pytest.raises(FileExistsError), atomic.writing(tmp_path):
        raise FileExistsError
