"""The precision of a step: float32, bfloat16, or float16 with a scaled loss.

Convolutions and matrix products run in the smaller type; weights, their updates, batch normalisation's statistics,
coordinates and losses stay in float32. float16 has so small a range that gradients would vanish in it: the loss is
multiplied by a factor before the backward pass and the gradients are divided by it after. The factor is halved where
a gradient was not finite, which skips that update, and doubled after many updates that went well (Micikevicius et al.,
*Mixed Precision Training*, ICLR 2018). bfloat16 needs none of that.
"""

from typing import Any

import torch
from torch import Tensor

from meshgait_data.errors import InvalidData

_TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}

_SMALLEST = 2.0**-10
"""A factor below it means that no factor helps: gradients themselves are not finite."""


def precision(amp: str | bool, device: torch.device) -> torch.dtype | None:
    """Type that ``run.amp`` means on a device; None is float32 throughout."""
    if amp in ("auto", True):
        return torch.bfloat16 if device.type == "cuda" else None
    return _TYPES.get(str(amp))


def autocast(amp: str | bool, device: torch.device) -> torch.autocast:
    """Context of the forward pass."""
    dtype = precision(amp, device)
    return torch.autocast(device.type, dtype or torch.bfloat16, enabled=dtype is not None)


class LossScale:
    """Multiplies losses and divides gradients where ``run.amp`` is ``fp16``; elsewhere it does nothing.

    Parameters
    ----------
    amp, device
        As the setting says.
    """

    def __init__(self, amp: str | bool, device: torch.device) -> None:
        self.scaler = torch.amp.GradScaler(device.type, enabled=precision(amp, device) is torch.float16)

    @property
    def enabled(self) -> bool:
        """Whether there is anything to scale."""
        return self.scaler.is_enabled()

    @property
    def factor(self) -> float:
        """What losses are multiplied by."""
        return self.scaler.get_scale()

    def scale(self, loss: Tensor) -> Tensor:
        """The loss times the factor."""
        return self.scaler.scale(loss)

    def unscale(self, optimizer: torch.optim.Optimizer) -> None:
        """Divide the gradients of an optimiser's weights by the factor."""
        self.scaler.unscale_(optimizer)

    def update(self, optimizer: torch.optim.Optimizer, step: int) -> bool:
        """Update the weights, unless a gradient is not finite; says whether they were updated.

        Raises
        ------
        InvalidData
            Where gradients stay infinite with ever smaller factors.
        """
        if not self.enabled:
            optimizer.step()
            return True
        before = self.factor
        self.scaler.step(optimizer)
        self.scaler.update()
        if self.factor < _SMALLEST:
            what = f"gradients are not finite in float16, even of a loss scaled by {self.factor:.3g}"
            raise InvalidData(what, where=f"step {step}", hint="set run.amp=bf16 or off, or lower optim.lr")
        return self.factor >= before

    def state(self) -> dict[str, Any]:
        """For a checkpoint; empty where nothing is scaled."""
        return self.scaler.state_dict()

    def restore(self, state: dict[str, Any]) -> None:
        """Go on as :meth:`state` said."""
        if self.enabled and state:
            self.scaler.load_state_dict(state)
