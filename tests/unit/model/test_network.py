from dataclasses import replace

import numpy as np
import pytest
import torch

from meshgait_data.errors import InvalidData
from meshgait_data.render.labels import soft_argmax
from meshgait_model.config.experiment import load_config
from meshgait_model.config.network import NetworkConfig
from meshgait_model.nn.meshgait import MeshGait

RNG = np.random.default_rng(0)
COEFFICIENTS = RNG.normal(size=(50, 8))


def make(**changes) -> MeshGait:
    torch.manual_seed(0)
    config: NetworkConfig = replace(load_config("debug").network, **changes)
    return MeshGait(config, classes=3, window=(64, 44), coefficients=COEFFICIENTS)


def clips(seed: int = 0, frames: int = 6) -> torch.Tensor:
    return torch.rand(2, frames, 64, 44, generator=torch.Generator().manual_seed(seed))


def test_shapes():
    output = make()(clips(), points=True)
    assert output.embeddings.shape == (2, 4, 8)
    assert output.cosines.shape == (2, 4, 3)
    assert output.joints.shape == (2, 6, 24, 3)
    assert output.markers.shape == (2, 6, 8, 3)
    assert output.confidence.shape == (2, 6, 32)
    assert output.cosines.abs().max() <= 1 + 1e-5


def test_without_the_3d_branch_there_are_no_points_and_fewer_weights():
    plain, full = make(branch_3d=False), make()
    output = plain(clips(), points=True)
    assert output.joints is None
    assert output.markers is None
    names = {name for name, _ in plain.named_parameters()}
    assert names < {name for name, _ in full.named_parameters()}


def test_points_are_only_read_where_they_are_asked_for():
    network = make().eval()
    without, with_points = network(clips(), points=False), network(clips(), points=True)
    assert without.joints is None
    torch.testing.assert_close(without.embeddings, with_points.embeddings)


def test_chunks_of_frames_pool_to_the_whole_and_order_does_not_matter():
    config = load_config("debug").network
    network = make(heatmap=replace(config.heatmap, temporal=1)).eval()
    images = clips(frames=7)[:1]
    with torch.inference_mode():
        whole = network(images, points=False).embeddings
        parts = [network.frame_features(part)[0].amax(0, keepdim=True) for part in images.split([3, 4], 1)]
        torch.testing.assert_close(network.pool(torch.maximum(*parts)), whole)
        torch.testing.assert_close(network(images.flip(1), points=False).embeddings, whole)


def test_the_temporal_convolution_sees_neighbours_of_its_own_clip_only():
    network = make().eval()
    images = clips()
    with torch.inference_mode():
        before = network(images, points=True).joints
        changed = images.clone()
        changed[0, 3] = 0
        after = network(changed, points=True).joints
    moved = (after - before).abs().amax((2, 3)) > 0
    assert moved.tolist() == [[False, False, True, True, True, False], [False] * 6]


def test_every_weight_gets_a_gradient():
    network = make()
    output = network(clips(), points=True)
    mesh = network.vertices(output.markers, torch.tensor([1, 7]))
    (output.embeddings.sum() + output.cosines.sum() + output.joints.square().sum() + mesh.square().sum()).backward()
    assert [name for name, weight in network.named_parameters() if weight.grad is None] == []


def test_the_mesh_follows_from_the_markers():
    markers = torch.rand(2, 3, 8, 3)
    expected = np.einsum("vk,btkx->btvx", COEFFICIENTS, markers.numpy())
    np.testing.assert_allclose(make().vertices(markers).numpy(), expected, atol=1e-5)


def test_another_joint_set_changes_the_heatmaps():
    config = load_config("debug").network
    network = MeshGait(config, classes=3, window=(64, 44), coefficients=COEFFICIENTS, joints=17)
    output = network(clips(), points=True)
    assert output.joints.shape == (2, 6, 17, 3)
    assert output.markers.shape == (2, 6, 8, 3)


def test_mixed_precision_does_not_round_coordinates():
    """A product of matrices in bfloat16 would be off by a quarter of a pixel."""
    network = make().eval()
    with torch.inference_mode():
        _, heatmaps = network.frame_features(clips())
        with torch.autocast("cpu", torch.bfloat16):
            mixed = soft_argmax(heatmaps, network.grid)
        torch.testing.assert_close(mixed, soft_argmax(heatmaps.double(), network.grid).float(), atol=1e-4, rtol=0)


def test_what_cannot_be_built_is_said():
    with pytest.raises(InvalidData, match="strips cannot be cut"):
        make(bins=5)
    with pytest.raises(InvalidData, match="needs a marker set"):
        MeshGait(load_config("debug").network, classes=3, window=(64, 44), coefficients=None)
