"""Measurements: exact on bodies of prisms, scaling laws, what a tape must not take with it, and why something lacks."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tape_bodies import CORNERS, FOOT, RADII, TRUNK, prism_body, ring_area, ring_perimeter

from meshgait_data.body.files import load_body
from meshgait_data.body.measure import measure
from meshgait_data.body.measure_sections import edges_of, tape, volume, why_open
from meshgait_data.body.measure_ways import DENSITY, QUANTITIES
from meshgait_data.errors import InvalidData

PRISMS = prism_body()
ANGLES = 2 * np.pi * (np.arange(CORNERS + 1) + 0.5) / CORNERS
TRUNK_GIRTH = float(np.hypot(*np.diff([TRUNK[0] * np.cos(ANGLES), TRUNK[1] * np.sin(ANGLES)])).sum())


def expected() -> dict[str, float]:
    sides = {
        "upper_leg": 0.4, "lower_leg": 0.4, "foot": FOOT, "upper_arm": 0.3, "forearm": 0.25,
        "thigh_girth": ring_perimeter(RADII["thigh"]), "calf_girth": ring_perimeter(RADII["calf"]),
        "upper_arm_girth": ring_perimeter(RADII["upper_arm"]),
    }  # fmt: skip
    litres = ring_area(*TRUNK) * 0.6 + ring_area(0.06, 0.06) * 0.1 + ring_area(0.09, 0.09) * 0.25
    limbs = (("upper_arm", 0.3), ("forearm", 0.25), ("thigh", 0.4), ("calf", 0.4))
    litres += 2 * sum(ring_area(RADII[name], RADII[name]) * length for name, length in limbs)
    litres += 2 * (ring_area(0.02, 0.02) * 0.15 + 2 * 0.04 * 0.03 * FOOT)  # a square of half diagonals 4 and 3 cm
    lowest = -0.85 - 0.03 / np.sqrt(2)
    height = 0.95 - lowest
    return {
        "height": height, "sitting_height": 0.95, "mass": DENSITY * litres, "bmi": DENSITY * litres / height**2,
        "shoulder_breadth": 0.4, "hip_breadth": 2 * TRUNK[0] * np.cos(np.pi / CORNERS),
        "neck_girth": ring_perimeter(RADII["neck"]), "chest_girth": TRUNK_GIRTH, "waist_girth": TRUNK_GIRTH,
        "hip_girth": TRUNK_GIRTH,
    } | {f"{side}_{name}": value for name, value in sides.items() for side in ("left", "right")}  # fmt: skip


def test_prisms_have_exactly_the_measurements_that_they_were_made_with():
    measured = measure(PRISMS)
    assert measured.missing == {}
    assert set(measured.values) == set(expected()) == set(QUANTITIES)
    for name, value in expected().items():
        assert measured[name] == pytest.approx(value, rel=1e-9), name


@given(scale=st.floats(0.5, 2.0))
@settings(max_examples=20, deadline=None)
def test_a_scaled_body_has_scaled_lengths_and_cubed_mass(scale):
    power = {"m": 1, "kg": 3, "kg/m²": 1}
    measured = measure(PRISMS, np.array([10 * (scale - 1)]))
    for name, value in expected().items():
        assert measured[name] == pytest.approx(value * scale ** power[QUANTITIES[name].unit], rel=1e-6), name


def test_hanging_arms_are_not_taken_into_the_girths_of_the_trunk():
    down = measure(prism_body(arms_down=True))
    for name in ("chest_girth", "waist_girth", "hip_girth", "hip_breadth", "left_upper_arm_girth", "right_forearm"):
        assert down[name] == pytest.approx(expected()[name], rel=1e-9), name


def test_a_longer_left_shank_changes_the_left_side_only():
    before, after = measure(PRISMS), measure(PRISMS, np.array([0.0, 0.0, 1.0]))
    changed = {name for name in QUANTITIES if abs(after[name] - before[name]) > 1e-9}
    assert changed == {"height", "mass", "bmi", "left_lower_leg"}
    assert after["left_lower_leg"] - before["left_lower_leg"] == pytest.approx(0.02)


def test_where_the_body_stands_does_not_matter():
    shifted = measure(replace(PRISMS, v_template=PRISMS.v_template + np.array([0.3, -2.0, 5.0])))
    for name, value in expected().items():
        assert shifted[name] == pytest.approx(value, rel=1e-6), name


def test_many_shapes_give_what_each_alone_gives(rng):
    free = load_body("free")
    betas = rng.normal(size=(4, 6))
    together = measure(free, betas)
    for row, shape in enumerate(betas):
        alone = measure(free, shape)
        assert {name: float(value[row]) for name, value in together.values.items()} == alone.values


def test_the_mean_free_body_is_a_plausible_symmetric_adult():
    free = measure(load_body("free"))
    ranges = {
        "height": (1.6, 1.8), "mass": (50, 85), "sitting_height": (0.82, 0.97), "neck_girth": (0.3, 0.42),
        "chest_girth": (0.82, 1.1), "waist_girth": (0.68, 1.0), "hip_girth": (0.88, 1.1), "left_foot": (0.23, 0.29),
        "left_thigh_girth": (0.48, 0.68), "left_calf_girth": (0.32, 0.42), "left_upper_arm_girth": (0.24, 0.36),
    }  # fmt: skip
    for name, (low, high) in ranges.items():
        assert low < free[name] < high, name
    for name in QUANTITIES:
        if name.startswith("left_"):
            assert free[name] == pytest.approx(free["right" + name[4:]], rel=1e-3), name


def test_an_open_surface_has_no_mass_but_all_else():
    measured = measure(replace(PRISMS, faces=PRISMS.faces[1:]))
    assert set(measured.missing) == {"mass", "bmi"}
    assert "not closed: 3 edges" in measured.missing["mass"]
    flipped = PRISMS.faces.copy()
    flipped[0] = flipped[0, ::-1]
    assert "turned against each other" in measure(replace(PRISMS, faces=flipped)).missing["mass"]
    assert "inside out" in measure(replace(PRISMS, faces=PRISMS.faces[:, ::-1])).missing["mass"]


def test_random_bodies_never_raise_but_say_what_is_missing(random_body):
    measured = measure(random_body)
    assert set(measured.values) | set(measured.missing) == set(QUANTITIES)
    assert all(np.isfinite(value) for value in measured.values.values())
    assert all(measured.missing.values())


@pytest.mark.parametrize("betas", [np.zeros(4), np.array([np.nan]), np.zeros((1, 1, 1)), np.array(1.0)])
def test_betas_that_do_not_fit_are_refused(betas):
    with pytest.raises(InvalidData, match="betas of shape"):
        measure(PRISMS, betas)


def test_a_tape_bridges_hollows():
    square = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], float)
    posts = [np.column_stack([square + offset, np.full(4, y)])[:, [0, 2, 1]] for offset in (0.0, 3.0) for y in (0, 1)]
    vertices = np.concatenate(posts)
    edges = np.array([(i + 8 * post, i + 4 + 8 * post) for post in range(2) for i in range(4)])
    loop = tape(vertices, edges, np.array([0, 0.5, 0]), np.array([0.0, 1.0, 0.0]))
    assert loop.girth == pytest.approx(4 + 2 * np.hypot(3, 3))
    assert tape(vertices, edges, np.array([0, 1.5, 0]), np.array([0.0, 1.0, 0.0])) is None


def test_a_closed_surface_is_known_and_its_volume_does_not_depend_on_where_it_is():
    assert why_open(PRISMS.faces) == ""
    assert len(edges_of(PRISMS.faces)) * 2 == len(PRISMS.faces) * 3
    assert volume(PRISMS.v_template + 7.0, PRISMS.faces) == pytest.approx(volume(PRISMS.v_template, PRISMS.faces))


def test_the_document_says_how_each_is_taken():
    text = (Path(__file__).parents[3] / "docs" / "bodies.md").read_text()
    for name, quantity in QUANTITIES.items():
        if not name.startswith("left_"):
            assert any(
                f"{name}` | {quantity.unit} | {quantity.definition} | {quantity.standard or '–'} |" in line
                for line in text.splitlines()
            ), name
