"""Batches of captures, cameras of a rig at the size of the images, what ``--use`` leaves, failures in a batch."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshgait_data.errors import SourceError, UsageError
from meshgait_data.fit.cameras import nominal_cameras
from meshgait_data.manifest import load_rig
from meshgait_data.pipeline.fit import batches
from meshgait_data.pipeline.fit_batch import FitTask, failure
from meshgait_data.pipeline.fit_inputs import only, parse_use
from meshgait_data.pipeline.fit_known import resized_camera
from meshgait_data.render.cameras import project
from meshgait_data.types import CaptureKey, Keypoints, Masks, Observations

KEY = CaptureKey("a", "b", "c")


@given(st.lists(st.integers(1, 500)), st.integers(1, 1000))
def test_batches_keep_the_order_and_the_bound(frames, most):
    tasks = [FitTask(CaptureKey("a", "b", str(i)), count, {}) for i, count in enumerate(frames)]
    groups = batches(tasks, most)
    assert [task for group in groups for task in group] == tasks
    assert all(group for group in groups)
    for group, after in pairwise(groups):
        assert sum(task.frames for task in group) <= most or len(group) == 1
        assert sum(task.frames for task in group) + after[0].frames > most, "no batch is smaller than it need be"


def test_a_camera_at_another_size_shows_the_same_scene():
    camera = nominal_cameras(load_rig("casia_b").cameras)["090"]
    points = np.random.default_rng(0).normal([0, 1, 0], 0.3, (20, 3))
    small = project(camera, points)[0]
    large = project(resized_camera(camera, (640, 480)), points)[0]
    np.testing.assert_allclose((large + 0.5) / 2, small + 0.5, atol=1e-9)
    wide = project(resized_camera(camera, (400, 240)), points)[0]
    np.testing.assert_allclose(wide - [40, 0], small, atol=1e-9)


def test_use():
    assert parse_use(" masks, joints,") == ("joints", "masks")
    assert parse_use("") == ()
    with pytest.raises(UsageError, match="no such kind"):
        parse_use("joint")
    masks = Masks("090", np.zeros((3, 4, 4), np.uint8), np.ones(3, bool))
    points = Keypoints("090", np.zeros((3, 2, 2)), np.ones((3, 2)), ("x", "y"), "s")
    seen = Observations(
        KEY, np.zeros((3, 2, 3)), ("x", "y"), "s", np.arange(3), 30.0, masks=(masks,), keypoints=(points,)
    )
    left = only(seen, ("masks", "markers"))
    assert (left.joint_names, left.joints.shape, left.keypoints, left.masks) == ((), (3, 0, 3), (), (masks,))
    assert only(seen, ()) is seen
    with pytest.raises(SourceError, match="has no markers, only joints, keypoints, masks"):
        only(seen, ("markers",))


def test_failures_of_users_and_of_ours():
    known = failure(KEY, SourceError("bad", where="f", hint="mend it"))
    assert (known.status, known.error, known.hint, known.trace) == ("failed", "f: bad", "mend it", "")
    try:
        raise KeyError("x")
    except KeyError as error:
        bug = failure(KEY, error)
    assert "bug in meshgait" in bug.hint
    assert "KeyError" in bug.trace
