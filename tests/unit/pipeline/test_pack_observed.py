"""Packing what cameras saw: observed masks with labels of the fit, frames and views without, trees of OpenGait."""

import pickle
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from observed_work import NAME, WALKS, film, filmed_fit, images, make_observed, tree, write_images, write_tree

from meshgait_data.errors import UsageError
from meshgait_data.findings import Finding, from_jsonl
from meshgait_data.fits import fit_path, write_fit
from meshgait_data.manifest_source import Keypoints2D, Source
from meshgait_data.pipeline.pack import PackReport, PackSettings, pack
from meshgait_data.pipeline.render_files import pickled
from meshgait_data.render.align import align
from meshgait_data.render.degrade import parse_steps
from meshgait_data.render.labels import from_window
from meshgait_data.render.look import Look
from meshgait_data.shards import Shards, open_shards
from meshgait_data.shards.dataset import Format
from meshgait_data.shards.schema import pack_bits
from meshgait_data.shards.verify import verify
from meshgait_data.types import CaptureKey

QUIET = PackSettings(progress=False)
LABELS = {"joints", "joints_visible", "markers", "markers_visible", "scale", "global_orient", "body_pose", "transl"}
FIRST = CaptureKey(NAME, "02", "01")


@pytest.fixture(scope="module")
def masks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_images(tmp_path_factory.mktemp("masks"))


@pytest.fixture(scope="module")
def aligned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tree(tmp_path_factory.mktemp("tree"), WALKS[:2])


def packed(work: Path, settings: PackSettings = QUIET) -> tuple[PackReport, Shards, list[Finding]]:
    out = work.with_name("shards")
    report = pack(work, out, settings)
    assert verify(out, deep=True) == []
    return report, open_shards(out), from_jsonl((out / "findings.jsonl").read_text())


def test_observed_masks_are_aligned_and_labelled_through_the_same_windows(masks: Path, tmp_path: Path) -> None:
    work = make_observed(tmp_path / "work", masks, images(), fitted=WALKS)
    report, shards, findings = packed(work, replace(QUIET, rendered=True, with_128=True))
    assert (report.exit_code, report.sequences, report.frames, report.dropped) == (0, 6, 170, 0)
    assert findings == []
    fit = filmed_fit(FIRST, 9)
    for camera, seen in film(fit).items():
        sequence = shards.sequence(FIRST.sequence(camera.name))
        expected = align(seen)
        np.testing.assert_array_equal(sequence.arrays["silhouettes"], expected.silhouettes)
        np.testing.assert_array_equal(sequence.arrays["windows"], expected.windows)
        # The masks are those of the fit.
        np.testing.assert_array_equal(sequence.arrays["rendered_silhouettes"], expected.silhouettes)
        np.testing.assert_array_equal(sequence.arrays["mask_iou"], 1)
        np.testing.assert_allclose(sequence.arrays["fit_error"], 10, rtol=1e-6)
        assert sequence.arrays["valid"].all()
        assert not sequence.arrays["verdict"].any()
        assert sequence.camera is not None
        np.testing.assert_array_equal(sequence.camera.rotation, camera.rotation)
        np.testing.assert_array_equal(sequence.betas, fit.params.betas)
        joints = from_window(
            sequence.arrays["joints"], sequence.arrays["scale"], camera.intrinsics, sequence.arrays["windows"]
        )
        pelvis = joints[:, 0] - camera.translation
        assert np.abs(np.diff(pelvis @ camera.rotation, axis=0)[:, 2] - 1 / 8).max() < 1e-3


