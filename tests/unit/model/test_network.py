from dataclasses import replace

import numpy as np
import pytest
import torch

from meshgait_data.errors import InvalidData
from meshgait_model.config.experiment import load_config
from meshgait_model.config.network import MotionConfig, NetworkConfig
from meshgait_model.nn.heatmap import Context
from meshgait_model.nn.look import Pooled
from meshgait_model.nn.meshgait import MeshGait

RNG = np.random.default_rng(0)
COEFFICIENTS = RNG.normal(size=(50, 8))

FUSIONS = [
    (),
    ("add",),
    ("concat",),
    ("gate",),
    ("strips",),
    ("motion",),
    ("view",),
    ("add", "strips", "motion", "view"),
]
PARTS = {"strips": 4, "motion": 2}
"""Parts of the description beside the four strips."""


def make(form: str = "factored", *, temporal: int = 3, context: bool = True, **changes) -> MeshGait:
    torch.manual_seed(0)
    config: NetworkConfig = load_config("debug").network
    motion = MotionConfig(hidden=8, temporal=3, parts=2)
    config = replace(
        config, heatmap=replace(config.heatmap, form=form, temporal=temporal, context=context), motion=motion, **changes
    )
    return MeshGait(config, classes=3, window=(64, 44), coefficients=COEFFICIENTS)


def clips(seed: int = 0, frames: int = 6) -> torch.Tensor:
    return torch.rand(2, frames, 64, 44, generator=torch.Generator().manual_seed(seed))


