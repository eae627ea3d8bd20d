"""Files of priors: what ships, what is written is read, and damage is told."""

import dataclasses
import json

import numpy as np
import pytest
import torch

from meshgait_data.errors import InvalidData, UsageError
from meshgait_data.pipeline.prior_files import load_gait, load_priors, read_priors, save_priors, shipped_priors


def test_what_ships_is_small_and_says_whose_it_is():
    assert {"walk", "general"} <= set(shipped_priors())
    for path in shipped_priors().values():
        assert path.stat().st_size < 200_000
        about = read_priors(path).provenance
        assert "EIA-0196217" in about["acknowledgement"]
        assert "not be resold" in about["licence"]
        assert len(about["people"]) == 12


def test_shipped_walk_is_a_walk():
    gait = load_gait()
    assert 0.7 < float(gait.cadence(leg_m=0.85)) < 1.1
    assert 0.9 < float(gait.speed(leg_m=0.85)) < 1.5
    # Longer legs step more slowly, and go farther.
    assert gait.cadence(leg_m=0.95) < gait.cadence(leg_m=0.75)
    assert gait.speed(leg_m=0.95) > gait.speed(leg_m=0.75)
    assert gait.speed(cadence=1.1, leg_m=0.85) > gait.speed(cadence=0.8, leg_m=0.85)
    knees = gait.rotations(torch.linspace(0, 6.28, 100).double())[:, [4, 5]]
    # About x, a bent knee has a positive sine.
    assert (knees[..., 2, 1] > 0).all()


def test_round_trip_in_equal_bytes(tmp_path):
    found = load_priors("walk")
    first, second = tmp_path / "a.npz", tmp_path / "b.npz"
    save_priors(first, found)
    again = read_priors(first)
    save_priors(second, again)
    assert first.read_bytes() == second.read_bytes()
    assert again.provenance == found.provenance
    torch.testing.assert_close(again.gait.styles, found.gait.styles)
    torch.testing.assert_close(again.pose.acceleration, found.pose.acceleration)


def test_priors_without_a_gait_cycle():
    assert load_priors("general").gait is None
    with pytest.raises(UsageError, match="no gait cycle"):
        load_gait("general")


def test_unknown_names_are_told_what_there_is():
    with pytest.raises(UsageError) as error:
        load_priors("gallop")
    assert "walk" in error.value.hint


def damaged(tmp_path, **changes):
    with np.load(shipped_priors()["walk"]) as file:
        arrays = {name: file[name] for name in file.files}
    path = tmp_path / "damaged.npz"
    np.savez(path, **(arrays | changes))
    return path


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"meta": np.array(json.dumps({"schema": 99}))}, "schema 99"),
        ({"meta": np.array("{")}, "not a file of priors"),
        ({"pose_mean": np.ones((24, 3, 3))}, "rotations"),
        ({"pose_covariance": -np.eye(69)}, "positive definite"),
        ({"gait_covariance": np.eye(70)}, "size 75"),
        ({"gait_cycle": np.zeros((8, 75))}, "do not fit together"),
        ({"gait_styles": np.zeros((2, 3, 75))}, "styles"),
        ({"gait_rhythm": np.full(2, np.nan)}, "not finite"),
        ({"gait_memory_s": np.array(0.0)}, "memory_s"),
        ({"pose_acceleration": np.zeros(24)}, "accelerations"),
        ({"gait_rhythm": np.array([{}, {}], dtype=object)}, "not a file of priors"),
    ],
)
def test_damage_is_told(tmp_path, changes, what):
    with pytest.raises(InvalidData, match=what) as error:
        read_priors(damaged(tmp_path, **changes))
    assert "mgdata priors learn" in error.value.hint


def test_a_cut_file_is_told(tmp_path):
    path = tmp_path / "cut.npz"
    path.write_bytes(shipped_priors()["walk"].read_bytes()[:5000])
    with pytest.raises(InvalidData, match="not a file of priors"):
        read_priors(path)


def test_fewer_styles_are_the_first_ones():
    gait = load_gait()
    few = gait.with_styles(2)
    phases, style = torch.linspace(0, 6, 9).double(), torch.tensor([1.0, -1.0]).double()
    more = torch.cat([style, torch.zeros(gait.size - 2).double()])
    torch.testing.assert_close(few.channels(phases, style), gait.channels(phases, more))
    assert dataclasses.replace(few).size == 2
    none = gait.with_styles(0)
    torch.testing.assert_close(none.channels(phases, torch.zeros(0).double()), gait.channels(phases))
