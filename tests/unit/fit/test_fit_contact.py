"""Stances found from height and speed of the soles, and how far standing feet slide."""

import numpy as np
import pytest

from meshgait_data.body.files import load_body
from meshgait_data.fit.contact import SOLES, ContactSettings, ground_height, skating, sole_rows, stances

FPS = 100.0


def walker(steps=4, noise=0.0, ground=0.0, seed=0):
    """(F, 1, 3) one sole that rests for 0.6 s and swings for 0.4 s by 1.2 m, 12 cm high; and when it rests."""
    place, points, rests = 0.0, [], []
    for _ in range(steps):
        points += [(0.0, ground, place)] * 60
        rests += [True] * 60
        swing = np.linspace(0, 1, 42)[1:-1]
        points += [(0.0, ground + 0.12 * np.sin(np.pi * s), place + 1.2 * (1 - np.cos(np.pi * s)) / 2) for s in swing]
        rests += [False] * 40
        place += 1.2
    result = np.array(points)[:, None]
    result += noise * np.random.default_rng(seed).standard_normal(result.shape)
    return result, np.array(rests)[:, None], np.arange(len(result)) / FPS


@pytest.mark.parametrize("noise", [0.0, 0.002, 0.005])
@pytest.mark.parametrize("ground", [0.0, -0.7])
def test_stances_are_found(noise, ground):
    points, rests, seconds = walker(noise=noise, ground=ground)
    found = stances(points, seconds)
    # Landing and lifting take some frames that may be counted either way.
    assert (found == rests).mean() > 0.9
    assert not (found & ~rests)[5:].sum() > 8 * 4
    runs = np.flatnonzero(np.diff(found[:, 0].astype(int)) == 1)
    assert len(runs) + found[0, 0] == 4


def test_a_foot_that_slides_fast_does_not_stand():
    points = np.zeros((100, 1, 3))
    points[:, 0, 2] = np.arange(100) / FPS
    assert not stances(points, np.arange(100) / FPS).any()


def test_a_foot_that_hangs_still_in_the_air_does_not_stand():
    points, _, seconds = walker()
    hanging = np.concatenate([points, points * (1, 0, 1) + (0, 0.3, 0)], 1)
    hanging[:, 1, 2] = 0
    hanging[: len(points) // 2, 1, 1] = np.linspace(0, 0.3, len(points) // 2)
    found = stances(hanging, seconds)
    assert not found[len(points) // 2 + 10 :, 1].any()


def test_too_short_for_a_speed():
    assert not stances(np.zeros((2, 4, 3)), np.array([0.0, 0.01])).any()


def test_skating_is_the_slide_of_a_frame():
    points = np.zeros((5, 1, 3))
    points[:, 0, 0] = 0.003 * np.arange(5)
    points[:, 0, 1] = 7.0
    assert skating(points, np.ones((5, 1), bool)) == pytest.approx(0.003)
    assert np.isnan(skating(points, np.zeros((5, 1), bool)))


def test_ground_is_where_feet_are_slow():
    points, _, seconds = walker(ground=0.4)
    speed = np.linalg.norm(np.gradient(points, seconds, axis=0), axis=-1)
    assert ground_height(points, speed, ContactSettings()) == pytest.approx(0.4, abs=0.005)


@pytest.mark.parametrize("name", ["free", "free-lite"])
def test_soles_are_below_heel_and_ball(name):
    body = load_body(name)
    points = dict(zip(SOLES, sole_rows(body)[:, : body.num_vertices] @ body.v_template, strict=True))
    lowest = body.v_template[:, 1].min()
    for sole, point in points.items():
        assert point[1] - lowest < 0.012, sole
    assert points["left_ball"][2] - points["left_heel"][2] > 0.12
    np.testing.assert_allclose(points["right_heel"], points["left_heel"] * (-1, 1, 1), atol=2e-3)
