"""Datasets of schema versions 1 and 2, packed by the meshgait of those days, are read as they were meant."""

import json
import tarfile
from pathlib import Path

import numpy as np
import pytest

from meshgait_data.errors import ShardError
from meshgait_data.findings import Severity
from meshgait_data.manifest import load_manifest
from meshgait_data.pipeline.convert import ConvertSettings, convert
from meshgait_data.shards import open_shards
from meshgait_data.shards.legacy import legacy_version, open_legacy
from meshgait_data.shards.verify import verify
from meshgait_data.types import Camera, SequenceData, SequenceKey

OLD = Path(__file__).parents[2] / "data" / "shards"
QUIET = ConvertSettings(progress=False)
MARKERS = 5


def old_sequence(version: str, frames: int, seed: int, *, subject: str = "07", view: str = "090") -> SequenceData:
    """What the archives were made from, drawn in the order in which it was drawn then."""
    rng = np.random.default_rng(seed)
    silhouettes = np.zeros((frames, 64, 64), np.uint8)
    silhouettes[:, 4:60, 20:44] = 255
    silhouettes[:, 10:20, 10:50] = rng.integers(0, 256, (frames, 10, 40))

    def floats(*shape: int) -> np.ndarray:
        return rng.normal(size=(frames, *shape)).astype(np.float32)

    def visible(count: int) -> np.ndarray:
        return rng.integers(0, 2, (frames, count)).astype(np.uint8)

    translation = rng.normal(size=3).astype(np.float32).astype(float)
    camera = Camera(view, np.diag([700.0, 700.0, 1.0]), np.eye(3), translation, (640, 480))
    arrays = {
        "silhouettes": silhouettes,
        "windows": floats(2, 3),
        "frame_ids": np.cumsum(rng.integers(1, 5, frames)).astype(np.int32),
        "joints": floats(24, 3),
        **({"joints_visible": visible(24)} if version == "2" else {}),
        "markers": floats(MARKERS, 3),
        **({"markers_visible": visible(MARKERS)} if version == "2" else {}),
        "scale": (40 + rng.random(frames)).astype(np.float32),
        "global_orient": floats(3),
        "body_pose": floats(69),
        "transl": floats(3),
        "verdict": rng.integers(0, 2, frames).astype(np.uint8),
    }
    key = SequenceKey("cmu_walk", subject, f"{seed:02d}", view)
    betas = rng.normal(size=10).astype(np.float32)
    return SequenceData(key, load_manifest("cmu_walk").identity(subject), 30.0, camera, betas, arrays, (1, 5))


def truth(version: str) -> list[list[SequenceData]]:
    first = [old_sequence(version, 3, 1), old_sequence(version, 1, 2, view="000")]
    return [first, [old_sequence(version, 2, 3, subject="35")]]


@pytest.fixture(params=["1", "2"])
def version(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def old(version: str, tmp_path: Path) -> Path:
    with tarfile.open(OLD / f"v{version}.tar.xz") as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path / f"shards_v{version}"


def assert_equal(found: SequenceData, expected: SequenceData) -> None:
    for name in ("key", "identity", "fps", "dropped", "joint_set"):
        assert getattr(found, name) == getattr(expected, name)
    np.testing.assert_array_equal(found.betas, expected.betas)
    for name in ("name", "size", "model", "distortion"):
        assert getattr(found.camera, name) == getattr(expected.camera, name)
    for name in ("intrinsics", "rotation", "translation"):
        np.testing.assert_array_equal(getattr(found.camera, name), getattr(expected.camera, name))
    assert set(found.arrays) == set(expected.arrays)
    for name, array in expected.arrays.items():
        assert found.arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(found.arrays[name], array)


def test_old_parts_hold_what_was_packed(old: Path, version: str) -> None:
    assert legacy_version(old) == version
    dataset = open_legacy(old)
    for name, expected in zip(dataset.parts, truth(version), strict=True):
        part = dataset.part(name)
        found = list(part.sequences())
        assert part.keys == [sequence.key for sequence in expected]
        for one, other in zip(found, expected, strict=True):
            assert_equal(one, other)


def test_blocks_of_any_length_give_the_same(old: Path, version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("meshgait_data.shards.legacy._BLOCK", 1)
    found = list(open_legacy(old).part("part-00000.zarr").sequences())
    for one, other in zip(found, truth(version)[0], strict=True):
        assert_equal(one, other)


@pytest.mark.parametrize("format", ["zarr", "hdf5"])
def test_converted_they_are_sound_datasets_of_today(old: Path, version: str, tmp_path: Path, format: str) -> None:
    out = tmp_path / "new"
    convert(str(old), out, ConvertSettings(format=format, progress=False))
    shards, plain = open_shards(out), json.loads((old / "dataset.json").read_text())
    for expected in (sequence for part in truth(version) for sequence in part):
        assert_equal(shards.sequence(expected.key), expected)
    assert [record.side for record in shards.sequences] == ["train", "train", "test"]
    assert shards.info.manifest_sha256 == plain["manifest_sha256"]
    assert (shards.info.body.name, shards.info.markers.count) == ("test", MARKERS)
    assert shards.part(shards.info.parts[0].name).provenance == {"from": "test"}
    assert not [finding for finding in verify(out, deep=True) if finding.severity is Severity.ERROR]


def test_todays_reader_names_the_command_that_brings_it_up_to_date(old: Path, version: str) -> None:
    with pytest.raises(ShardError, match=f"schema version {version} is not 3") as caught:
        open_shards(old)
    assert f"mgdata convert {old} {old}-v3" in caught.value.hint


def _edit(path: Path, **changes: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 4] ^= 1
    path.write_bytes(bytes(data))


DAMAGE = {
    "missing": lambda root: (root / "part-00001.zarr/joints/c/0/0/0").unlink(),
    "bytes, expected": lambda root: (root / "part-00000.zarr/scale/c/0").write_bytes(b"short"),
    "are damaged": lambda root: _flip(root / "part-00000.zarr/silhouettes/c/0/0/0"),
    "content has changed": lambda root: _flip(root / "markers.npz"),
    "cannot be read": lambda root: (root / "part-00000.zarr/MANIFEST.json").unlink(),
    "not ended": lambda root: _edit(root / "dataset.json", complete=False),
    "damaged: .*unknown key": lambda root: _edit(root / "dataset.json", other=1),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_damage_is_an_error_and_nothing_is_declared_complete(old: Path, tmp_path: Path, what: str) -> None:
    DAMAGE[what](old)
    with pytest.raises(ShardError, match=what) as caught:
        convert(str(old), tmp_path / "new", QUIET)
    assert caught.value.hint
    with pytest.raises(ShardError):
        open_shards(tmp_path / "new")
