"""Frame alignment in the index: every defect of a kind or view is a finding with its id, and nothing shifts."""

import dataclasses
import pickle

import cv2
import numpy as np
import pytest

from meshgait_data.findings import Severity
from meshgait_data.index import scan
from meshgait_data.manifest import Expected, Layout, load_manifest
from meshgait_data.manifest_source import Source
from meshgait_data.sources import observe
from meshgait_data.strict import build
from meshgait_data.types import CaptureKey

CMU = load_manifest("cmu_walk")
KEY = CaptureKey("cmu_walk", "07", "nm-01")
MASKS = {"path": "{folder}/masks", "format": "images"}
POINTS = {"path": "{folder}/points.npz"}


def manifest(**more):
    layout = Layout("{subject}/{condition}/{view}")
    source = {"fps": 25, "min_seconds": 0, "silhouettes": MASKS, "keypoints2d": POINTS} | more.pop("source", {})
    return dataclasses.replace(CMU, layout=layout, source=build(Source, source, "f: source"), **more)


def mask(shift=0, width=20):
    image = np.zeros((120, 160), np.uint8)
    image[20:110, 40 + shift : 40 + shift + width] = 255
    return image


def write_view(root, view="000", frames=range(1, 13), points=range(1, 13)):
    folder = root / "07" / "nm-01" / view
    (folder / "masks").mkdir(parents=True)
    for frame in frames:
        cv2.imwrite(str(folder / "masks" / f"{frame:03d}.png"), mask(frame))
    values = np.random.default_rng(0).uniform(20, 100, (len(points), 17, 3))
    values[..., 2] = 0.9
    np.savez(folder / "points.npz", points=values, frame_ids=np.array(points), size=(160, 120))
    return folder


def told(found, least=Severity.INFO):
    return {(finding.id, finding.where) for finding in found if finding.severity >= least}


def the(found, id):
    (one,) = [finding for finding in found if finding.id == id]
    return one


def test_a_clean_view_is_a_row_with_its_kinds_and_no_finding(tmp_path):
    write_view(tmp_path)
    index, found = scan(manifest(), tmp_path)
    (row,) = index.rows
    assert (str(row.key), row.kinds, row.kind_frames) == (f"{KEY}/000", ("keypoints2d", "silhouettes"), (12, 12))
    assert (row.frames, row.first_frame, row.last_frame, row.path) == (12, 1, 12, "07/nm-01/000")
    assert [finding for finding in found if finding.id.startswith("MG-FRAMES")] == []
    assert index.filmed


def test_frames_that_one_kind_lacks_are_named_and_nothing_shifts(tmp_path):
    write_view(tmp_path, points=range(3, 11))
    _, found = scan(manifest(), tmp_path)
    assert the(found, "MG-FRAMES-001").message == (
        "no keypoints2d in 4 of 12 frames, which are there as silhouettes: 1-2, 11-12"
    )
    seen = observe(manifest(), tmp_path, KEY)
    assert np.flatnonzero(~seen.keypoints[0].confidence.any(axis=1)).tolist() == [0, 1, 10, 11]
    assert seen.masks[0].seen.all()


def test_gaps_empty_tiny_and_narrow_masks(tmp_path):
    folder = write_view(tmp_path) / "masks"
    (folder / "006.png").unlink()
    cv2.imwrite(str(folder / "008.png"), np.zeros((120, 160), np.uint8))
    for pixels, frame in ((39, 9), (40, 10)):
        image = np.zeros((120, 160), np.uint8)
        image[50, 60 : 60 + pixels] = 255
        cv2.imwrite(str(folder / f"{frame:03d}.png"), image)
    _, found = scan(manifest(source={"keypoints2d": None}), tmp_path)
    assert the(found, "MG-FRAMES-003").message == "1 frames between 1 and 12 are in no file: 6"
    assert the(found, "MG-FRAMES-004").message == "1 of 11 masks are empty: 8"
    assert the(found, "MG-FRAMES-005").message == "1 of 11 masks show too little of the body: 9"
    assert the(found, "MG-FRAMES-003").severity == Severity.INFO


def test_a_picture_at_which_the_published_script_breaks_off(tmp_path):
    folder = tmp_path / "07" / "nm-01" / "000" / "masks"
    folder.mkdir(parents=True)
    for frame in range(6):
        image = np.zeros((240, 60), np.uint8)
        image[10:230, 20:40] = 255
        cv2.imwrite(str(folder / f"{frame}.png"), image)
    narrow = np.zeros((240, 3), np.uint8)
    narrow[:, 1] = 255
    cv2.imwrite(str(folder / "3.png"), narrow)
    _, found = scan(manifest(source={"keypoints2d": None}), tmp_path)
    assert "are too narrow for their height" in the(found, "MG-FRAMES-006").message
    assert the(found, "MG-FRAMES-006").message.endswith(": 3")


