"""Normal equations of one Gauss-Newton step, accumulated by the terms; letters as in ``batch.py``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from meshgait_data.fit.batch import Layout, Posed
from meshgait_data.fit.points import BodyPoints, Placed
from meshgait_data.fit.rigid import Subtrees

_FRAMES_AT_A_TIME = 64
"""Jacobians are held for so many frames: they stay in the cache."""


@dataclass(slots=True)
class System:
    """Symmetric equations ``K z = rhs`` of N captures; ``rhs`` points downhill.

    K has a block for each frame, couplings of each joint with itself one and two frames on, and a dense border of the
    unknowns that the frames of a capture share.
    """

    layout: Layout
    free: tuple[int, ...]
    """L joints whose rotation is unknown."""
    blocks: Mapping[str, slice]
    """Shared unknowns by name: ``betas`` first."""
    diagonal: Tensor
    """(T, U, U)"""
    border: Tensor
    """(T, U, S)"""
    corner: Tensor
    """(N, S, S) in double precision: sums over all frames."""
    gradient: Tensor
    """(T, U)"""
    shared: Tensor
    """(N, S) in double precision."""
    near: Tensor | None = None
    """(T, L + 1, 3, 3) frame f with f + 1, joint by joint, then the translation; None where frames are independent."""
    far: Tensor | None = None
    """(T, L + 1, 3, 3) frame f with f + 2."""
    parts: tuple[slice, ...] = (slice(None),)
    """Frames that matter; terms may leave the others as they are."""

    @classmethod
    def zeros(
        cls,
        layout: Layout,
        free: tuple[int, ...],
        sizes: Mapping[str, int],
        *,
        dtype: torch.dtype = torch.float32,
        active: Sequence[int] | None = None,
    ) -> "System":
        """Empty equations.

        Parameters
        ----------
        layout, free
            Captures and free joints.
        sizes
            Number of shared unknowns by name.
        dtype
            Precision of the frames' equations.
        active
            Captures that matter, in ascending order; None for all.
        """
        blocks, start = {}, 0
        for name, size in sizes.items():
            blocks[name] = slice(start, start + size)
            start += size
        frames, unknowns = layout.frames, 3 * len(free) + 3

        def new(*shape: int, dtype: torch.dtype = dtype) -> Tensor:
            return torch.zeros(shape, dtype=dtype, device=layout.capture.device)

        return cls(
            layout=layout,
            free=free,
            blocks=blocks,
            diagonal=new(frames, unknowns, unknowns),
            border=new(frames, unknowns, start),
            corner=new(len(layout), start, start, dtype=torch.float64),
            gradient=new(frames, unknowns),
            shared=new(len(layout), start, dtype=torch.float64),
            parts=(slice(0, frames),) if active is None else layout.runs(active),
        )

    @property
    def dtype(self) -> torch.dtype:
        """Precision of the equations."""
        return self.diagonal.dtype

    def columns(self, name: str) -> slice:
        """Where the shared unknowns of that name are."""
        return self.blocks[name]

    def rotation_blocks(self) -> Tensor:
        """View (T, 3, 3, L) of the diagonal blocks of the free joints."""
        count = len(self.free)
        view = self.diagonal[:, :-3, :-3]
        frames, step = self.diagonal.stride(0), self.diagonal.stride(1)
        return view.as_strided((len(view), 3, 3, count), (frames, step, 1, 3 * (step + 1)), view.storage_offset())

    def couplings(self) -> tuple[Tensor, Tensor]:
        """The couplings in time, made where there were none."""
        if self.near is None or self.far is None:
            shape = (self.layout.frames, len(self.free) + 1, 3, 3)
            self.near, self.far = self.diagonal.new_zeros(shape), self.diagonal.new_zeros(shape)
        return self.near, self.far

    def add_points(
        self,
        points: BodyPoints,
        posed: Posed,
        placed: Placed,
        *,
        information: Tensor,
        force: Tensor,
        cross: Mapping[str, Tensor] | None = None,
    ) -> None:
        """Add a residual r(x, e) of body points x and extras e; the chain rule to pose, place and shape is done here.

        Parameters
        ----------
        points, posed, placed
            The points and where they are.
        information
            (T, P, 3, 3) sum of ``(dr/dx)^T w (dr/dx)``, or (T, P) where it is that times the identity.
        force
            (T, P, 3) sum of ``-(dr/dx)^T w r``.
        cross
            By name of the extra: (T, P, 3, E) sum of ``(dr/dx)^T w (dr/de)``. What belongs to e alone, the term adds to
            ``corner`` and ``shared`` itself.
        """
        information, force = information.to(self.dtype), force.to(self.dtype)
        cross = {name: values.to(self.dtype) for name, values in (cross or {}).items()}
        for run in self.parts:
            for start in range(run.start, run.stop, _FRAMES_AT_A_TIME):
                part = slice(start, min(start + _FRAMES_AT_A_TIME, run.stop))
                columns = {name: values[part] for name, values in cross.items()}
                self._add_part(points, posed, placed, part, information[part], force[part], columns)

    def _add_part(
        self,
        points: BodyPoints,
        posed: Posed,
        placed: Placed,
        part: slice,
        information: Tensor,
        force: Tensor,
        cross: Mapping[str, Tensor],
    ) -> None:
        shape = points.shape_jacobian(posed, part, dtype=self.dtype)
        # Whatever the points' places are multiplied with: the force, then what ties them to shape and extras.
        values = torch.cat([force[..., None], _weigh(information, shape), *cross.values()], 3)
        if points.rigid:
            where = placed.points[part]
            tree = Subtrees(posed, part, self.free, owner=points.joint, points=where, dtype=self.dtype)
            self.diagonal[part] += tree.matrix(information)
            tied = tree.columns(values)
        else:
            jacobian = points.jacobian(posed, placed, self.free, part, dtype=self.dtype)
            weighted = _weigh(information, jacobian).flatten(1, 2)
            jacobian = jacobian.flatten(1, 2).mT
            self.diagonal[part] += jacobian @ weighted
            tied = jacobian @ values.flatten(1, 2)
        capture, betas = self.layout.capture[part], self.columns("betas")
        both = (shape.flatten(1, 2).mT @ values.flatten(1, 2)).double()
        both = both.new_zeros(len(self.layout), *both.shape[1:]).index_add_(0, capture, both)
        self.gradient[part] += tied[..., 0]
        self.shared[:, betas] += both[..., 0]
        start = 1 + shape.shape[-1]
        self.border[part, :, betas] += tied[..., 1:start]
        self.corner[:, betas, betas] += both[..., 1:start]
        for name, extra in cross.items():
            columns, own = self.columns(name), slice(start, start + extra.shape[-1])
            self.border[part, :, columns] += tied[..., own]
            self.corner[:, betas, columns] += both[..., own]
            self.corner[:, columns, betas] += both[..., own].mT
            start = own.stop


def _weigh(information: Tensor, jacobian: Tensor) -> Tensor:
    if information.dim() == 2:
        return information[..., None, None] * jacobian
    return information @ jacobian
