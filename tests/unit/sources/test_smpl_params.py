"""Every layout: what was written by its definition is what is read; what cannot be right is an error with a way out."""

import json
import pickle
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import joblib
import numpy as np
import pytest
import smpl_fakes as fakes
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from smpl_fakes import SIZE, Walk

from meshgait_data.body.files import load_body
from meshgait_data.body.model import forward
from meshgait_data.conventions import SMPL_PARENTS
from meshgait_data.errors import SourceError, UsageError
from meshgait_data.fits import write_fit
from meshgait_data.render.cameras import project
from meshgait_data.rotations import exp
from meshgait_data.sources.smpl_params import LAYOUTS, ReadOptions, read_params
from meshgait_data.types import BodyParams, CaptureKey, Fit

FRAMES = 6


@pytest.fixture(scope="module")
def walk() -> Walk:
    rng = np.random.default_rng(5)
    pose = rng.normal(0, 0.3, (FRAMES, 69))
    pose[:, 63:] = 0
    turn = np.stack([rng.normal(0, 0.1, FRAMES), np.linspace(-2.0, 2.5, FRAMES), rng.normal(0, 0.1, FRAMES)], 1)
    transl = np.stack([np.linspace(0, 0.1, FRAMES), np.full(FRAMES, 1.1), np.linspace(0, 0.1, FRAMES)], 1)
    arrays = [rng.normal(0, 1, 10), turn, pose, transl]
    return Walk(load_body("free-lite"), BodyParams(*(array.astype(np.float32) for array in arrays)))


def assert_same_body(walk: Walk, expected: BodyParams, found: BodyParams) -> None:
    a, b = forward(walk.body, expected), forward(walk.body, found)
    np.testing.assert_allclose(b.joints, a.joints, atol=1e-4)
    np.testing.assert_allclose(b.vertices, a.vertices, atol=1e-4)


@pytest.mark.parametrize(
    ("write", "layout", "body", "fps"),
    [
        (fakes.amass, "amass", "smplh_male", 120.0),
        (lambda f, w: fakes.amass(f, w, rate_key="mocap_frame_rate"), "amass", "smplh_male", 120.0),
        (lambda f, w: fakes.amass(f, w, parts=True), "amass", "smplx_male", 120.0),
        (fakes.easymocap, "easymocap", "smpl", 0.0),
        (fakes.smplx_npz, "smplx", "smplh", 30.0),
    ],
)
def test_layouts_in_the_world(walk, tmp_path, write, layout, body, fps):
    read = read_params(write(tmp_path, walk), body=walk.body)
    assert (read.given.layout, read.given.body, read.given.frame, read.fps) == (layout, body, "world", fps)
    assert read.given.seen.all()
    assert read.camera is None
    assert_same_body(walk, walk.world, read.params)


WEAK = [
    (fakes.gait3d_pickle, "vector85"),
    (fakes.theta_npz, "vector85"),
    (fakes.romp_old, "romp"),
    (fakes.romp_new, "romp"),
    (fakes.romp_video, "romp"),
    (fakes.oumvlp_mesh, "oumvlp_mesh"),
    (fakes.vibe, "vibe"),
]


@pytest.mark.parametrize(("write", "layout"), WEAK)
def test_weak_perspective_gives_the_same_pixels(walk, tmp_path, write: Callable[[Path, Walk], Path], layout: str):
    read = read_params(write(tmp_path, walk), options=ReadOptions(image_size=SIZE, view="090"), body=walk.body)
    assert (read.given.layout, read.given.body, read.given.frame) == (layout, "smpl", "090")
    np.testing.assert_allclose(read.params.betas, walk.world.betas, atol=1e-6)
    still = replace(read.params, transl=np.zeros((FRAMES, 3)))
    assert_same_body(walk, replace(walk.camera, transl=still.transl), still)
    expected = walk.weak_pixels(walk.weak)
    assert read.weak is not None
    assert read.camera is not None
    np.testing.assert_allclose(read.weak.project(forward(walk.body, still).joints), expected, atol=1e-2)
    # The nominal camera agrees to the share by which joints are nearer than the body's origin.
    joints = forward(walk.body, read.params).joints
    pixels, depth = project(read.camera, joints)
    off = np.abs(pixels - expected).max(axis=-1)
    away = np.abs(joints[..., 2] - read.params.transl[:, None, 2])
    centre = np.array(SIZE) / 2
    assert (off <= away / depth * np.abs(expected - centre).max(axis=-1) + 1e-2).all()
    assert off.max() < 1.5


