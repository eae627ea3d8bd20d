"""3D joints in the frame of each view's own camera: with the lens of a rig that camera is known."""

import json
from dataclasses import replace

import numpy as np
import pytest
from fakes.walkers import film

from meshgait_data.manifest import load_manifest
from meshgait_data.manifest_source import Joints3D
from meshgait_data.render.cameras import project
from meshgait_data.sources import observe
from meshgait_data.types import CaptureKey

KEY = CaptureKey("oumvlp_mesh", "00001", "00", "030")


@pytest.fixture(scope="module")
def filmed(tmp_path_factory):
    view = film(0, 0, rig="oumvlp", views=("030",), frames=12).views["030"]
    root = tmp_path_factory.mktemp("root")
    folder = root / "meshes" / "joints_thetas" / "00001" / "030_00"
    folder.mkdir(parents=True)
    for frame, joints in enumerate(view.joints("smpl24")):
        (folder / f"{frame:04d}.json").write_text(json.dumps({"hc3d": joints.tolist()}))
    return root, view


def test_joints_and_camera_of_a_view_agree_in_its_pictures(filmed):
    root, view = filmed
    seen = observe(load_manifest("oumvlp_mesh"), root, KEY)
    pixels, depth = project(seen.cameras["030"], seen.joints)
    np.testing.assert_allclose(pixels, view.keypoints("smpl24").points, atol=0.01)
    assert (depth > 1).all()
    # Head above feet: y is up.
    assert (seen.joints[:, 15, 1] > seen.joints[:, 7, 1]).all()


def test_without_a_rig_there_is_no_camera(filmed):
    root, _ = filmed
    manifest = load_manifest("oumvlp_mesh")
    source = replace(manifest.source, cameras=None)
    assert observe(replace(manifest, source=source), root, KEY).cameras == {}


def test_another_axis_up_is_refused():
    with pytest.raises(ValueError, match="y points down"):
        Joints3D(path="{folder}", frame="camera", up="z")
