"""Robust kernels: what a squared residual costs, and the weight of its square in iterated reweighting.

All take residuals as squared multiples of the kernel's scale and give the cost in the same unit (like ``s / 2`` for
small ones) and the weight, its derivative times two.
"""

from collections.abc import Callable

from torch import Tensor

Kernel = Callable[[Tensor], tuple[Tensor, Tensor]]


def geman_mcclure(squared: Tensor) -> tuple[Tensor, Tensor]:
    """``s / (2 (1 + s))``, which no residual exceeds (Geman & McClure, Bull. Int. Statist. Inst. 52(4), 1987)."""
    return squared / (1 + squared) / 2, (1 + squared) ** -2


def huber(squared: Tensor) -> tuple[Tensor, Tensor]:
    """Quadratic up to the scale, straight beyond (Huber, Ann. Math. Statist. 35(1), 1964)."""
    size = squared.clamp(min=1e-24).sqrt()
    return squared.clamp(max=1.0) / 2 + (size - 1).clamp(min=0.0), size.clamp(min=1.0).reciprocal()
