from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.interpolate import RegularGridInterpolator

from meshgait_data.render.labels import heatmap_grid, heatmap_targets, soft_argmax
from meshgait_model.config.network import HeatmapConfig
from meshgait_model.nn.heatmap import (
    Context,
    FactoredHeatmaps,
    HeatmapBranch,
    HeatmapFeatures,
    Heatmaps,
    pass_gradient,
    read_linear,
    take_frames,
)

SIZES = (5, 8, 6)
GRID = heatmap_grid(SIZES, (64, 44), 64.0, 2.0)
CONFIG = HeatmapConfig(hidden=8, depth_bins=5, channels=4, context=False)
POINTS = 7


def factored() -> FactoredHeatmaps:
    generator = torch.Generator().manual_seed(0)
    image = torch.randn(2, 3, POINTS, 8 * 6, generator=generator).softmax(-1).unflatten(-1, (8, 6))
    return FactoredHeatmaps(image, torch.randn(2, 3, POINTS, 5, generator=generator).softmax(-1))


def places() -> torch.Tensor:
    """In the grid, on its border, and outside."""
    return torch.rand(2, 3, POINTS, 3, generator=torch.Generator().manual_seed(1)) * 90 - 20


def branch(**changes) -> HeatmapBranch:
    torch.manual_seed(0)
    return HeatmapBranch(12, POINTS, replace(CONFIG, **changes)).eval()


def test_factored_heatmaps_say_what_their_product_says():
    made = factored()
    volume = Heatmaps(made.volume)
    torch.testing.assert_close(made.volume.sum((-1, -2, -3)), torch.ones(2, 3, POINTS))
    torch.testing.assert_close(made.coordinates(GRID), soft_argmax(made.volume, GRID))
    torch.testing.assert_close(made.coordinates(GRID), volume.coordinates(GRID))
    torch.testing.assert_close(made.at(places(), GRID), volume.at(places(), GRID))


def test_features_of_factored_heatmaps_are_those_of_their_product():
    torch.manual_seed(0)
    read, made = HeatmapFeatures(POINTS, 2, CONFIG).eval(), factored()
    torch.testing.assert_close(read(made), read(Heatmaps(made.volume)), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_reading_is_linear_interpolation(axes):
    rng = np.random.default_rng(axes)
    sizes = SIZES[:axes]
    values, where = rng.random((4, *sizes)), rng.uniform(-1, 9, (4, axes))
    axes_of = tuple(np.arange(size) for size in sizes)
    expected = [
        RegularGridInterpolator(axes_of, one)(np.clip(place, 0, np.array(sizes) - 1))[0]
        for one, place in zip(values, where, strict=True)
    ]
    found = read_linear(torch.from_numpy(values), torch.from_numpy(where))
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_the_heatmap_of_a_place_is_most_sure_there():
    """A voxel's centre with all the probability reads one; a place that eight voxels share less."""
    centre = torch.tensor(GRID.low) + torch.tensor(GRID.steps) * torch.tensor([2.0, 5, 1])
    uvd = torch.stack([centre, centre + torch.tensor(GRID.steps) / 2])[None, None]
    made = Heatmaps(heatmap_targets(uvd, GRID).heatmaps)
    torch.testing.assert_close(made.at(uvd, GRID)[0, 0], torch.tensor([1.0, 1 / 8]), atol=1e-4, rtol=0)


@pytest.mark.parametrize("form", ["volume", "factored"])
def test_chosen_frames_are_those_of_all(form):
    features, chosen = torch.randn(8, 12, 8, 6), torch.tensor([[0, 3], [2, 1]])
    made = branch(form=form, temporal=3)
    everything, some = made(features, 4), made(features, 4, chosen)
    torch.testing.assert_close(some.volume, everything.frames(chosen).volume)
    torch.testing.assert_close(some.volume[1, 0], everything.volume[1, 2])
    torch.testing.assert_close(everything.frames(slice(1, 3)).volume, everything.volume[:, 1:3])
    assert everything.volume.shape == (2, 4, POINTS, *SIZES)


@pytest.mark.parametrize("form", ["volume", "factored"])
def test_time_reaches_as_far_as_it_says(form):
    made, features = branch(form=form, temporal=5), torch.randn(18, 12, 8, 6)
    changed = features.clone()
    changed[4] = 0
    moved = (made(features, 9).volume - made(changed, 9).volume).abs().amax((2, 3, 4, 5)) > 0
    assert made.reach == 2
    assert moved.tolist() == [[2 <= frame <= 6 for frame in range(9)], [False] * 9]


def test_each_frame_sees_the_mean_of_its_clip_and_of_no_other():
    made, features = branch(context=True), torch.randn(10, 12, 8, 6)
    changed = features.clone()
    changed[4] = 0
    moved = (made(features, 5).volume - made(changed, 5).volume).abs().amax((2, 3, 4, 5)) > 0
    assert moved.tolist() == [[True] * 5, [False] * 5]


def test_the_context_of_parts_joined_is_that_of_the_whole():
    made, features = branch(context=True), torch.randn(10, 12, 8, 6)
    clips = features.unflatten(0, (2, 5))
    parts = [
        made.context_of(clips[:, :4].flatten(0, 1), 4, slice(0, 3)),
        made.context_of(clips[:, 3:].flatten(0, 1), 2),
    ]
    context = Context.join(parts)
    torch.testing.assert_close(context.mean, made.context_of(features, 5).mean)
    whole = made(features, 5)
    part = made(clips[:, 2:4].flatten(0, 1), 2, context=context)
    torch.testing.assert_close(part.volume, whole.volume[:, 2:4])


@pytest.mark.parametrize("form", ["volume", "factored"])
def test_mixed_precision_keeps_probabilities_in_full(form):
    made, features = branch(form=form), torch.randn(8, 12, 8, 6)
    with torch.autocast("cpu", torch.bfloat16), torch.inference_mode():
        found = made(features, 4)
    assert found.volume.dtype == torch.float32
    torch.testing.assert_close(found.volume.sum((-1, -2, -3)), torch.ones(2, 4, POINTS))
    exact = made(features, 4).coordinates(GRID)
    assert (found.coordinates(GRID) - exact).abs().max() < 0.5


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_a_share_of_the_gradient_passes(share):
    x = torch.randn(3, requires_grad=True)
    y = pass_gradient(x, share)
    torch.testing.assert_close(y, x)
    (y.square() + 0 * x).sum().backward()
    torch.testing.assert_close(x.grad, 2 * share * x.detach())


def test_frames_of_clips():
    values = torch.arange(12).reshape(2, 6)
    assert take_frames(values, torch.tensor([[0, 5], [2, 3]])).tolist() == [[0, 5], [8, 9]]
