"""Invented walkers: everything a camera sees of them agrees in 3D, and is always the same."""

import numpy as np
import pytest
from fakes.published import pretreated
from fakes.walkers import TAKES, betas_of, fake_body, film, walk_params

from meshgait_data.body.model import forward
from meshgait_data.conventions import SMPL_JOINTS
from meshgait_data.render.align import align
from meshgait_data.render.cameras import project, to_camera
from meshgait_data.render.rigs import walking_direction


@pytest.mark.parametrize("rig", ["casia_b", "oumvlp", "in_the_wild"])
def test_keypoints_lie_on_the_person(rig):
    for view in film(1, 0, rig=rig, frames=12).views.values():
        points = view.keypoints("coco17").points.round().astype(int)
        width, height = view.camera.size
        frames = np.arange(len(view))[:, None]
        assert ((points >= 0) & (points < [width, height])).all(), "the person leaves the picture"
        # Hips, knees and shoulders lie deep in the body whatever the view.
        inside = view.masks[frames, points[..., 1], points[..., 0]] > 0
        assert inside[:, [5, 6, 11, 12, 13, 14]].all()


def test_parameters_of_a_view_pose_the_body_in_the_frame_of_its_camera():
    walk = film(2, 1, rig="oumvlp", views=("030", "270"), frames=12)
    for view in walk.views.values():
        posed = forward(fake_body(), view.params)
        np.testing.assert_allclose(posed.vertices, to_camera(view.camera, walk.posed.vertices), atol=2e-5)
        np.testing.assert_allclose(posed.joints, view.joints("smpl24"), atol=2e-5)


def test_boxes_and_crops_cut_out_the_person():
    view = film(0, 0, views=("054",), frames=12).views["054"]
    crop, (left, top) = view.crop(1, margin=5)
    assert crop.sum() == view.masks[1].sum()
    assert (crop == view.masks[1, top : top + crop.shape[0], left : left + crop.shape[1]]).all()
    assert [line.any() for line in (crop[4], crop[5], crop[:, 4], crop[:, 5])] == [False, True, False, True]


@pytest.mark.parametrize("person", range(len(TAKES)))
def test_everybody_walks_straight_on_the_ground(person):
    params = walk_params(person, 0, frames=30, fps=25)
    posed = forward(fake_body(), params)
    np.testing.assert_allclose(posed.vertices[..., 1].min(axis=1), 0, atol=1e-4)
    path = posed.joints[:, 0]
    ahead = walking_direction(path)
    steps = np.diff(path, axis=0) @ ahead * 25
    assert 0.6 < steps.mean() < 2.2, "metres a second"
    # The chest looks where the walk leads: left shoulder on the left.
    across = posed.joints[:, SMPL_JOINTS.index("left_shoulder")] - posed.joints[:, SMPL_JOINTS.index("right_shoulder")]
    assert (across @ np.cross([0, 1, 0], ahead) > 0.15).all()


def test_the_same_arguments_give_the_same_film_and_others_another():
    first = film(3, 2, views=("090",), frames=12)
    film.cache_clear()
    again = film(3, 2, views=("090",), frames=12)
    assert (first.views["090"].masks == again.views["090"].masks).all()
    assert (first.params.transl == again.params.transl).all()
    masks = {
        film(person, take, views=("090",), frames=12).views["090"].masks.tobytes()
        for person in (0, 3)
        for take in range(5)
    }
    assert len(masks) == 10
    assert not np.array_equal(betas_of(0), betas_of(6)), "two people who walk alike differ in shape"


def test_bag_and_coat_are_seen_and_are_not_of_the_body():
    walks = {wears: film(2, 0, views=("000",), frames=12, wears=wears) for wears in ("", "bag", "coat")}
    masks = {wears: walk.views["000"].masks > 0 for wears, walk in walks.items()}
    for wears in ("bag", "coat"):
        assert (walks[wears].params.body_pose == walks[""].params.body_pose).all()
        assert masks[wears].sum() > 1.03 * masks[""].sum()
        assert (masks[wears] & masks[""]).sum() > 0.99 * masks[""].sum()
    with pytest.raises(ValueError, match="neither bag nor coat"):
        film(2, 0, frames=12, wears="hat")


def test_a_walk_that_is_longer_than_its_take_is_refused():
    with pytest.raises(ValueError, match="has only"):
        walk_params(0, 0, frames=500, fps=25)


def test_projection_of_joints_is_that_of_their_camera():
    view = film(1, 1, rig="in_the_wild", views=("w3",), frames=12).views["w3"]
    pixels, _ = project(view.camera, view.posed.joints)
    np.testing.assert_allclose(pixels, view.keypoints("smpl24").points, atol=0.01)


def test_the_plain_pretreatment_is_the_product_s():
    rng = np.random.default_rng(0)
    masks = [*film(4, 0, views=("072",), frames=12).views["072"].masks]
    masks += [np.uint8(255) * (rng.random((60, 40)) < share) for share in (0.0, 0.001, 0.01, 0.02, 0.5)]
    masks += [np.full((240, 3), 255, np.uint8), np.full((65, 1), 255, np.uint8), np.full((40, 400), 255, np.uint8)]
    for mask in masks:
        ours, plain = align(np.array(mask)[None]), pretreated(np.array(mask))
        assert ours.kept[0] == (plain is not None)
        assert plain is None or (ours.silhouettes[0] == plain).all()
