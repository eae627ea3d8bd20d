import sys
from itertools import pairwise
from pathlib import Path

import pytest
import torch

from meshgait_model.config.network import BackboneConfig
from meshgait_model.nn.backbone import Backbone
from meshgait_model.nn.blocks import channels_last
from meshgait_model.nn.head import SeparateLinear, SeparateNeck, horizontal_pool, temporal_max

FORMS = ("2d", "p3d", "3d")
BENCHMARKS = Path(__file__).resolve().parents[3] / "benchmarks"


@pytest.fixture(scope="module")
def plain():
    """The transcription that the benchmark measures beside ours, written from the same definitions on its own."""
    sys.path.insert(0, str(BENCHMARKS))
    try:
        import network_plain
    finally:
        sys.path.remove(str(BENCHMARKS))
    return network_plain


def published(form: str, *blocks: int) -> BackboneConfig:
    return BackboneConfig(
        form=form, channels=(64, 128, 256, 512), blocks=blocks, strides=(1, 2, 2, 1), stem_channels=64
    )


def small(form: str, *blocks: int) -> BackboneConfig:
    return BackboneConfig(form=form, channels=(3, 4, 6), blocks=blocks, strides=(1, 2, 1), stem_channels=3)


def clips(frames: int = 9, batch: int = 2, seed: int = 0) -> torch.Tensor:
    return torch.rand(batch, frames, 16, 12, generator=torch.Generator().manual_seed(seed))


def weights(*modules: torch.nn.Module) -> int:
    return sum(weight.numel() for module in modules for weight in module.parameters())


@pytest.mark.parametrize(
    ("config", "millions"),
    [
        (published("2d", 1, 1, 1, 1), 4.90),
        (published("2d", 1, 4, 4, 1), 9.33),
        (published("p3d", 1, 1, 1, 1), 5.93),
        (published("p3d", 1, 4, 4, 1), 11.10),
        (published("3d", 1, 4, 4, 1), 27.46),
    ],
    ids=["GaitBase", "2D-1441", "P3D-1111", "P3D-1441", "3D-1441"],
)
def test_backbones_have_the_published_number_of_weights(config, millions):
    with torch.device("meta"):
        assert round(weights(Backbone(config)) / 1e6, 2) == millions


@pytest.mark.parametrize(
    ("config", "with_layers", "with_neck"),
    [(published("2d", 1, 1, 1, 1), 6.99, 19.29), (published("p3d", 1, 4, 4, 1), 13.20, 25.49)],
    ids=["GaitBase", "P3D-1441"],
)
def test_heads_have_the_published_number_of_weights(config, with_layers, with_neck):
    with torch.device("meta"):
        backbone, layers, neck = Backbone(config), SeparateLinear(16, 512, 256), SeparateNeck(16, 256, 3000)
    assert round(weights(backbone, layers) / 1e6, 2) == with_layers
    assert round(weights(backbone, layers, neck) / 1e6, 2) == with_neck


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("training", [False, True])
def test_a_plain_transcription_with_the_same_weights_says_the_same(form, training, plain):
    """Two programs from one definition: embeddings, cosines and all gradients agree."""
    torch.manual_seed(0)
    backbone = channels_last(Backbone(small(form, 1, 2, 1)))
    layers, neck = SeparateLinear(4, 6, 5), SeparateNeck(4, 5, 3)
    ours = torch.nn.ModuleList([backbone, layers, neck]).double()
    other = plain.PlainNetwork(small(form, 1, 2, 1), bins=4, embedding=5, classes=3).double()
    with torch.no_grad():
        for weight, handed in zip(other.parameters(), in_plain_order(ours, other), strict=True):
            weight.copy_(handed.reshape(weight.shape))
    ours.train(training), other.train(training)
    images = clips(frames=4, batch=4).double()
    embedded = layers(horizontal_pool(temporal_max(backbone(images)[-1], 4), 4))
    cosines = neck(embedded)
    plain_embedded, plain_cosines = other(images)
    torch.testing.assert_close(embedded, plain_embedded.transpose(0, 1))
    torch.testing.assert_close(cosines, plain_cosines.transpose(0, 1))
    for said in ((embedded, cosines), (plain_embedded, plain_cosines)):
        sum(values.pow(3).sum() for values in said).backward()
    for weight, handed in zip(other.parameters(), in_plain_order(ours, other), strict=True):
        torch.testing.assert_close(weight.grad, handed.grad.reshape(weight.shape))


def in_plain_order(ours, other):
    """Our weights in the order of the other's: there the shortcut comes before the look along time."""
    backbone, layers, neck = ours
    found = [*backbone.stem.parameters()]
    for stage in backbone.stages:
        for block in stage:
            names = ("first", "second", "shortcut", "along_time")
            found += [weight for name in names if hasattr(block, name) for weight in getattr(block, name).parameters()]
    separate, classes = layers.weight, neck.weight
    by_name = {"separate": separate, "classes": classes, "norm.weight": neck.norm.weight, "norm.bias": neck.norm.bias}
    rest = iter(found)
    return [by_name[name] if name in by_name else next(rest) for name, _ in other.named_parameters()]