def test_frames_without_a_usable_fit_stay_and_are_not_valid(masks: Path, tmp_path: Path) -> None:
    work = make_observed(tmp_path / "work", masks, images())
    fit = filmed_fit(FIRST, 9)
    lost = np.array([4, 5, 6, 7, 8])
    verdict = np.zeros(9, np.uint8)
    verdict[2] = 2
    transl = fit.params.transl.copy()
    # A body that is not in front of any camera.
    transl[3] += 1000
    params = replace(fit.params, transl=transl).take(np.arange(4))
    short = replace(
        fit,
        params=params,
        frame_ids=np.setdiff1d(fit.frame_ids, lost),
        verdict=verdict[:4],
        residuals={"joints": np.array([0.01, np.nan, 0.5, 0.01], np.float32)},
    )
    write_fit(fit_path(work, FIRST), short)
    report, shards, findings = packed(work, replace(QUIET, select="condition=01,subject=02"))
    assert (report.exit_code, report.frames) == (0, 18)
    for view in ("000", "090"):
        arrays = shards.sequence(FIRST.sequence(view)).arrays
        np.testing.assert_array_equal(arrays["frame_ids"], np.arange(9))
        np.testing.assert_array_equal(arrays["valid"], [1, 1, 0, 0, 0, 0, 0, 0, 0])
        np.testing.assert_array_equal(arrays["verdict"], [0, 0, 2, 0, 2, 2, 2, 2, 2])
        np.testing.assert_allclose(arrays["fit_error"], [10, -1, 500, 10, -1, -1, -1, -1, -1], rtol=1e-6)
        np.testing.assert_array_equal(arrays["mask_iou"] > 0, [1, 1, 1, 0, 0, 0, 0, 0, 0])
        # Frames that have nothing to show are labelled as the last good one.
        np.testing.assert_array_equal(arrays["transl"][3:], np.broadcast_to(arrays["transl"][1], (6, 3)))
    assert [finding.id for finding in findings] == ["MG-PACK-004"] * 2
    assert "7 of 9 frames" in findings[0].message


def test_walks_without_a_fit_have_silhouettes_only_or_are_left_out(masks: Path, tmp_path: Path) -> None:
    work = make_observed(tmp_path / "work", masks, images(), fitted=WALKS[:1])
    report, shards, findings = packed(work)
    assert (report.exit_code, report.sequences) == (0, 6)
    bare = shards.find(f"{NAME}/05/01/090")
    assert set(bare.rows) == {"frame_ids", "silhouettes", "windows"}
    assert shards.detail(bare).camera is None
    assert len(shards.detail(bare).betas) == 0
    assert [(finding.id, finding.where) for finding in findings] == [
        ("MG-PACK-003", f"{NAME}/02/02"),
        ("MG-PACK-003", f"{NAME}/05/01"),
    ]
    report, shards, findings = packed(work, replace(QUIET, labelled_only=True))
    assert (report.exit_code, report.sequences, report.written) == (0, 2, 1)
    assert [(finding.id, finding.where) for finding in findings] == [
        ("MG-PACK-008", f"{NAME}/02/02"),
        ("MG-PACK-008", f"{NAME}/05/01"),
    ]
    # And back, with one fit more: the old part is changed by that walk, and takes none of the others.
    write_fit(fit_path(work, CaptureKey(NAME, "02", "02")), filmed_fit(CaptureKey(NAME, "02", "02"), 6))
    report, shards, findings = packed(work)
    assert (report.sequences, report.written, report.reused) == (6, 1, 1)
    assert [finding.where for finding in findings] == [f"{NAME}/05/01"]


def test_a_dataset_without_any_fit(masks: Path, tmp_path: Path) -> None:
    work = make_observed(tmp_path / "work", masks, images())
    report, shards, _ = packed(work)
    assert report.exit_code == 0
    assert (shards.info.body, shards.info.markers) == (None, None)
    assert not (tmp_path / "shards" / "markers.npz").exists()
    with pytest.raises(UsageError, match="no walk has a fit"):
        pack(work, tmp_path / "other", replace(QUIET, labelled_only=True))
    with pytest.raises(UsageError, match="nothing is fitted"):
        pack(work, tmp_path / "other", replace(QUIET, rig="casia_b"))


