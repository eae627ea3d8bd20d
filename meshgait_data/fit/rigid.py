"""Normal equations of points that are fixed to one joint each, without their Jacobian: by moments of whole subtrees.

All that hangs below a joint feels its turning alike, so that the information that many points have about two joints
is a product of 6 x 6 matrices: that of the subtree of the lower joint, and the motions of the two. It is what the
composite rigid body algorithm does with masses (Featherstone, *Rigid Body Dynamics Algorithms*, Springer 2008, ch. 6).

With d from the joint's centre to a point, turning the joint by w (world axes) moves the point by ``cross(w, d) = A w``,
``A = -skew(d)``. With the information I of each point, a joint b needs ``K = sum A^T I A`` and ``G = sum I A`` over its
subtree; for a joint a above it, whose centre is ``r`` away, ``sum A_a^T I A_b = K + skew(r) G``.
"""

from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor

from meshgait_data.fit.batch import Posed
from meshgait_data.fit.chain import ancestry
from meshgait_data.torch_rotations import skew


class Subtrees:
    """What points that are fixed to joints tell about the poses of some frames.

    Parameters
    ----------
    posed
        The joints of all frames.
    part
        The T' frames to treat.
    free
        L joints whose rotation is unknown.
    owner
        (P,) joint that each point is fixed to.
    points
        (T', P, 3) where they are.
    dtype
        Precision of the results. Second moments, which are differences, are taken in that of the points.
    """

    def __init__(
        self, posed: Posed, part: slice, free: Sequence[int], *, owner: Tensor, points: Tensor, dtype: torch.dtype
    ) -> None:
        ids = list(free)
        below, self._share = _relations(posed.chain.parents, tuple(free), dtype, points.device)
        self._member = below[:, owner].to(points)
        root = posed.joints[part, :1]
        # From the root, so that levers are resolved wherever in the world the person is.
        self._arms, self._centres = points - root, posed.joints[part][:, ids] - root
        self._turn, self._dtype = posed.world[part][:, ids].to(dtype), dtype

    def matrix(self, information: Tensor) -> Tensor:
        """(T', U, U) blocks of the frames, from (T', P, 3, 3) information, or (T', P) times the identity."""
        total, first, second = self._scalar(information) if information.dim() == 2 else self._full(information)
        dtype, turn, reach = self._dtype, self._turn, skew(self._centres.to(self._dtype))
        frames, count = len(turn), 3 * turn.shape[1]
        push = first.to(dtype) @ turn
        torque = second.to(dtype) @ turn + reach @ push

        def flat(rows: Tensor) -> Tensor:
            return rows.transpose(1, 2).reshape(frames, -1, count)

        motion = flat(torch.cat([turn, reach @ turn], 2))
        wrench = flat(torch.cat([torque, push], 2))
        result = turn.new_zeros(frames, count + 3, count + 3)
        # True for a joint and those below it. Halved on the diagonal, it and its transposed are the whole.
        half = (motion.mT @ wrench).mul_(self._share)
        torch.add(half, half.mT, out=result[:, :count, :count])
        across = flat(push)
        result[:, count:, :count], result[:, :count, count:] = across, across.mT
        result[:, count:, count:] = total.to(dtype)
        return result

    def columns(self, values: Tensor) -> Tensor:
        """(T', U, C) sums of ``(dx/du)^T values`` over the points, from (T', P, 3, C) values."""
        frames, _, _, count = values.shape
        arms, centres = self._arms.to(self._dtype), self._centres.to(self._dtype)
        both = torch.cat([values, _cross(arms, values)], 2).flatten(2)
        force, torque = (self._member.to(self._dtype) @ both).reshape(frames, -1, 2, 3, count).unbind(2)
        turned = self._turn.mT @ (torque - _cross(centres, force))
        return torch.cat([turned.reshape(frames, -1, count), values.sum(1)], 1)

    def _scalar(self, weights: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(T', 3, 3) information of all points together, and (T', L, 3, 3) G and K of each subtree."""
        arms, centres = self._arms, self._centres
        eye = torch.eye(3, dtype=arms.dtype, device=arms.device)
        weighted = weights[..., None].to(arms) * torch.cat([torch.ones_like(arms[..., :1]), arms], -1)
        squares = weighted[..., 1:, None] * arms[..., None, :]
        moments = self._member @ torch.cat([weighted, squares.flatten(2)], 2)
        mass, middle, square = moments[..., :1], moments[..., 1:4], moments[..., 4:]
        lever = middle - mass * centres
        # Steiner's theorem, from the root to the joint's centre.
        square = square.reshape(*lever.shape, 3) - lever[..., None] * centres[..., None, :]
        square = square - centres[..., None] * middle[..., None, :]
        size = square.diagonal(dim1=2, dim2=3).sum(2)[..., None, None]
        return weights.to(arms).sum(1)[:, None, None] * eye, -skew(lever), size * eye - square

    def _full(self, information: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The same for information that is not the same in all directions."""
        information = information.to(self._arms)
        motion, centre = -skew(self._arms), skew(self._centres)
        pushed = information @ motion
        parts = torch.stack([information, pushed, motion.mT @ pushed], 2).flatten(2)
        mass, first, second = (self._member @ parts).reshape(len(parts), -1, 3, 3, 3).unbind(2)
        moved = first + mass @ centre
        # A = -skew(arm) + skew(centre), multiplied out.
        return information.sum(1), moved, second + first.mT @ centre - centre @ moved


def _cross(arms: Tensor, values: Tensor) -> Tensor:
    """(..., 3) times (..., 3, C) to (..., 3, C)."""
    x, y, z = arms[..., None].unbind(-2)
    a, b, c = values.unbind(-2)
    return torch.stack([y * c - z * b, z * a - x * c, x * b - y * a], -2)


@lru_cache(maxsize=64)
def _relations(
    parents: tuple[int, ...], free: tuple[int, ...], dtype: torch.dtype, device: torch.device
) -> tuple[Tensor, Tensor]:
    """(L, J) one where a joint turns with a free one; (3 L, 3 L) one where the row is above, half on the diagonal."""
    below = ancestry(parents, dtype, device)[:, list(free)].mT
    pairs = below[:, list(free)]
    pairs.diagonal().fill_(0.5)
    return below, pairs.repeat_interleave(3, 0).repeat_interleave(3, 1)
