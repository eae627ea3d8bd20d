"""What every term of the energy offers."""

from typing import Protocol

from torch import Tensor

from meshgait_data.fit.batch import Posed
from meshgait_data.fit.system import System


class Residual(Protocol):
    """A term at one state."""

    @property
    def cost(self) -> Tensor:
        """(N,) half the sum of squared residuals of each capture, made robust where the term is."""

    @property
    def error(self) -> Tensor:
        """(T,) how far off each frame is, in the term's unit; NaN where the term says nothing about a frame."""

    def add_to(self, system: System) -> None:
        """Add the Gauss-Newton normal equations at this state; robust terms by reweighting."""


class Term(Protocol):
    """A part of the energy; frozen, so that one problem can be solved again with another start."""

    @property
    def name(self) -> str:
        """One word, the same in fit files, reports and manifests."""

    @property
    def unit(self) -> str:
        """Unit of ``error``: ``m``, ``px``, ``rad``."""

    def measure(self, posed: Posed) -> Residual:
        """Residuals at a state."""
