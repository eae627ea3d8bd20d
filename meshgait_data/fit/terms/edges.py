"""The edge-gradient silhouette as a term: share of each pixel that the body covers against that of the mask.

Forwards it is exact coverage, backwards the exact derivative of the covered area along the outline (see
:mod:`meshgait_data.render.soft`), so its minimum knows neither matches nor blurred outlines. It feels no farther than
about a pixel: finish with it, after :class:`meshgait_data.fit.terms.silhouette.Silhouettes`.

The force is the exact gradient. For the matrix, moving a piece of outline of length l by d along its normal changes the
coverage of the pixels that it crosses by about d each: ``l d^2`` of squared differences.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from meshgait_data.errors import InvalidData
from meshgait_data.fit.batch import Posed
from meshgait_data.fit.system import System
from meshgait_data.fit.terms.silhouette import Silhouettes
from meshgait_data.render.soft import Topology, coverage
from meshgait_data.types import BoolArray, ByteArray

_MARGIN = 0.1
"""Room around the mask, as a share of its height: what the body covers beyond costs nothing."""
_STIFFNESS = 0.8
"""Mean square over mean of the length of a line in the pixels that it crosses: 0.76 along the axes to 0.94 askew,
less where outlines bend."""


@dataclass(frozen=True, slots=True, eq=False)
class Windows:
    """What K views saw of F frames, cut out around the body."""

    targets: Tensor
    """(F, K, H, W) float32 coverage of each pixel."""
    corners: Tensor
    """(F, K, 2) x and y of the first pixel in the image."""
    seen: BoolArray
    """(F, K)"""

    @classmethod
    def of(cls, masks: Sequence[ByteArray | BoolArray]) -> "Windows":
        """Cut windows out of K stacks (F, H, W) of masks; raises InvalidData where they differ in frames."""
        if len({len(stack) for stack in masks}) != 1:
            raise InvalidData(f"masks of {[len(stack) for stack in masks]} frames: expected as many in every view")
        spans = np.zeros((len(masks[0]), len(masks), 4), int)
        for k, stack in enumerate(masks):
            for f, image in enumerate(stack):
                rows, columns = (np.flatnonzero(image.any(axis=axis)) for axis in (1, 0))
                if len(rows):
                    room = int(np.ceil(_MARGIN * (rows[-1] - rows[0] + 1)))
                    spans[f, k] = columns[0] - room, rows[0] - room, columns[-1] + room + 1, rows[-1] + room + 1
        width, height = (spans[..., 2:] - spans[..., :2]).max(axis=(0, 1)).tolist()
        targets = np.full((*spans.shape[:2], max(height, 1), max(width, 1)), np.nan, np.float32)
        for k, stack in enumerate(masks):
            for f, image in enumerate(np.asarray(stack)):
                _paste(image, spans[f, k], targets[f, k])
        seen = spans[..., 2] > spans[..., 0]
        return cls(torch.from_numpy(targets), torch.from_numpy(spans[..., :2].astype(float)), np.asarray(seen))


def _paste(image: ByteArray | BoolArray, span: np.ndarray, window: np.ndarray) -> None:
    """Coverage of a window; NaN beyond the image, of which nothing is known."""
    x0, y0 = span[:2]
    x1, y1 = min(x0 + window.shape[1], image.shape[1]), min(y0 + window.shape[0], image.shape[0])
    left, top = max(x0, 0), max(y0, 0)
    if span[2] > span[0]:
        full = 1.0 if image.dtype == bool else 255.0
        window[top - y0 : y1 - y0, left - x0 : x1 - x0] = image[top:y1, left:x1] / full


@dataclass(frozen=True, slots=True, eq=False)
class Edges:
    """The term, for known cameras without distortion."""

    silhouettes: Silhouettes
    """Finds the outlines that the matrix is made from; the same masks."""
    windows: Windows
    topology: Topology
    sigma: Tensor
    """(N,) standard deviation of a pixel's coverage, with allowance for neighbours that err together."""
    samples: int = 2
    """Of a pixel along each axis."""
    name: str = field(default="edges", init=False)
    unit: str = field(default="px", init=False)

    def measure(self, posed: Posed) -> "EdgesResidual":
        """Draw the body into all windows."""
        vertices = self.silhouettes.vertices(posed).requires_grad_()
        source, views = self.silhouettes.source, self.silhouettes.outlines.views
        capture = posed.layout.capture.cpu()
        frame = torch.cat([views.rotation, _translation(views.rotation, views.offset, views.target)], -1).cpu()
        depth = torch.zeros_like(frame[..., 2, :])
        depth[..., 3] = views.divisor.cpu()
        depth = torch.where(views.divisor.cpu()[..., None] > 0, depth, frame[..., 2, :])
        size = (self.windows.targets.shape[3], self.windows.targets.shape[2])
        squares, drawn = [], []
        for k in range(len(views)):
            centre = views.centre.cpu()[capture, k] - self.windows.corners[source, k]
            across = views.lens.cpu()[capture, k] @ frame[capture, k, :2] + centre[..., None] * depth[capture, k, None]
            matrices = torch.cat([across, depth[capture, k, None]], 1)
            found = coverage(vertices, self.topology, matrices, size, samples=self.samples)
            target = self.windows.targets[source, k].to(found)
            off = torch.where(target.isnan(), torch.zeros_like(found), found - torch.nan_to_num(target))
            there = torch.as_tensor(self.windows.seen[source, k] & (source >= 0)).to(found)
            squares.append(off.square().sum((1, 2)) * there)
            drawn.append(there)
        return EdgesResidual(self, posed, vertices, torch.stack(squares, 1), torch.stack(drawn, 1))