def test_each_frame_of_the_2d_form_stands_alone():
    torch.manual_seed(0)
    backbone, images = Backbone(small("2d", 1, 2, 1)).eval(), clips()
    assert backbone.reach == 0
    with torch.inference_mode():
        whole = backbone(images)
        for frame in range(9):
            for together, alone in zip(whole, backbone(images[:, frame : frame + 1]), strict=True):
                torch.testing.assert_close(together.unflatten(0, (2, 9))[:, frame], alone)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("blocks", [(1, 1, 1), (2, 1, 2)])
def test_a_frame_reaches_exactly_as_far_as_is_said(form, blocks):
    torch.manual_seed(0)
    backbone, images = Backbone(small(form, *blocks)).eval().double(), clips(17).double()
    changed = images.clone()
    changed[0, 8] = 1 - changed[0, 8]
    with torch.inference_mode():
        before, after = (backbone(one)[-1].unflatten(0, (2, 17)) for one in (images, changed))
    moved = (after != before).flatten(2).any(2)
    expected = [abs(frame - 8) <= backbone.reach for frame in range(17)]
    assert moved.tolist() == [expected, [False] * 17]


@pytest.mark.parametrize("form", ["p3d", "3d"])
def test_chunks_that_overlap_by_the_reach_are_the_whole(form):
    torch.manual_seed(0)
    backbone, images = Backbone(small(form, 1, 1, 1)).eval(), clips(20, 1)
    reach = backbone.reach
    with torch.inference_mode():
        whole = backbone(images)[-1]
        parts = []
        for begin, end in pairwise((0, 7, 14, 20)):
            first = max(begin - reach, 0)
            features = backbone(images[:, first : end + reach])[-1]
            parts.append(features[begin - first : end - first])
    torch.testing.assert_close(torch.cat(parts), whole)


@pytest.mark.parametrize("form", FORMS)
def test_the_memory_layout_does_not_matter(form):
    torch.manual_seed(0)
    backbone = Backbone(small(form, 1, 2, 1)).double()
    images = clips(5).double()
    before = [features.clone() for features in backbone(images)]
    strides = [weight.stride() for weight in channels_last(backbone).parameters()]
    assert any(len(stride) == 5 and stride[1] == 1 for stride in strides) == (form == "3d")
    for one, other in zip(before, backbone(images), strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("form", FORMS)
def test_looking_along_time_copies_nothing(form):
    """Stage maps stay channels last, so that folding and unfolding time is free."""
    backbone = channels_last(Backbone(small(form, 1, 2, 1)))
    for features in backbone(clips(5)):
        assert features.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("form", FORMS)
def test_one_frame_is_a_clip(form):
    assert [list(maps.shape) for maps in Backbone(small(form, 1, 1, 1))(clips(1))] == [
        [2, 3, 16, 12],
        [2, 4, 8, 6],
        [2, 6, 8, 6],
    ]


def test_weights_are_drawn_as_published():
    torch.manual_seed(0)
    backbone = Backbone(published("p3d", 1, 1, 1, 1))
    block = backbone.stages[3][0]
    convolution, along, norm = block.second[0].weight.detach(), block.along_time[0].weight.detach(), block.second[1]
    assert convolution.abs().max() == pytest.approx((6 / (9 * 512 + 9 * 512)) ** 0.5, rel=1e-3)
    assert along.abs().max() == pytest.approx((6 / (3 * 512 + 3 * 512)) ** 0.5, rel=1e-3)
    assert norm.weight.mean().item() == pytest.approx(1, abs=0.01)
    assert norm.weight.std().item() == pytest.approx(0.02, rel=0.15)
    assert not norm.bias.any()


def test_settings_that_make_no_network_are_refused():
    with pytest.raises(ValueError, match="one value for each stage"):
        small("2d", 1, 1)
    with pytest.raises(ValueError, match="at least 1"):
        small("2d", 1, 0, 1)


def test_a_pyramid_is_its_levels_one_after_the_other():
    features = torch.randn(2, 3, 16, 5, generator=torch.Generator().manual_seed(0))
    pyramid = horizontal_pool(features, (16, 8, 4, 2, 1))
    assert pyramid.shape == (2, 31, 3)
    torch.testing.assert_close(pyramid, torch.cat([horizontal_pool(features, bins) for bins in (16, 8, 4, 2, 1)], 1))
    torch.testing.assert_close(pyramid[:, -1], features.mean((2, 3)) + features.amax((2, 3)))
    torch.testing.assert_close(pyramid[:, 15], features[:, :, 15].mean(-1) + features[:, :, 15].amax(-1))


def test_the_neck_is_one_normalisation_and_can_be_synchronised():
    neck = SeparateNeck(4, 5, 3)
    assert isinstance(neck.norm, torch.nn.BatchNorm1d)
    assert neck.norm.num_features == 20
    synchronised = torch.nn.SyncBatchNorm.convert_sync_batchnorm(Backbone(small("p3d", 1, 1, 1)))
    kinds = {type(module) for module in synchronised.modules()}
    assert torch.nn.SyncBatchNorm in kinds
    assert torch.nn.BatchNorm2d not in kinds


def test_the_head_keeps_full_precision_where_the_rest_has_not():
    layers, neck = SeparateLinear(4, 6, 5), SeparateNeck(4, 5, 3).eval()
    pooled = torch.randn(2, 4, 6)
    with torch.autocast("cpu", torch.bfloat16):
        embedded = layers(pooled)
        cosines = neck(embedded)
    torch.testing.assert_close(embedded, layers(pooled))
    torch.testing.assert_close(cosines, neck(layers(pooled)))
