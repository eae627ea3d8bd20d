"""The points of a walk in a frame of the body, and what is read off their trajectories: features of no view.

A silhouette looks different from each side; the points of the body, taken to axes that move and turn with it, do not.
This form is ours. Shape letters: B clips, T frames, P points, C channels, M parts, E embedding.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from meshgait_data.errors import InvalidData
from meshgait_model.config.network import MotionConfig
from meshgait_model.nn.head import SeparateLinear
from meshgait_model.nn.look import Pooled

_LEVEL_PX = 1.0
"""Length of a line from side to side, in window pixels, below which a direction is not trusted."""
_UNSURE = 0.05
"""Length of a mean of unit vectors below which it is no direction."""
_STILL = 1e-3
"""Movement in units of the window that is none, so that gradients stay finite."""
_LEAST = 1e-6
"""Probability that is added to confidences before their logarithm."""


@dataclass(frozen=True, slots=True)
class BodyAxes:
    """Which points say where a body is and where it faces."""

    root: tuple[int, ...]
    """Points whose mean is the origin."""
    left: tuple[int, ...]
    right: tuple[int, ...]
    """Points of the left side, and those of the right side opposite them."""

    @classmethod
    def of(cls, names: Sequence[str]) -> "BodyAxes":
        """Of a joint set: the pelvis, or else the middle of the hips; hips and shoulders.

        Raises
        ------
        InvalidData
            Where the joint set has no hips or no shoulders.
        """
        wanted = [f"{side}_{joint}" for joint in ("hip", "shoulder") for side in ("left", "right")]
        missing = [name for name in wanted if name not in names]
        if missing:
            raise InvalidData(
                f"the joint set has no {', '.join(missing)}, so nobody knows where a body faces",
                hint="leave motion and view out of network.fusion",
            )
        found = [list(names).index(name) for name in wanted]
        left, right = tuple(found[::2]), tuple(found[1::2])
        root = (list(names).index("pelvis"),) if "pelvis" in names else (left[0], right[0])
        return cls(root, left, right)


def facing(uvd: Tensor, axes: BodyAxes) -> Tensor:
    """Unit vectors (..., 2) along u and d in which bodies with points (..., P, 3) face; shorter where that is unclear.

    The horizontal line from the right to the left hip and shoulder, turned by a right angle: who faces the camera has
    the left side where u is large.
    """
    across = uvd[..., list(axes.left), :].mean(-2) - uvd[..., list(axes.right), :].mean(-2)
    ahead = torch.stack([across[..., 2], -across[..., 0]], -1)
    return ahead / (ahead.square().sum(-1, keepdim=True) + _LEVEL_PX**2).sqrt()


def from_root(uvd: Tensor, axes: BodyAxes) -> Tensor:
    """Points (..., P, 3) relative to the root."""
    return uvd - uvd[..., list(axes.root), :].mean(-2, keepdim=True)


def in_body_frame(places: Tensor, ahead: Tensor) -> Tensor:
    """Places (..., P, 3) relative to the root as distances ahead, to the left and up.

    Parameters
    ----------
    ahead
        (..., 2) from :func:`facing`.
    """
    u, v, d = places.unbind(-1)
    x, y = ahead[..., None, 0], ahead[..., None, 1]
    return torch.stack([u * x + d * y, d * x - u * y, -v], -1)


def statistics(pooled: Pooled) -> Tensor:
    """Mean and standard deviation over time (B, P, 6) of the points ahead, to the left and up.

    Of axes that stay: those of the mean direction in which the body faces, so that noise of single frames does not turn
    them. They follow from sums over frames, and are those of any number of frames (n - 1 in the variance).
    """
    assert pooled.places_sum is not None
    assert pooled.squares_sum is not None
    assert pooled.heading_sum is not None
    mean = pooled.places_sum / pooled.frames
    u, v, d = mean.unbind(-1)
    spread = pooled.squares_sum / pooled.frames - torch.stack([u * u, d * d, u * d, v * v], -1)
    uu, dd, ud, vv = (spread * (pooled.frames / max(pooled.frames - 1, 1))).unbind(-1)
    heading = pooled.heading_sum / pooled.frames
    heading = heading / (heading.square().sum(-1, keepdim=True) + _UNSURE**2).sqrt()
    x, y = heading[:, None, 0], heading[:, None, 1]
    ahead, left = x * x * uu + y * y * dd + 2 * x * y * ud, x * x * dd + y * y * uu - 2 * x * y * ud
    variance = torch.stack([ahead, left, vv], -1)
    return torch.cat([in_body_frame(mean, heading), (variance.clamp_min(0) + _STILL**2).sqrt()], -1)


class MotionBranch(nn.Module):
    """Parts of the description from the points in the frame of the body.

    From statistics over time of where the points are, and from largest and mean values over time of what a small
    network says of each frame.

    Parameters
    ----------
    points
        P.
    embedding
        E.
    """

    def __init__(self, points: int, config: MotionConfig, embedding: int) -> None:
        super().__init__()
        self.confidence, self.hidden, self.parts = config.confidence, config.hidden, config.parts
        self.reach = config.temporal // 2 if config.hidden else 0
        """Frames to each side that the features of a frame depend on."""
        inputs = 2 * config.hidden
        if config.hidden:
            seen = points * (4 if config.confidence else 3)
            self.norm = nn.BatchNorm1d(seen)
            self.first = nn.Linear(seen, config.hidden, bias=False)
            self.first_norm = nn.BatchNorm1d(config.hidden)
            self.along = nn.Conv1d(config.hidden, config.hidden, config.temporal, padding=self.reach, bias=False)
            self.along_norm = nn.BatchNorm1d(config.hidden)
        self.statistics_norm: nn.BatchNorm1d | None = None
        if config.statistics:
            self.statistics_norm = nn.BatchNorm1d(6 * points)
            inputs += 6 * points
        self.embed = SeparateLinear(config.parts, inputs, embedding)

    def forward(self, places: Tensor, heading: Tensor, confidence: Tensor | None) -> Tensor | None:
        """Features (B, T, M) of each frame, of places (B, T, P, 3), directions (B, T, 2), confidences (B, T, P)."""
        if not self.hidden:
            return None
        values = [in_body_frame(places, heading).flatten(2)]
        if confidence is not None:
            values.append((confidence + _LEAST).log())
        flat = self.norm(torch.cat(values, -1).flatten(0, 1))
        x = functional.relu(self.first_norm(self.first(flat))).reshape(*places.shape[:2], self.hidden)
        looked = self.along_norm(self.along(x.transpose(1, 2))).transpose(1, 2)
        return functional.relu(x + looked)

    def describe(self, pooled: Pooled) -> Tensor:
        """Parts (B, parts, E)."""
        values = []
        if pooled.motion is not None and pooled.motion_sum is not None:
            values += [pooled.motion.float(), pooled.motion_sum / pooled.frames]
        if self.statistics_norm is not None:
            values.append(self.statistics_norm(statistics(pooled).flatten(1)))
        parts: Tensor = self.embed(torch.cat(values, -1)[:, None].expand(-1, self.parts, -1))
        return parts
