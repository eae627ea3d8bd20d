"""Rigs as data: shipped ones load, cameras stand where they say, views drift as geometry has it, random ones repeat."""

from dataclasses import replace

import numpy as np
import pytest
import yaml

from meshgait_data.errors import ManifestError
from meshgait_data.manifest import CameraRing, RandomViews, ViewChange, load_manifest, load_rig
from meshgait_data.render.cameras import project
from meshgait_data.render.rigs import resized, ring_cameras, view_angles
from meshgait_data.strict import to_plain
from meshgait_data.types import Camera

RING = CameraRing({"a": 0.0, "b": 90.0, "c": 200.0}, 6.0, 1.2, 0.9, focal_px=700.0, image_size=(640, 480))
WALK = np.linspace([0.0, 0.95, -2.0], [0.0, 0.95, 2.0], 41)


def position(camera: Camera) -> np.ndarray:
    return -camera.rotation.T @ camera.translation


@pytest.mark.parametrize(("name", "views"), [("casia_b", 11), ("oumvlp", 14), ("in_the_wild", 8)])
def test_shipped_rigs(name, views):
    rig = load_rig(name)
    cameras = ring_cameras(rig.cameras, WALK, 0.0, capture="d/s/c")
    assert len(cameras) == views
    for camera in cameras:
        # Everybody who walks upright in the middle stands wholly in the image, and the names are parts of keys.
        body = np.array([[x, y, z] for x in (-0.5, 0.5) for y in (0.0, 2.0) for z in (-0.5, 0.5)])
        pixels, _ = project(camera, body)
        assert (pixels >= 0).all()
        assert (pixels <= np.array(camera.size) - 1).all()
        if name != "in_the_wild":
            assert view_angles(camera, WALK)[20] % 360 == pytest.approx(float(camera.name))
    steps = {"casia_b": np.arange(0, 181, 18), "oumvlp": np.r_[0:91:15, 180:271:15]}.get(name)
    if steps is not None:
        assert list(rig.cameras.azimuths_deg) == [f"{step:03d}" for step in steps]


def test_the_view_drifts_while_the_walker_passes():
    _, side, behind = ring_cameras(RING, WALK, 0.0)
    angles = view_angles(side, WALK)
    reach = np.rad2deg(np.arctan2(2.0, 6.0))
    assert angles[[0, 20, -1]] == pytest.approx([90 - reach, 90, 90 + reach])
    assert np.all(np.diff(angles) > 0)
    assert np.ptp(np.unwrap(view_angles(behind, WALK), period=360)) < 30
    assert np.ptp(view_angles(ring_cameras(RING, WALK, 0.0)[0], WALK)) < 1e-9


def test_views_may_differ_from_the_ring():
    change = ViewChange(distance_m=3.0, height_m=2.5, target_m=1.0, focal_px=350.0, roll_deg=10.0)
    plain, turned = ring_cameras(RING, WALK, 0.0), ring_cameras(replace(RING, views={"b": change}), WALK, 0.0)
    for i in (0, 2):
        np.testing.assert_array_equal(turned[i].rotation, plain[i].rotation)
    np.testing.assert_allclose(position(turned[1]), [3.0, 2.5, 0.0], atol=1e-12)
    assert turned[1].intrinsics[0, 0] == 350
    centre, upper = project(turned[1], np.array([[0.0, 1.0, 0.0], [0.0, 1.5, 0.0]]))[0]
    np.testing.assert_allclose(centre, [319.5, 239.5], atol=1e-9)
    # Against the clock: what was straight above the middle goes to the left.
    lean = upper - centre
    assert np.rad2deg(np.arctan2(-lean[0], -lean[1])) == pytest.approx(10.0)


def test_random_views_repeat_and_stay_in_their_ranges():
    limits = RandomViews(
        3, azimuth_deg=(-20, 20), roll_deg=(-5, 5), distance_m=(4, 9), height_m=(1, 3), focal_px=(500, 900)
    )
    ring = replace(RING, random=limits)
    one, same, other = (ring_cameras(ring, WALK, 0.0, capture=key) for key in ("x", "x", "y"))
    for a, b, c in zip(one, same, other, strict=True):
        np.testing.assert_array_equal(a.rotation, b.rotation)
        assert not np.allclose(position(a), position(c))
        assert 4 <= np.hypot(*position(a)[[0, 2]]) <= 9
        assert 1 <= position(a)[1] <= 3
        assert 500 <= a.intrinsics[0, 0] <= 900
        turn = view_angles(a, WALK)[20] - RING.azimuths_deg[a.name]
        assert -20 <= (turn + 180) % 360 - 180 <= 20
    reseeded = ring_cameras(replace(ring, random=replace(limits, seed=4)), WALK, 0.0, capture="x")
    assert not np.allclose(position(reseeded[0]), position(one[0]))
    # One view's draw does not depend on which others there are.
    fewer = ring_cameras(replace(ring, azimuths_deg={"c": 200.0}), WALK, 0.0, capture="x")
    np.testing.assert_array_equal(fewer[0].rotation, one[2].rotation)


@pytest.mark.parametrize("factor", [0.5, 2.0, 0.3])
def test_another_resolution_shows_the_same_picture(factor):
    ring = replace(load_rig("in_the_wild").cameras, views={"w3": ViewChange(focal_px=900.0)})
    points = np.array([[0.1, 0.2, 0.3], [-0.4, 1.7, 0.0]])
    before, after = (ring_cameras(r, WALK, 0.0, capture="k") for r in (ring, resized(ring, factor)))
    for a, b in zip(before, after, strict=True):
        fraction = [(project(camera, points)[0] + 0.5) / camera.size for camera in (a, b)]
        np.testing.assert_allclose(fraction[0], fraction[1], atol=1e-6)


@pytest.mark.parametrize("model", ["weak_perspective", "orthographic"])
def test_affine_rings_have_the_lens_scale_at_the_target(model):
    target = np.array([0.0, 0.9, 0.0])
    for lens, flat in zip(
        ring_cameras(RING, WALK, 0.0), ring_cameras(replace(RING, model=model), WALK, 0.0), strict=True
    ):
        across = target + 0.3 * lens.rotation[0]
        for point in (target, across):
            np.testing.assert_allclose(project(flat, point)[0], project(lens, point)[0], atol=1e-9)


def test_manifests_may_name_a_rig(tmp_path):
    plain = to_plain(load_manifest("cmu_walk"))
    path = tmp_path / "walk.yaml"
    path.write_text(yaml.safe_dump({**plain, "cameras": "oumvlp"}))
    assert load_manifest(str(path)).cameras == load_rig("oumvlp").cameras
    path.write_text(yaml.safe_dump({**plain, "cameras": "nowhere"}))
    with pytest.raises(ManifestError, match="among rigs"):
        load_manifest(str(path))


def test_strict(tmp_path):
    plain = to_plain(load_rig("casia_b"))
    for change, message in (
        ({"views": {"099": {"height_m": 2.0}}}, "no azimuth"),
        ({"random": {"distance_m": [9.0, 4.0]}}, "not a range"),
        ({"focal_px": 0.0}, "positive"),
        ({"model": "fisheye"}, "not one of the choices"),
        ({"hight_m": 2.0}, "unknown key"),
    ):
        path = tmp_path / "rig.yaml"
        path.write_text(yaml.safe_dump({**plain, "cameras": {**plain["cameras"], **change}}))
        with pytest.raises(ManifestError, match=message):
            load_rig(str(path))
