import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from meshgait_data.errors import SourceError, UsageError
from meshgait_data.findings import Severity
from meshgait_data.render.cameras import look_at, project
from meshgait_data.render.lens import undistort
from meshgait_data.rotations import log
from meshgait_data.sources.cameras import CAMERA_FORMATS, CameraOptions, read_cameras, write_cameras
from meshgait_data.sources.keypoints import read_keypoints
from meshgait_data.sources.world import AXES, axis, turn_to_y_up
from meshgait_data.types import Camera

REAL = Path(__file__).resolve().parents[2] / "data" / "pose2sim_single"
Z_UP = turn_to_y_up("z", "")


def ring(count=3, lens=(0.05, -0.02, 0.001, -0.002)):
    """Cameras around the origin of a world with y up."""
    cameras = {}
    for index in range(count):
        angle = 2 * np.pi * index / count + 0.3
        position = np.array([4 * np.sin(angle), 1.5 + 0.2 * (index % 2), 4 * np.cos(angle)])
        rotation = look_at(position, np.array([0, 1.0, 0]))
        inner = np.array([[900.0 + index, 0, 319.5], [0, 905.0, 250.0], [0, 0, 1]])
        cameras[f"cam{index}"] = Camera(
            f"cam{index}", inner, rotation, -rotation @ position, (640, 480), distortion=lens
        )
    return cameras


@pytest.fixture
def points(rng):
    return rng.uniform((-0.5, 0, -0.5), (0.5, 1.8, 0.5), size=(20, 3))


def check_same_images(found, cameras, points):
    """Whatever world a file has, each camera must show the points where the original does."""
    assert list(found) == list(cameras)
    for name, camera in cameras.items():
        np.testing.assert_allclose(project(found[name], points)[0], project(camera, points)[0], atol=1e-6)
        assert found[name].size == camera.size
        assert found[name].name == name


def outer(camera, world):
    """Rotation and translation for a file whose world is ``world @ ours``."""
    return camera.rotation @ world.T, camera.translation


def storage(path, entries):
    file = cv2.FileStorage(str(path), cv2.FILE_STORAGE_WRITE)
    for key, value in entries.items():
        if isinstance(value, list):
            file.startWriteStruct(key, cv2.FileNode_SEQ)
            for item in value:
                file.write("", item)
            file.endWriteStruct()
        else:
            file.write(key, value)
    file.release()


def easymocap(folder, cameras, world):
    folder.mkdir()
    inner = {"names": list(cameras)}
    outside = {"names": list(cameras)}
    for name, camera in cameras.items():
        rotation, shift = outer(camera, world)
        inner |= {f"K_{name}": camera.intrinsics, f"dist_{name}": np.array([[*camera.distortion, 0.0]])}
        inner |= {f"H_{name}": 480, f"W_{name}": 640}
        outside |= {f"R_{name}": log(rotation).reshape(3, 1), f"Rot_{name}": rotation, f"T_{name}": shift.reshape(3, 1)}
    storage(folder / "intri.yml", inner)
    storage(folder / "extri.yml", outside)
    return folder


def opencv(suffix):
    def write(folder, cameras, world):
        folder.mkdir()
        for name, camera in cameras.items():
            rotation, shift = outer(camera, world)
            entries = {
                "image_width": 640,
                "image_height": 480,
                "camera_matrix": camera.intrinsics,
                "distortion_coefficients": np.array(camera.distortion).reshape(1, -1),
                "R": rotation,
                "T": shift.reshape(3, 1),
            }
            storage(folder / f"{name}{suffix}", entries)
        return folder

    return write


def toml(folder, cameras, world):
    folder.mkdir()
    text = ""
    for index, (name, camera) in enumerate(cameras.items()):
        rotation, shift = outer(camera, world)
        text += f'[cam_{index}]\nname = "{name}"\nsize = [640.0, 480.0]\nmatrix = {camera.intrinsics.tolist()}\n'
        text += f"distortions = {list(camera.distortion)}\nrotation = {log(rotation).tolist()}\n"
        text += f"translation = {shift.tolist()}\nfisheye = false\n\n"
    path = folder / "Calib.toml"
    path.write_text(text + "[metadata]\nadjusted = false\nerror = 0.0\n")
    return path


