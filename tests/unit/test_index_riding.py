"""What rides along, what has another clock, and what is left out: told by the index, and kept apart from the rest."""

import dataclasses
import pickle
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshgait_data.errors import ManifestError, SourceError
from meshgait_data.findings import Severity
from meshgait_data.index import scan
from meshgait_data.manifest import Layout, load_manifest
from meshgait_data.manifest_source import Source
from meshgait_data.sources.joining import joined
from meshgait_data.sources.parts import Parts
from meshgait_data.sources.riding import read_counted
from meshgait_data.sources.track import Track
from meshgait_data.strict import build
from meshgait_data.types import CaptureKey, Masks

CMU = load_manifest("cmu_walk")
KEY = CaptureKey("cmu_walk", "07", "nm-01", "000")
SILS = {"path": "{folder}/sils.pkl", "format": "opengait"}
FRAMES = 8


def manifest(also, clocks=None, **more):
    layout = Layout("{subject}/{condition}/{view}", captures="each", **more.pop("layout", {}))
    blocks = {
        name: {"path": f"{{folder}}/{name}.pkl", "format": "pickle"} | block for name, block in (also or {}).items()
    }
    source = {"fps": 25, "min_seconds": 0, "silhouettes": SILS | more, "also": blocks, "clocks": clocks or {}}
    return dataclasses.replace(CMU, layout=layout, source=build(Source, source, "f: source"))


def body(frames=FRAMES):
    images = np.zeros((frames, 64, 64), np.uint8)
    for frame in range(frames):
        images[frame, :, 20 + frame : 40] = 255
    return images


def write(root, view="000", **values):
    folder = root / "07" / "nm-01" / view
    folder.mkdir(parents=True, exist_ok=True)
    for name, value in ({"sils": body()} | values).items():
        (folder / f"{name}.pkl").write_bytes(pickle.dumps(value))


def told(found, id):
    return [finding for finding in found if finding.id == id]


def clouds(*points):
    return [np.ones((count, 3)) for count in points]


LIDAR = {"clouds": {"clock": "lidar"}, "depths": {"clock": "lidar"}, "both": {"clock": "both"}}
CLOCKS = {"lidar": {}, "both": {"within": "lidar"}}


def test_another_clock_is_counted_and_touches_nothing_else(tmp_path):
    write(tmp_path, clouds=clouds(7, 5, 9), depths=np.ones((3, 4)), both=np.ones((3, 4)))
    index, found = scan(manifest(LIDAR, CLOCKS), tmp_path)
    (row,) = index.rows
    kinds = ("also.both", "also.clouds", "also.depths", "silhouettes")
    assert (row.kinds, row.kind_frames, row.frames) == (kinds, (3, 3, 3, FRAMES), FRAMES)
    assert {finding.id for finding in found} == {"MG-MASKS-002"} | {f.id for f in found if f.id.startswith("MG-INDEX")}


@pytest.mark.parametrize("empty", [np.zeros((0, 3)), [], np.zeros(0)])
def test_a_cloud_without_points_is_told_by_its_place(tmp_path, empty):
    write(tmp_path, clouds=[*clouds(7, 5), empty], depths=np.ones((3, 4)), both=np.ones((3, 4)))
    _, found = scan(manifest(LIDAR, CLOCKS), tmp_path)
    (one,) = told(found, "MG-RIDING-003")
    assert one.where.endswith("clouds.pkl")
    assert one.message.endswith(": 2")


def test_a_cloud_that_is_none_is_no_cloud_at_all(tmp_path):
    write(tmp_path, clouds=[*clouds(7), None, *clouds(5)], depths=np.ones((3, 4)), both=np.ones((3, 4)))
    _, found = scan(manifest(LIDAR, CLOCKS), tmp_path)
    assert told(found, "MG-RIDING-001")[0].message == "1 of 3 frames hold nothing: 1"


def test_lengths_are_compared_within_a_clock_and_with_the_clock_that_it_is_of(tmp_path):
    write(tmp_path, clouds=clouds(7, 5, 9), depths=np.ones((2, 4)), both=np.ones((1, 4)))
    more = LIDAR | {"sils2": {"clock": "lidar"}}
    write(tmp_path, sils2=body(3))
    _, found = scan(manifest(more, CLOCKS), tmp_path)
    (one,) = told(found, "MG-FRAMES-015")
    assert one.message == "modalities of the clock lidar have 3 frames, but also.depths has 2"
    (one,) = told(found, "MG-FRAMES-016")
    assert (one.severity, one.message) == (Severity.INFO, "the clock both has 1 of the 3 moments of lidar")


