"""2D keypoints to bodies: walks of the gait prior seen by several cameras, one, nominal ones and crops."""

import numpy as np
import pytest
import torch

from meshgait_data.body.files import load_body
from meshgait_data.body.joint_files import load_regressor
from meshgait_data.conventions import SMPL_JOINTS, SMPL_MIRROR
from meshgait_data.errors import FitError
from meshgait_data.fit import FitSettings, from_keypoints
from meshgait_data.fit.batch import Layout, State, pose
from meshgait_data.fit.cameras import EXTRA, nominal_cameras
from meshgait_data.fit.chain import Chain
from meshgait_data.fit.engine import solve
from meshgait_data.fit.from_keypoints import KeypointOptions
from meshgait_data.fit.known import Known
from meshgait_data.fit.points import BodyPoints
from meshgait_data.fit.scene import Scene
from meshgait_data.fit.terms.reprojection import BIAS
from meshgait_data.manifest import JointMap, MappedJoint, load_rig
from meshgait_data.pipeline.prior_files import load_priors
from meshgait_data.render.cameras import look_at, project
from meshgait_data.rotations import exp
from meshgait_data.types import Camera, CaptureKey, Keypoints, Observations

OWN = JointMap("smpl24", "the body's own joints", tuple(MappedJoint(name, name) for name in SMPL_JOINTS))
FPS, FRAMES = 30.0, 45
LENS = np.array([[1000.0, 0.0, 500.0], [0.0, 1000.0, 500.0], [0.0, 0.0, 1.0]])


@pytest.fixture(scope="module")
def priors():
    return load_priors("walk")


@pytest.fixture(scope="module")
def body():
    return load_body("free-lite")


@pytest.fixture(scope="module")
def walk(body, priors):
    """A walk along +z of somebody with a style and a shape: posed joints and what else is true."""
    chain, gait = Chain.of(body, num_betas=10), priors.gait.with_styles(6)
    generator = torch.Generator().manual_seed(4)
    style = 0.7 * torch.randn(6, generator=generator, dtype=torch.float64)
    betas = torch.randn(1, 10, generator=generator, dtype=torch.float64)
    seconds = (torch.arange(FRAMES) - (FRAMES - 1) / 2).double() / FPS
    phase = 1.0 + 2 * torch.pi * 0.95 * seconds
    sways, root = gait.root(phase, style).unbind(1)[1], gait.root(phase, style)
    way = torch.stack([0.84 * sways, 0.84 * root[:, 0], 1.2 * seconds + 0.84 * root[:, 2]], 1)
    rotations = gait.rotations(phase, style)
    state = State(rotations, way - chain.template[0], betas)
    return pose(chain, Layout.of([FRAMES]), state)


def camera(azimuth, height=1.5):
    angle = np.deg2rad(azimuth)
    position = np.array([4.5 * np.sin(angle), height, 4.5 * np.cos(angle)])
    rotation = look_at(position, np.array([0.0, 0.9, 0.0]))
    return Camera(str(azimuth), LENS, rotation, -rotation @ position, (1000, 1000))


def observed(points, cameras, names=SMPL_JOINTS, joint_set="smpl24", noise=3.0, known=True, seed=0):
    rng = np.random.default_rng(seed)
    keypoints = []
    for each in cameras:
        pixels = project(each, points)[0]
        pixels = pixels + noise * rng.normal(size=pixels.shape)
        keypoints.append(Keypoints(each.name, pixels, np.ones(pixels.shape[:2]), names, joint_set, each.size))
    count = len(points)
    return Observations(
        CaptureKey("toy", "a", "walk"), np.zeros((count, 0, 3)), (), "", np.arange(count), FPS,
        keypoints=tuple(keypoints), cameras={each.name: each for each in cameras} if known else {},
    )  # fmt: skip


def fitted(body, priors, seen, maps=None, options=None):
    known = Known(priors.pose, priors.gait, maps or {"smpl24": OWN}, keypoints=options or KeypointOptions())
    solved = solve(body, seen, known)
    return solved.begun, solved.solution, solved.found


