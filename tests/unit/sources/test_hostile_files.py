"""Files that want to run code, to use up memory or time, or to be read from elsewhere: a message, and nothing else."""

import io
import json
import os
import pickle
import struct
import sys
import tracemalloc
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest

from meshgait_data.errors import ManifestError, SourceError
from meshgait_data.sources.files import read_text
from meshgait_data.sources.inert import read_pickle_values
from meshgait_data.sources.keypoints import read_keypoints
from meshgait_data.sources.masks import read_masks
from meshgait_data.sources.numpy_files import parse_npy, parse_npz
from meshgait_data.sources.pictures import decoded, picture_size
from meshgait_data.sources.reading import parse_json, read_pickled_array
from meshgait_data.untrusted import MOST_FRAME_BYTES, below, read_bytes
from meshgait_data.yaml_files import read_yaml

BENCHMARKS = str(Path(__file__).resolve().parents[3] / "benchmarks")


class Peak:
    """Bytes that Python and numpy reserved at most."""

    def __enter__(self):
        tracemalloc.start()
        return self

    def __exit__(self, *_):
        self.bytes = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()


def refused(read, match, most=8 << 20):
    with Peak() as peak, pytest.raises(SourceError, match=match) as caught:
        read()
    assert peak.bytes < most
    assert caught.value.hint


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("numpy", [1, 2])
@pytest.mark.parametrize("kind", ["u1", "<f2", "<f4", ">f8", "<i4", "?"])
def test_arrays_of_either_numpy_in_every_protocol(tmp_path, protocol, numpy, kind):
    from fakes.plan import write_pickle

    array = (np.arange(24).reshape(2, 3, 4) % 2).astype(kind)
    for value in (array, np.asfortranarray(array), array[:, :0], array[0, 0, 0]):
        write_pickle(tmp_path / "a.pkl", value, protocol=protocol, numpy=numpy)
        found = read_pickle_values(tmp_path / "a.pkl")
        np.testing.assert_array_equal(found, value)
    write_pickle(tmp_path / "a.pkl", {"0001": np.int64(1), "0002": [array, None]}, protocol=protocol, numpy=numpy)
    found = read_pickle_values(tmp_path / "a.pkl")
    assert found["0001"] == 1
    assert found["0002"][1] is None


def system(text):
    class Runs:
        def __reduce__(self):
            return os.system, (text,)  # noqa: TID251  # what hostile files do

    return Runs()


@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_pickles_that_run_code_do_not(tmp_path, protocol):
    (tmp_path / "a.pkl").write_bytes(pickle.dumps([np.zeros(3), system(f"touch {tmp_path}/ran")], protocol))
    refused(lambda: read_pickled_array(tmp_path / "a.pkl"), r"asks for (posix|nt)\.system")
    np.savez(tmp_path / "a.npz", results=np.array([system(f"touch {tmp_path}/ran")], dtype=object))
    refused(lambda: read_masks(tmp_path / "a.npz", "v"), "Python objects")
    assert not (tmp_path / "ran").exists()


def test_pickles_that_name_one_large_thing_very_often(tmp_path):
    data = np.zeros(1 << 20, np.uint8)
    (tmp_path / "a.pkl").write_bytes(pickle.dumps([data] * 100_000, 2))
    with Peak() as peak:
        found = read_pickle_values(tmp_path / "a.pkl")
    assert len(found) == 100_000
    assert peak.bytes < 64 << 20
    nested = []
    for _ in range(200):
        nested = [nested, nested]
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(nested, 2))
    refused(lambda: read_pickle_values(tmp_path / "a.pkl"), "nested too deeply")
    (tmp_path / "a.pkl").write_bytes(b"\x80\x02]q\x00h\x00a.")
    refused(lambda: read_pickle_values(tmp_path / "a.pkl"), "nested too deeply")