@pytest.mark.parametrize("change", ["lens", "unknown", "size"])
def test_a_camera_that_labels_cannot_have(masks: Path, tmp_path: Path, change: str) -> None:
    work = make_observed(tmp_path / "work", masks, images())
    fit = filmed_fit(FIRST, 9)
    cameras = dict(fit.cameras)
    if change == "unknown":
        del cameras["090"]
    else:
        other = {"lens": {"distortion": (-0.05, 0.0, 0.0, 0.0)}, "size": {"size": (320, 240)}}[change]
        cameras["090"] = replace(cameras["090"], **other)
    write_fit(fit_path(work, FIRST), replace(fit, cameras=cameras))
    report, shards, findings = packed(work, replace(QUIET, select="condition=01,subject=02", rendered=True))
    assert (report.exit_code, report.sequences) == (0, 2)
    record = shards.find(FIRST.sequence("090"))
    assert not (LABELS | {"valid"}) & set(record.rows)
    assert set(shards.find(FIRST.sequence("000")).rows) >= LABELS | {"valid"}
    assert ("mask_iou" in record.rows) == (change == "lens")
    if change == "lens":
        assert 0.9 < shards.read(record, "mask_iou").min() < 1
        assert shards.detail(record).camera.distortion == (-0.05, 0.0, 0.0, 0.0)
    assert [(finding.id, finding.where) for finding in findings] == [("MG-PACK-003", str(record.key))]


def test_empty_and_tiny_masks_are_dropped_and_told(tmp_path: Path) -> None:
    import cv2

    root = write_images(tmp_path / "masks", WALKS[:1])
    folder = root / "02" / "01" / "090"
    cv2.imwrite(str(folder / "000003.png"), np.zeros((120, 160), np.uint8))
    speck = np.zeros((120, 160), np.uint8)
    speck[50:53, 60:63] = 255
    cv2.imwrite(str(folder / "000005.png"), speck)
    (folder / "000008.png").unlink()
    work = make_observed(tmp_path / "work", root, images(), fitted=WALKS[:1])
    report, shards, findings = packed(work)
    assert (report.exit_code, report.frames, report.dropped) == (0, 15, 3)
    record = shards.find(FIRST.sequence("090"))
    np.testing.assert_array_equal(shards.read(record, "frame_ids"), [0, 1, 2, 4, 6, 7])
    assert shards.detail(record).dropped == (3, 5, 8)
    assert [(finding.id, finding.where) for finding in findings] == [
        ("MG-PACK-001", str(record.key)),
        ("MG-PACK-002", str(record.key)),
    ]


def test_a_stretch_without_any_usable_mask(tmp_path: Path) -> None:
    import cv2

    root = write_images(tmp_path / "masks", (("05", "01", 70),))
    speck = np.zeros((120, 160), np.uint8)
    speck[50:53, 60:63] = 255
    for number in range(66):
        cv2.imwrite(str(root / "05" / "01" / "090" / f"{number:06d}.png"), speck)
    for number in range(70):
        cv2.imwrite(str(root / "05" / "01" / "000" / f"{number:06d}.png"), speck)
    work = make_observed(tmp_path / "work", root, images(), fitted=WALKS[2:])
    report, shards, findings = packed(work)
    assert shards.read(shards.sequences[0], "frame_ids").tolist() == [66, 67, 68, 69]
    assert shards.read(shards.sequences[0], "valid").all()
    assert [outcome.key for outcome in report.report.failures] == [f"{NAME}/05/01/000"]
    assert [finding.id for finding in findings] == ["MG-PACK-002", "MG-PACK-007"]


def test_views_are_those_of_the_source(masks: Path, tmp_path: Path) -> None:
    work = make_observed(tmp_path / "work", masks, images(), fitted=WALKS)
    _, shards, _ = packed(work, replace(QUIET, select="view=090"))
    assert {record.key.view for record in shards.sequences} == {"090"}
    with pytest.raises(UsageError, match="no sequence matches"):
        pack(work, tmp_path / "other", replace(QUIET, select="view=036"))


def test_a_rig_renders_even_where_there_are_masks(masks: Path, tmp_path: Path) -> None:
    work = make_observed(tmp_path / "work", masks, images(), fitted=WALKS[:1])
    settings = replace(QUIET, rig="casia_b", select="subject=02,condition=01")
    report, shards, _ = packed(work, settings)
    assert report.sequences == 11
    assert "mask_iou" not in shards.fields


