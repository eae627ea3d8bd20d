"""The mesh from virtual markers: only training and label errors need it, recognition never does.

VirtualMarker (Ma et al., CVPR 2023) gives every vertex as ``coefficients @ points`` with coefficients that one layer
makes of the points' confidences: 46 million weights. Here the marker set's own signed coefficients stay as they are,
and what is learned moves the markers before them, so that all vertices gain however few the loss looks at.
Shape letters: P points (J joints, then K markers), V vertices, R rank.
"""

import numpy as np
import torch
from torch import Tensor, nn

from meshgait_data.types import FloatArray
from meshgait_model.config.network import MeshConfig

_LEAST = 1e-6
"""Probability that is added to confidences before their logarithm."""
_USUAL = 0.05
"""Confidence of a point that is seen well."""
_LOG_NOISE, _LOG_REST = -5.0, -1.0
"""Logarithms of variances that the adaptive form begins with: it believes what it sees well."""
_LOG_MOST = 12.0
"""Largest absolute logarithm of a variance."""


class MarkerMesh(nn.Module):
    """Vertices ``A m`` from markers m with the signed coefficients A (V, K) of the marker set, see ``network.mesh``.

    - ``fixed``: m is what the heatmaps say.
    - ``learned``: m + L p, with all points p and a learned L (K, P).
    - ``adaptive``: m is the best guess of the points given how sure each of them is, see :class:`TrustedPoints`.

    Shifted, turned or grown points give a mesh that is so too. What is learned here gives points and confidences no
    gradient, as in VirtualMarker: a wrong guess must not pull at what is seen. The mesh of :meth:`plain` does.

    Parameters
    ----------
    coefficients
        (V, K) signed coefficients.
    points
        P; the last K of them are the markers.
    """

    coefficients: Tensor

    def __init__(self, coefficients: FloatArray, points: int, config: MeshConfig) -> None:
        super().__init__()
        matrix = torch.from_numpy(np.array(coefficients, np.float32))
        # Not persistent: they belong to the marker set.
        self.register_buffer("coefficients", matrix, persistent=False)
        self.form, self.markers = config.form, matrix.shape[1]
        if config.form == "learned":
            self.correction = nn.Parameter(torch.zeros(self.markers, points))
        if config.form == "adaptive":
            self.trusted = TrustedPoints(points, config.rank)

    def forward(self, points: Tensor, confidence: Tensor, vertex_ids: Tensor | None = None) -> Tensor:
        """Vertices (..., V or fewer, 3) of points (..., P, 3) with confidences (..., P), in the same coordinates."""
        if self.form == "fixed":
            return self.plain(points, vertex_ids)
        seen = points.detach().float()
        if self.form == "learned":
            # Rows that sum to zero: a shift of all points moves the markers alike.
            rows = self.correction - self.correction.mean(-1, keepdim=True)
            moved = seen[..., -self.markers :, :] + rows @ seen
            return self._rows(vertex_ids) @ moved
        return self.plain(self.trusted(seen, confidence.detach().float()), vertex_ids)

    def plain(self, points: Tensor, vertex_ids: Tensor | None = None) -> Tensor:
        """Vertices as ``fixed`` gives them, whatever the form is."""
        return self._rows(vertex_ids) @ points[..., -self.markers :, :].float()

    def _rows(self, vertex_ids: Tensor | None) -> Tensor:
        return self.coefficients if vertex_ids is None else self.coefficients[vertex_ids]


class TrustedPoints(nn.Module):
    """Points as a Gaussian model of bodies and their confidences explain them; P (R + 3) weights.

    A body is b = μ + F z + e: a place μ, a basis F (P, R) with standard normal z, and what is left of each point, e, of
    variance r. What is seen of it has noise of variance n = exp(a - b log c) for a confidence c. The guess is the mean
    of b given what is seen (linear regression of bodies on points, the form of kriging with an unknown mean): with
    W = 1 / (n + r), z = (I + FᵀWF)⁻¹ FᵀW (p - μ), and what is left counts r W. The guess is linear
    in p, so that it knows no unit of length. All of it is learned by the losses of the mesh.
    """

    def __init__(self, points: int, rank: int) -> None:
        super().__init__()
        self.basis = nn.Parameter(torch.randn(points, rank) * 0.3 * rank**-0.5)
        self.log_noise = nn.Parameter(torch.full((points,), _LOG_NOISE))
        self.sureness = nn.Parameter(torch.ones(points))
        self.log_rest = nn.Parameter(torch.full((points,), _LOG_REST))

    def forward(self, points: Tensor, confidence: Tensor) -> Tensor:
        """Guess (..., P, 3) from points (..., P, 3) and confidences (..., P)."""
        # Few, small matrices: what mixed precision would save is nothing, what it would lose is the inverse.
        with torch.autocast(points.device.type, enabled=False):
            # The same without, but for rounding.
            mean = points.mean(-2, keepdim=True)
            x = points - mean
            log_noise = self.log_noise - self.sureness * ((confidence + _LEAST) / _USUAL).log()
            noise = log_noise.clamp(-_LOG_MOST, _LOG_MOST).exp()
            rest = self.log_rest.clamp(-_LOG_MOST, _LOG_MOST).exp()
            weight = 1 / (noise + rest)
            centre = (weight[..., None] * x).sum(-2, keepdim=True) / weight.sum(-1)[..., None, None]
            x = x - centre
            weighted = self.basis.mT * weight[..., None, :]
            known = weighted @ self.basis + torch.eye(self.basis.shape[1], dtype=x.dtype, device=x.device)
            explained = self.basis @ torch.linalg.solve(known, weighted @ x)
            guess = explained + (rest * weight)[..., None] * (x - explained)
            return guess + centre + mean