def root_relative_mm(found, wanted):
    return 1e3 * float(((found - found[:, :1]) - (wanted - wanted[:, :1])).norm(dim=-1).mean())


def faces(posed, walk):
    return float((posed.world[:, 0, :, 2] * walk.world[:, 0, :, 2]).sum(1).min())


@pytest.mark.parametrize("views", [4, 2])
def test_several_views_beat_triangulation(body, priors, walk, views):
    joints = walk.joints.numpy()
    seen = [observed(joints, [camera(a) for a in (0, 90, 180, 270)[:views]], seed=s) for s in (0, 1)]
    begun, solution, _ = fitted(body, priors, seen)
    truth = walk.joints.repeat(2, 1, 1)
    start = pose(solution.posed.chain, solution.posed.layout, begun.state)
    fit_mm, start_mm = (1e3 * float((p.joints - truth).norm(dim=-1).mean()) for p in (solution.posed, start))
    assert begun.pose_prior is None
    assert solution.converged.all()
    assert fit_mm < {4: 7, 2: 10}[views]
    assert fit_mm < 0.6 * start_mm
    assert float((solution.posed.joints - truth).norm(dim=-1).max()) < 0.1


@pytest.mark.parametrize("azimuth", [90, 0, 180, 45])
def test_one_view_finds_the_way_that_the_walker_faces(body, priors, walk, azimuth):
    begun, solution, _ = fitted(body, priors, [observed(walk.joints.numpy(), [camera(azimuth)])])
    assert faces(solution.posed, walk) > 0.9
    assert root_relative_mm(solution.posed.joints, walk.joints) < 40
    assert 0 <= float(begun.ambiguity) < 0.9


def test_one_view_of_somebody_on_a_treadmill(body, priors, walk):
    still = walk.joints - walk.joints[:, :1] * torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)
    begun, solution, _ = fitted(body, priors, [observed(still.numpy(), [camera(60)])])
    assert faces(solution.posed, walk) > 0.9
    assert root_relative_mm(solution.posed.joints, walk.joints) < 40
    assert 0 < float(begun.ambiguity) < 0.9


def test_coco_keypoints_of_one_view(body, priors, walk):
    regressor = load_regressor(body, "coco17")
    points = BodyPoints.regressed(body, walk.chain, regressor.matrix).place(walk).points.numpy()
    seen = observed(points, [camera(70)], regressor.names, "coco17")
    _, solution, found = fitted(body, priors, [seen], {"coco17": regressor})
    assert faces(solution.posed, walk) > 0.9
    assert root_relative_mm(solution.posed.joints, walk.joints) < 60
    assert float(found.parts["keypoints"].shape_precision) > 0.1


def test_gaps_and_a_person_who_leaves_the_view(body, priors, walk):
    seen = observed(walk.joints.numpy(), [camera(0), camera(90)])
    seen.keypoints[0].points[:15] = np.nan
    seen.keypoints[1].confidence[30:] = 0
    seen.keypoints[1].points[20, 5] = np.nan
    kept = from_keypoints.enough(seen, {"smpl24": OWN}, 0.25)
    assert kept.all()
    _, solution, _ = fitted(body, priors, [seen])
    assert 1e3 * float((solution.posed.joints - walk.joints)[15:30].norm(dim=-1).mean()) < 20
    assert root_relative_mm(solution.posed.joints, walk.joints) < 60
    seen.keypoints[0].points[:] = np.nan
    assert from_keypoints.enough(seen, {"smpl24": OWN}, 0.25).sum() == 30


def test_cameras_that_never_see_the_person_together(body, priors, walk):
    seen = observed(walk.joints.numpy(), [camera(30), camera(120)])
    seen.keypoints[0].points[22:] = np.nan
    seen.keypoints[1].points[:22] = np.nan
    begun, solution, _ = fitted(body, priors, [seen, observed(walk.joints.numpy(), [camera(0), camera(90)])])
    assert faces(solution.posed, pose(walk.chain, solution.posed.layout, twice(walk.state))) > 0.8
    assert root_relative_mm(solution.posed.joints[:FRAMES], walk.joints) < 60
    assert 1e3 * float((solution.posed.joints[FRAMES:] - walk.joints).norm(dim=-1).mean()) < 12
    assert (begun.ambiguity < 0.9).all()


