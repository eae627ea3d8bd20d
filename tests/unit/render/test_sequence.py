"""A rendered sequence: labels lie on the silhouettes they explain, and frames leave all fields together."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from walking import make_fit, make_markers, walk

from meshgait_data.body.files import load_body
from meshgait_data.body.model import Body, BodyOutput, forward
from meshgait_data.errors import InvalidData
from meshgait_data.manifest import CameraRing, load_manifest
from meshgait_data.render.align import align
from meshgait_data.render.cameras import to_camera
from meshgait_data.render.labels import from_window, pelvis_depth
from meshgait_data.render.raster import silhouettes
from meshgait_data.render.sequence import drop_findings, in_view, pose_capture, render_sequence
from meshgait_data.shards.schema import FIELDS, sizes_of, specs_of
from meshgait_data.types import BodyParams, Camera, MarkerSet

RING = load_manifest("cmu_walk").cameras


@pytest.fixture(scope="module")
def body() -> Body:
    return load_body("free")


@pytest.fixture(scope="module")
def markers(body: Body) -> MarkerSet:
    return make_markers(body)


def around(azimuth: float, **changes: float) -> CameraRing:
    return replace(RING, azimuths_deg={"it": azimuth}, **changes)


@pytest.mark.parametrize("size", [64, 128])
def test_joints_and_markers_lie_on_the_silhouette(body, markers, size):
    rng = np.random.default_rng(size)
    # The neck's and hands' joints can leave a body whose joints turn wildly, so most turns are mild.
    for seed in range(12):
        params = walk(body, frames=20, seed=seed, wild=rng.choice([0.0, 0.1, 0.2]))
        fit = make_fit(body, params)
        ring = around(rng.uniform(0, 360), height_m=rng.uniform(0.3, 2.5), distance_m=rng.uniform(4.5, 7))
        posed, [camera] = pose_capture(body, fit, ring)
        sequence = render_sequence(body, markers, fit, camera, identity="07", size=size, posed=posed)
        grown = cv2.dilate(sequence.arrays["silhouettes"].transpose(1, 2, 0), np.ones((3, 3), np.uint8))
        for name in ("joints", "markers"):
            u, v = np.moveaxis(np.round(sequence.arrays[name][..., :2]).astype(int), -1, 0)
            frame = np.broadcast_to(np.arange(len(sequence))[:, None], u.shape)
            inside = (u >= 0) & (u < size) & (v >= 0) & (v < size)
            assert inside.mean() > 0.99
            assert np.all(grown[v[inside], u[inside], frame[inside]] > 0), name


def test_fields_are_those_of_the_schema(body, markers):
    fit = make_fit(body, walk(body))
    posed, cameras = pose_capture(body, fit, RING)
    sequences = [render_sequence(body, markers, fit, camera, identity="07", posed=posed) for camera in cameras[::5]]
    specs = specs_of(sequences[-1], specs_of(sequences[0]))
    assert sizes_of(specs, "") == {"S": 64, "J": 24, "K": len(markers)}
    # What else there is compares the fit with what was observed, or is asked for.
    others = {"silhouettes_1bit", "silhouettes_128", "rendered_silhouettes", "valid", "fit_error", "mask_iou"}
    assert list(specs) == [field.name for field in FIELDS if field.name not in others]
    assert [str(s.key) for s in sequences] == [f"cmu_walk/07/01/{view}" for view in ("000", "090", "180")]


def test_parameters_and_labels_tell_the_same_in_the_camera_frame(body, markers):
    fit = make_fit(body, walk(body, frames=8))
    posed, [camera] = pose_capture(body, fit, around(63))
    sequence = render_sequence(body, markers, fit, camera, identity="07", posed=posed)
    arrays = sequence.arrays
    moved = forward(body, BodyParams(sequence.betas, arrays["global_orient"], arrays["body_pose"], arrays["transl"]))
    np.testing.assert_allclose(moved.vertices, to_camera(camera, posed.vertices), atol=2e-5)
    for name, expected in (("joints", moved.joints), ("markers", moved.vertices[:, markers.vertex_ids])):
        found = from_window(arrays[name], arrays["scale"], camera.intrinsics, arrays["windows"])
        np.testing.assert_allclose(found, expected, atol=2e-5)


def test_equals_rendering_and_aligning_whole_images(body, markers):
    fit = make_fit(body, walk(body, frames=70, length=2.5))
    posed, [camera] = pose_capture(body, fit, around(120))
    sequence = render_sequence(body, markers, fit, camera, identity="07", posed=posed)
    whole = align(silhouettes(posed.vertices, body.faces, camera, closed=False))
    np.testing.assert_array_equal(sequence.arrays["silhouettes"], whole.silhouettes)
    np.testing.assert_array_equal(sequence.arrays["windows"], whole.windows)
    again = render_sequence(body, markers, fit, camera, identity="07")
    for name, array in sequence.arrays.items():
        np.testing.assert_array_equal(again.arrays[name], array)


def test_frames_leave_every_field_together(body, markers):
    fit = make_fit(body, walk(body, frames=40, length=8.0))
    fit.verdict[[17, 18]] = 2
    fit.verdict[20] = 1
    posed, [camera] = pose_capture(body, fit, around(90))
    sequence = render_sequence(body, markers, fit, camera, identity="07", posed=posed)
    ids = sequence.arrays["frame_ids"]
    assert {len(array) for array in sequence.arrays.values()} == {len(ids)}
    assert sorted([*ids.tolist(), *sequence.dropped]) == fit.frame_ids.tolist()
    visible = fit.frame_ids[in_view(posed.vertices, camera) & (fit.verdict != 2)]
    np.testing.assert_array_equal(ids, visible)
    assert 5 < len(ids) < 35
    assert sequence.arrays["verdict"].tolist() == [int(i == fit.frame_ids[20]) for i in ids]
    rejected, cut = drop_findings(sequence, fit)
    assert rejected.message == "2 of 40 frames rejected by the fit: frames 80 to 84"
    assert f"{len(sequence.dropped) - 2} of 40 frames cut by the image border" in cut.message
    # What is left is what a shorter fit gives.
    kept = np.isin(fit.frame_ids, ids)
    shorter = replace(
        fit,
        params=fit.params.take(kept),
        frame_ids=fit.frame_ids[kept],
        verdict=fit.verdict[kept],
        residuals={"joints": fit.residuals["joints"][kept]},
    )
    part = BodyOutput(posed.vertices[kept], posed.joints[kept])
    alone = render_sequence(body, markers, shorter, camera, identity="07", posed=part)
    for name, array in sequence.arrays.items():
        np.testing.assert_array_equal(alone.arrays[name], array)
    assert alone.dropped == ()


def test_too_near_is_dropped(body, markers):
    fit = make_fit(body, walk(body, frames=20, length=4.0))
    near = replace(RING, azimuths_deg={"it": 0.0}, distance_m=3.2, image_size=(3000, 3000))
    posed, [camera] = pose_capture(body, fit, near)
    sequence = render_sequence(body, markers, fit, camera, identity="07", posed=posed)
    assert 0 < len(sequence.dropped) < 20
    assert min(sequence.dropped) > max(sequence.arrays["frame_ids"])
    pelvis = pelvis_depth(sequence.arrays["scale"], camera.intrinsics, sequence.arrays["windows"])
    assert pelvis.min() > 1.0


def test_a_view_without_frames_is_an_error(body, markers):
    fit = make_fit(body, walk(body, frames=5))
    posed, [camera] = pose_capture(body, fit, around(0))
    away = Camera("it", camera.intrinsics, camera.rotation, camera.translation + np.array([50.0, 0, 0]), camera.size)
    with pytest.raises(InvalidData, match="none of 5 frames is usable") as error:
        render_sequence(body, markers, fit, away, identity="07", posed=posed)
    assert error.value.where == "cmu_walk/07/01/it"
    assert "manifest" in error.value.hint


def test_another_body_is_refused(body, markers):
    fit = make_fit(body, walk(body, frames=5))
    _, [camera] = pose_capture(body, fit, around(0))
    with pytest.raises(InvalidData, match="fit of cmu_walk/07/01 was made with another body"):
        pose_capture(body, replace(fit, body_sha256="other"), RING)
    with pytest.raises(InvalidData, match="markers 'spread' was made with another body"):
        render_sequence(body, replace(markers, body_sha256="other"), fit, camera, identity="07")


def test_nothing_accepted_is_refused(body):
    fit = make_fit(body, walk(body, frames=5))
    rejected = replace(fit, verdict=np.full(5, 2, np.uint8), reasons=("knees bend backwards",))
    with pytest.raises(InvalidData, match="every frame was rejected") as error:
        pose_capture(body, rejected, RING)
    assert error.value.hint == "knees bend backwards"


def test_a_standing_body_is_named(body):
    with pytest.raises(InvalidData, match="no walking direction") as error:
        pose_capture(body, make_fit(body, walk(body, frames=5, length=0.0)), RING)
    assert error.value.where == "cmu_walk/07/01"


def test_any_joint_set(body, markers):
    """Another joint set: its joints in the window are where it puts them in the camera's frame."""
    files = pytest.importorskip("meshgait_data.body.joint_files")
    from meshgait_data.body.joints import regress

    fit = make_fit(body, walk(body, frames=6))
    posed, [camera] = pose_capture(body, fit, around(30))
    regressor = files.load_regressor(body, "h36m17")
    sequence = render_sequence(body, markers, fit, camera, identity="07", posed=posed, joints=regressor)
    arrays = sequence.arrays
    assert (sequence.joint_set, sizes_of(specs_of(sequence), "")["J"]) == ("h36m17", 17)
    found = from_window(arrays["joints"], arrays["scale"], camera.intrinsics, arrays["windows"])
    np.testing.assert_allclose(found, to_camera(camera, regress(regressor, posed)), atol=2e-5)
    assert arrays["joints_visible"].shape == (6, 17)
    assert arrays["joints_visible"].mean() > 0.7
    own = render_sequence(body, markers, fit, camera, identity="07", posed=posed)
    same = files.load_regressor(body, "smpl24")
    again = render_sequence(body, markers, fit, camera, identity="07", posed=posed, joints=same)
    for name, array in own.arrays.items():
        np.testing.assert_allclose(again.arrays[name], array, atol=1e-4)