def test_half_precision_is_within_half_precision(walk, tmp_path):
    rows = np.concatenate([walk.weak, walk.pose72, np.tile(walk.world.betas, (FRAMES, 1))], 1).astype(np.float16)
    np.save(tmp_path / "seq0.npy", rows)
    read = read_params(tmp_path / "seq0.npy", options=ReadOptions(image_size=SIZE))
    np.testing.assert_allclose(read.params.body_pose, walk.world.body_pose, atol=1e-3)


def test_frames_of_a_folder_keep_their_numbers_and_their_joints(walk, tmp_path):
    read = read_params(fakes.romp_old(tmp_path, walk), options=ReadOptions(image_size=SIZE))
    assert read.frame_ids.tolist() == list(range(17, 17 + FRAMES))
    bones = np.linalg.norm(read.joints[:, 4] - read.joints[:, SMPL_PARENTS[4]], axis=-1)
    joints = forward(walk.body, walk.world).joints
    np.testing.assert_allclose(bones, np.linalg.norm(joints[:, 4] - joints[:, 1], axis=-1), atol=1e-5)


@pytest.mark.parametrize("write", [fakes.hmr2, fakes.phalp])
def test_rotation_matrices_with_a_camera(walk, tmp_path, write):
    options = ReadOptions(image_size=SIZE if write is fakes.hmr2 else None)
    read = read_params(write(tmp_path, walk), options=options, body=walk.body)
    assert_same_body(walk, walk.camera, read.params)
    assert read.camera is not None
    assert read.camera.size == SIZE
    assert read.camera.intrinsics[0, 0] == pytest.approx(5000 / 256 * max(SIZE))


def test_easymocap_is_a_rotation_about_the_origin(walk, tmp_path):
    path = fakes.easymocap(tmp_path, walk)
    person = next(p for p in json.loads((path / "000003.json").read_text()) if p["id"] == 0)
    body_pose = np.array(person["poses"])[:, 3:]
    still = BodyParams(walk.world.betas, np.zeros((1, 3)), body_pose, np.zeros((1, 3)))
    turned = forward(walk.body, still).vertices[0] @ exp(np.array(person["Rh"][0])).T + np.array(person["Th"])
    read = read_params(path, body=walk.body).params
    found = forward(walk.body, read.take([3])).vertices[0]
    np.testing.assert_allclose(found @ fakes.Z_UP.T, turned, atol=1e-4)


def test_without_the_body_places_are_nearly_right_and_said_to_be(walk, tmp_path):
    read = read_params(fakes.easymocap(tmp_path, walk))
    assert any("not at hand" in note for note in read.notes)
    exact = read_params(tmp_path, body=walk.body)
    assert np.abs(read.params.transl - exact.params.transl).max() < 0.04
    np.testing.assert_array_equal(read.params.body_pose, exact.params.body_pose)


def test_own_fits(walk, tmp_path):
    verdict = np.zeros(FRAMES, np.uint8)
    verdict[2] = 2
    key = CaptureKey("toy", "01", "01")
    ids = np.arange(FRAMES) * 4
    fit = Fit(key, walk.world, ids, 30.0, {}, verdict, (), True, walk.body.name, walk.body.sha256)
    write_fit(tmp_path / "01.npz", fit)
    read = read_params(tmp_path / "01.npz", body=walk.body)
    assert (read.given.layout, read.given.body, read.fps) == ("meshgait", "free-lite", 30.0)
    assert read.unseen.tolist() == [8]
    seen = read.given.seen
    assert_same_body(walk, walk.world.take(seen), read.params.take(seen))


def test_no_layout_takes_the_files_of_another(walk, tmp_path):
    writers = [fakes.amass, fakes.easymocap, fakes.smplx_npz, fakes.hmr2, fakes.phalp, *(write for write, _ in WEAK)]
    for index, write in enumerate(writers):
        folder = tmp_path / str(index)
        folder.mkdir()
        path, layout = write(folder, walk), None
        layout = read_params(path, options=ReadOptions(image_size=SIZE)).given.layout
        for other in set(LAYOUTS) - {layout}:
            with pytest.raises(SourceError, match=f"not in the layout '{other}'"):
                read_params(path, other)