def quaternion(rotation):
    vector = log(rotation)
    angle = np.linalg.norm(vector)
    return np.array([np.cos(angle / 2), *(np.sin(angle / 2) * vector / angle)])


def colmap(folder, cameras, world):
    folder.mkdir()
    lenses, poses = "# Camera list\n", "# Image list\n"
    for index, (name, camera) in enumerate(cameras.items()):
        k, d = camera.intrinsics, camera.distortion
        values = [k[0, 0], k[1, 1], k[0, 2] + 0.5, k[1, 2] + 0.5, *d]
        lenses += f"{index + 1} OPENCV 640 480 {' '.join(map(repr, map(float, values)))}\n"
        rotation, shift = outer(camera, world)
        numbers = " ".join(repr(float(v)) for v in (*quaternion(rotation), *shift))
        poses += f"{index + 1} {numbers} {index + 1} {name}.jpg\n" + ("10.0 20.0 -1\n" if index else "\n")
    (folder / "cameras.txt").write_text(lenses)
    (folder / "images.txt").write_text(poses)
    return folder


WRITERS = {
    "easymocap": easymocap,
    "opencv": opencv(".yml"),
    "opencv_xml": opencv(".xml"),
    "toml": toml,
    "colmap": colmap,
}


@pytest.mark.parametrize("up", ["y", "z", "-y", "-z", "x"])
@pytest.mark.parametrize("name", WRITERS)
def test_every_format_gives_cameras_that_see_the_same(tmp_path, points, name, up):
    cameras = ring()
    # Their world has the axis up: ours is reached by the turn that the reader finds.
    world = turn_to_y_up(up, "").T
    path = WRITERS[name](tmp_path / "calibration", cameras, world)
    found = read_cameras(path, options=CameraOptions(up=up))
    check_same_images(found.cameras, cameras, points)
    np.testing.assert_allclose(found.turn @ world, np.eye(3), atol=1e-12)


@pytest.mark.parametrize("name", ["easymocap", "opencv", "toml"])
def test_up_is_found_from_the_cameras_where_the_file_does_not_say(tmp_path, points, name):
    path = WRITERS[name](tmp_path / "calibration", ring(), Z_UP.T)
    found = read_cameras(path)
    check_same_images(found.cameras, ring(), points)
    (finding,) = [one for one in found.findings if one.id == "MG-CAMERAS-001"]
    assert finding.severity == Severity.WARNING
    assert "z is nearest" in finding.message


def test_a_wrong_up_is_said(tmp_path):
    path = toml(tmp_path / "calibration", ring(), Z_UP.T)
    found = read_cameras(path, options=CameraOptions(up="-z"))
    assert "MG-CAMERAS-002" in [finding.id for finding in found.findings]


def test_colmap_has_no_axis_up_so_the_cameras_say(tmp_path):
    cameras = ring(12)
    tilt = turn_to_y_up("z", "") @ np.linalg.qr(np.arange(9).reshape(3, 3) + 3.0 * np.eye(3))[0]
    tilt = tilt * np.linalg.det(tilt)
    found = read_cameras(colmap(tmp_path / "model", cameras, tilt))
    # The cameras stand evenly around, so their mean upright is up.
    for name, camera in cameras.items():
        centre = -found.cameras[name].rotation.T @ found.cameras[name].translation
        assert centre[1] == pytest.approx((-camera.rotation.T @ camera.translation)[1], abs=0.05)
        assert -found.cameras[name].rotation[1, 1] > 0.9


