"""Captures solved side by side: their frames lie one after the other, whatever their lengths.

Shape letters of the whole package: N captures, T frames of all of them together, J joints, P points, B shape
components, L free joints, U = 3 L + 3 unknowns of a frame (rotation of each free joint, then the translation),
S unknowns that all frames of a capture share (the B betas, then the extras). A rotation is perturbed on the right,
``R <- R exp(skew(delta))``, so that delta lives in the joint's own axes, where twist and hinges have a meaning.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import torch
from torch import Tensor

from meshgait_data.fit.chain import Chain


@dataclass(frozen=True, slots=True)
class Layout:
    """Which frame belongs to which capture."""

    lengths: tuple[int, ...]
    """N frames each, none empty."""
    capture: Tensor
    """(T,) index of the capture of each frame."""

    @classmethod
    def of(cls, lengths: Sequence[int], device: torch.device | str = "cpu") -> "Layout":
        """Layout of captures of these lengths; raises ValueError where one is empty."""
        if min(lengths, default=0) < 1:
            raise ValueError(f"captures of {tuple(lengths)} frames: each needs one at least")
        counts = torch.tensor(lengths, device=device)
        return cls(tuple(lengths), torch.repeat_interleave(torch.arange(len(lengths), device=device), counts))

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def frames(self) -> int:
        """T."""
        return len(self.capture)

    def slices(self) -> list[slice]:
        """Frames of each capture."""
        ends = [0]
        for length in self.lengths:
            ends.append(ends[-1] + length)
        return [slice(start, end) for start, end in pairwise(ends)]

    def runs(self, captures: Sequence[int]) -> tuple[slice, ...]:
        """Frames of some captures, in ascending order, as few slices as there can be."""
        slices, found = self.slices(), list[slice]()
        for capture in captures:
            part = slices[capture]
            joins = found and found[-1].stop == part.start
            found[-1:] = [slice(found[-1].start, part.stop)] if joins else [*found[-1:], part]
        return tuple(found)

    def sums(self, values: Tensor) -> Tensor:
        """Sum over the frames of each capture; (T, ...) to (N, ...)."""
        result = values.new_zeros(len(self), *values.shape[1:])
        return result.index_add_(0, self.capture, values)


@dataclass(frozen=True, slots=True)
class State:
    """The unknowns of all captures."""

    rotations: Tensor
    """(T, J, 3, 3) relative to the parent."""
    transl: Tensor
    """(T, 3) metres."""
    betas: Tensor
    """(N, B)"""
    extras: Mapping[str, Tensor] = field(default_factory=dict)
    """(N, ...) further values that a capture's frames share, by name."""


@dataclass(frozen=True, slots=True)
class Posed:
    """The joints of all frames at one state; everything else follows from them."""

    chain: Chain
    layout: Layout
    state: State
    rest: Tensor
    """(N, J, 3) rest joints of each capture's shape, metres."""
    world: Tensor
    """(T, J, 3, 3) rotation of each joint against the world."""
    joints: Tensor
    """(T, J, 3) metres, with the translation."""


def pose(chain: Chain, layout: Layout, state: State) -> Posed:
    """Forward kinematics of all frames."""
    rest = chain.template + torch.einsum("jxb,nb->njx", chain.shapedirs, state.betas)
    world = chain.world(state.rotations)
    joints = chain.accumulate(world, rest[layout.capture][..., None])[..., 0] + state.transl[:, None]
    return Posed(chain, layout, state, rest, world, joints)