def npy(shape, dtype="<f8", content=b"\0" * 64):
    head = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head) + 1) + head + b"\n" + content


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (npy("(1000000, 1000000)"), "it claims"),
        (npy("(-1,)"), "a shape"),
        (npy("(2,)", "|O"), "Python objects"),
        (npy("(2,)", "<M8[s]"), "neither numbers nor texts"),
        (npy("(1,)", "<U99999999"), "it claims"),
        (npy("(1, 1, 1, 1, 1, 1, 1, 1, 1)"), "a shape"),
        (npy("(" * 4000), "not a readable array"),
        (npy("(2,)")[:20], "not a readable array"),
        (b"", "not a readable array"),
    ],
)
def test_arrays_that_claim_too_much(data, match):
    refused(lambda: parse_npy(data, "a.npy"), match)


def zipped(members, kind=zipfile.ZIP_DEFLATED):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", kind, compresslevel=9) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return stream.getvalue()


def test_zip_bombs():
    bomb = zipped({f"a{n}.npy": b"\0" * (1 << 20) for n in range(4)})
    # The sizes in the directory at the end are what counts: 4 x 1 GB.
    bomb = bomb.replace(struct.pack("<I", 1 << 20), struct.pack("<I", 1 << 30))
    refused(lambda: parse_npz(bomb, "a.npz"), "unpacks to more than")
    lie = zipped({"a.npy": npy("(4,)")}).replace(struct.pack("<I", len(npy("(4,)"))), struct.pack("<I", 1 << 30))
    with Peak() as peak:
        assert parse_npz(lie, "a.npz")["a"].shape == (4,)
    assert peak.bytes < 8 << 20
    packed = zipped({"a.npy": npy("(4,)")}, zipfile.ZIP_LZMA)
    refused(lambda: parse_npz(packed, "a.npz"), "packed in a way")
    many = zipped({f"{n}": b"" for n in range(20_001)}, zipfile.ZIP_STORED)
    refused(lambda: parse_npz(many, "a.npz"), "unpacks to more than", most=128 << 20)


def png(width, height):
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = b""
    for name, data in ((b"IHDR", head), (b"IDAT", zlib.compress(b"\0" * 100)), (b"IEND", b"")):
        chunks += struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    return b"\x89PNG\r\n\x1a\n" + chunks


@pytest.mark.parametrize("size", [(2**31 - 1, 2**31 - 1), (100_000, 100_000), (0, 5), (1 << 27, 1)])
def test_pictures_that_claim_to_be_huge(size):
    assert picture_size(png(*size)) == size
    refused(lambda: decoded(png(*size), "a.png"), "the most is")


def test_sizes_in_the_headers_of_all_formats():
    import cv2

    image = np.zeros((7, 11), np.uint8)
    for ending in (".png", ".jpg", ".bmp", ".tif", ".pgm"):
        data = cv2.imencode(ending, image)[1].tobytes()
        assert picture_size(data) == (11, 7), ending
        assert decoded(data, "a").shape == (7, 11)


def test_one_huge_frame_among_small_ones(tmp_path):
    import cv2

    for frame in range(400):
        cv2.imwrite(str(tmp_path / f"{frame:04d}.png"), np.full((4, 4), 255, np.uint8))
    cv2.imwrite(str(tmp_path / "0400.png"), np.zeros((6000, 1), np.uint8))
    cv2.imwrite(str(tmp_path / "0401.png"), np.zeros((1, 6000), np.uint8))
    refused(lambda: read_masks(tmp_path, "v"), "GB together")


def test_json_that_is_deep_or_has_numbers_without_end(tmp_path):
    refused(lambda: parse_json(b"[" * 10**6, "a.json"), "not valid JSON")
    refused(lambda: parse_json(b"9" * 5000, "a.json"), "not valid JSON")
    people = [{"image_id": 1, "keypoints": [float("nan"), float("inf"), 1, 1e308, 1, 1, *([5, 5, 1] * 15)]}]
    (tmp_path / "a.json").write_text(json.dumps(people))
    data = read_keypoints(tmp_path / "a.json", "v").data
    assert np.isnan(data.points[0, :2]).all()
    assert np.isfinite(data.points[0, 2:]).all()


def test_texts_with_millions_of_columns(tmp_path):
    (tmp_path / "f1.txt").write_bytes(b"1," * 5_000_000)
    refused(lambda: read_keypoints(tmp_path, "v"), "more than 10000 numbers", most=64 << 20)
    with (tmp_path / "f1.txt").open("wb") as file:
        file.truncate(MOST_FRAME_BYTES + 1)
    refused(lambda: read_keypoints(tmp_path, "v"), "holds 64 MB")


