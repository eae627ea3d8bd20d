"""Points that move with the body, and their derivatives: joints, joints of any other set, markers, skin.

Every point is a sum of parts, each of which moves with one joint:
``x = sum_k (W_k (r_k - w_k j0_k) + w_k j_k)`` with the rotation W_k and the place j_k of joint k in the world, its rest
place j0_k, the weight w_k and the rest vector r_k (already weighted), which is linear in the shape and in the pose
correctives. A joint centre is one part, a vertex as many as it has skinning weights, a row of a joint regressor the
sum of its vertices: linear blend skinning is linear in them, so nothing is lost by adding them up beforehand.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from meshgait_data.body.model import Body
from meshgait_data.fit.batch import Posed
from meshgait_data.fit.chain import Chain, ancestry
from meshgait_data.torch_rotations import skew
from meshgait_data.types import IntArray


@dataclass(frozen=True, slots=True)
class Placed:
    """Where the points of all frames are."""

    points: Tensor
    """(T, P, 3) metres, world frame."""
    parts: Tensor
    """(T, M, 3) what each part adds to its point."""
    rest: Tensor
    """(T, M, 3) or (N, M, 3) rest vectors with correctives, minus the weighted rest joint."""


@dataclass(frozen=True, slots=True)
class BodyPoints:
    """P points in M parts."""

    count: int
    """P."""
    point: Tensor
    """(M,) the point that a part belongs to."""
    joint: Tensor
    """(M,) the joint that it moves with."""
    weight: Tensor
    """(M,) its share; those of a point add up to one."""
    rest: Tensor
    """(M, 3) metres, times the weight."""
    shapedirs: Tensor
    """(M, 3, B) metres per standard deviation, times the weight."""
    posedirs: Tensor | None = None
    """(M, 3, 9 (J - 1)) pose correctives, times the weight; None where the points have none."""
    bends: bool = True
    """Whether the Jacobian follows the correctives too (exact), or takes them as constant (cheaper)."""

    @classmethod
    def at_joints(cls, chain: Chain, joints: Sequence[int], offsets: Tensor | None = None) -> "BodyPoints":
        """Points fixed in the frame of one joint each.

        Parameters
        ----------
        chain
            The body's joints.
        joints
            P SMPL joints that the points move with.
        offsets
            (P, 3) metres from the joint's centre in its rest frame; None for the centres.
        """
        owner = torch.as_tensor(list(joints), device=chain.template.device)
        rest = chain.template[owner]
        if offsets is not None:
            rest = rest + offsets.to(rest)
        ones = rest.new_ones(len(owner))
        return cls(len(owner), torch.arange(len(owner), device=rest.device), owner, ones, rest, chain.shapedirs[owner])

    @classmethod
    def on_surface(cls, body: Body, chain: Chain, vertex_ids: IntArray, *, bends: bool = True) -> "BodyPoints":
        """Vertices of the body, with linear blend skinning and pose correctives."""
        ids = np.asarray(vertex_ids)
        rows = sp.csr_matrix((np.ones(len(ids)), (np.arange(len(ids)), ids)), shape=(len(ids), body.num_vertices + 24))
        return cls.regressed(body, chain, rows, bends=bends)

    @classmethod
    def regressed(cls, body: Body, chain: Chain, matrix: sp.spmatrix, *, bends: bool = True) -> "BodyPoints":
        """Points that are weighted sums of vertices and chain joints.

        Parameters
        ----------
        body, chain
            The body, and its chain with as many shape components as are estimated.
        matrix
            (P, V + J) sparse; columns are the vertices, then the joints, as in
            :class:`meshgait_data.body.joints.JointRegressor`. Rows add up to one.
        bends
            Whether Jacobians follow the pose correctives.
        """
        matrix, num_joints = sp.csr_matrix(matrix), len(chain.parents)
        count, num_betas = matrix.shape[0], chain.shapedirs.shape[-1]
        skin = matrix[:, : body.num_vertices].tocsc()
        centres = matrix[:, body.num_vertices :].toarray()
        used = np.flatnonzero(np.diff(skin.indptr))
        share = np.einsum("pv,vj->pjv", skin[:, used].toarray(), body.weights[used].astype(np.float64))
        weight = share.sum(-1) + centres
        point, joint = np.nonzero(np.abs(share).sum(-1) + np.abs(centres) > 1e-9)
        chosen = share[point, joint]
        centre = centres[point, joint]
        template, dirs = (a.cpu().numpy() for a in (chain.template, chain.shapedirs))
        rest = chosen @ body.v_template[used] + centre[:, None] * template[joint]
        shape = np.einsum("mv,vxb->mxb", chosen, body.shapedirs[used][..., :num_betas])
        shape += centre[:, None, None] * dirs[joint]
        posedirs = None
        if len(used) and body.posedirs[used].any():
            posedirs = np.einsum("mv,vxf->mxf", chosen, body.posedirs[used].astype(np.float64))
            assert posedirs.shape[-1] == 9 * (num_joints - 1)

        def tensor(array: np.ndarray) -> Tensor:
            return torch.as_tensor(np.ascontiguousarray(array)).to(chain.template)

        return cls(
            count=count,
            point=torch.as_tensor(point, device=chain.template.device),
            joint=torch.as_tensor(joint, device=chain.template.device),
            weight=tensor(weight[point, joint]),
            rest=tensor(rest),
            shapedirs=tensor(shape),
            posedirs=None if posedirs is None else tensor(posedirs),
            bends=bends,
        )

    def take(self, points: Sequence[int]) -> "BodyPoints":
        """Some of the points, in that order."""
        order = {point: place for place, point in enumerate(points)}
        kept = [part for part, point in enumerate(self.point.tolist()) if point in order]
        new = torch.tensor([order[int(self.point[part])] for part in kept], device=self.point.device, dtype=torch.long)
        ids = torch.tensor(kept, device=self.point.device, dtype=torch.long)
        correctives = None if self.posedirs is None else self.posedirs[ids]
        return replace(
            self,
            count=len(order),
            point=new,
            joint=self.joint[ids],
            weight=self.weight[ids],
            rest=self.rest[ids],
            shapedirs=self.shapedirs[ids],
            posedirs=correctives,
        )

    def movers(self, chain: Chain) -> set[int]:
        """Joints whose rotation moves some point: a point in the centre of its joint does not feel that joint."""
        found: set[int] = set()
        centre = chain.template[self.joint] * self.weight[:, None]
        off = (self.rest - centre).abs().amax(-1) > 1e-9
        for joint, moved in zip(self.joint.tolist(), off.tolist(), strict=True):
            above = chain.ancestors(joint)
            found.update(above if moved else above[1:])
        return found

    def place(self, posed: Posed, offsets: Tensor | None = None) -> Placed:
        """Pose the points.

        Parameters
        ----------
        posed
            The joints.
        offsets
            (N, P, 3) metres: how far each capture's points lie from where the body has them, in rest axes.
        """
        state, layout = posed.state, posed.layout
        rest = self.rest + torch.einsum("mxb,nb->nmx", self.shapedirs, state.betas)
        if offsets is not None:
            rest = rest + self.weight[:, None] * offsets[:, self.point]
        rest = (rest - self.weight[:, None] * posed.rest[:, self.joint])[layout.capture]
        if self.posedirs is not None:
            eye = torch.eye(3, dtype=rest.dtype, device=rest.device)
            feature = (state.rotations[:, 1:] - eye).flatten(1)
            rest = rest + (feature @ self.posedirs.flatten(0, 1).mT).reshape(len(feature), -1, 3)
        turned = (posed.world[:, self.joint] @ rest[..., None])[..., 0]
        parts = turned + self.weight[:, None] * posed.joints[:, self.joint]
        points = parts.new_zeros(len(parts), self.count, 3).index_add_(1, self.point, parts)
        return Placed(points, parts, rest)

    @property
    def rigid(self) -> bool:
        """Whether each point is fixed to one joint."""
        return len(self.point) == self.count and self.posedirs is None and bool((self.weight == 1).all())

    def jacobian(
        self,
        posed: Posed,
        placed: Placed,
        free: Sequence[int],
        frames: slice = slice(None),
        *,
        dtype: torch.dtype | None = None,
    ) -> Tensor:
        """(T, P, 3, U) derivative of the points by the unknowns of their frame, in ``dtype`` (None: that of the state).

        Turning joint a by delta moves the parts below it at d from it by cross(W_a delta, d).
        """
        ids, dtype = list(free), dtype or posed.world.dtype
        root = posed.joints[frames, :1]
        # From the root, so that single precision resolves levers wherever in the world the person is.
        parts = (placed.parts[frames] - self.weight[:, None] * root).to(dtype)
        joints, world = (posed.joints[frames][:, ids] - root).to(dtype), posed.world[frames][:, ids].to(dtype)
        below = ancestry(posed.chain.parents, dtype, parts.device)[:, ids]
        rows, there = self._by_point()
        member = below[self.joint[rows]] * there[..., None].to(dtype)
        # First moments of what hangs below each joint, and the weights there: (P, 3 T, L), (P, L).
        moment = parts.permute(1, 2, 0)[rows].permute(0, 3, 2, 1).flatten(1, 2) @ member
        hanging = (self.weight.to(dtype)[rows][..., None] * member).sum(1)
        count = len(parts)
        lever = moment.reshape(self.count, count, 3, -1).transpose(0, 1) - hanging[:, None] * joints.mT[:, None]
        result = parts.new_zeros(count, self.count, 3, 3 * len(ids) + 3)
        turns = result.as_strided((*result.shape[:3], len(ids), 3), (*result.stride()[:3], 3, 1))
        axes = world.permute(0, 2, 1, 3)[:, None]
        for row, (one, other) in enumerate(((1, 2), (2, 0), (0, 1))):
            torch.mul(axes[:, :, one], lever[:, :, other, :, None], out=turns[:, :, row])
            turns[:, :, row].addcmul_(axes[:, :, other], lever[:, :, one, :, None], value=-1)
        result[..., -3:] = torch.eye(3, dtype=dtype, device=parts.device)
        if self.posedirs is not None and self.bends:
            result[..., :-3] += self._bending(posed, ids, frames, dtype)
        return result

    def _by_point(self) -> tuple[Tensor, Tensor]:
        """(P, K) parts of each point, filled up with any; (P, K) one where it is a part, else zero."""
        order = torch.argsort(self.point, stable=True)
        counts = torch.bincount(self.point, minlength=self.count)
        rank = torch.arange(len(order), device=order.device) - (counts.cumsum(0) - counts)[self.point[order]]
        rows = order.new_zeros(self.count, max(int(counts.max()), 1))
        there = self.weight.new_zeros(rows.shape)
        rows[self.point[order], rank], there[self.point[order], rank] = order, 1.0
        return rows, there

    def _bending(self, posed: Posed, free: list[int], frames: slice, dtype: torch.dtype) -> Tensor:
        """(T, P, 3, 3 L) what the pose correctives add: they follow the entries of every rotation but the root's."""
        assert self.posedirs is not None
        rotations, world = posed.state.rotations[frames].to(dtype), posed.world[frames].to(dtype)
        bent = [joint for joint in free if joint > 0]
        axes = skew(torch.eye(3, dtype=rotations.dtype, device=rotations.device))
        # d vec(R) / d delta: (T, L', 9, 3).
        slope = torch.einsum("tlij,cjk->tlikc", rotations[:, bent], axes).flatten(2, 3)
        directions = self.posedirs.to(dtype).reshape(len(self.point), 3, -1, 9)[:, :, [joint - 1 for joint in bent]]
        moved = torch.einsum("mxlf,tlfc->tmxlc", directions, slope)
        moved = torch.einsum("tmyx,tmxlc->tmylc", world[:, self.joint], moved)
        result = moved.new_zeros(len(moved), self.count, 3, len(free), 3)
        at = [free.index(joint) for joint in bent]
        result[:, :, :, at] = moved.new_zeros(len(moved), self.count, *moved.shape[2:]).index_add_(1, self.point, moved)
        return result.flatten(3)

    def shape_jacobian(self, posed: Posed, frames: slice = slice(None), *, dtype: torch.dtype | None = None) -> Tensor:
        """(T, P, 3, B) derivative of the points by the shape, in ``dtype`` (None: that of the state)."""
        dtype = dtype or posed.world.dtype
        world, directions = posed.world[frames].to(dtype), posed.chain.shapedirs.to(dtype)
        weight = self.weight.to(dtype)[:, None, None]
        joints = posed.chain.accumulate(world, directions)
        local = self.shapedirs.to(dtype) - weight * directions[self.joint]
        parts = joints[:, self.joint] if self.rigid else weight * joints[:, self.joint]
        # Points at a fixed offset from their joint do not change with the shape.
        if local.any():
            parts = parts + world[:, self.joint] @ local
        if self.rigid:
            return parts
        return parts.new_zeros(len(parts), self.count, *parts.shape[2:]).index_add_(1, self.point, parts)

    def offset_jacobian(self, posed: Posed, frames: slice = slice(None)) -> Tensor:
        """(T, P, 3, 3) derivative of each point by its own offset."""
        turned = self.weight[:, None, None] * posed.world[frames][:, self.joint]
        return turned.new_zeros(len(turned), self.count, 3, 3).index_add_(1, self.point, turned)
