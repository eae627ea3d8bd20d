"""Batch normalisation over the batch of all processes.

On GPUs torch's own :class:`torch.nn.SyncBatchNorm` does it; on CPUs, where torch has none, the layer below.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch import distributed as dist
from torch.nn.modules.batchnorm import _BatchNorm

_GPU_NORM = nn.SyncBatchNorm


class _Sum(torch.autograd.Function):
    """Sum over processes. All of them have a share in the loss, so the gradient of a sum is a sum again."""

    @staticmethod
    def forward(context: Any, values: Tensor) -> Tensor:
        total = values.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> Tensor:
        total = gradients[0].clone()
        dist.all_reduce(total)
        return total


def _sum(values: Tensor) -> Tensor:
    return _Sum.apply(values)  # type: ignore[no-untyped-call]  # torch's own


class SyncNorm(_BatchNorm):
    """Normalise by mean and variance of all processes (Ioffe & Szegedy, ICML 2015); any number of dimensions."""

    def _check_input_dim(self, input: Tensor) -> None:
        return

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, ...) of this process, normalised over N, ... of all processes."""
        if not self.training:
            return super().forward(input)
        x = input.float()
        axes = [0, *range(2, x.ndim)]
        shape = [1, -1, *[1] * (x.ndim - 2)]
        count = _sum(x.new_tensor(x.numel() / x.shape[1]))
        mean = _sum(x.sum(axes)) / count
        centred = x - mean.view(shape)
        # In two passes: E[x^2] - E[x]^2 loses digits.
        variance = _sum(centred.square().sum(axes)) / count
        if self.track_running_stats and self.running_mean is not None and self.running_var is not None:
            with torch.no_grad():
                assert self.momentum is not None
                self.running_mean.lerp_(mean, self.momentum)
                self.running_var.lerp_(variance * (count / (count - 1)), self.momentum)
                if self.num_batches_tracked is not None:
                    self.num_batches_tracked += 1
        normed = centred * (variance + self.eps).rsqrt().view(shape)
        if self.weight is not None:
            normed = normed * self.weight.view(shape) + self.bias.view(shape)
        return normed.to(input.dtype)


def synchronise(module: nn.Module, *, leave_out: tuple[str, ...] = ()) -> None:
    """Let all batch normalisations of a module look at the batches of all processes; weights and names stay.

    Parameters
    ----------
    leave_out
        Children that see the whole batch already.
    """
    for name, child in module.named_children():
        if name in leave_out:
            continue
        if isinstance(child, _BatchNorm):
            setattr(module, name, _synchronised(child))
        else:
            synchronise(child)


def _synchronised(norm: _BatchNorm) -> nn.Module:
    device = norm.running_mean.device if norm.running_mean is not None else torch.device("cpu")
    kind = _GPU_NORM if device.type == "cuda" else SyncNorm
    made = kind(
        norm.num_features, norm.eps, norm.momentum, affine=norm.affine, track_running_stats=norm.track_running_stats
    ).to(device)
    made.load_state_dict(norm.state_dict())
    made.train(norm.training)
    return made
