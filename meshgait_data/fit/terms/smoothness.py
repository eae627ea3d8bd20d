"""Smoothness: accelerations are as small as those of people who walk, and no smaller.

Each joint's rotation and the place of the body have a Gaussian acceleration of known spread: that of walking people.
The steadier of the two wins at each frequency: where data of precision w (1/rad^2 a second) meet accelerations of
spread a (rad/s^2 per root hertz), motion below ``(w a^2)^(1/4) / (2 pi)`` Hz is followed and what is faster is taken
for noise (Whittaker's smoother; Wahba, *Spline Models for Observational Data*, SIAM 1990). Good data are hence left
alone, and noisy ones are smoothed as much as their noise asks for.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from meshgait_data import torch_rotations
from meshgait_data.fit.batch import Layout, Posed
from meshgait_data.fit.system import System


def stencils(layout: Layout, seconds: Tensor) -> Tensor:
    """Coefficients of the second derivative by time at each frame from it and the two after it.

    Parameters
    ----------
    layout
        Which frame belongs to which capture.
    seconds
        (T,) time of each frame, increasing in a capture.

    Returns
    -------
    (T, 3) 1/s^2, times the root of the time that the three stand for, so that sums of squares are integrals over time;
    zero where the three are not of one capture.
    """
    result = seconds.new_zeros(layout.frames, 3)
    if layout.frames < 3:
        return result
    before, after = seconds[1:-1] - seconds[:-2], seconds[2:] - seconds[1:-1]
    same = layout.capture[2:] == layout.capture[:-2]
    before, after = (torch.where(same, gap, torch.ones_like(gap)) for gap in (before, after))
    weights = torch.stack([1 / before, -1 / before - 1 / after, 1 / after], 1) * (2 / (before + after))[:, None]
    result[:-2] = weights * ((before + after) / 2).sqrt()[:, None] * same[:, None]
    return result


@dataclass(frozen=True, slots=True)
class Smoothness:
    """Second differences of rotation matrices and of the translation."""

    stencil: Tensor
    """(T, 3) of :func:`stencils`."""
    rotations: Tensor
    """(J,) precision of the angular acceleration of each joint, s^3/rad^2."""
    transl: float
    """Precision of the acceleration, s^3/m^2; 0 where the place is not continuous (cropped images)."""
    free: tuple[int, ...]
    """Joints that take part."""
    share: Tensor
    """(N,) share of each capture's error that differs from frame to frame, see ``noise.py``: errors that stay the same
    in all frames are no reason to smooth."""
    name: str = field(default="smoothness", init=False)
    unit: str = field(default="m/s2", init=False)

    def measure(self, posed: Posed) -> "SmoothnessResidual":
        """Accelerations at a state."""
        rotations = posed.state.rotations[:, list(self.free)]
        stencil = self.stencil * self.share.sqrt()[posed.layout.capture, None]
        turn, drift = _difference(stencil, rotations), _difference(stencil, posed.state.transl)
        return SmoothnessResidual(self, posed, stencil, rotations, turn, drift)


@dataclass(frozen=True, slots=True)
class SmoothnessResidual:
    """Accelerations times the root of a frame's duration."""

    term: Smoothness
    posed: Posed
    stencil: Tensor
    rotations: Tensor
    turn: Tensor
    """(T, L, 3, 3)"""
    drift: Tensor
    """(T, 3)"""

    @property
    def cost(self) -> Tensor:
        """(N,) half the sum of squares."""
        weights = self.term.rotations[list(self.term.free)]
        # A rotation by a small angle changes the matrix by sqrt(2) times that angle, hence another half.
        turn = (weights * self.turn.square().sum((-1, -2))).sum(1) / 4
        return self.posed.layout.sums(turn + self.term.transl * self.drift.square().sum(1) / 2)

    @property
    def error(self) -> Tensor:
        """(T,) acceleration of the body's place, m/s^2."""
        seconds = self.term.stencil[:, 0].clamp(min=1e-12) ** (-2 / 3)
        share = self.term.share.sqrt()[self.posed.layout.capture]
        size = self.drift.norm(dim=1) / seconds.sqrt() / share
        return torch.where(self.term.stencil[:, 0] > 0, size, torch.nan)

    def add_to(self, system: System) -> None:
        """Blocks of each joint with itself, up to two frames on."""
        term, dtype = self.term, system.dtype
        at = [system.free.index(joint) for joint in term.free]
        weights, rotations = term.rotations[list(term.free)].to(dtype), self.rotations.to(dtype)
        products = [values.to(dtype) for values in _products(self.stencil)]
        # The derivative of a rotation by itself is the same in all directions: no matrix is needed.
        own = (products[0][:, None] * weights).repeat_interleave(3, 1)
        diagonal, columns = system.diagonal.diagonal(dim1=1, dim2=2), _columns(at)
        diagonal[:, columns] += own
        diagonal[:, -3:] += term.transl * products[0][:, None]
        for gap, target in enumerate(system.couplings(), 1):
            span = max(len(rotations) - gap, 0)
            both = products[gap][:span]
            block = _turn_block(rotations[:span], rotations[gap:])
            target[:span, at] += block.mul_((both[:, None] * weights)[..., None, None])
            target[:span, -1].diagonal(dim1=1, dim2=2).add_(term.transl * both[:, None])
        turned = rotations.mT @ _adjoint(self.stencil, self.turn).to(dtype)
        system.gradient[:, columns] -= (torch_rotations.vee(turned) * weights[:, None]).flatten(1)
        system.gradient[:, -3:] -= (term.transl * _adjoint(self.stencil, self.drift)).to(dtype)


def _columns(places: Sequence[int]) -> list[int]:
    return [3 * place + axis for place in places for axis in range(3)]


def _difference(stencil: Tensor, values: Tensor) -> Tensor:
    """Weighted sum of each value and the two after it; zero for the last two."""
    result, count = torch.zeros_like(values), max(len(values) - 2, 0)
    for i in range(3):
        result[:count].addcmul_(_spread(stencil[:count, i], values), values[i : i + count])
    return result


def _adjoint(stencil: Tensor, values: Tensor) -> Tensor:
    """The transposed of :func:`_difference`: what each value gets back from the sums that it takes part in."""
    result, count = torch.zeros_like(values), max(len(values) - 2, 0)
    for i in range(3):
        result[i : i + count].addcmul_(_spread(stencil[:count, i], values), values[:count])
    return result


def _spread(weights: Tensor, values: Tensor) -> Tensor:
    return weights.reshape(-1, *[1] * (values.dim() - 1))


def _products(stencil: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(T,) each: what the sums tie a value to itself, to the next, and to the one after."""
    result, count = stencil.new_zeros(3, len(stencil)), max(len(stencil) - 2, 0)
    c = stencil[:count]
    for i in range(3):
        for k in range(i, 3):
            result[k - i, i : i + count] += c[:, i] * c[:, k]
    return result[0], result[1], result[2]


def _turn_block(first: Tensor, second: Tensor) -> Tensor:
    """Half of ``J_s^T J_t`` for matrices as residuals: ``(trace(M) I - M^T) / 2`` with ``M = R_s^T R_t``."""
    block = second.mT @ first
    half = block.diagonal(dim1=-2, dim2=-1).sum(-1) / 2
    block.mul_(-0.5).diagonal(dim1=-2, dim2=-1).add_(half[..., None])
    return block