def test_pictures_taken_as_they_are_that_have_another_size(tmp_path):
    write_view(tmp_path)
    masks = {**MASKS, "alignment": "as_is"}
    _, found = scan(manifest(source={"keypoints2d": None, "silhouettes": masks}), tmp_path)
    finding = the(found, "MG-FRAMES-005")
    assert finding.message == "12 of 12 masks have another size than the aligned silhouettes: 1-12"
    assert finding.hint.startswith("alignment: sustech1k")


def test_short_sequences_and_expected_lengths(tmp_path):
    write_view(tmp_path, frames=range(1, 5), points=range(1, 5))
    _, found = scan(manifest(expected=Expected(frames=(10, 100))), tmp_path)
    assert the(found, "MG-FRAMES-007").message == "only 4 of 4 frames can be used"
    assert the(found, "MG-FRAMES-008").message == "4 frames, where the dataset has 10 to 100 in a sequence"


def test_kinds_without_a_common_frame_lose_one_kind_and_not_the_view(tmp_path):
    write_view(tmp_path, points=range(101, 113))
    index, found = scan(manifest(), tmp_path)
    assert index.rows[0].kinds == ("silhouettes",)
    finding = the(found, "MG-FRAMES-009")
    assert (finding.severity, finding.where) == (Severity.ERROR, f"{KEY}/000")
    assert "keypoints2d is left out" in finding.message
    assert "MG-FRAMES-011" not in {finding.id for finding in found}, "told once is enough"
    assert observe(manifest(), tmp_path, KEY).keypoints == ()


@pytest.mark.parametrize(("count", "finding"), [(12, "MG-FRAMES-013"), (11, "MG-FRAMES-002")])
def test_arrays_that_count_no_frames_are_joined_only_where_lengths_agree(tmp_path, count, finding):
    folder = write_view(tmp_path)
    (folder / "points.npz").unlink()
    points = np.random.default_rng(0).uniform(20, 100, (count, 17, 3))
    (folder / "000.pkl").write_bytes(pickle.dumps(points, protocol=4))
    source = {"keypoints2d": {"path": "{folder}/{view}.pkl", "joint_set": "coco17"}}
    index, found = scan(manifest(source=source), tmp_path)
    assert the(found, finding).severity == (Severity.INFO if count == 12 else Severity.ERROR)
    assert ("keypoints2d" in index.rows[0].kinds) == (count == 12)
    seen = observe(manifest(source=source), tmp_path, KEY)
    assert seen.frame_ids.tolist() == list(range(1, 13))


def test_a_view_that_cannot_be_used_costs_only_itself(tmp_path):
    write_view(tmp_path)
    folder = write_view(tmp_path, "090") / "masks"
    for path in folder.iterdir():
        cv2.imwrite(str(path), np.zeros((120, 160), np.uint8))
    (tmp_path / "07" / "nm-01" / "180").mkdir()
    (tmp_path / "07" / "nm-01" / "180" / "notes.txt").write_text("lost")
    index, found = scan(manifest(source={"keypoints2d": None}), tmp_path)
    assert [row.view for row in index.rows] == ["000"]
    errors = [finding for finding in found if finding.severity == Severity.ERROR]
    assert [finding.id for finding in errors] == ["MG-INDEX-001"] * 2
    assert f"silhouettes of {KEY}/090 cannot be used: every mask is empty" in {f.message for f in errors}


def test_a_kind_that_some_lack_and_one_that_none_has(tmp_path):
    write_view(tmp_path)
    (write_view(tmp_path, "090") / "points.npz").unlink()
    smpl = {"path": "{folder}/smpl.npz"}
    _, found = scan(manifest(source={"smpl": smpl}), tmp_path)
    lacking = the(found, "MG-FRAMES-011")
    assert (lacking.where, lacking.message) == (f"{KEY}/090", "has silhouettes, but no keypoints2d")
    assert the(found, "MG-INDEX-024").message == "no sequence has smpl: {folder}/smpl.npz"


def test_detections_that_are_missing_and_frames_that_repeat(tmp_path):
    folder = write_view(tmp_path)
    arrays = dict(np.load(folder / "points.npz"))
    arrays["points"][4, :, 2] = 0
    np.savez(folder / "points.npz", **arrays)
    cv2.imwrite(str(folder / "masks" / "004.png"), mask(3))
    _, found = scan(manifest(), tmp_path)
    assert the(found, "MG-FRAMES-012").message == "keypoints2d found nobody in 1 of 12 frames: 5"
    assert the(found, "MG-FRAMES-014").message == "1 of 12 masks are those of the frame before: 4"
