"""A batch of captures with everything that terms are made from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from meshgait_data.body.joints import JointRegressor
from meshgait_data.body.model import Body
from meshgait_data.errors import FitError
from meshgait_data.fit.batch import Layout
from meshgait_data.fit.chain import Chain
from meshgait_data.fit.minimise import Extra
from meshgait_data.fit.settings import FitSettings
from meshgait_data.fit.terms.base import Term
from meshgait_data.manifest import JointMap
from meshgait_data.types import FloatArray, IntArray, Observations

Correspondence = JointMap | JointRegressor
"""How joints of a set follow from the body: rows fixed in SMPL joints, or weighted sums of vertices."""

_USUAL_BETAS = 10
_MARKER_BETAS = 30
"""Markers on the skin show more of a shape than joints or outlines do; children need the later components."""


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """Captures that offer the same kinds of observations, on one device."""

    body: Body
    chain: Chain
    layout: Layout
    settings: FitSettings
    seen: tuple[Observations, ...]
    """N, only with the frames that take part."""
    maps: Mapping[str, Correspondence]
    """By joint set."""
    seconds: Tensor
    """(T,) time of each frame since the first of its capture."""

    @classmethod
    def of(
        cls,
        body: Body,
        seen: Sequence[Observations],
        maps: Mapping[str, Correspondence],
        settings: FitSettings,
        *,
        device: torch.device | str = "cpu",
    ) -> "Scene":
        """Put captures side by side; raises FitError where frame ids do not increase."""
        few = _MARKER_BETAS if seen[0].markers is not None else _USUAL_BETAS
        chain = Chain.of(body, num_betas=min(settings.num_betas or few, body.num_betas), device=device)
        seconds = np.concatenate([_seconds(each.frame_ids, each.fps, str(each.key)) for each in seen])
        layout = Layout.of([len(each.frame_ids) for each in seen], device)
        return cls(body, chain, layout, settings, tuple(seen), maps, torch.as_tensor(seconds, device=device))

    def tensor(self, array: FloatArray) -> Tensor:
        """The array in double precision where the scene is."""
        return torch.as_tensor(np.asarray(array, np.float64), device=self.seconds.device)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one kind of observation adds to the problem."""

    terms: tuple[Term, ...]
    movers: frozenset[int]
    """Joints whose rotation it feels."""
    shape_precision: Tensor | None = None
    """(N,) precision of the shape prior that it asks for a frame, see ``noise.py``."""
    white_share: Tensor | None = None
    """(N,) share of its error's variance that differs from frame to frame: what smoothing can remove."""
    extras: tuple[Extra, ...] = ()
    """Further unknowns; ``State.extras`` of the start has their values."""


def _seconds(ids: IntArray, fps: float, where: str) -> FloatArray:
    steps = np.diff(ids).astype(np.float64)
    if np.any(steps <= 0):
        raise FitError("frame ids do not increase", where=where, hint="check the source file for repeated frames")
    # The usual step is one frame apart, whatever the thinning; the median does not feel gaps.
    return np.asarray((ids - ids[0]) / (np.median(steps) if len(steps) else 1.0) / fps, np.float64)
