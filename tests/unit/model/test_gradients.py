"""The gradient of a batch that is shared out to portions is the gradient of the batch."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from meshgait_model.config.experiment import load_config
from meshgait_model.losses import total
from meshgait_model.portions import changes_of, clips_of, portion, statistics_kept
from meshgait_model.trainer import Trainer

SETTING = ["run.device=cpu", "data.people=3", "data.frames=6", "data.cache=ram", "loss.confidence=0.1"]


def made(shards, *overrides):
    return Trainer(load_config("debug", [*SETTING, *overrides]), shards)


def freeze_norms(network):
    """Normalise by what was remembered, but for the neck, which sees the whole batch anyway."""
    for child in (child for name, child in network.named_children() if name != "neck"):
        for module in child.modules():
            if isinstance(module, _BatchNorm):
                module.eval()
                # Something else than zero and one.
                nn.init.uniform_(module.running_mean, -0.1, 0.1)
                nn.init.uniform_(module.running_var, 0.5, 1.5)


def gradients(network):
    return {name: weight.grad.clone() for name, weight in network.named_parameters() if weight.grad is not None}


def direct(trainer, step):
    """The gradient as autograd gives it of the loss of the batch, in one graph."""
    whole = trainer.augmented(trainer.batch(step), step)
    output = trainer.network(whole.silhouettes, points=True, labelled=whole.labelled)
    parts = trainer.objective(trainer.network, output, whole.batch, whole.changes, step=step)
    trainer.network.zero_grad()
    total(parts, trainer.config.loss).backward()
    return parts, gradients(trainer.network)


def close(found, expected):
    assert found.keys() == expected.keys()
    for name in expected:
        scale = expected[name].abs().max().clamp_min(1e-3)
        torch.testing.assert_close(found[name] / scale, expected[name] / scale, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("labelled", [0, 2])
@pytest.mark.parametrize("accumulate", [1, 2, 4, 5])
def test_portions_give_the_gradient_of_the_whole_batch(accumulate, labelled, mixed):
    """Triplets, BNNeck and means over labelled frames are those of the batch, whatever the portions."""
    trainer = made(mixed, f"run.accumulate={accumulate}", f"loss.labelled_frames={labelled}")
    torch.manual_seed(3)
    freeze_norms(trainer.network)
    for step in (0, 1):
        parts, expected = direct(trainer, step)
        trainer.network.zero_grad()
        found = trainer.gradient(trainer.batch(step), step)
        close(found, {name: part.detach() for name, part in parts.items()})
        close(gradients(trainer.network), expected)


def test_one_portion_is_the_plain_gradient_with_statistics_of_the_batch(mixed):
    trainer, plain = made(mixed), made(mixed)
    _, expected = direct(plain, 0)
    trainer.gradient(trainer.batch(0), 0)
    close(gradients(trainer.network), expected)
    states = trainer.network.state_dict(), plain.network.state_dict()
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_each_portion_is_remembered_once(mixed):
    """The first of two passes leaves no trace in the running statistics."""
    trainer = made(mixed, "run.accumulate=2")
    by_hand = made(mixed)
    trainer.gradient(trainer.batch(0), 0)
    whole = by_hand.augmented(by_hand.batch(0), 0)
    for place in (slice(0, 3), slice(3, 6)):
        by_hand.loss_gradient.look(portion(whole, place), points=True)
    found, expected = (
        {name: value for name, value in one.network.state_dict().items() if "neck" not in name}
        for one in (trainer, by_hand)
    )
    for name in expected:
        torch.testing.assert_close(found[name], expected[name])


def test_statistics_are_kept_while_they_are_used():
    norm = nn.BatchNorm2d(3)
    values = torch.randn(4, 3, 5, 5) + 2
    expected = nn.BatchNorm2d(3)(values)
    before = {name: value.clone() for name, value in norm.state_dict().items()}
    with statistics_kept(norm):
        torch.testing.assert_close(norm(values), expected)
    assert all(torch.equal(before[name], value) for name, value in norm.state_dict().items())
    assert norm.track_running_stats


def test_portions_hold_the_same_clips(mixed):
    trainer = made(mixed)
    whole = trainer.augmented(trainer.batch(0), 0)
    place = slice(1, None, 2)
    part = portion(whole, place)
    assert torch.equal(part.silhouettes, whole.silhouettes[1::2])
    assert part.batch.sequences.tolist() == whole.batch.sequences.tolist()[1::2]
    assert (changes_of(whole.changes, place).warp == whole.changes.warp[1::2]).all()
    few = clips_of(whole.batch, place)
    assert all(torch.equal(few.arrays[name], values[1::2]) for name, values in whole.batch.arrays.items())
    assert replace(few, arrays={}).step == whole.batch.step


def test_the_order_of_the_portions_is_that_of_the_clips(mixed):
    """A portion's slope goes to its own clips: the gradient knows who is who."""
    trainer = made(mixed, "run.accumulate=2", "loss.joints=0", "loss.markers=0", "loss.mesh=0", "loss.confidence=0")
    torch.manual_seed(3)
    freeze_norms(trainer.network)
    _, expected = direct(trainer, 0)
    batch = trainer.batch(0)
    batch.identities[:] = batch.identities.roll(1)
    trainer.network.zero_grad()
    trainer.gradient(batch, 0)
    with pytest.raises(AssertionError):
        close(gradients(trainer.network), expected)
