"""The gait-cycle prior: walking as a periodic curve in pose space, with a few style components that bend it.

A *channel* is one number of a pose: the 72 components of the rotation vectors ``log(mean^T R)`` of the 24 joints, the
root's relative to the heading, then height of the pelvis above the floor, its sway to the left of the path, and its
lead on an even pace, these three in leg lengths (thigh and shank). Each channel is a Fourier series in the phase::

    channels(phase, style) = waves(phase) @ (cycle + sum_k style_k styles_k)

Phase 0 is the left heel strike, pi the right one. Styles are standard normal in the people that the prior was learned
from. Log cadence and log stride length depend linearly on the style, too. The heading frame has y up and z ahead.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

import torch
from torch import Tensor

from meshgait_data import torch_rotations

ROOT = slice(72, 75)
"""Channels of the pelvis' height, sway and lead."""
GRAVITY = 9.81
"""m/s^2, makes cadences of short and long legs comparable (Hof, Gait & Posture 4, 1996)."""


@dataclass(frozen=True, slots=True)
class CyclePoint:
    """Channels at some phases with their derivatives."""

    channels: Tensor
    """(T, C)"""
    by_phase: Tensor
    """(T, C) per radian."""
    by_style: Tensor
    """(T, C, K)"""


@dataclass(frozen=True, slots=True, eq=False)
class GaitPrior:
    """How people walk. K may be 0: the mean cycle alone."""

    name: str
    mean: Tensor
    """(24, 3, 3) mean pose; the root's is relative to the heading."""
    cycle: Tensor
    """(1 + 2 H, C) Fourier coefficients: mean, cos, sin, cos 2, sin 2, ..."""
    styles: Tensor
    """(K, 1 + 2 H, C) change of these for one standard deviation of each style."""
    rhythm: Tensor
    """(2,) log of strides per second times sqrt(leg / g), log of stride length over leg."""
    rhythm_styles: Tensor
    """(K, 2) change of these for one standard deviation of each style."""
    rhythm_covariance: Tensor
    """(2, 2) of what the style does not tell."""
    covariance: Tensor
    """(C, C) of frames of people who were not learned from, around the cycle in the style that fits them best."""
    memory_s: float
    """Seconds that such a deviation lasts: frames closer than that are not independent evidence."""
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @property
    def harmonics(self) -> int:
        """H."""
        return (len(self.cycle) - 1) // 2

    @property
    def size(self) -> int:
        """K."""
        return len(self.styles)

    def to(self, device: torch.device | str, dtype: torch.dtype = torch.float64) -> "GaitPrior":
        """The same on another device, or in another precision."""
        moved: dict[str, Any] = {
            item.name: value.to(device, dtype)
            for item in fields(self)
            if isinstance(value := getattr(self, item.name), Tensor)
        }
        return replace(self, **moved)

    def with_styles(self, count: int) -> "GaitPrior":
        """The same with its first styles only."""
        return replace(self, styles=self.styles[:count], rhythm_styles=self.rhythm_styles[:count])

    def channels(self, phase: Tensor, style: Tensor | None = None) -> Tensor:
        """(T, C) channels at phases (T,) in a style (K,), or in one a frame (T, K); None is the mean style."""
        return torch.einsum("th,thc->tc", self._waves(phase)[0], self._coefficients(style).expand(len(phase), -1, -1))

    def linearised(self, phase: Tensor, style: Tensor | None = None) -> CyclePoint:
        """Channels with their derivatives by phase and style, see :meth:`channels`."""
        waves, slopes = self._waves(phase)
        both = torch.stack([waves, slopes], 1)
        coefficients = self._coefficients(style)
        channels = torch.einsum("tdh,thc->tdc", both, coefficients.expand(len(phase), -1, -1))
        by_style = torch.einsum("th,khc->tck", waves, self.styles)
        return CyclePoint(channels[:, 0], channels[:, 1], by_style)

    def rotations(self, phase: Tensor, style: Tensor | None = None) -> Tensor:
        """(T, 24, 3, 3) joint rotations, the root's relative to the heading (y up, z ahead)."""
        vectors = self.channels(phase, style)[:, :72].reshape(len(phase), 24, 3)
        return self.mean @ torch_rotations.exp(vectors)

    def root(self, phase: Tensor, style: Tensor | None = None) -> Tensor:
        """(T, 3) height of the pelvis above the floor, sway to the left, lead on an even pace; in leg lengths."""
        return self.channels(phase, style)[:, ROOT]

    def cadence(self, style: Tensor | None = None, *, leg_m: Tensor | float) -> Tensor:
        """Strides (two steps) per second that go with a style (..., K), for legs (thigh and shank) of that length."""
        leg = torch.as_tensor(leg_m, dtype=self.rhythm.dtype, device=self.rhythm.device)
        return self.log_rhythm(style)[..., 0].exp() * (GRAVITY / leg).sqrt()

    def speed(self, style: Tensor | None = None, cadence: Tensor | None = None, *, leg_m: Tensor | float) -> Tensor:
        """Metres a second that go with a style (..., K) and, where it is known, strides per second (...)."""
        leg = torch.as_tensor(leg_m, dtype=self.rhythm.dtype, device=self.rhythm.device)
        usual = self.cadence(style, leg_m=leg)
        cadence = usual if cadence is None else torch.as_tensor(cadence, dtype=leg.dtype, device=leg.device)
        # Who steps faster than the style says also takes another stride than it says.
        slope = self.rhythm_covariance[0, 1] / self.rhythm_covariance[0, 0]
        stride = (self.log_rhythm(style)[..., 1] + slope * (cadence / usual).log()).exp() * leg
        return stride * cadence

    def log_rhythm(self, style: Tensor | None = None) -> Tensor:
        """(..., 2) see ``rhythm``; of a style (..., K)."""
        return self.rhythm if style is None else self.rhythm + style @ self.rhythm_styles

    def _waves(self, phase: Tensor) -> tuple[Tensor, Tensor]:
        """(T, 1 + 2 H) the Fourier basis, and its derivative by the phase."""
        order = torch.arange(1, self.harmonics + 1, dtype=phase.dtype, device=phase.device)
        cosine, sine = (order * phase[:, None]).cos(), (order * phase[:, None]).sin()
        one = torch.ones_like(phase)[:, None]
        waves = torch.cat([one, torch.stack([cosine, sine], -1).flatten(1)], 1)
        slopes = torch.cat([0 * one, torch.stack([-order * sine, order * cosine], -1).flatten(1)], 1)
        return waves, slopes

    def _coefficients(self, style: Tensor | None) -> Tensor:
        """(1 + 2 H, C), or (T, 1 + 2 H, C) where there is a style for each frame."""
        if style is None or not self.size:
            return self.cycle
        return self.cycle + torch.tensordot(style, self.styles, 1)
