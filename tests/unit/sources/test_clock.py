"""Files named by time: numbers of frames follow from times, kinds are joined by them, gaps stay gaps."""

import dataclasses
import json

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshgait_data.errors import ManifestError
from meshgait_data.manifest import Layout, load_manifest
from meshgait_data.manifest_source import Source
from meshgait_data.sources import observe
from meshgait_data.sources.clock import matched, nanoseconds, numbered
from meshgait_data.sources.parts import read_parts
from meshgait_data.strict import build
from meshgait_data.types import CaptureKey

START = 1657079013 * 10**9
SECOND = 10**9
SOURCE = {
    "fps": 30,
    "min_seconds": 0,
    "tolerance_s": 0.02,
    "silhouettes": {"path": "{folder}/sils", "file": "{frame}.png", "times": {"written": "digits"}},
    "keypoints2d": {
        "path": "{folder}/pose",
        "file": "{frame}.json",
        "format": "frame_json",
        "joint_set": "coco17",
        "times": {"written": "decimal", "delay_s": 0.05},
    },
}
KEY = CaptureKey("cmu_walk", "a", "w")


def manifest(source):
    layout = Layout("{subject}/{condition}")
    return dataclasses.replace(load_manifest("cmu_walk"), layout=layout, source=build(Source, source, "f: source"))


def write(root, masks, poses):
    """Masks and poses at times in nanoseconds; the first point of each pose tells its time in milliseconds."""
    folder = root / "a" / "w"
    for name in ("sils", "pose"):
        (folder / name).mkdir(parents=True)
    mask = np.zeros((120, 160), np.uint8)
    mask[20:100, 60:100] = 255
    for time in masks:
        cv2.imwrite(str(folder / "sils" / f"{time}.png"), mask)
    for time in poses:
        points = np.full((17, 3), 50.0)
        points[:, 2] = 0.9
        points[0, 0] = 5 + (time - START) / 10**6
        began = time - 50_000_000
        path = folder / "pose" / f"{began // SECOND}.{began % SECOND:09d}.json"
        path.write_text(json.dumps(points.tolist()))


def grid(frames, jitter=0):
    rng = np.random.default_rng(1)
    return [START + round(frame * SECOND / 30) + int(rng.integers(-jitter, jitter + 1)) for frame in frames]


@pytest.mark.parametrize("jitter", [0, 4_000_000])
def test_kinds_meet_at_their_times_whatever_is_missing(tmp_path, jitter):
    masks, poses = [0, 1, 2, 4, 5, 6, 10], [1, 2, 3, 4, 6, 10, 11]
    write(tmp_path, grid(masks, jitter), grid(poses, jitter // 2))
    seen = observe(manifest(SOURCE), tmp_path, KEY)
    assert seen.frame_ids.tolist() == sorted({*masks, *poses})
    assert seen.masks[0].seen.tolist() == [frame in masks for frame in seen.frame_ids]
    told = seen.keypoints[0].points[:, 0, 0]
    for frame, x in zip(seen.frame_ids, told, strict=True):
        assert np.isnan(x) if frame not in poses else abs(x - 5 - 1000 * frame / 30) < 5


def test_of_two_files_of_one_moment_the_nearer_is_its_and_the_other_is_told(tmp_path):
    times = grid(range(5))
    write(tmp_path, times, [*times, times[2] + 12_000_000])
    parts = read_parts(manifest(SOURCE), tmp_path, KEY)
    assert parts.keypoints[0].frame_ids.tolist() == [0, 1, 2, 3, 4]
    assert parts.keypoints[0].data.points[2, 0, 0] == pytest.approx(5 + 1000 * 2 / 30, abs=0.01)
    (finding,) = [one for one in parts.keypoints[0].findings if one.id == "MG-SOURCE-033"]
    assert "1 of 6 files" in finding.message


def test_names_that_tell_no_time_are_told(tmp_path):
    write(tmp_path, grid(range(5)), grid(range(5)))
    cv2.imwrite(str(tmp_path / "a" / "w" / "sils" / "7.png"), np.zeros((4, 4), np.uint8))
    (track,) = read_parts(manifest(SOURCE), tmp_path, KEY).masks
    assert "MG-SOURCE-031" in {finding.id for finding in track.findings}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1657079013.9", START + 900_000_000),
        ("1657079013.900059000", START + 900_059_000),
        ("16570790139", START + 900_000_000),
        ("1657079013900059", START + 900_059_000),
        ("1657079013000000001", START + 1),
    ],
)
def test_times(text, expected):
    assert nanoseconds(text) == expected


TIMES = st.lists(st.integers(0, 10**10), unique=True, max_size=30).map(lambda times: np.array(sorted(times), np.int64))


@given(TIMES, TIMES, st.integers(0, 10**9))
def test_matching_is_one_to_one_and_to_the_nearest(times, moments, tolerance):
    found = matched(times, moments, tolerance)
    kept = found[found >= 0]
    assert len(set(kept.tolist())) == len(kept)
    for time, at in zip(times, found, strict=True):
        near = np.abs(moments - time).min(initial=10**12)
        if at >= 0:
            assert abs(moments[at] - time) == near <= tolerance
        elif near <= tolerance:
            nearest = np.flatnonzero(np.abs(moments - time) == near)
            rivals = [abs(times[k] - moments[found[k]]) for k in range(len(times)) if found[k] in nearest]
            assert rivals, "somebody else has it"
            assert min(rivals) <= near


@given(TIMES, st.integers(1, 240))
def test_numbers_start_at_0_and_increase(moments, fps):
    numbers = numbered(moments, fps)
    assert len(numbers) == len(moments)
    assert not len(numbers) or numbers[0] == 0
    assert (np.diff(numbers) >= 1).all()


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"tolerance_s": 0}, "tolerance_s"),
        ({"silhouettes": {"path": "x", "times": {"written": "digits"}}}, "times needs file"),
        (
            {"silhouettes": {"path": "x", "file": "{frame}.png", "first_frame": 1, "times": {"written": "digits"}}},
            "leave out first_frame",
        ),
        ({"silhouettes": {"path": "x"}, "keypoints2d": {"path": "y"}}, "belongs to blocks with times"),
    ],
)
def test_contradictions(changes, match):
    with pytest.raises(ManifestError, match=match):
        build(Source, {**SOURCE, **changes}, "f: source")