def test_masks_can_be_spoilt_and_labels_stay(masks: Path, tmp_path: Path) -> None:
    work = make_observed(tmp_path / "work", masks, images(), fitted=WALKS[:1])
    look = Look(degradations=parse_steps("holes"), seed=3)
    _, shards, _ = packed(work, replace(QUIET, look=look, rendered=True, select="subject=02,condition=01"))
    sequence = shards.sequence(FIRST.sequence("090"))
    assert (sequence.arrays["silhouettes"] < sequence.arrays["rendered_silhouettes"]).any()
    np.testing.assert_array_equal(sequence.arrays["mask_iou"], 1)


def test_changed_masks_are_refused_until_they_are_indexed_again(tmp_path: Path) -> None:
    root = write_images(tmp_path / "masks", WALKS[:2])
    work = make_observed(tmp_path / "work", root, images())
    (root / "02" / "01" / "090" / "000008.png").unlink()
    report, _, findings = packed(work)
    assert [outcome.key for outcome in report.report.failures] == [str(FIRST)]
    assert "mgdata index" in report.report.failures[0].hint
    assert "MG-PACK-007" in {finding.id for finding in findings}
    make_observed(work, root, images())
    report, _, _ = packed(work)
    assert (report.exit_code, report.written, report.reused) == (0, 1, 1)


def test_keypoints_ride_along(masks: Path, tmp_path: Path) -> None:
    root = write_images(tmp_path / "masks", WALKS[:1])
    rng = np.random.default_rng(0)
    points, score = rng.uniform(0, 100, (9, 17, 2)), rng.uniform(0.1, 1, (9, 17))
    points[2, 3] = np.nan
    score[2, 3] = 0
    rows = np.concatenate([points, score[..., None]], -1)
    (root / "keypoints" / "02" / "01").mkdir(parents=True)
    np.savez(root / "keypoints" / "02" / "01" / "090.npz", points=rows, frame_ids=np.arange(9))
    block = Keypoints2D(path="keypoints/{subject}/{condition}/{view}.npz", joint_set="coco17", size=(160, 120))
    work = make_observed(tmp_path / "work", root, images(keypoints2d=block))
    _, shards, findings = packed(work, replace(QUIET, also=("keypoints",)))
    found = shards.read(shards.find(FIRST.sequence("090")), "keypoints")
    np.testing.assert_allclose(found, np.nan_to_num(rows), rtol=1e-6)
    assert not found[2, 3].any()
    assert "keypoints" not in shards.find(FIRST.sequence("000")).rows
    assert [(finding.id, finding.where) for finding in findings if finding.id == "MG-PACK-006"] == [
        ("MG-PACK-006", str(FIRST.sequence("000")))
    ]


def test_a_tree_of_aligned_silhouettes_is_kept_to_the_last_grey(aligned: Path, tmp_path: Path) -> None:
    work = make_observed(tmp_path / "work", aligned, tree())
    report, shards, _ = packed(work)
    assert (report.exit_code, report.sequences) == (0, 4)
    for camera, seen in film(filmed_fit(FIRST, 9)).items():
        sequence = shards.sequence(FIRST.sequence(camera.name))
        assert set(sequence.arrays) == {"frame_ids", "silhouettes"}
        np.testing.assert_array_equal(sequence.arrays["silhouettes"], align(seen).silhouettes)
    _, bits, _ = packed(work, replace(QUIET, one_bit=True))
    sequence = bits.sequence(FIRST.sequence("090"))
    expected = pickle.loads((aligned / "02" / "01" / "090" / "090.pkl").read_bytes())  # noqa: TID251 - our own bytes
    np.testing.assert_array_equal(sequence.arrays["silhouettes_1bit"], pack_bits(expected))


def test_a_fit_to_aligned_silhouettes_labels_them_in_their_own_pixels(aligned: Path, tmp_path: Path) -> None:
    work = make_observed(tmp_path / "work", aligned, tree())
    fit = filmed_fit(FIRST, 9)
    camera = replace(fit.cameras["090"], size=(64, 64), intrinsics=np.array([[230.0, 0, 32], [0, 230, 32], [0, 0, 1]]))
    write_fit(fit_path(work, FIRST), replace(fit, cameras={"090": camera}))
    _, shards, _ = packed(work, replace(QUIET, select="condition=01"))
    sequence = shards.sequence(FIRST.sequence("090"))
    np.testing.assert_array_equal(sequence.arrays["windows"][4], [[1, 0, 0], [0, 1, 0]])
    assert sequence.arrays["valid"].all()
    assert set(shards.find(FIRST.sequence("000")).rows) == {"frame_ids", "silhouettes"}


