"""Shape prior: betas are standard normal."""

from dataclasses import dataclass, field

from torch import Tensor

from meshgait_data.fit.batch import Posed
from meshgait_data.fit.system import System


@dataclass(frozen=True, slots=True)
class ShapePrior:
    """``sqrt(precision) * (betas - mean)``."""

    precision: Tensor
    """(N,) or (N, B): 1 for a plain standard normal. More where many frames share one error: see ``noise.py``."""
    mean: Tensor | float = 0.0
    """(N, B) or 0."""
    name: str = field(default="shape", init=False)
    unit: str = field(default="sd", init=False)

    def measure(self, posed: Posed) -> "ShapeResidual":
        """Departure from the mean."""
        precision = self.precision if self.precision.dim() == 2 else self.precision[:, None]
        return ShapeResidual(posed, posed.state.betas - self.mean, precision)


@dataclass(frozen=True, slots=True)
class ShapeResidual:
    """Departure of each capture's betas."""

    posed: Posed
    off: Tensor
    precision: Tensor

    @property
    def cost(self) -> Tensor:
        """(N,) half the sum of squares."""
        return (self.precision * self.off.square()).sum(1) / 2

    @property
    def error(self) -> Tensor:
        """(T,) largest departure, standard deviations."""
        return self.off.abs().amax(1)[self.posed.layout.capture]

    def add_to(self, system: System) -> None:
        """Only the corner."""
        betas = system.columns("betas")
        system.corner[:, betas, betas].diagonal(dim1=1, dim2=2).add_(self.precision.to(system.dtype))
        system.shared[:, betas] -= (self.precision * self.off).to(system.dtype)