def test_people_and_frames_that_come_and_go(walk, tmp_path):
    read = read_params(fakes.phalp(tmp_path, walk), options=ReadOptions(person=1))
    assert read.given.seen.tolist() == [frame % 3 == 0 for frame in range(FRAMES)]
    assert not read.params.body_pose[1].any()
    with pytest.raises(SourceError, match="person 2"):
        read_params(tmp_path / "demo_a.pkl", options=ReadOptions(person=2))


def test_frames_without_anybody(walk, tmp_path):
    fakes.romp_old(tmp_path, walk)
    np.savez(tmp_path / "human_crop_f00010.npz", results=[])
    read = read_params(tmp_path, options=ReadOptions(image_size=SIZE))
    assert read.unseen.tolist() == [10]
    folder = tmp_path / "mocap"
    folder.mkdir()
    fakes.easymocap(folder, walk)
    (folder / "000002.json").write_text("[]")
    assert read_params(folder).unseen.tolist() == [2]


def test_other_frames_by_id(walk, tmp_path):
    read = read_params(fakes.vibe(tmp_path, walk), options=ReadOptions(image_size=SIZE)).at(np.array([3, 5, 9, 10]))
    assert read.given.seen.tolist() == [False, True, True, False]
    np.testing.assert_allclose(read.params.body_pose[1:3], walk.world.body_pose[[1, 5]], atol=1e-6)
    assert not read.params.body_pose[[0, 3]].any()


def test_the_merged_folder_of_opengait(walk, tmp_path):
    fakes.gait3d_pickle(tmp_path, walk).rename(tmp_path / "smpls-seq0.pkl")
    (tmp_path / "sils-seq0.pkl").write_bytes(pickle.dumps(np.zeros((FRAMES, 64, 64), np.uint8)))
    assert read_params(tmp_path, options=ReadOptions(image_size=SIZE)).given.layout == "vector85"


class _Hostile:
    def __reduce__(self):
        return (print, ("this ran",))


@pytest.mark.parametrize("name", ["a.npz", "a.npy", "a.pkl", "a.joblib"])
def test_hostile_pickles_do_not_run(tmp_path, capsys, name):
    bad = np.array([_Hostile()], dtype=object)
    path = tmp_path / name
    if name == "a.npz":
        np.savez(path, results=bad)
    elif name == "a.npy":
        np.save(path, bad)
    else:
        path.write_bytes(pickle.dumps({"theta": _Hostile()}))
    with pytest.raises(SourceError, match=r"asks for builtins\.print") as caught:
        read_params(path)
    assert "savez" in caught.value.hint
    assert "this ran" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "damaged"), (b"PK\x03\x04", "damaged"), (b"\x93NUMPY\x01\x00", "damaged"), (b"\x80\x04", "damaged")],
)
@pytest.mark.parametrize("ending", ["npz", "npy", "json", "pkl"])
def test_damaged_files(tmp_path, content, message, ending):
    path = tmp_path / f"a.{ending}"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=message):
        read_params(path)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_cut_or_changed_file_is_read_or_an_error(walk, tmp_path, data):
    path = tmp_path / "demo_a.pkl"
    if not (tmp_path / "whole").exists():
        joblib.dump(joblib.load(fakes.phalp(tmp_path, walk)), path)
        (tmp_path / "whole").write_bytes(path.read_bytes())
    source = bytearray((tmp_path / "whole").read_bytes())
    at = data.draw(st.integers(0, len(source) - 1))
    source[at] = data.draw(st.integers(0, 255))
    path.write_bytes(bytes(source[: data.draw(st.integers(at, len(source)))]))
    # Any other error is a bug.
    with suppress(SourceError):
        read_params(path)


def rows(walk: Walk) -> np.ndarray:
    return np.concatenate([walk.weak, walk.pose72, np.tile(walk.world.betas, (FRAMES, 1))], 1)