def test_more_moments_than_the_clock_that_they_are_of_is_no_good(tmp_path):
    write(tmp_path, clouds=clouds(7, 5, 9), depths=np.ones((3, 4)), both=np.ones((4, 4)))
    _, found = scan(manifest(LIDAR, CLOCKS), tmp_path)
    assert told(found, "MG-FRAMES-016")[0].severity == Severity.WARNING


def test_a_picture_that_serves_twice_is_one_note_for_all_that_repeat_it(tmp_path):
    pictures = np.random.default_rng(0).integers(0, 255, (4, 8, 8)).astype(np.uint8)
    pictures[2] = pictures[1]
    few = np.ones((4, 2))
    blocks = {name: {"clock": "both"} for name in ("one", "two", "few")}
    write(tmp_path, one=pictures, two=pictures * 2, few=few)
    _, found = scan(manifest(blocks, {"both": {}}), tmp_path)
    (one,) = told(found, "MG-FRAMES-014")
    assert one.message.endswith("in also.one, also.two: 2")


def test_a_broken_or_missing_modality_of_another_clock_costs_itself(tmp_path):
    write(tmp_path, "000", clouds=clouds(7, 5, 9), depths=np.ones((3, 4)), both=np.ones((3, 4)))
    write(tmp_path, "001", clouds=clouds(7, 5, 9), depths=np.ones((3, 4)))
    (tmp_path / "07" / "nm-01" / "000" / "clouds.pkl").write_bytes(b"\x80\x04cos\nsystem\n.")
    index, found = scan(manifest(LIDAR, CLOCKS), tmp_path)
    assert [row.frames for row in index.rows] == [FRAMES, FRAMES]
    (broken,) = [one for one in told(found, "MG-INDEX-001") if one.severity == Severity.ERROR]
    assert "also.clouds" in broken.message
    (missing,) = told(found, "MG-FRAMES-011")
    assert (missing.where, "also.both" in missing.message) == ("cmu_walk/07/nm-01/001", True)


@pytest.mark.parametrize(
    ("also", "clocks"),
    [({"x": {"clock": "lidar"}}, {}), ({}, {"a": {"within": "b"}}), ({}, {"a": {"within": "a"}})],
)
def test_clocks_that_are_named_are_there(also, clocks):
    with pytest.raises(ManifestError, match="is not another one of clocks"):
        manifest(also, clocks)


def test_none_in_the_silhouettes_is_that_frame_and_nothing_else(tmp_path):
    write(tmp_path, sils=[None if frame == 3 else one for frame, one in enumerate(body())], ratio=np.arange(8.0))
    index, found = scan(manifest({"ratio": {}}), tmp_path)
    (row,) = index.rows
    assert dict(zip(row.kinds, row.kind_frames, strict=True)) == {"silhouettes": 7, "also.ratio": 7}
    assert told(found, "MG-FRAMES-002") == []
    (one,) = told(found, "MG-FRAMES-001")
    assert one.message.endswith("also.ratio: 3")


def test_none_in_what_rides_along_is_that_frame_and_nothing_else(tmp_path):
    pictures = [None if frame == 3 else np.ones((4, 4)) for frame in range(FRAMES)]
    write(tmp_path, crop=pictures)
    index, found = scan(manifest({"crop": {}}), tmp_path)
    assert dict(zip(index.rows[0].kinds, index.rows[0].kind_frames, strict=True)) == {"silhouettes": 8, "also.crop": 7}
    assert told(found, "MG-FRAMES-002") == []


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_values_are_joined_by_their_places_whatever_is_missing(data):
    count = data.draw(st.integers(2, 12))
    ids = np.sort(np.array(data.draw(st.lists(st.integers(0, 99), min_size=count, max_size=count, unique=True))))
    kept = [
        np.flatnonzero(data.draw(st.lists(st.booleans(), min_size=count, max_size=count).filter(any))) for _ in range(2)
    ]
    counted = data.draw(st.booleans())
    images = np.zeros((count, 4, 4), np.uint8)
    if counted:
        masks = Track(Masks("000", images, np.ones(count, bool)), ids, kind="silhouettes", view="000")
    else:
        masks = Track(
            Masks("000", images[kept[0]], np.ones(len(kept[0]), bool)),
            kept[0],
            counted=False,
            kind="silhouettes",
            view="000",
            rows=kept[0],
            file_frames=count,
        )
    truth = np.arange(count) * 10
    riding = Track(truth[kept[1]], kept[1], counted=False, kind="also.x", view="000", rows=kept[1], file_frames=count)
    whole = joined(KEY, Parts(masks=(masks,)), [riding])
    assert whole.left_out == ()
    (moved,) = whole.also
    places = {frame: place for place, frame in enumerate(ids if counted else range(count))}
    assert [truth[places[frame]] for frame in moved.frame_ids] == moved.data.tolist()