def _translation(rotation: Tensor, offset: Tensor, target: Tensor) -> Tensor:
    return (offset - (rotation @ target[..., None])[..., 0])[..., None]


@dataclass(frozen=True, slots=True, eq=False)
class EdgesResidual:
    """Squared differences of coverage."""

    term: Edges
    posed: Posed
    vertices: Tensor
    squares: Tensor
    """(T, K) sums over the pixels of a window."""
    seen: Tensor
    """(T, K) 1 or 0."""

    @property
    def _precision(self) -> Tensor:
        return self.term.sigma**-2

    @property
    def cost(self) -> Tensor:
        """(N,) of each capture."""
        squares = self.squares.detach().sum(1).to(self.posed.state.betas)
        return self._precision * self.posed.layout.sums(squares) / 2

    @property
    def error(self) -> Tensor:
        """(T,) pixels: squared differences of coverage over the length of the outline."""
        lengths = self.term.silhouettes.measure(self.posed).lengths.to(self.squares)
        total = (lengths * self.seen).sum(1)
        found = self.squares.detach().sum(1) / total.clamp(min=1e-9)
        return torch.where(total > 0, found, torch.nan).to(self.posed.state.betas)

    def add_to(self, system: System) -> None:
        """The exact gradient, and the matrix of an outline that moves along its normals."""
        found = self.term.silhouettes.measure(self.posed)
        pulls = [
            -torch.autograd.grad(self.squares[:, k].sum() / 2, self.vertices, retain_graph=True)[0]
            for k in range(self.squares.shape[1])
        ]
        counts, samples, owners, sums = found.found
        units = self.term.silhouettes.outlines.units[self.posed.layout.capture.cpu()]
        # In units of the rule: a length l and a way d there are l / u and d / u pixels.
        scale = _STIFFNESS * self.seen.numpy() / units**3
        stiff = np.zeros_like(samples)
        stiff[..., :6] = samples[..., :6]
        nx, ny = samples[..., 2], samples[..., 3]
        length = samples[..., 4] * scale[..., None]
        stiff[..., 6], stiff[..., 7], stiff[..., 8] = length * nx * nx, length * nx * ny, length * ny * ny
        forces = torch.stack(pulls, 1).numpy()
        rows = replace(found, found=(counts, stiff, owners, sums), forces=forces, weights=self._precision)
        rows.add_to(system)