def test_further_pickles_of_a_leaf_ride_along_under_their_names(tmp_path: Path) -> None:
    root = write_tree(tmp_path / "tree", WALKS[:2])
    rng = np.random.default_rng(1)
    depth = rng.integers(0, 255, (9, 64, 64)).astype(np.uint8)
    for view in ("000", "090"):
        (root / "02" / "01" / view / f"01-{view}-Depth map.pkl").write_bytes(pickled(depth))
    short = rng.normal(size=(5, 2)).astype(np.float32)
    (root / "02" / "02" / "000" / "pose.pkl").write_bytes(pickled(short))
    work = make_observed(tmp_path / "work", root, tree())
    settings = replace(QUIET, also=("depth_map", "pose"))
    report, shards, findings = packed(work, settings)
    assert report.exit_code == 0
    np.testing.assert_array_equal(shards.read(shards.find(FIRST.sequence("090")), "depth_map"), depth)
    assert "pose" not in shards.fields
    assert any("pose has 5 frames, the silhouettes 6" in finding.message for finding in findings)
    (root / "02" / "01" / "090" / "01-090-Depth map.pkl").write_bytes(pickled(255 - depth))
    report, shards, _ = packed(work, settings)
    assert report.written == 1
    np.testing.assert_array_equal(shards.read(shards.find(FIRST.sequence("090")), "depth_map"), 255 - depth)
    with pytest.raises(UsageError, match="no folder of the tree") as refusal:
        pack(work, tmp_path / "other", replace(QUIET, also=("flow",)))
    assert "depth_map, pose" in refusal.value.hint


@pytest.mark.parametrize(
    ("source", "settings", "said"),
    [
        (tree(), {"with_128": True}, "--with-128: the source's silhouettes are aligned"),
        (tree(), {"size": 128}, "--size"),
        (tree(), {"alignment": "ccpg"}, "--alignment"),
        (images(), {"also": ("keypoints",)}, "no 2D keypoints"),
        (images(), {"also": ("joints",)}, "a field of the schema"),
        (images(), {"also": ("flow",)}, "no such thing"),
        (images(), {"with_128": True, "size": 32}, "cannot come with 128"),
        (images(), {"one_bit": True, "size": 36}, "not a multiple of 8"),
    ],
)
def test_settings_that_make_no_sense(
    masks: Path, aligned: Path, tmp_path: Path, source: Source, settings: dict[str, object], said: str
) -> None:
    root = aligned if source.silhouettes and source.silhouettes.format == "opengait" else masks
    work = make_observed(tmp_path / "work", root, source)
    with pytest.raises(UsageError, match=said):
        pack(work, tmp_path / "shards", replace(QUIET, **settings))
    assert not (tmp_path / "shards").exists()


def test_containers_make_no_difference(masks: Path, tmp_path: Path) -> None:
    work = make_observed(tmp_path / "work", masks, images(), fitted=WALKS[::2])
    for format in get_args(Format):
        pack(work, tmp_path / format, replace(QUIET, format=format))
    first, other = open_shards(tmp_path / "zarr"), open_shards(tmp_path / "hdf5")
    for record in first.sequences:
        np.testing.assert_equal(other.sequence(record.key).arrays, first.sequence(record).arrays)


@pytest.mark.slow
def test_workers_make_no_difference(masks: Path, tmp_path: Path) -> None:
    work = make_observed(tmp_path / "work", masks, images(), fitted=WALKS[::2])
    for jobs in (1, 2):
        pack(work, tmp_path / str(jobs), replace(QUIET, part_captures=1, jobs=jobs))
    one, two = (
        {path.relative_to(tmp_path / n): path.read_bytes() for path in (tmp_path / n).rglob("*") if path.is_file()}
        for n in ("1", "2")
    )
    assert one == two
