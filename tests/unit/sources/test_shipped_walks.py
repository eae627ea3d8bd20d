"""The shipped walks, read and posed, are people who walk: sizes, directions and rhythm, on every take."""

import numpy as np
import pytest
from scipy.signal import find_peaks

from meshgait_data.conventions import WORLD_UP

FPS = 120.0

# Metres, measured once from the database's ASF files with an independent reader, rounded to 0.1 mm.
LENGTHS = {
    "02": {"lfemur": 0.4286, "rfemur": 0.4283, "ltibia": 0.4113, "rtibia": 0.4073, "lradius": 0.1894},
    "05": {"lfemur": 0.3713, "ltibia": 0.4485, "rtibia": 0.4503, "lhumerus": 0.3059, "upperback": 0.1191},
    "07": {"lfemur": 0.3909, "rfemur": 0.4039, "rtibia": 0.4024, "lfoot": 0.1129, "upperback": 0.1242},
}


def test_there_are_69_takes_of_14_subjects(shipped):
    assert len(shipped) == 69
    assert len({name.split("_")[0] for name in shipped}) == 14
    assert sum(len(take.motion) for take in shipped.values()) == 26_100


@pytest.mark.parametrize("subject", LENGTHS)
def test_lengths_in_metres(shipped, subject):
    take = next(take for name, take in shipped.items() if name.startswith(subject))
    lengths = {bone.name: bone.length for bone in take.skeleton.bones}
    for name, length in LENGTHS[subject].items():
        assert lengths[name] == pytest.approx(length, abs=6e-5)


def test_bones_keep_their_length_in_every_frame(shipped):
    for take in shipped.values():
        index = {name: i for i, name in enumerate(take.posed.names)}
        child = take.posed.joints[:, 1:]
        parent = take.posed.joints[:, [index[bone.parent] for bone in take.skeleton.bones]]
        lengths = np.linalg.norm(child - parent, axis=-1)
        np.testing.assert_allclose(lengths, [[b.length for b in take.skeleton.bones]] * len(lengths), atol=1e-6)


def test_rotations_are_rotations(shipped):
    for take in shipped.values():
        R = take.posed.rotations[::10]
        np.testing.assert_allclose(R @ np.swapaxes(R, -1, -2), np.broadcast_to(np.eye(3), R.shape), atol=1e-9)
        np.testing.assert_allclose(np.linalg.det(R), 1.0, atol=1e-9)


def test_joint_order_is_one_for_all(shipped):
    orders = {take.posed.names for take in shipped.values()}
    assert len(orders) == 1
    (names,) = orders
    assert names[:3] == ("root", "lhipjoint", "lfemur")
    assert len(names) == 31


def test_the_head_is_at_the_height_of_a_head(shipped):
    for name, take in shipped.items():
        head = take.posed.joints[:, take.posed.names.index("head")]
        ground = take.posed.joints[..., 1].min()
        assert 1.3 < np.median(head[:, 1]) - ground < 1.9, name


def test_cadence_is_human(shipped):
    for name, take in shipped.items():
        left, right = (take.posed.joints[:, take.posed.names.index(f"{side}tibia")] for side in "lr")
        apart = np.linalg.norm((left - right) * (1 - WORLD_UP), axis=-1)
        peaks, _ = find_peaks(np.convolve(apart, np.ones(9) / 9, "same"), distance=30, prominence=0.1)
        steps_per_minute = 60 * FPS * (len(peaks) - 1) / (peaks[-1] - peaks[0])
        assert 80 < steps_per_minute < 140, (name, steps_per_minute)


def test_speed_is_that_of_a_walk(shipped):
    for name, take in shipped.items():
        root = take.posed.joints[:, 0] * (1 - WORLD_UP)
        path = np.linalg.norm(root[30::30] - root[:-30:30], axis=-1).sum() / (30 / FPS * len(root[30::30]))
        assert 0.5 < path < 2.0, (name, path)


def test_the_left_hip_is_on_the_left_of_the_way(shipped):
    """False for a mirrored world, for swapped sides, and for walking backwards."""
    for name, take in shipped.items():
        ahead = (take.posed.joints[60:, 0] - take.posed.joints[:-60, 0]) * (1 - WORLD_UP)
        left_of_way = np.cross(WORLD_UP, ahead)
        index = take.posed.names.index
        hips = (take.posed.joints[:, index("lhipjoint")] - take.posed.joints[:, index("rhipjoint")])[30:-30]
        cosine = np.sum(hips * left_of_way, -1) / np.linalg.norm(hips, axis=-1) / np.linalg.norm(left_of_way, axis=-1)
        assert np.median(cosine) > 0.9, (name, np.median(cosine))
        facing = take.posed.rotations[30:-30, 0, :, 2]
        assert np.median(np.sum(facing * ahead, -1) / np.linalg.norm(ahead, axis=-1)) > 0.9, name
