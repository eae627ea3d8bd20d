from dataclasses import replace

import numpy as np
import pytest
import torch

from meshgait_model.config.experiment import ExperimentConfig, load_config
from meshgait_model.config.network import BackboneConfig
from meshgait_model.nn.cost import cost_of
from meshgait_model.nn.meshgait import MeshGait

FORMS = ("2d", "p3d", "3d")


def setting(form: str = "2d", *overrides: str, branch_3d: bool = True) -> ExperimentConfig:
    config = load_config("debug", overrides)
    backbone = BackboneConfig(form=form, channels=(4, 8), blocks=(1, 1), strides=(2, 2), stem_channels=4, stem_stride=2)
    return replace(config, network=replace(config.network, backbone=backbone, branch_3d=branch_3d))


def network(config: ExperimentConfig) -> MeshGait:
    torch.manual_seed(0)
    coefficients = np.random.default_rng(0).normal(size=(50, 8))
    return MeshGait(config.network, classes=3, window=(64, 44), coefficients=coefficients)


@pytest.mark.parametrize(
    ("form", "between"), [("2d", 8 * 4 * 9 + 8 * 8 * 9), ("p3d", 8 * 4 * 9 + 8 * 8 * (9 + 3)), ("3d", 8 * 12 * 27)]
)
def test_multiply_accumulates_are_those_of_the_definition(form, between):
    """Stem on 32 x 22, first stage on 16 x 11, second on 8 x 6 cells, with 1 x 1 shortcuts."""
    cost = cost_of(config := setting(form, branch_3d=False), network(config))
    expected = 32 * 22 * 4 * 9 + 16 * 11 * (2 * 4 * 4 * 9 + 4 * 4) + 8 * 6 * (between + 8 * 4)
    assert {part.name: part.macs_frame for part in cost.parts}["backbone"] == expected


@pytest.mark.parametrize("form", FORMS)
def test_weights_are_those_of_the_parts_and_of_recognition_alone(form):
    made = network(config := setting(form))
    cost = cost_of(config, made)
    assert cost.weights == sum(weight.numel() for weight in made.parameters())
    assert cost.recognition_weights == sum(weight.numel() for weight in made.recognition_only().parameters())


def test_what_labels_alone_need_costs_recognition_nothing():
    config = setting()
    config = replace(config, network=replace(config.network, fusion=()))
    by_name = {part.name: part for part in cost_of(config, network(config)).parts}
    assert by_name["heatmaps"].weights
    assert not by_name["heatmaps"].macs_frame
    assert not by_name["neck"].macs_frame


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("branch_3d", [True, False])
def test_the_memory_is_what_a_real_step_saves(form, branch_3d):
    """Counted without numbers, and in a forward pass of the same size."""
    config = setting(form, "data.frames=5", branch_3d=branch_3d)
    made, kept = network(config), {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = (storage, storage.nbytes())
        return tensor

    clips = config.data.people * config.data.clips
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        output = made(torch.rand(clips, 5, 64, 44), points=True)
    weights = {weight.untyped_storage().data_ptr() for weight in made.state_dict().values()}
    sizes = [size for pointer, (_, size) in kept.items() if pointer not in weights]
    assert output.embeddings.requires_grad
    cost = cost_of(config, made)
    assert cost.activation_bytes == pytest.approx(sum(sizes) + 2 * max(sizes), rel=0.01)


def test_memory_grows_with_the_clips_that_go_through_together_and_accumulation_bounds_it():
    made = network(setting())
    one, parts, large = (
        cost_of(setting("2d", *overrides), made)
        for overrides in (("data.clips=4",), ("data.clips=4", "run.accumulate=4"), ("data.clips=8",))
    )
    assert large.activation_bytes == pytest.approx(2 * one.activation_bytes, rel=0.02)
    assert parts.activation_bytes == pytest.approx(one.activation_bytes / 4, rel=0.05)
    assert parts.macs_step == pytest.approx(one.macs_step, rel=1e-3)
    assert large.macs_step == pytest.approx(2 * one.macs_step, rel=1e-3)


def test_half_precision_saves_nearly_half():
    made = network(setting())
    full, half = (cost_of(setting("2d", f"run.amp={amp}"), made) for amp in ("'off'", "bf16"))
    assert 0.4 < half.activation_bytes / full.activation_bytes < 0.75


def test_counting_leaves_the_network_as_it_was():
    config = setting("p3d")
    made = network(config).eval()
    before = {name: value.clone() for name, value in made.state_dict().items()}
    text = cost_of(config, made).text()
    assert not made.training
    assert all(weight.grad is None for weight in made.parameters())
    for name, value in made.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)
    assert "recognition needs" in text
    assert text.count("MACs/frame") == 1 + sum(bool(part.macs_frame) for part in cost_of(config, made).parts)