def test_our_own_files_come_back_exactly(tmp_path, points):
    cameras = ring()
    write_cameras(tmp_path / "cameras.yaml", cameras)
    found = read_cameras(tmp_path / "cameras.yaml")
    check_same_images(found.cameras, cameras, points)
    assert all(finding.severity == Severity.INFO for finding in found.findings)
    np.savez(
        tmp_path / "cameras.npz",
        names=np.array(list(cameras)),
        intrinsics=np.stack([c.intrinsics for c in cameras.values()]),
        rotation=np.stack([c.rotation for c in cameras.values()]),
        translation=np.stack([c.translation for c in cameras.values()]),
        size=np.full((3, 2), (640, 480)),
        distortion=np.stack([c.distortion for c in cameras.values()]),
    )
    check_same_images(read_cameras(tmp_path / "cameras.npz").cameras, cameras, points)


def test_millimetres_are_noticed_and_turned_to_metres(tmp_path, points):
    cameras = ring()
    metres = {
        name: Camera(name, c.intrinsics, c.rotation, 1000 * c.translation, c.size, distortion=c.distortion)
        for name, c in cameras.items()
    }
    path = toml(tmp_path / "calibration", metres, np.eye(3))
    found = read_cameras(path)
    assert "0.001" in next(finding.hint for finding in found.findings if finding.id == "MG-CAMERAS-004")
    check_same_images(read_cameras(path, options=CameraOptions(metres=0.001)).cameras, cameras, points)


def test_a_stereo_pair_has_its_world_in_the_first_camera(tmp_path, points):
    first, second = list(ring().values())[:2]
    rotation = second.rotation @ first.rotation.T
    shift = second.translation - rotation @ first.translation
    entries = {"M1": first.intrinsics, "D1": np.array([first.distortion]), "M2": second.intrinsics}
    entries |= {"D2": np.array([second.distortion]), "R": rotation, "T": shift.reshape(3, 1)}
    storage(tmp_path / "stereo.yml", {**entries, "image_width": 640, "image_height": 480})
    found = read_cameras(tmp_path / "stereo.yml", options=CameraOptions(up="-y"))
    in_first = points @ first.rotation.T + first.translation
    for name, camera in (("1", first), ("2", second)):
        image = project(found.cameras[name], in_first @ found.turn.T)[0]
        np.testing.assert_allclose(image, project(camera, points)[0], atol=1e-6)


def test_a_size_that_is_not_said_follows_from_the_principal_point(tmp_path):
    path = tmp_path / "one.toml"
    toml(tmp_path / "calibration", ring(), np.eye(3))
    path.write_text(re.sub("size = .*\n", "", (tmp_path / "calibration" / "Calib.toml").read_text()))
    found = read_cameras(path)
    assert found.cameras["cam0"].size == (640, 501)
    assert "MG-CAMERAS-003" in [finding.id for finding in found.findings]
    assert read_cameras(path, options=CameraOptions(size=(640, 480))).cameras["cam0"].size == (640, 480)


def triangulated(cameras, seen):
    """Plain linear triangulation of (F, P) points in all views."""
    rows = []
    for name, camera in cameras.items():
        inner = camera.intrinsics
        rays = undistort((seen[name].astype(float) - inner[:2, 2]) / [inner[0, 0], inner[1, 1]], camera.distortion)
        pose = np.concatenate([camera.rotation, camera.translation[:, None]], axis=1)
        rows += [rays[..., axis : axis + 1] * pose[2] - pose[axis] for axis in (0, 1)]
    found = np.linalg.svd(np.stack(rows, axis=-2))[2][..., -1, :]
    return found[..., :3] / found[..., 3:]


