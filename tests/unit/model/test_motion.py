from dataclasses import replace

import numpy as np
import pytest
import torch

from meshgait_data.conventions import SMPL_JOINTS
from meshgait_data.errors import InvalidData
from meshgait_model.config.network import MotionConfig
from meshgait_model.nn.look import Look, Pooled
from meshgait_model.nn.motion import BodyAxes, MotionBranch, facing, from_root, in_body_frame, statistics

AXES = BodyAxes.of(SMPL_JOINTS)


def body(turn: float = 0.0) -> torch.Tensor:
    """Points (1, 24, 3) of a body that faces the camera, turned about the vertical through its pelvis."""
    rng = np.random.default_rng(0)
    points = torch.tensor(rng.normal(size=(1, 24, 3)) * 8).double()
    for side, u in (("left", 5.0), ("right", -5.0)):
        for joint in ("hip", "shoulder"):
            points[:, SMPL_JOINTS.index(f"{side}_{joint}")] = torch.tensor([u, -3.0 if joint == "hip" else -20.0, 0.0])
    c, s = np.cos(turn), np.sin(turn)
    rotation = torch.tensor([[c, 0, s], [0, 1, 0], [-s, 0, c]])
    pelvis = points[:, :1]
    return (points - pelvis) @ rotation.T + pelvis


def test_a_body_with_its_left_on_the_right_of_the_picture_faces_the_camera():
    torch.testing.assert_close(facing(body(), AXES)[0], torch.tensor([0.0, -1.0]).double(), atol=0.01, rtol=0)


def test_places_in_the_frame_of_the_body_by_hand():
    front = torch.zeros(1, 24, 3).double()
    front[0, 3], front[0, 4], front[0, 5] = (torch.tensor(p).double() for p in ([0, 0, -7.0], [7, 0, 0], [0, -7, 0]))
    found = in_body_frame(front, torch.tensor([[0.0, -1.0]]).double())
    expected = torch.eye(3).double() * 7
    torch.testing.assert_close(found[0, 3:6], expected)  # ahead, to the left, up


@pytest.mark.parametrize("turn", np.linspace(0.3, 6, 7))
def test_the_frame_of_the_body_does_not_know_the_view(turn):
    plain, turned, moved = body(), body(turn), body(turn) + torch.tensor([3.0, -2, 9])
    expected = in_body_frame(from_root(plain, AXES), facing(plain, AXES))
    for points in (turned, moved):
        torch.testing.assert_close(in_body_frame(from_root(points, AXES), facing(points, AXES)), expected)


def test_a_body_seen_as_a_line_has_finite_gradients():
    points = torch.zeros(1, 24, 3, requires_grad=True)
    in_body_frame(from_root(points, AXES), facing(points, AXES)).square().sum().backward()
    assert torch.isfinite(points.grad).all()


def test_joint_sets_without_pelvis_or_without_hips():
    names = [name for name in SMPL_JOINTS if name != "pelvis"]
    axes = BodyAxes.of(names)
    assert [names[i] for i in axes.root] == ["left_hip", "right_hip"]
    with pytest.raises(InvalidData, match="left_hip"):
        BodyAxes.of([name for name in SMPL_JOINTS if name != "left_hip"])


def walk(frames: int = 9) -> tuple[torch.Tensor, torch.Tensor]:
    """Points (2, T, 24, 3) about a root at rest, and where they face: a little to and fro about one direction."""
    rng = np.random.default_rng(1)
    places = torch.tensor(rng.normal(size=(2, 1, 24, 3)) + 0.3 * rng.normal(size=(2, frames, 24, 3)))
    angle = torch.tensor([[0.4], [2.5]]) + torch.tensor([-0.2, 0.2, 0] * (frames // 3))
    return places, torch.stack([angle.cos(), angle.sin()], -1)


def look(places: torch.Tensor, heading: torch.Tensor) -> Look:
    return Look(torch.zeros(*places.shape[:2], 1, 1, 1), places=places, heading=heading)


def test_statistics_are_those_of_the_points_in_the_frame_of_the_mean_direction():
    places, heading = walk()
    found = statistics(look(places, heading).pooled())
    for clip, angle in enumerate((0.4, 2.5)):
        ahead = torch.tensor([np.cos(angle), np.sin(angle)]).expand(9, 2)
        seen = in_body_frame(places[clip], ahead).numpy()
        np.testing.assert_allclose(found[clip, :, :3], seen.mean(0), atol=5e-3)
        np.testing.assert_allclose(found[clip, :, 3:], seen.std(0, ddof=1), atol=5e-3)


def test_statistics_of_parts_joined_are_those_of_the_whole():
    places, heading = walk()
    whole = look(places, heading)
    parts = [whole[0:2].pooled(), whole[2:7].pooled(), whole[7:9].pooled()]
    torch.testing.assert_close(statistics(Pooled.join(parts)), statistics(whole.pooled()))


@pytest.mark.parametrize("frames", [1, 4])
def test_who_stands_still_facing_nowhere_has_finite_gradients(frames):
    places = torch.zeros(1, frames, 24, 3, requires_grad=True)
    heading = torch.zeros(1, frames, 2, requires_grad=True)
    statistics(look(places, heading).pooled()).sum().backward()
    assert torch.isfinite(places.grad).all()
    assert torch.isfinite(heading.grad).all()


def make(**changes) -> MotionBranch:
    torch.manual_seed(0)
    return MotionBranch(24, MotionConfig(**{"hidden": 8, "parts": 3, **changes}), 5).eval()


@pytest.mark.parametrize("confidence", [True, False])
def test_confidence_counts_only_where_it_is_asked_for(confidence):
    branch = make(confidence=confidence)
    (places, heading), sure = walk(), torch.rand(2, 9, 24)
    places, heading = places.float(), heading.float()
    one, other = (branch(places, heading, c if confidence else None) for c in (sure, sure / 10))
    assert one.shape == (2, 9, 8)
    assert torch.equal(one, other) is not confidence


@pytest.mark.parametrize(("hidden", "known", "inputs"), [(8, True, 16 + 144), (0, True, 144), (8, False, 16)])
def test_parts_see_what_is_asked_for(hidden, known, inputs):
    branch = make(hidden=hidden, statistics=known, confidence=False)
    places, heading = (values.float() for values in walk())
    motion = branch(places, heading, None)
    assert (motion is None) == (hidden == 0)
    assert branch.embed.weight.shape == (3, inputs, 5)
    assert branch.describe(replace(look(places, heading), motion=motion).pooled()).shape == (2, 3, 5)


def test_time_reaches_as_far_as_it_says():
    branch = make(temporal=3, confidence=False)
    places, heading = (values.float() for values in walk())
    changed = places.clone()
    changed[:, 3] += 1
    moved = (branch(places, heading, None) - branch(changed, heading, None)).abs().amax((0, 2)) > 0
    assert branch.reach == 1
    assert moved.tolist() == [2 <= frame <= 4 for frame in range(9)]
