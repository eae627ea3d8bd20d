"""The optimiser, and the learning rate as a pure function of the step."""

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from meshgait_model.config.train import OptimConfig


def make_optimizer(network: nn.Module, config: OptimConfig) -> torch.optim.Optimizer:
    """SGD with momentum or AdamW over all weights."""
    if config.kind == "sgd":
        return torch.optim.SGD(
            network.parameters(), config.lr, momentum=config.momentum, weight_decay=config.weight_decay
        )
    return torch.optim.AdamW(network.parameters(), config.lr, weight_decay=config.weight_decay)


def clip_gradients(weights: Iterable[Tensor], limit: float) -> Tensor:
    """Norm of the gradient of all weights, which is shortened to a limit where that is not 0 and the norm is more."""
    known = [weight for weight in weights if weight.grad is not None]
    norm = torch.nn.utils.get_total_norm([weight.grad for weight in known if weight.grad is not None])
    if limit:
        torch.nn.utils.clip_grads_with_norm_(known, limit, norm)
    return norm


def learning_rate(config: OptimConfig, step: int, steps: int) -> float:
    """Rate of update ``step`` (from 0) of a run of ``steps`` updates: linear warm-up, then the schedule."""
    if step < config.warmup:
        return config.lr * (step + 1) / config.warmup
    if config.schedule == "multistep":
        return config.lr * config.gamma ** sum(step >= milestone for milestone in config.milestones)
    progress = (step - config.warmup) / max(steps - config.warmup, 1)
    return config.lr * 0.5 * (1 + math.cos(math.pi * progress))