def test_an_array_of_another_shape_costs_its_sequence_that_array(tmp_path):
    for view in ("000", "001", "002"):
        size = 3 if view == "001" else 4
        write(tmp_path, view, crop=np.ones((FRAMES, size, 4), np.uint8), ratio=np.ones(FRAMES))
    index, found = scan(manifest({"crop": {}, "ratio": {}}), tmp_path)
    assert [row.kinds for row in index.rows] == [
        ("also.crop", "also.ratio", "silhouettes"),
        ("also.ratio", "silhouettes"),
        ("also.crop", "also.ratio", "silhouettes"),
    ]
    (one,) = told(found, "MG-RIDING-004")
    assert "also.crop is uint8 of 3 x 4 a frame in 1 of 3 sequences, and uint8 of 4 x 4 in most" in one.message
    assert one.message.endswith("cmu_walk/07/nm-01/001")
    assert told(found, "MG-FRAMES-011") == []


def test_an_index_that_was_kept_tells_the_same(tmp_path):
    root, cache = tmp_path / "root", tmp_path / "looks"
    for view, kind in (("000", np.uint8), ("001", np.uint8), ("002", np.float32)):
        write(root, view, crop=np.ones((FRAMES, 4), kind))
    first, second = (scan(manifest({"crop": {}}), root, cache=cache) for _ in range(2))
    assert first[0].rows == second[0].rows
    assert first[1] == second[1]
    assert told(first[1], "MG-RIDING-004")


def test_an_optional_modality_that_some_lack_is_one_note(tmp_path):
    for view in ("000", "001", "002"):
        write(tmp_path, view, **({} if view == "001" else {"crop": np.ones((FRAMES, 4))}))
    _, found = scan(manifest({"crop": {"optional": True}}), tmp_path)
    (one,) = told(found, "MG-FRAMES-011")
    assert one.severity == Severity.INFO
    assert one.message == "1 of 3 sequences have no also.crop, which is optional: cmu_walk/07/nm-01/001"


def test_what_is_left_out_is_counted_for_each_pattern(tmp_path):
    write(tmp_path)
    masks = tmp_path / "07" / "nm-01" / "000" / "masks"
    masks.mkdir()
    for name in ("0001.png", "0002.png", "mean.png", "notes.txt"):
        (masks / name).write_bytes(b"x")
    (tmp_path / "flow").mkdir()
    block = {"path": "{folder}/masks", "format": "images", "exclude": ("mean.*", "*.gif")}
    described = manifest({}, layout={"exclude": ("flow",)}, **block)
    _, found = scan(described, tmp_path)
    assert sorted(one.message for one in told(found, "MG-INDEX-023")) == [
        "1 path left out by layout: exclude: flow: flow",
        "1 path left out by source: silhouettes: exclude: mean.*: 07/nm-01/000/masks/mean.png",
    ]


def test_a_camera_that_saw_a_walk_twice_is_noted(tmp_path):
    for view in ("01_0", "01_1", "02_0"):
        write(tmp_path, view)
    protocol = dataclasses.replace(CMU.protocol, camera="^([^_]+)")
    _, found = scan(dataclasses.replace(manifest({}), protocol=protocol), tmp_path)
    (one,) = told(found, "MG-INDEX-027")
    assert one.message.endswith(": 07/nm-01 (01_0, 01_1)")


@pytest.mark.parametrize(("top", "bottom", "raw"), [(0, 64, False), (1, 63, False), (0, 56, True), (6, 58, True)])
def test_bodies_that_do_not_fill_the_height_were_not_aligned(tmp_path, top, bottom, raw):
    images = np.zeros((FRAMES, 64, 64), np.uint8)
    images[:, top:bottom, 20:40] = 255
    images[0] = 0
    write(tmp_path, sils=images)
    _, found = scan(manifest({}), tmp_path)
    assert bool(told(found, "MG-MASKS-005")) == raw


def test_damaged_files_of_another_clock_are_told_or_counted(tmp_path, rng):
    sound = pickle.dumps(clouds(7, 5, 9)), pickle.dumps(np.ones((3, 4)), protocol=5)
    path = tmp_path / "clouds.pkl"
    for number in range(300):
        data = bytearray(sound[number % 2])
        for place in rng.integers(0, len(data), 1 + number % 3):
            data[place] = rng.integers(0, 256)
        path.write_bytes(bytes(data[: rng.integers(1, len(data) + 1)] if number % 5 == 0 else data))
        with suppress(SourceError):
            assert read_counted(path).frames >= 1