def twice(state):
    return State(state.rotations.repeat(2, 1, 1, 1), state.transl.repeat(2, 1), state.betas.repeat(2, 1))


def test_outliers_do_not_count(body, priors, walk):
    seen = observed(walk.joints.numpy(), [camera(a) for a in (0, 90, 180, 270)])
    rng = np.random.default_rng(0)
    for each in seen.keypoints:
        wrong = rng.random(each.points.shape[:2]) < 0.05
        each.points[wrong] += rng.normal(size=(wrong.sum(), 2)) * 150
    _, solution, _ = fitted(body, priors, [seen])
    assert 1e3 * float((solution.posed.joints - walk.joints).norm(dim=-1).mean()) < 10


def test_nominal_cameras_are_estimated_with_the_body(body, priors, walk):
    rng = np.random.default_rng(1)
    nominal = {name: each for name, each in nominal_cameras(load_rig("casia_b").cameras).items() if int(name) % 36 == 0}
    true = []
    for each in nominal.values():
        turn = exp(np.deg2rad([0.5, 2.0, 0.5]) * rng.normal(size=3))
        lens = np.array(each.intrinsics)
        lens[:2, :2] *= 1.08
        true.append(
            Camera(each.name, lens, each.rotation @ turn, each.translation + 0.1 * rng.normal(size=3), each.size)
        )
    seen = observed(walk.joints.numpy(), true, noise=1.0, known=False)
    _, solution, found = fitted(body, priors, [seen], options=KeypointOptions(nominal=nominal))
    assert {extra.name for extra in found.extras} == {EXTRA}
    assert root_relative_mm(solution.posed.joints, walk.joints) < 15
    assert float(solution.residuals["keypoints"].error.mean()) < 1.6
    scale = solution.posed.joints[:, 15, 1].mean() / walk.joints[:, 15, 1].mean()
    assert abs(float(scale) - 1) < 0.05