def test_qualisys_cameras_agree_about_a_real_person():
    found = read_cameras(REAL / "Calib.qca.txt")
    tracks = {name: read_keypoints(REAL / f"{name}.npz", name) for name in found.cameras}
    names = tracks["cam01"].data.names
    limbs = [names.index(f"{side}_{joint}") for side in ("left", "right") for joint in ("knee", "ankle", "hip")]
    # Later the detector takes left for right in one view.
    seen = {name: track.data.points[:40][:, limbs] for name, track in tracks.items()}
    points = triangulated(found.cameras, seen)
    errors = [np.linalg.norm(project(c, points)[0] - seen[n], axis=-1) for n, c in found.cameras.items()]
    assert np.median(errors) < 16
    shanks = np.linalg.norm(points[:, [0, 3]] - points[:, [1, 4]], axis=-1)
    assert abs(np.median(shanks) - 0.37) < 0.02
    # Standing, with y up: knees over ankles over the floor.
    assert (points[:, 0, 1] - points[:, 1, 1]).min() > 0.2
    assert 0 < np.median(points[:, 1, 1]) < 0.3
    assert [finding.severity for finding in found.findings] == [Severity.INFO]
    assert found.cameras["cam01"].size == (1088, 1920)


def calibrations_that_are_wrong(tmp_path):
    good = (REAL / "Calib.qca.txt").read_text()
    yield "half.qca.txt", good[: len(good) // 2], "not valid XML"
    yield "entity.qca.txt", '<!DOCTYPE a [<!ENTITY b "c">]>' + good, "entities"
    yield "number.qca.txt", good.replace("focalLengthU", "focalLength"), "no number focalLengthU"
    yield "mirrored.qca.txt", good.replace('r11="', 'r11="-').replace('r11="--', 'r11="'), "no rotation"
    yield "none.qca.txt", "<calibration/>", "no camera"
    path = toml(tmp_path / "good", ring(), np.eye(3))
    text = path.read_text()
    yield "broken.toml", text[:300], "not valid TOML"
    yield "fish.toml", text.replace("false", "true", 1), "fisheye"
    yield "pose.toml", text.replace("translation", "shift"), "no translation"
    yield "focal.toml", text.replace("[[900.0", "[[-900.0"), "focal lengths"
    yield "nan.toml", text.replace("[[900.0", "[[nan"), "not finite"
    yield "twice.toml", text.replace("cam1", "cam0"), "cam0"
    yield "what.toml", "a = 1\n", "no camera"
    yield "key.yaml", "cameras: {a: {sizes: [1, 2]}}\n", "sizes"
    yield "storage.yml", "%YAML:1.0\n---\nK: !!opencv-matrix\n   rows: 3\n", "OpenCV can read|no rotation"
    yield "other.dat", "x", "not a calibration of a known format"


def test_damaged_calibrations_say_what_and_where(tmp_path):
    for name, text, message in calibrations_that_are_wrong(tmp_path):
        path = tmp_path / name
        path.write_text(text)
        with pytest.raises(SourceError, match=message) as caught:
            read_cameras(path)
        assert str(path) in caught.value.where, name
        assert caught.value.hint, name


def test_easymocap_needs_both_files(tmp_path):
    folder = easymocap(tmp_path / "calibration", ring(), np.eye(3))
    (folder / "extri.yml").unlink()
    with pytest.raises(SourceError, match=r"no extri\.yml"):
        read_cameras(folder)


def test_unknown_formats_and_missing_files(tmp_path):
    with pytest.raises(UsageError, match="no format"):
        read_cameras(tmp_path, format="qualysis")
    with pytest.raises(SourceError, match="no such file"):
        read_cameras(tmp_path / "gone.toml")
    assert set(CAMERA_FORMATS) == {"qualisys", "easymocap", "colmap", "toml", "opencv", "meshgait"}


@pytest.mark.parametrize("name", AXES)
def test_turning_an_axis_up_is_a_rotation(name):
    turn = turn_to_y_up(name, "")
    np.testing.assert_allclose(turn @ axis(name, ""), [0, 1, 0], atol=1e-12)
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(turn) == pytest.approx(1)


def test_from_z_up_is_the_usual_turn():
    np.testing.assert_allclose(turn_to_y_up("z", "") @ np.array([1, 2, 3]), [1, 3, -2], atol=1e-12)
    with pytest.raises(SourceError, match="no axis"):
        turn_to_y_up("up", "Calib.toml")