def settle(network: MeshGait) -> MeshGait:
    """Random weights where a network begins with zeros, so that every way through it counts."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in network.parameters():
            if not weight.any():
                weight.copy_(torch.randn(weight.shape, generator=generator) * 0.3)
    return network


@pytest.mark.parametrize("form", ["volume", "factored"])
@pytest.mark.parametrize("fusion", FUSIONS, ids="+".join)
def test_shapes_and_gradients(fusion, form):
    network = make(form, fusion=fusion)
    output = network(clips(), points=True)
    parts = 4 + sum(PARTS.get(name, 0) for name in fusion)
    assert output.embeddings.shape == (2, parts, 8)
    assert output.cosines.shape == (2, parts, 3)
    assert output.joints.shape == (2, 6, 24, 3)
    assert output.markers.shape == (2, 6, 8, 3)
    assert output.confidence.shape == (2, 6, 32)
    assert output.cosines.abs().max() <= 1 + 1e-5
    mesh = network.vertices(output.points, output.confidence, torch.tensor([1, 7]))
    (output.cosines.sum() + output.points.square().sum() + mesh.square().sum()).backward()
    assert [name for name, weight in network.named_parameters() if weight.grad is None] == []


@pytest.mark.parametrize("context", [True, False])
@pytest.mark.parametrize("backbone", ["2d", "p3d", "3d"])
@pytest.mark.parametrize("fusion", [(), ("gate", "strips", "motion", "view")], ids="+".join)
def test_a_clip_seen_in_parts_is_described_as_the_whole(fusion, backbone, context):
    config = load_config("debug").network.backbone
    network = settle(make(context=context, fusion=fusion, backbone=replace(config, form=backbone))).eval()
    images, reach = clips(frames=19), network.reach
    assert reach == {"2d": 0, "p3d": 1, "3d": 2}[backbone] + 1 + ("motion" in fusion)
    with torch.inference_mode():
        whole = network(images, points=False).embeddings
        parts = [
            (images[:, max(a - reach, 0) : b + reach], slice(min(a, reach), min(a, reach) + b - a)) for a, b in ENDS
        ]
        contexts = [network.context(part, keep) for part, keep in parts]
        assert (None in contexts) is not context
        known = Context.join(contexts) if context else None
        looks = [network.look(part, context=known)[keep] for part, keep in parts]
        described = network.describe(Pooled.join([look.pooled() for look in looks]))
    torch.testing.assert_close(described, whole, atol=1e-5, rtol=1e-5)


ENDS = ((0, 5), (5, 12), (12, 19))


def test_a_frame_is_seen_with_all_that_it_depends_on():
    """One frame fewer than the reach says is not enough."""
    network = settle(make(fusion=("motion",), context=False)).eval()
    images, reach = clips(frames=9), network.reach
    with torch.inference_mode():
        seen = [network.look(images[:, 4 - r :]).motion[:, r] for r in (4, reach, reach - 1)]
    torch.testing.assert_close(seen[0], seen[1])
    assert (seen[0] - seen[2]).abs().max() > 1e-4


def test_order_does_not_matter_without_temporal_layers():
    network = make(temporal=1, fusion=("add", "strips")).eval()
    images = clips(frames=7)
    with torch.inference_mode():
        whole = network(images, points=False).embeddings
        torch.testing.assert_close(network(images.flip(1), points=False).embeddings, whole)


def test_without_the_3d_branch_there_are_no_points_and_fewer_weights():
    plain, full = make(branch_3d=False), make()
    output = plain(clips(), points=True)
    assert output.joints is None
    assert output.markers is None
    names = {name for name, _ in plain.named_parameters()}
    assert names < {name for name, _ in full.named_parameters()}


def test_an_untrained_3d_branch_changes_nothing_that_is_added():
    """With the same weights, ``add`` (but for its ReLU, which has nothing to do), ``gate`` and ``view`` begin as 2D."""
    plain = make(branch_3d=False).eval()
    for fusion in ("add", "gate", "view"):
        full = make(fusion=(fusion,)).eval()
        full.load_state_dict(plain.state_dict(), strict=False)
        with torch.inference_mode():
            expected = plain(clips(), points=False).embeddings
            torch.testing.assert_close(full(clips(), points=False).embeddings, expected)


def called(network: MeshGait, **asked) -> set[str]:
    """Names of the modules that a forward pass goes through."""
    names: set[str] = set()
    hooks = [
        module.register_forward_hook(lambda *_, name=name: names.add(name)) for name, module in network.named_modules()
    ]
    with torch.inference_mode():
        network.eval()(clips(), **asked)
    for hook in hooks:
        hook.remove()
    return names


def test_recognition_computes_nothing_that_only_training_needs():
    alone = called(make(branch_3d=False), points=False)
    assert called(make(fusion=()), points=False) == alone
    fused = called(make(fusion=("strips",)), points=False, cosines=False)
    assert {name.split(".")[0] for name in fused - alone} == {"heatmaps", "fuse"}
    assert not {"neck", "mesh", "fuse.motion"} & {".".join(name.split(".")[:2]) for name in fused}
    assert called(make(fusion=()), points=True) > alone


def test_recognition_does_not_read_coordinates(monkeypatch):
    network = make(fusion=("add", "strips")).eval()
    expected = network(clips(), points=True).embeddings
    for name in ("coordinates", "at"):
        monkeypatch.delattr(f"meshgait_model.nn.heatmap.FactoredHeatmaps.{name}")
    torch.testing.assert_close(network(clips(), points=False).embeddings, expected)


@pytest.mark.parametrize("fusion", FUSIONS, ids="+".join)
def test_recognition_alone_says_the_same_and_holds_no_more_than_it_needs(fusion):
    network = settle(make(fusion=fusion, mesh=replace(load_config("debug").network.mesh, form="adaptive"))).eval()
    alone = network.recognition_only()
    torch.testing.assert_close(alone(clips()), network(clips(), points=False).embeddings)
    assert not alone.training
    modules = {name.split(".")[0] for name, _ in alone.named_modules()} - {""}
    assert modules == {"backbone", "embed"} | ({"heatmaps", "fuse"} if fusion else set())
    assert not list(alone.buffers(recurse=False))


@pytest.mark.parametrize("fusion", [(), ("motion",)], ids="+".join)
def test_labelled_frames_are_read_as_all_frames_are(fusion):
    network, chosen = make(fusion=fusion).eval(), torch.tensor([[0, 4], [3, 1]])
    everything, some = network(clips(), points=True), network(clips(), points=True, labelled=chosen)
    rows = torch.arange(2)[:, None]
    torch.testing.assert_close(some.joints, everything.joints[rows, chosen])
    torch.testing.assert_close(some.confidence, everything.confidence[rows, chosen])
    torch.testing.assert_close(some.heatmaps.volume, everything.heatmaps.volume[rows, chosen])
    torch.testing.assert_close(some.embeddings, everything.embeddings)
    torch.testing.assert_close(some.labelled, chosen)


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_labels_enter_the_backbone_by_their_share(share):
    gradients = []
    for into in (share, 1.0):
        network = make(fusion=(), labels_into_backbone=into)
        network(clips(), points=True).joints.square().sum().backward()
        weight = network.backbone.stem[0].weight
        gradients.append(torch.zeros_like(weight) if weight.grad is None else weight.grad)
        assert network.heatmaps.logits.weight.grad.any()
    torch.testing.assert_close(gradients[0], share * gradients[1])


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_recognition_enters_the_heatmaps_by_its_share(share):
    gradients = []
    for into in (share, 1.0):
        network = settle(make(fusion=("strips", "motion"), recognition_into_heatmaps=into))
        network(clips(), points=True).embeddings[:, 4:].square().sum().backward()
        weight = network.heatmaps.logits.weight
        gradients.append(torch.zeros_like(weight) if weight.grad is None else weight.grad)
    torch.testing.assert_close(gradients[0], share * gradients[1])


def test_another_joint_set_changes_the_heatmaps():
    config = load_config("debug").network
    names = [f"joint{i}" for i in range(17)]
    network = MeshGait(config, classes=3, window=(64, 44), coefficients=COEFFICIENTS, joints=names)
    output = network(clips(), points=True)
    assert output.joints.shape == (2, 6, 17, 3)
    assert output.markers.shape == (2, 6, 8, 3)
    with pytest.raises(InvalidData, match="left_hip"):
        MeshGait(replace(config, fusion=("view",)), classes=3, window=(64, 44), coefficients=COEFFICIENTS, joints=names)


def test_what_cannot_be_built_is_said():
    with pytest.raises(InvalidData, match="strips cannot be cut"):
        make(bins=5)
    with pytest.raises(InvalidData, match="needs a marker set"):
        MeshGait(load_config("debug").network, classes=3, window=(64, 44), coefficients=None)
    for fusion in (("add", "gate"), ("motion", "motion")):
        with pytest.raises(ValueError, match=r"network\.fusion"):
            make(fusion=fusion)
    with pytest.raises(ValueError, match="is a share"):
        make(labels_into_backbone=1.5)
