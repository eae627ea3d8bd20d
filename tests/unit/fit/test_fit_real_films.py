"""Four real cameras that a detector looked through: it takes left for right in one of them for a third of the walk."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from meshgait_data.body.files import load_body

BENCHMARKS = Path(__file__).resolve().parents[3] / "benchmarks"


@pytest.fixture(scope="module")
def real():
    """The benchmark, which knows how the walk is read, fitted and measured."""
    sys.path.insert(0, str(BENCHMARKS))
    try:
        spec = importlib.util.spec_from_file_location("fit_real", BENCHMARKS / "fit_real.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(BENCHMARKS))
    return module


@pytest.fixture(scope="module")
def walk(real):
    body, seen = load_body("free-lite"), real.four_views()
    fit = real.fitted(body, seen)
    return body, seen, fit, real.points_of(body, fit)


def test_the_body_explains_the_keypoints_as_well_as_free_points_do(real, walk):
    _, seen, _, points = walk
    rows = [seen.keypoints[0].names.index(f"{side}_{limb}") for limb in real.LIMBS for side in ("left", "right")]
    sound = ~real.exchanged(seen, points).any(axis=0)
    free = real.triangulated(seen, robust=False)
    errors, floor = (real.misses(seen, places)[:, sound][..., rows].mean() for places in (points, free))
    assert errors < 1.1 * floor
    assert real.jitter_mm(points[:, rows]) < 0.5 * real.jitter_mm(free[:, rows])


def test_exchanged_sides_do_not_draw_the_body_along_and_are_flagged(real, walk):
    _, seen, fit, points = walk
    crossed = real.exchanged(seen, points)
    assert crossed[1].sum() > 20
    assert not crossed[[0, 2, 3]].any()
    # What the other views say of these frames is not spoilt by the one that is wrong.
    errors = np.median(real.misses(seen, points), axis=2)[[0, 3]]
    assert np.median(errors[:, crossed[1]]) < 1.5 * np.median(errors[:, ~crossed[1]])
    # Some of them exchange legs that nearly cover each other, which harms nobody.
    assert (fit.verdict[crossed[1]] > 0).mean() > 0.75


def test_it_is_a_man_of_usual_size(walk):
    body, _, fit, _ = walk
    template = body.v_template + body.shapedirs[..., : len(fit.params.betas)] @ fit.params.betas
    assert 1.65 < np.ptp(template[:, 1]) < 1.9
