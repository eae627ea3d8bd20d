"""The parts of the loss: recognition (triplet, cross entropy) and 3D labels (points, confidence, mesh).

Each is a pure function. Those of labels give the error of each frame, of which the objective takes the mean over the
frames that have labels; coordinates are divided by the height of the window before, so that no loss knows its size.
Shape letters: B clips, S parts of the description, E embedding, L frames with labels, P points, V vertices, F faces.
"""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

from meshgait_model.config.network import LossConfig

_SHORT = 1e-4
"""Length in units of the window below which an edge or a normal fades out, so that gradients stay finite."""
_LEAST = 1e-20
"""Probability below which the confidence loss is flat."""


def batch_all_triplet(embeddings: Tensor, identities: Tensor, margin: float) -> Tensor:
    """Mean over parts of the mean non-zero hinge of all triplets in the batch (Hermans et al., arXiv 1703.07737).

    Parameters
    ----------
    embeddings
        (B, S, E).
    identities
        (B,) integers.
    margin
        By how much another person should be farther away than the same one.
    """
    strips = embeddings.float().transpose(0, 1)
    # Differences, not squares and a product: these lose all digits of small distances. Equal ones get no gradient.
    distance = torch.cdist(strips, strips, compute_mode="donot_use_mm_for_euclid_dist")
    same = identities[:, None] == identities[None]
    anchor, positive = (same & ~torch.eye(len(identities), dtype=torch.bool, device=same.device)).nonzero(as_tuple=True)
    # Of the pairs of one person only, against all others: a cube of all clips would be many times larger.
    hinge = distance[:, anchor, positive, None] - distance[:, anchor] + margin
    hinge = hinge.clamp_min(0).masked_fill(same[anchor], 0)
    count = (hinge > 0).sum((1, 2))
    return (hinge.sum((1, 2)) / count.clamp_min(1)).mean()


def strip_cross_entropy(cosines: Tensor, identities: Tensor, *, scale: float, smoothing: float) -> Tensor:
    """Cross entropy with label smoothing of scaled cosines (B, S, classes), mean over parts.

    Cosines times 16 and smoothing 0.1 are those of OpenGait (CVPR 2023).
    """
    logits = cosines.float().flatten(0, 1) * scale
    targets = identities.repeat_interleave(cosines.shape[1])
    return functional.cross_entropy(logits, targets, label_smoothing=smoothing)


def point_errors(predicted: Tensor, target: Tensor) -> Tensor:
    """Mean absolute difference (B, L) of points (B, L, P, 3).

    For joints, markers and vertices, as in VirtualMarker (Ma et al., CVPR 2023).
    """
    return (predicted.float() - target).abs().mean((2, 3))


def confidence_errors(probability: Tensor, inside: Tensor) -> Tensor:
    """Mean -log H(true place) (B, L): the confidence loss of VirtualMarker (Ma et al., CVPR 2023, eq. 6).

    Parameters
    ----------
    probability
        (B, L, P) of the heatmap about the true place of each point.
    inside
        (B, L, P) whether the heatmap can say that place; others do not count.
    """
    surprise = -probability.float().clamp_min(_LEAST).log() * inside
    return surprise.sum(2) / inside.sum(2).clamp_min(1)


def normal_errors(predicted: Tensor, target: Tensor, faces: Tensor) -> Tensor:
    """Mean |cosine| (B, L) between each predicted edge of a face and the true normal of that face.

    As in Pixel2Mesh (Wang et al., ECCV 2018) and VirtualMarker: 0 where faces lie in the planes of the true ones.

    Parameters
    ----------
    predicted, target
        (B, L, V, 3).
    faces
        (F, 3) vertices of each.
    """
    first, second, third = (target[:, :, faces[:, corner]] for corner in range(3))
    normals = torch.linalg.cross(second - first, third - first, dim=-1)
    # Twice the area, not a length: a face counts as soon as it is larger than a square of a short length.
    normals = normals / (normals.square().sum(-1, keepdim=True) + _SHORT**4).sqrt()
    edges = _edges(predicted.float(), faces)
    directions = edges / (edges.square().sum(-1, keepdim=True) + _SHORT**2).sqrt()
    return (directions * normals[:, :, None]).sum(-1).abs().mean((2, 3))


def edge_errors(predicted: Tensor, target: Tensor, faces: Tensor) -> Tensor:
    """Mean absolute difference (B, L) of the lengths of edges, as in VirtualMarker; see :func:`normal_errors`."""
    lengths = ((_edges(mesh, faces).square().sum(-1) + _SHORT**2).sqrt() for mesh in (predicted.float(), target))
    found, true = lengths
    return (found - true).abs().mean((2, 3))


def _edges(mesh: Tensor, faces: Tensor) -> Tensor:
    """(B, L, 3, F, 3) the three edges of each face."""
    corners = [mesh[:, :, faces[:, corner]] for corner in range(3)]
    return torch.stack([corners[(corner + 1) % 3] - corners[corner] for corner in range(3)], 2)


def total(parts: Mapping[str, Tensor], config: LossConfig) -> Tensor:
    """Weighted sum; each part's name is the name of its weight."""
    return torch.stack([getattr(config, name) * value for name, value in parts.items()]).sum()
