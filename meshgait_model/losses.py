"""The parts of the loss: recognition (triplet, cross entropy) and 3D labels (joints, markers, mesh).

Shape letters: B clips, S strips, E embedding, T frames, P points.
"""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

from meshgait_model.config.network import LossConfig


def batch_all_triplet(embeddings: Tensor, identities: Tensor, margin: float) -> Tensor:
    """Mean over strips of the mean non-zero hinge of all triplets in the batch (Hermans et al., arXiv 1703.07737).

    Parameters
    ----------
    embeddings
        (B, S, E).
    identities
        (B,) integers.
    margin
        By how much another person should be farther away than the same one.
    """
    strips = embeddings.transpose(0, 1)
    distance = euclidean(strips, strips)
    same = identities[:, None] == identities[None]
    positive = same & ~torch.eye(len(identities), dtype=torch.bool, device=same.device)
    triplet = positive[:, :, None] & ~same[:, None, :]
    hinge = (distance[:, :, :, None] - distance[:, :, None, :] + margin).clamp_min(0) * triplet
    count = (hinge > 0).sum((1, 2, 3))
    return (hinge.sum((1, 2, 3)) / count.clamp_min(1)).mean()


def euclidean(first: Tensor, second: Tensor) -> Tensor:
    """Distances (..., M, N) between (..., M, E) and (..., N, E), with a finite gradient where they are zero."""
    squared = (first[..., :, None, :] - second[..., None, :, :]).square().sum(-1)
    return squared.clamp_min(1e-12).sqrt()


def strip_cross_entropy(cosines: Tensor, identities: Tensor, *, scale: float, smoothing: float) -> Tensor:
    """Cross entropy with label smoothing of scaled cosines (B, S, classes), mean over strips."""
    logits = cosines.float().flatten(0, 1) * scale
    targets = identities.repeat_interleave(cosines.shape[1])
    return functional.cross_entropy(logits, targets, label_smoothing=smoothing)


def label_l1(predicted: Tensor, target: Tensor, valid: Tensor, window: float) -> Tensor:
    """Mean absolute error of points in window units.

    Parameters
    ----------
    predicted, target
        (B, T, P, 3) in pixels of the window.
    valid
        (B, T) True for frames whose fit was not rejected.
    window
        Pixels of one window unit: the height of the silhouettes.
    """
    error = (predicted.float() - target).abs().mean((2, 3)) / window
    return (error * valid).sum() / valid.sum().clamp_min(1)


def total(parts: Mapping[str, Tensor], config: LossConfig) -> Tensor:
    """Weighted sum; each part's name is the name of its weight."""
    return torch.stack([getattr(config, name) * value for name, value in parts.items()]).sum()
