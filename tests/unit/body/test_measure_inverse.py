"""The inverse: the found body has the measurements, and no shorter betas have them; what cannot be had is said."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tape_bodies import prism_body

from meshgait_data.body.files import load_body
from meshgait_data.body.measure import measure
from meshgait_data.body.measure_inverse import MOST_SD, reachable, shape_of
from meshgait_data.errors import InvalidData, UsageError

PRISMS = prism_body()
shapes = st.lists(st.floats(-1.2, 1.2), min_size=10, max_size=10).map(np.array)


@given(betas=shapes)
@settings(max_examples=10, deadline=None)
def test_height_and_mass_come_back_and_no_likelier_body_has_them(betas):
    free = load_body("free")
    wanted = {name: float(measure(free, betas, [name])[name]) for name in ("height", "mass")}
    found = shape_of(free, wanted)
    measured = measure(free, found, list(wanted))
    assert measured["height"] == pytest.approx(wanted["height"], abs=1e-4)
    assert measured["mass"] == pytest.approx(wanted["mass"], abs=0.01)
    assert np.linalg.norm(found) <= np.linalg.norm(betas) + 1e-3


def test_the_found_betas_are_a_combination_of_the_measurements_derivatives():
    free = load_body("free")
    names = ["height", "bmi", "waist_girth"]
    found = shape_of(free, {"height": 1.8, "bmi": 24.0, "waist_girth": 0.85})
    steps = 0.05 * np.eye(10)  # girths have small kinks where the tape loses touch with a vertex
    up, down = measure(free, found + steps, names), measure(free, found - steps, names)
    slope = np.stack([(up[name] - down[name]) / 0.1 for name in names])
    outside = found - np.linalg.lstsq(slope.T, found, rcond=None)[0] @ slope
    assert np.linalg.norm(outside) < 0.02 * np.linalg.norm(found)


def test_the_scale_of_prisms_is_found_exactly():
    height = float(measure(PRISMS)["height"])
    found = shape_of(PRISMS, {"height": 1.2 * height}, num_betas=1)
    assert found == pytest.approx([2.0], abs=1e-3)


def test_fewer_components_are_used_where_asked():
    assert len(shape_of(load_body("free"), {"height": 1.7}, num_betas=3)) == 3
    assert len(shape_of(PRISMS, {"height": 2.0}, num_betas=10)) == 3


def test_three_metres_is_out_of_reach_and_the_way_out_is_said():
    with pytest.raises(InvalidData) as caught:
        shape_of(load_body("free"), {"height": 3.0})
    assert "SD long" in caught.value.what
    assert "height can be" in caught.value.what
    assert caught.value.hint
    assert measure(load_body("free"), shape_of(load_body("free"), {"height": 3.0}, most_sd=20))["height"] > 2.99


def test_a_pair_that_does_not_go_together_says_the_range_of_the_second_given_the_first():
    with pytest.raises(InvalidData, match=r"mass at height 1\.5 m can be"):
        shape_of(load_body("free"), {"height": 1.5, "mass": 150.0}, num_betas=4)
    with pytest.raises(InvalidData, match=r"bmi at height 1\.8 m and mass 80 kg can be 24\.69"):
        shape_of(load_body("free"), {"height": 1.8, "mass": 80.0, "bmi": 30.0}, num_betas=3)


@pytest.mark.parametrize("wanted", [{}, {"tail": 1.0}, {"height": -1.0}, {"mass": np.nan}, {"height": np.inf}])
def test_what_is_no_measurement_is_wrong_usage(wanted):
    with pytest.raises(UsageError):
        shape_of(PRISMS, wanted)


def test_mass_of_an_open_body_cannot_be_asked_for():
    with pytest.raises(InvalidData, match="not closed"):
        shape_of(replace(PRISMS, faces=PRISMS.faces[1:]), {"mass": 60.0})


def test_no_body_within_reach_lies_outside_the_range(rng):
    free = load_body("free")
    low, high = reachable(free, "mass", given=None)
    betas = rng.normal(size=(50, 10))
    betas *= MOST_SD / np.linalg.norm(betas, axis=1, keepdims=True)
    masses = measure(free, betas, ["mass"])["mass"]
    assert low <= masses.min() < masses.max() <= high
    inner = reachable(free, "mass", given={"height": 1.7})
    assert low < inner[0] < inner[1] < high
    assert reachable(free, "mass", given={"height": 3.0}) is None