def test_yaml_whose_aliases_multiply(tmp_path):
    lines = ["a0: &a0 [x, x]"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    (tmp_path / "bomb.yaml").write_text("\n".join(lines))
    with pytest.raises(ManifestError):
        read_yaml(str(tmp_path / "bomb.yaml"), "datasets")


def test_what_is_no_file_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.pkl")
    refused(lambda: read_pickled_array(tmp_path / "a.pkl"), "not a regular file")
    refused(lambda: read_text(Path("/dev/zero")), "not a regular file")
    refused(lambda: read_bytes(tmp_path), "cannot be read|not a regular file")
    refused(lambda: read_bytes(tmp_path / "gone"), "cannot be read")
    refused(lambda: read_bytes(Path("a\0b")), "no path")


def test_links_that_lead_out_of_the_root(tmp_path):
    root, elsewhere = tmp_path / "root", tmp_path / "elsewhere"
    for folder in (root / "seq", elsewhere):
        folder.mkdir(parents=True)
        (folder / "a.txt").write_text("x")
    (root / "seq" / "file.txt").symlink_to(elsewhere / "a.txt")
    (root / "folder").symlink_to(elsewhere)
    (root / "inside.txt").symlink_to(root / "seq" / "a.txt")
    outside = [root / "seq/file.txt", root / "folder/a.txt", root / "seq/../../elsewhere/a.txt", elsewhere / "a.txt"]
    with below(root):
        assert read_bytes(root / "seq" / "a.txt") == read_bytes(root / "inside.txt") == b"x"
        for path in outside:
            refused(lambda path=path: read_bytes(path), "leads out of the folder")
    with below(root, links=True):
        assert {read_bytes(path) for path in outside} == {b"x"}
    assert {read_bytes(path) for path in outside} == {b"x"}


def test_links_are_judged_anew_each_time(tmp_path):
    root, secret = tmp_path / "root", tmp_path / "secret.txt"
    (root / "seq").mkdir(parents=True)
    secret.write_text("y")
    path = root / "seq" / "a.txt"
    with below(root):
        path.write_text("x")
        assert read_bytes(path) == read_bytes(str(path)) == b"x"
        path.unlink()
        path.symlink_to(secret)
        refused(lambda: read_bytes(path), f"^{path}: it leads out of the folder of the dataset")
        refused(lambda: read_bytes(root / "seq" / ".." / ".." / "secret.txt"), "leads out of the folder")
        path.unlink()
        path.symlink_to(path)
        refused(lambda: read_bytes(path), "cannot be read")


def test_relative_roots_and_links_above_them(tmp_path, monkeypatch):
    (tmp_path / "disk" / "root" / "seq").mkdir(parents=True)
    (tmp_path / "disk" / "root" / "seq" / "a.txt").write_text("x")
    (tmp_path / "disk" / "b.txt").write_text("y")
    (tmp_path / "mounted").symlink_to(tmp_path / "disk")
    monkeypatch.chdir(tmp_path)
    for root in (Path("mounted/root"), Path("disk/root"), tmp_path / "mounted" / "root", tmp_path / "disk" / "root"):
        with below(root):
            assert read_bytes(root / "seq" / "a.txt") == b"x"
            assert read_bytes(tmp_path / "mounted/root/seq/a.txt") == b"x"
            refused(lambda root=root: read_bytes(root / ".." / "b.txt"), "leads out of the folder")


def test_spoilt_files_of_every_format_are_read_or_refused():
    """A few of the inputs of ``benchmarks/datasets_hostile.py``, in one child process."""
    sys.path.insert(0, BENCHMARKS)
    try:
        from datasets_hostile import run

        outcomes, growth = run(list(range(122)), jobs=1)
    finally:
        sys.path.remove(BENCHMARKS)
    assert not [one.what for one in outcomes if one.kind == "failed"]
    assert len(outcomes) == 122
    assert {one.kind for one in outcomes} == {"read", "refused"}
    assert growth < 64
