"""Labelled markers: shape and placement are learned together, wrong labels are found, exact markers give the mesh."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from toy_walk import gait

from meshgait_data.body.files import load_body
from meshgait_data.body.joint_files import load_skin_points
from meshgait_data.body.measure import measure
from meshgait_data.body.model import forward
from meshgait_data.body.placement import Marker, Placement, place_markers
from meshgait_data.body.placement_files import load_markers, load_placement, placement_names
from meshgait_data.errors import FitError, UsageError
from meshgait_data.fit import from_markers
from meshgait_data.fit.chain import Chain
from meshgait_data.fit.from_markers import PosePriors, Session, columns_of, exact_markers, learn_worn, worn_markers
from meshgait_data.fit.marker_check import in_words, suspects
from meshgait_data.fit.priors.ranges import limits
from meshgait_data.fit.terms.limits import Limits
from meshgait_data.fit.terms.pose_prior import PoseTerm
from meshgait_data.pipeline.prior_files import load_priors
from meshgait_data.sources.c3d import read_c3d
from meshgait_data.types import Points3D

DATA = Path(__file__).parents[2] / "data" / "c3d"
SHAPE = np.array([1.0, -0.8, 0.6, -0.5, 0.5])


@pytest.fixture(scope="module")
def lite():
    return load_body("free-lite")


@pytest.fixture(scope="module")
def placed(lite):
    return load_markers(lite, "plug_in_gait")


@pytest.fixture(scope="module")
def priors():
    pose = load_priors().pose
    stops = Limits.of(torch.as_tensor(limits(), dtype=torch.float64), range(24), sd_deg=3.0)
    return PosePriors(pose.mean, (PoseTerm.of(pose, range(24)), stops))


def recording(name):
    take = read_c3d(DATA / f"{name}.c3d")
    return Points3D(take.points, take.names, "plug_in_gait")


def heights(lite, worn):
    return float(measure(lite, worn.betas, ["height"])["height"])


@pytest.fixture(scope="module")
def child(lite, placed, priors):
    session = Session((recording("walk"),), recording("static"))
    return learn_worn(lite, Chain.of(lite), [session], placed, priors)[0]


def test_a_child_has_its_stature(lite, child):
    assert child.converged
    assert heights(lite, child) == pytest.approx(read_c3d(DATA / "static.c3d").height_m, abs=0.02)


def test_markers_lie_where_the_body_has_them(child):
    assert np.nanmean(child.residual_m) < 0.008
    assert not child.mislabelled.any()


def test_a_turned_head_band_is_found_and_left_out(lite, placed, priors, child):
    walk = recording("walk")
    turned = {"LFHD": "RBHD", "RBHD": "LFHD", "RFHD": "LBHD", "LBHD": "RFHD"}
    wrong = replace(walk, names=tuple(turned.get(name, name) for name in walk.names))
    worn = learn_worn(lite, Chain.of(lite), [Session((wrong,), recording("static"))], placed, priors)[0]
    labels = {worn.markers.labels[i][0] for i in np.flatnonzero(worn.mislabelled[1])}
    assert labels == set(turned)
    assert not worn.mislabelled[0].any()
    assert heights(lite, worn) == pytest.approx(heights(lite, child), abs=0.02)


def test_too_few_markers_name_what_is_there(placed):
    few = Points3D(np.zeros((3, 2, 3)), ("LASI", "Nose"), "plug_in_gait")
    with pytest.raises(FitError, match="1 markers of the layout 'plug_in_gait' are there, 12 are needed; labels: LASI"):
        worn_markers([few], placed, least=12)


def test_labels_match_in_any_case_and_gaps_stay(placed):
    points = np.arange(18.0).reshape(2, 3, 3)
    points[1, 0, 2] = np.nan
    seen = Points3D(points, ("lasi", "T10", "C7"), "plug_in_gait")
    markers = worn_markers([seen], placed)
    assert markers.names == ("c7", "t10", "left_front_pelvis")
    found = columns_of(seen, markers)
    np.testing.assert_array_equal(found[:, :2], points[:, [2, 1]])
    assert np.isnan(found[1, 2]).all()


def test_placements_that_ship_are_symmetric(lite):
    for name in placement_names():
        markers = load_markers(lite, name)
        rest = markers.rows[:, : lite.num_vertices] @ lite.v_template + markers.offsets
        for index, left in enumerate(markers.names):
            if left.startswith("left_"):
                right = markers.names.index(left.replace("left_", "right_"))
                np.testing.assert_allclose(rest[right], rest[index] * (-1, 1, 1), atol=2e-4)


def test_a_layout_that_names_no_rule(lite):
    layout = replace(load_placement("plug_in_gait"), markers=(Marker("nose", ("NOSE",), "tip_of_the_nose"),), points=())
    with pytest.raises(UsageError, match="no rule for tip_of_the_nose"):
        place_markers(lite, layout, load_skin_points())


def test_one_label_cannot_mean_two_markers():
    with pytest.raises(ValueError, match="more than one marker: LANK"):
        Placement("x", "x", "x", 0.01, 0.01, 0.01, (Marker("left_a", ("?ANK",), "a"), Marker("b", ("LANK",), "b")))


def test_exchanged_labels_are_named():
    rng = np.random.default_rng(0)
    body = rng.uniform(0, 2, (50, 6, 3))
    observed = body + 0.003 * rng.standard_normal(body.shape)
    observed[10:30, [1, 4]] = observed[10:30, [4, 1]]
    observed[40:, 2] += 0.2
    observed[:5, 3] = np.nan
    words = in_words(suspects(observed, body, np.arange(200, 250)), [f"M{i}" for i in range(6)])
    assert "markers: M1 and M4 are exchanged in frames 210-229" in words or (
        "markers: M4 and M1 are exchanged in frames 210-229" in words
    )
    assert any("M2" in text and "mm off the body in frames 240-249" in text for text in words)
    assert len(words) == 2


def test_exact_markers_are_not_learned(lite):
    truth = gait(6, SHAPE)
    ids = np.arange(0, lite.num_vertices, 27)
    markers = exact_markers(lite, ids, [f"v{i}" for i in ids], "virtual")
    assert from_markers.is_exact(markers)
    skin = forward(lite, truth).vertices[:, ids]
    seen = Points3D(skin, markers.names, "virtual")
    np.testing.assert_array_equal(columns_of(seen, worn_markers([seen], markers)), skin)