@pytest.mark.parametrize("azimuth", [90, 20])
def test_crops_of_any_scale(body, priors, walk, azimuth):
    seen = observed(walk.joints.numpy(), [camera(azimuth, height=0.9)], noise=0.0, known=False)
    pixels, rng = seen.keypoints[0].points, np.random.default_rng(0)
    low, high = pixels[..., 1].min(1), pixels[..., 1].max(1)
    middle = np.stack([pixels[..., 0].mean(1), (low + high) / 2], -1)[:, None]
    cut = (pixels - middle) * (58 / (high - low))[:, None, None] + 31.5 + 0.3 * rng.normal(size=pixels.shape)
    keypoints = Keypoints("crop", cut, np.ones(cut.shape[:2]), SMPL_JOINTS, "smpl24", (64, 64))
    seen = type(seen)(seen.key, seen.joints, (), "", seen.frame_ids, FPS, keypoints=(keypoints,))
    assert not from_keypoints.continuous(seen)
    _, solution, _ = fitted(body, priors, [seen])
    assert float(solution.residuals["keypoints"].error.mean()) < 0.8
    # In the crop's world the walker is turned by the camera's azimuth.
    angle = -np.deg2rad(azimuth)
    turn = torch.tensor([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
    ahead = (turn @ walk.world[:, 0, :, 2:])[..., 0]
    assert float((solution.posed.world[:, 0, :, 2] * ahead).sum(1).min()) > 0.8


def test_constant_offsets_of_a_persons_keypoints(body, priors, walk):
    generator = torch.Generator().manual_seed(5)
    offsets = 0.02 * torch.randn(1, 24, 3, generator=generator, dtype=torch.float64)
    points = BodyPoints.at_joints(walk.chain, range(24)).place(walk, offsets).points
    seen = [observed(points.numpy(), [camera(a) for a in (0, 90, 180, 270)], noise=1.0)]
    errors = []
    for options in (KeypointOptions(), KeypointOptions(bias_m=0.02)):
        _, solution, _ = fitted(body, priors, seen, options=options)
        errors.append(1e3 * float((solution.posed.joints - walk.joints).norm(dim=-1).mean()))
    assert errors[1] < errors[0]
    found = solution.state.extras[BIAS].reshape(-1)
    assert np.corrcoef(found, offsets.reshape(-1))[0, 1] > 0.5


@pytest.mark.parametrize("frames", [1, 2, 4])
@pytest.mark.parametrize("azimuths", [(90,), (0, 90)])
def test_short_captures(body, priors, walk, frames, azimuths):
    seen = observed(walk.joints.numpy()[20 : 20 + frames], [camera(a) for a in azimuths])
    _, solution, _ = fitted(body, priors, [seen])
    assert solution.state.rotations.isfinite().all()
    assert float(solution.residuals["keypoints"].error.mean()) < 6


def test_what_does_not_fit_says_so(body, priors, walk):
    seen = observed(walk.joints.numpy(), [camera(0)])
    with pytest.raises(FitError, match="no map for the keypoints 'smpl24'") as error:
        from_keypoints.enough(seen, {"coco17": OWN}, 0.25)
    assert "coco17" in error.value.hint
    few = Keypoints("0", seen.keypoints[0].points[:, :5], np.ones((FRAMES, 5)), SMPL_JOINTS[:5], "smpl24")
    with pytest.raises(FitError, match="were not observed"):
        from_keypoints.enough(
            type(seen)(seen.key, seen.joints, (), "", seen.frame_ids, FPS, keypoints=(few,)), {"smpl24": OWN}, 0.25
        )
    scene = Scene.of(body, [seen], {"smpl24": OWN}, FitSettings())
    found = from_keypoints.evidence(scene)
    with pytest.raises(FitError, match="gait-cycle prior"):
        from_keypoints.start(scene, found, mean=priors.pose.mean, free=tuple(range(22)))
    two = observed(walk.joints.numpy(), [camera(0), camera(90)], known=False)
    with pytest.raises(FitError, match="no camera"):
        from_keypoints.evidence(Scene.of(body, [two], {"smpl24": OWN}, FitSettings()))


def test_signatures_part_what_cannot_be_solved_together(walk):
    one, two = (observed(walk.joints.numpy(), [camera(a) for a in azimuths]) for azimuths in ((0,), (0, 90)))
    three = observed(walk.joints.numpy(), [camera(a) for a in (0, 90, 180)])
    crop = observed(walk.joints.numpy(), [camera(0)], known=False)
    assert from_keypoints.signature(two) == from_keypoints.signature(three)
    assert len({from_keypoints.signature(each) for each in (one, two, crop)}) == 3


def test_left_and_right_exchanged_for_a_while(body, priors, walk):
    seen = observed(walk.joints.numpy(), [camera(a) for a in (0, 90, 180, 270)])
    seen.keypoints[1].points[10:25] = seen.keypoints[1].points[10:25][:, SMPL_MIRROR]
    _, solution, _ = fitted(body, priors, [seen])
    error = 1e3 * (solution.posed.joints - walk.joints).norm(dim=-1).mean(1)
    assert float(error.max()) < 30
    # The view that exchanged them is the one that does not fit.
    by_view = solution.residuals["keypoints"].by_view
    assert (by_view[10:25].argmax(1) == 1).all()


def test_left_and_right_exchanged_in_the_only_view_leave_a_large_residual(body, priors, walk):
    seen = observed(walk.joints.numpy(), [camera(60)])
    seen.keypoints[0].points[15:25] = seen.keypoints[0].points[15:25][:, SMPL_MIRROR]
    _, solution, _ = fitted(body, priors, [seen])
    error = solution.residuals["keypoints"].error
    assert float(error[15:25].mean()) > 4 * float(error[:10].mean())
    assert faces(solution.posed, walk) > 0.8


def test_somebody_who_stands(body, priors, walk):
    """Says how far off it is, and does not break: a walk's prior has no standing people."""
    joints = walk.joints[20:21].expand(30, -1, -1).numpy()
    _, solution, _ = fitted(body, priors, [observed(joints, [camera(60)])])
    assert float(solution.residuals["keypoints"].error.mean()) < 6
    assert solution.state.transl.isfinite().all()
