"""Synthetic walkers: functions of seed and numbers alone, symmetric as a population, feet on the ground."""

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshgait_data.body.model import forward
from meshgait_data.conventions import SMPL_JOINTS
from meshgait_data.fit.contact import skating, sole_rows, stances
from meshgait_data.fit.priors.gait_learn import mirror_cycle
from meshgait_data.synth.draws import draw_person, draw_take
from meshgait_data.synth.gait import cycle_of
from meshgait_data.synth.outfit import Figure, draw_bag, draw_clothes, superellipsoid
from meshgait_data.synth.values import KINDS, Population
from meshgait_data.synth.walker import make_walk

SHORT = Population(seed=3, frames=12)


def numbers(value):
    """All arrays of a value, whatever it is made of."""
    if isinstance(value, np.ndarray | float):
        return [np.asarray(value)]
    if value is None:
        return []
    names = [item.name for item in fields(value)]
    return [array for name in names for array in numbers(getattr(value, name))]


def same(one, other):
    return all(np.array_equal(a, b) for a, b in zip(numbers(one), numbers(other), strict=True))


@settings(max_examples=8, deadline=None)
@given(st.permutations([(number, kind, take) for number in (0, 7) for kind in KINDS for take in (0, 1)]))
def test_walks_do_not_depend_on_what_else_is_made(body, space, order):
    made = {which: make_walk(body, space, SHORT, *which) for which in order}
    for which in order[:3]:
        assert same(made[which], make_walk(body, space, SHORT, *which))


@given(st.integers(0, 10**9), st.integers(0, 10**9), st.integers(0, 99999))
def test_a_seed_changes_everything(space, seed, other, number):
    if seed == other:
        return
    draws = [
        (draw_person(space, population, number), draw_take(space, population, number, "nm", 0))
        for population in (Population(seed=seed), Population(seed=other))
    ]
    for one, two in zip(*draws, strict=True):
        # Hand joints do not wander in any seed.
        assert all(np.any(a != b) for a, b in zip(numbers(one), numbers(two), strict=True))


def test_a_person_keeps_shape_and_style(body, space):
    walks = [make_walk(body, space, SHORT, 5, kind, take) for kind in KINDS for take in (0, 1)]
    assert all(np.array_equal(walk.params.betas, walks[0].params.betas) for walk in walks)
    poses = [walk.params.body_pose for walk in walks]
    assert all(np.abs(one - poses[0]).max() > 0.01 for one in poses[1:])
    styles = np.array([draw_person(space, SHORT, number).style for number in range(60)])
    takes = np.array([[draw_take(space, SHORT, n, "nm", k).style for k in (0, 1)] for n in range(60)])
    walked = styles[:, None] + takes
    own = np.linalg.norm(walked[:, 0] - walked[:, 1], axis=-1)
    others = np.linalg.norm(walked[:, None, 0] - walked[None, :, 1], axis=-1)[~np.eye(60, dtype=bool)]
    assert np.percentile(own, 95) < np.percentile(others, 5)


def test_limits_of_shape_and_style(space):
    people = [draw_person(space, Population(), number) for number in range(300)]
    betas = np.array([person.betas for person in people])
    assert np.abs(betas).max() <= Population().shape_limit
    assert np.abs(betas.mean(axis=0)).max() < 0.2
    np.testing.assert_allclose(betas.std(axis=0), 0.97, atol=0.15)
    assert max(np.linalg.norm(person.style) for person in people) <= Population().style_limit + 1e-9


def test_left_and_right_are_alike_in_the_population(space):
    cycles = []
    for number in range(400):
        person, take = draw_person(space, Population(), number), draw_take(space, Population(), number, "nm", 0)
        cycle = np.concatenate([cycle_of(space, person, take), np.zeros((len(space.cycle), 3))], axis=1)
        cycles.append(cycle - mirror_cycle(cycle))
    lopsided = np.array(cycles)
    spread = lopsided.std(axis=0)
    z = lopsided.mean(axis=0)[spread > 1e-9] / (spread[spread > 1e-9] / np.sqrt(len(cycles)))
    assert np.abs(z).max() < 5
    assert 0.8 < z.std() < 1.2


def test_feet_stand_and_knees_do_not_bend_forward(body, space):
    rows, slides = sole_rows(body), []
    knees = [3 * (SMPL_JOINTS.index(f"{side}_knee") - 1) for side in ("left", "right")]
    for number in range(12):
        walk = make_walk(body, space, Population(seed=1), number, "nm", 0)
        posed = forward(body, walk.params, dtype=np.float64)
        points = np.stack([rows @ np.concatenate(one) for one in zip(posed.vertices, posed.joints, strict=True)])
        resting = stances(points, np.arange(len(points)) / walk.fps)
        assert resting.mean() > 0.3
        slides.append(skating(points, resting))
        lowest = posed.vertices[..., 1].min(axis=1)
        assert np.abs(np.median(lowest)) < 0.006
        assert lowest.min() > -0.03
        assert lowest.max() < 0.01
        assert walk.params.body_pose[:, knees].min() >= 0
        assert 0.4 < np.linalg.norm(np.ptp(walk.params.transl[:, [0, 2]], axis=0)) / 2 < 2.2
    # Real walks, fitted: 1.9 to 3.0 mm from frame to frame.
    assert np.median(slides) < 0.0025
    assert max(slides) < 0.004


def test_walks_go_on_where_finer_or_longer_ones_do(body, space):
    population = Population(seed=1, frames=10)
    short, long = (make_walk(body, space, replace(population, frames=n), 0, "nm", 0).params for n in (10, 20))
    np.testing.assert_allclose(short.body_pose, long.body_pose[:10], atol=1e-6)
    np.testing.assert_allclose(short.transl, long.transl[:10], atol=2e-3)


@pytest.mark.parametrize("draw", [draw_bag, draw_clothes])
def test_outfits_fit_the_person(body, space, draw):
    for number in range(20):
        person = draw_person(space, Population(), number)
        figure = Figure.of(body, person.betas)
        outfit = draw(figure, np.random.default_rng(number))
        worn = outfit.worn
        np.testing.assert_allclose(worn.weights.sum(axis=1), 1, atol=1e-6)
        assert (worn.weights >= 0).all()
        assert worn.thickness.min() >= 0
        assert len(worn.faces) or worn.thickness.any()
        # Nothing floats: the nearest skin is within a hand's breadth.
        if len(worn.vertices):
            gaps = np.linalg.norm(worn.vertices[:, None] - figure.vertices[None, ::5], axis=-1).min(axis=1)
            assert gaps.min() < 0.12
            assert np.abs(worn.vertices).max() < 2


def test_hands_carry_on_both_sides(body, space):
    figure = Figure.of(body, np.zeros(10))
    swings = [draw_bag(figure, np.random.default_rng(number)).arm_swing for number in range(200)]
    left, right = (np.sum([swing[side] < swing[1 - side] for swing in swings]) for side in (0, 1))
    assert abs(left - right) < 5 * np.sqrt(left + right)
    assert min(left, right) > 20


def test_superellipsoids_are_closed_and_look_outwards():
    vertices, faces = superellipsoid(0.5)
    a, b, c = (vertices[faces[:, corner]] for corner in range(3))
    volume = np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6
    assert 4.2 < abs(volume) < 8