def test_other_orders_of_the_85_are_noticed(walk, tmp_path):
    np.save(tmp_path / "a.npy", np.roll(rows(walk), -3, axis=1))
    with pytest.raises(SourceError, match="hands of camera, pose, shape"):
        read_params(tmp_path / "a.npy")
    full = rows(walk)
    full[:, 69:75] = 0.1
    np.save(tmp_path / "b.npy", np.roll(full, 10, axis=1) - 5 * (np.arange(85) == 0))
    with pytest.raises(SourceError, match="camera's scale"):
        read_params(tmp_path / "b.npy")


def test_degrees_and_millimetres_are_noticed(walk, tmp_path):
    table = rows(walk)
    table[:, 3:75] = np.degrees(table[:, 3:75])
    np.save(tmp_path / "a.npy", table)
    with pytest.raises(SourceError, match="turns by") as caught:
        read_params(tmp_path / "a.npy")
    assert "degrees" in caught.value.hint
    in_mm = Walk(walk.body, replace(walk.world, transl=1000 * walk.world.transl))
    with pytest.raises(SourceError, match=r"away|m/s") as caught:
        read_params(fakes.smplx_npz(tmp_path, in_mm))
    assert "unit='mm'" in caught.value.hint
    read = read_params(tmp_path / "smplx.npz", options=ReadOptions(unit="mm"), body=walk.body)
    assert_same_body(walk, walk.world, read.params)


def test_a_world_that_lies_on_its_side_is_noticed(walk, tmp_path):
    # A take of AMASS that somebody has turned to y up already.
    path = fakes.amass(tmp_path, walk)
    arrays = dict(np.load(path))
    arrays["poses"][:, :3] = walk.world.global_orient
    np.savez(path, **arrays)
    with pytest.raises(SourceError, match="z should point up, but the bodies stand along y") as caught:
        read_params(path)
    assert "up='y'" in caught.value.hint
    assert read_params(path, options=ReadOptions(up="y")).given.frame == "world"


def test_bodies_that_stand_on_their_heads_in_the_image(walk, tmp_path):
    table = rows(walk)
    table[:, 3:6] = walk.world.global_orient
    np.save(tmp_path / "a.npy", table)
    with pytest.raises(SourceError, match="stand along y"):
        read_params(tmp_path / "a.npy")
    read = read_params(tmp_path / "a.npy", options=ReadOptions(up="y", image_size=SIZE))
    np.testing.assert_allclose(read.params.body_pose, walk.world.body_pose, atol=1e-6)
    still = replace(read.params, transl=np.zeros((FRAMES, 3), np.float32))
    assert_same_body(walk, replace(walk.camera, transl=still.transl), still)


@pytest.mark.parametrize(
    ("content", "found"),
    [({"foo": [1, 2]}, "foo"), ({"hc3d": [[0.0] * 3] * 24}, "smpl24"), ([[1.0, 2.0]], "numbers"), ("text", "str")],
)
def test_unknown_layouts_say_what_was_found(tmp_path, content, found):
    (tmp_path / "a.json").write_text(json.dumps(content))
    with pytest.raises(SourceError) as caught:
        read_params(tmp_path / "a.json")
    assert found in str(caught.value) + caught.value.hint


def test_wrong_names_and_empty_folders(walk, tmp_path):
    with pytest.raises(SourceError, match="no files of parameters"):
        read_params(tmp_path)
    with pytest.raises(SourceError, match="there is nothing"):
        read_params(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="unknown layout") as caught:
        read_params(fakes.smplx_npz(tmp_path, walk), "smpl-x")
    assert "did you mean 'smplx'" in caught.value.hint


def test_nan_frames_are_unseen_and_shapes_that_change_are_said(walk, tmp_path):
    table = rows(walk)
    table[1, 40] = np.nan
    table[:, 75] += 2.0 * np.arange(FRAMES)
    np.save(tmp_path / "a.npy", table)
    read = read_params(tmp_path / "a.npy", options=ReadOptions(image_size=SIZE))
    assert read.unseen.tolist() == [1]
    assert any("shape differs between frames" in note for note in read.notes)
    assert read.params.betas[0] == pytest.approx(np.median(table[[0, 2, 3, 4, 5], 75]))
    assert np.isfinite(read.params.transl).all()
