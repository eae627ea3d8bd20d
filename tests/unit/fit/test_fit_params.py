"""Existing parameters as fits: kept, checked against masks, moved to another body, refined."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from toy_walk import KEY, gait

from meshgait_data.body.files import load_body
from meshgait_data.body.joint_files import load_skin_points
from meshgait_data.body.model import Body, forward, move
from meshgait_data.conventions import SMPL_JOINTS
from meshgait_data.errors import FitError, InvalidData
from meshgait_data.fit import from_params
from meshgait_data.fit.adopt import GivenSettings, adopt, fill, to_world, usable
from meshgait_data.fit.judging import judged
from meshgait_data.fit.mask_check import body_iou, iou
from meshgait_data.fit.minimise import Problem, minimise
from meshgait_data.fit.retarget import copy_pose, rest_pelvis, retarget, shape_from_bones, to_params
from meshgait_data.fit.scene import Scene
from meshgait_data.fit.settings import FitSettings
from meshgait_data.fit.terms.smoothness import Smoothness, stencils
from meshgait_data.render.raster import silhouettes
from meshgait_data.rotations import exp, log
from meshgait_data.sources.smpl_params import ReadOptions
from meshgait_data.sources.smpl_params.settle import place_weak
from meshgait_data.types import BodyParams, Camera, GivenParams, Masks, Observations

SKIN = load_skin_points()
SHAPE = np.array([0.8, -0.6, 0.5, 0.4, -0.7, 0.3, 0.2, -0.3, 0.4, 0.1])
DOWN = np.diag([1.0, -1.0, -1.0])


@pytest.fixture(scope="module")
def lite() -> Body:
    return load_body("free-lite")


def observations(
    params: BodyParams, *, body: str, seen: np.ndarray | None = None, frame: str = "world"
) -> Observations:
    count = len(params)
    there = np.ones(count, bool) if seen is None else seen
    given = GivenParams(params, body, "smplx", there, frame)
    nothing = np.zeros((count, 0, 3))
    return Observations(KEY, nothing, (), "", np.arange(count), 30.0, given=given)


def camera(size: tuple[int, int] = (160, 200)) -> Camera:
    intrinsics = np.array([[400.0, 0, 80], [0, 400.0, 100], [0, 0, 1]])
    return Camera("090", intrinsics, DOWN, np.array([0.0, 1.1, 4.5]), size)


def apart_mm(body: Body, a: BodyParams, b: BodyParams) -> tuple[float, float]:
    """Mean distance of joints and of vertices."""
    first, second = forward(body, a), forward(body, b)
    return tuple(
        1e3 * float(np.linalg.norm(x - y, axis=-1).mean())
        for x, y in ((first.joints, second.joints), (first.vertices, second.vertices))
    )


def test_parameters_of_the_same_body_are_kept_to_the_bit(lite):
    params = gait(8, SHAPE)
    adopted = adopt(lite, observations(params, body="free-lite"), source=lite)
    fit = from_params.keep(lite, adopted, provenance={"params_sha256": "abc"})
    for name in ("betas", "global_orient", "body_pose", "transl"):
        np.testing.assert_array_equal(getattr(fit.params, name), getattr(params, name))
    assert fit.provenance["given"] == {"layout": "smplx", "body": "free-lite", "how": "same", "mode": "keep"}
    assert fit.provenance["params_sha256"] == "abc"
    assert not fit.reasons


def test_missing_frames_are_dropped_and_named(lite):
    seen = np.ones(9, bool)
    seen[[3, 8]] = False
    fit = from_params.keep(lite, adopt(lite, observations(gait(9), body="x", seen=seen), source=lite))
    assert fit.frame_ids.tolist() == [0, 1, 2, 4, 5, 6, 7]
    assert fit.reasons == ("dropped: 2 frames without parameters (3, 8)",)
    with pytest.raises(FitError, match="no frame has parameters"):
        adopt(lite, observations(gait(9), body="x", seen=np.zeros(9, bool)), source=lite)


def test_refining_fills_short_gaps_between_neighbours(lite):
    params, seen = gait(20, SHAPE), np.ones(20, bool)
    seen[[0, 4, 5, 10, 11, 12, 13, 14, 15]] = False
    adopted = adopt(lite, observations(params, body="x", seen=seen), GivenSettings("refine", max_gap=3), source=lite)
    assert adopted.filled.tolist() == [4, 5]
    assert adopted.dropped.tolist() == [0, 10, 11, 12, 13, 14, 15]
    used = adopted.observations
    assert used.given is not None
    assert used.given.seen.sum() == 11
    joints, _ = apart_mm(lite, used.given.params, params.take(used.frame_ids))
    assert joints < 3.0
    assert any("filled" in reason for reason in from_params.keep(lite, adopted).reasons)


def test_gaps_are_counted_in_frames_of_the_source():
    seen = np.array([True, False, True, False, True])
    kept, filled = usable(seen, np.array([0, 1, 2, 3, 20]), 3)
    assert kept.tolist() == [True, True, True, False, True]
    assert filled.tolist() == [False, True, False, False, False]


def test_filled_rotations_lie_on_the_shortest_turn(rng):
    params = gait(3)
    params.body_pose[:] = rng.normal(0, 0.5, params.body_pose.shape)
    filled = fill(params, np.array([True, False, True]), np.array([0, 1, 4]))
    first, middle, last = (exp(filled.body_pose[i].reshape(23, 3).astype(float)) for i in range(3))
    whole = log(first.swapaxes(1, 2) @ last)
    np.testing.assert_allclose(log(first.swapaxes(1, 2) @ middle), whole / 4, atol=1e-5)
    np.testing.assert_allclose(filled.transl[1], 0.75 * params.transl[0] + 0.25 * params.transl[2], atol=1e-6)


def test_masks_are_checked_and_judged(lite):
    params = gait(8, SHAPE)
    params.transl[:, 2] = 0
    view = camera()
    images = silhouettes(forward(lite, params).vertices, lite.faces, view)
    # A neighbour's mask, no mask, and one that is empty though it is said to be there.
    images[2] = np.roll(images[2], 60, axis=1)
    images[5] = 0
    seen = np.arange(8) != 4
    with_masks = replace(observations(params, body="x"), masks=(Masks("090", images, seen),), cameras={"090": view})
    fit = from_params.keep(lite, adopt(lite, with_masks, source=lite))
    values = fit.residuals["mask_iou:090"]
    assert np.isnan(values).tolist() == [i in (4, 5) for i in range(8)]
    np.testing.assert_array_equal(values[[0, 1, 3, 6, 7]], 1.0)
    assert values[2] < 0.3
    verdict = judged(lite, fit, with_masks, {}, world=False).verdict
    assert verdict[2] == 2
    assert (verdict[[0, 1, 3]] == 0).all()


def test_parameters_in_a_camera_go_to_the_world(lite):
    params, view = gait(6, SHAPE), camera()
    inside = move(lite, params, view.rotation, view.translation)
    seen = replace(observations(inside, body="x", frame="090"), cameras={"090": view})
    adopted = adopt(lite, seen, source=lite)
    assert max(apart_mm(lite, adopted.observations.given.params, params)) < 1e-3


def test_a_camera_without_a_place_gets_a_world_with_y_up(lite):
    params, view = gait(6, SHAPE), camera()
    inside = move(lite, params, view.rotation, view.translation)
    plain = replace(view, rotation=np.eye(3), translation=np.zeros(3))
    world, moved = to_world(lite, inside, plain, "090")
    assert (exp(world.global_orient.astype(float))[:, 1, 1] > 0.9).all()
    a = silhouettes(forward(lite, inside).vertices, lite.faces, plain)
    b = silhouettes(forward(lite, world).vertices, lite.faces, moved)
    # Rounding of places in float32 moves an edge pixel now and then.
    assert (a != b).sum() <= 6
    with pytest.raises(FitError, match="camera '090', which is not known"):
        to_world(lite, inside, None, "090")


def test_weak_perspective_masks(lite):
    params = gait(5, SHAPE)
    still = move(lite, replace(params, transl=0 * params.transl), DOWN, np.zeros(3))
    weak = np.stack([np.full(5, 0.8), np.linspace(-0.2, 0.2, 5), np.zeros(5)], 1)
    own, nominal, transl = place_weak(weak, (120, 160), ReadOptions(view="000"))
    vertices = forward(lite, replace(still, transl=0 * still.transl)).vertices
    placed = forward(lite, replace(still, transl=transl.astype(np.float32))).vertices
    masks = silhouettes(placed, lite.faces, nominal)
    assert body_iou(placed, lite.faces, masks, nominal).min() == 1.0
    assert body_iou(vertices, lite.faces, masks, own).min() > 0.97
    assert body_iou(vertices, lite.faces, np.roll(masks, 50, axis=2), own).max() < 0.4


@pytest.mark.parametrize(("source", "target"), [("free", "free-lite"), ("free-lite", "free")])
def test_retargeting_between_free_bodies(source, target):
    params, old, new = gait(12, SHAPE), load_body(source), load_body(target)
    found = retarget(params, new, old, SKIN)
    assert (found.how, found.converged) == ("fitted", True)
    got = apart_mm(new, found.params, params)
    assert got[0] < 2
    assert got[1] < 3
    assert found.error_m.mean() < 2e-3


def test_retargeting_to_fewer_betas_and_to_itself(lite, rng):
    params = gait(12, rng.normal(0, 0.8, 30))
    free = load_body("free")
    assert retarget(params, free, free, SKIN).params is params
    found = retarget(params, lite, free, SKIN)
    assert len(found.params.betas) == 10
    joints, mesh = apart_mm(lite, found.params, params)
    assert joints < 4
    assert mesh < 6


def test_a_pose_is_copied_where_the_body_is_not_at_hand(lite):
    params = gait(12, SHAPE)
    pelvis = rest_pelvis(lite, SHAPE)
    joints = forward(lite, params).joints.astype(np.float64)
    joints[3, 4] = np.nan
    mean, shaped = copy_pose(params, lite, pelvis), copy_pose(params, lite, pelvis, joints)
    assert (mean.how, shaped.how) == ("copied, mean shape", "copied")
    assert not mean.params.betas.any()
    np.testing.assert_allclose(mean.params.body_pose, params.body_pose, atol=1e-5)
    a, b = forward(lite, mean.params).joints[:, 0], joints[:, 0]
    np.testing.assert_allclose(a, b, atol=1e-5)
    assert apart_mm(lite, shaped.params, params)[0] < 0.6 * apart_mm(lite, mean.params, params)[0]


def test_bones_give_the_shape(lite):
    joints = forward(lite, gait(2, SHAPE)).joints.astype(np.float64)
    betas = shape_from_bones(lite, joints, 10, sigma_m=1e-4)
    again = forward(lite, gait(2, betas)).joints
    bones = [np.linalg.norm(j[:, 1:3] - j[:, 4:6], axis=-1) for j in (joints, again)]
    np.testing.assert_allclose(*bones, atol=2e-3)


def test_betas_are_never_taken_over_from_an_unknown_body(lite):
    adopted = adopt(lite, observations(gait(4, SHAPE), body="smpl"))
    assert not adopted.observations.given.params.betas.any()
    assert adopted.how == "copied, mean shape"
    assert any("not at hand" in reason for reason in from_params.keep(lite, adopted).reasons)
    joints = forward(lite, gait(4, SHAPE)).joints
    known = replace(observations(gait(4, SHAPE), body="smpl"), joints=joints, joint_names=SMPL_JOINTS)
    assert adopt(lite, known).how == "copied"


def scene_of(body: Body, seen: Observations) -> Scene:
    return Scene.of(body, [seen], {}, FitSettings())


def test_refining_smooths_noise_and_ignores_a_failed_frame(lite, rng):
    truth = gait(40, SHAPE)
    noisy = replace(truth, body_pose=truth.body_pose + rng.normal(0, 0.08, truth.body_pose.shape).astype(np.float32))
    noisy.body_pose[20, 3:9] += 1.5
    adopted = adopt(lite, observations(noisy, body="free-lite"), GivenSettings("refine"), source=lite)
    scene = scene_of(lite, adopted.observations)
    found = from_params.evidence(scene)
    start = from_params.start(scene)
    accelerations = torch.full((24,), 12 / 15.0**2, dtype=torch.float64)
    share = found.white_share
    smooth = Smoothness(stencils(scene.layout, scene.seconds), accelerations, 12 / 1.73**2, tuple(range(24)), share)
    problem = Problem(scene.chain, scene.layout, tuple(sorted(found.movers)), (*found.terms, smooth))
    solution = minimise(problem, start)
    refined = to_params(solution.state)
    before, after = apart_mm(lite, noisy, truth)[0], apart_mm(lite, refined, truth)[0]
    assert after < 0.75 * before
    bad = [apart_mm(lite, p.take([20]), truth.take([20]))[0] for p in (noisy, refined)]
    assert bad[1] < 0.7 * bad[0]


def test_depth_from_one_camera_is_trusted_less(lite):
    params, view = gait(4), camera()
    with_camera = replace(observations(params, body="x"), cameras={"090": view})
    scene = scene_of(lite, adopt(lite, with_camera, source=lite).observations)
    place = from_params.evidence(scene).terms[0].place.numpy()
    ray = np.array([0.0, 0.0, 1.0])
    across = np.array([1.0, 0.0, 0.0])
    assert (ray @ place @ ray < 0.2 * (across @ place @ across)).all()


def test_only_adopted_parameters_are_used(lite):
    with pytest.raises(FitError, match="in frame '090'"):
        from_params.start(scene_of(lite, observations(gait(4), body="smpl", frame="090")))


def test_iou_of_masks(rng):
    first = rng.random((4, 9, 7)) > 0.5
    second = first.copy()
    second[1], second[2] = ~first[1], False
    values = iou(first, 255 * second.astype(np.uint8))
    assert values[[0, 1, 3]].tolist() == [1.0, 0.0, 1.0]
    assert np.isnan(values[2])
    third = rng.random((4, 9, 7)) > 0.5
    expected = [(a & b).sum() / (a | b).sum() for a, b in zip(first, third, strict=True)]
    np.testing.assert_allclose(iou(first, third), expected)
    with pytest.raises(InvalidData, match="expected the same"):
        iou(first, first[:, :5])


def test_jitter_is_measured(lite, rng):
    params = gait(60, SHAPE)
    for size in (0.01, 0.05):
        noise = rng.normal(0, size, params.body_pose.shape).astype(np.float32)
        noisy = replace(params, body_pose=params.body_pose + noise)
        scene = scene_of(lite, adopt(lite, observations(noisy, body="x"), source=lite).observations)
        rotations = from_params.start(scene).rotations
        found = from_params.jitter_of(rotations, torch.ones(60, dtype=torch.bool), scene.layout)
        assert float(found[0]) == pytest.approx(size, rel=0.2)


def test_more_betas_than_are_estimated_leave_the_pelvis_where_it_is(rng):
    free, params = load_body("free"), gait(3, rng.normal(0, 1, 30))
    scene = scene_of(free, adopt(free, observations(params, body="free"), source=free).observations)
    state = from_params.start(scene)
    assert state.betas.shape == (1, 10)
    found = forward(free, to_params(state)).joints[:, 0]
    np.testing.assert_allclose(found, forward(free, params).joints[:, 0], atol=1e-5)
