"""Forward kinematics of the joints in torch, with analytic derivatives; no mesh is touched.

Shape letters: F frames, J joints, P observed points, B shape components, L free joints, U = 3 L + 3 unknowns of a
frame (rotation of each free joint, then the translation). A rotation is perturbed on the right,
``R <- R exp(skew(delta))``, so that delta lives in the joint's own axes, where twist and hinges have a meaning.
"""

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from meshgait_data.body.model import Body, rest_joints


@dataclass(frozen=True, slots=True)
class State:
    """The unknowns."""

    rotations: Tensor
    """(F, J, 3, 3) relative to the parent."""
    betas: Tensor
    """(B,)"""
    transl: Tensor
    """(F, 3) metres."""


@dataclass(frozen=True, slots=True)
class Chain:
    """The tree of joints and its rest positions as a linear function of the shape."""

    parents: tuple[int, ...]
    levels: tuple[tuple[Tensor, Tensor], ...]
    """Joints of the same depth and their parents: one step of the kinematics each."""
    template: Tensor
    """(J, 3) rest joints of the mean shape, metres."""
    shapedirs: Tensor
    """(J, 3, B) metres per standard deviation."""

    @classmethod
    def of(
        cls,
        body: Body,
        *,
        num_betas: int | None = None,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float64,
    ) -> "Chain":
        """Take a body's joints and its first shape components; J_regressor is applied once and for all."""
        parents = tuple(int(parent) for parent in body.parents)
        depth = [0] * len(parents)
        for joint, parent in enumerate(parents):
            depth[joint] = depth[parent] + 1 if parent >= 0 else 0
        levels = []
        for level in range(1, max(depth) + 1):
            joints = [joint for joint in range(len(parents)) if depth[joint] == level]
            pair = (joints, [parents[joint] for joint in joints])
            levels.append(tuple(torch.tensor(ids, device=device) for ids in pair))
        rest, directions = rest_joints(body)
        template = torch.as_tensor(rest, dtype=dtype, device=device)
        shapedirs = torch.as_tensor(directions[..., :num_betas].copy(), dtype=dtype, device=device)
        return cls(parents, tuple((a, b) for a, b in levels), template, shapedirs)

    def ancestors(self, joint: int) -> list[int]:
        """The joint itself and all above it, up to the root."""
        found = []
        while joint >= 0:
            found.append(joint)
            joint = self.parents[joint]
        return found

    def rest(self, betas: Tensor) -> Tensor:
        """(J, 3) rest joints of a shape."""
        return self.template + self.shapedirs @ betas

    def world(self, rotations: Tensor) -> Tensor:
        """(F, J, 3, 3) rotation of each joint against the world."""
        world = rotations.clone()
        for joints, parents in self.levels:
            world[:, joints] = world[:, parents] @ rotations[:, joints]
        return world

    def positions(self, world: Tensor, state: State) -> Tensor:
        """(F, J, 3) joints in metres."""
        return self.accumulate(world, self.rest(state.betas)[..., None])[..., 0] + state.transl[:, None]

    def accumulate(self, world: Tensor, rest: Tensor) -> Tensor:
        """Carry vectors that are linear in the rest joints through the tree.

        Parameters
        ----------
        world
            (T, J, 3, 3)
        rest
            (J, 3, C) or (T, J, 3, C): rest joints (C = 1), or their derivative by the shape (C = B).

        Returns
        -------
        (T, J, 3, C) the same for the posed joints, without the translation.
        """
        parents = list(self.parents[1:])
        bones = world[:, parents] @ (rest[..., 1:, :, :] - rest[..., parents, :, :])
        bones = torch.cat([rest[..., :1, :, :].expand(len(world), -1, -1, -1), bones], 1)
        above = ancestry(self.parents, bones.dtype, bones.device)
        return (above @ bones.flatten(2)).reshape(bones.shape)


@lru_cache(maxsize=16)
def ancestry(parents: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """(J, J) one where the column's joint is the row's or above it."""
    above = torch.eye(len(parents), dtype=dtype, device=device)
    for joint, parent in enumerate(parents):
        if parent >= 0:
            above[joint] += above[parent]
    return above


@dataclass(frozen=True, slots=True)
class Points:
    """Observed points: each is fixed in the frame of one joint."""

    joints: Tensor
    """(P,) joint that each moves with."""
    offsets: Tensor
    """(P, 3) metres, in the joint's rest frame."""
    free: tuple[int, ...]
    """L joints whose rotation moves some point; the others are not unknowns."""
    pair_points: Tensor
    """(N,) a point ..."""
    pair_joints: Tensor
    """(N,) ... and a free joint that moves it."""
    pair_entries: Tensor
    """(9 N,) where the 3x3 derivative of each pair lies in the flattened (P, 3, U) Jacobian."""

    @classmethod
    def of(cls, chain: Chain, joints: list[int], offsets: Tensor) -> "Points":
        """Find out which joint moves which point."""
        moved = [
            (point, ancestor)
            for point, joint in enumerate(joints)
            for ancestor in chain.ancestors(joint)
            # A point in the centre of its joint does not feel that joint's own rotation.
            if ancestor != joint or bool(offsets[point].any())
        ]
        free = tuple(sorted({joint for _, joint in moved}))
        unknowns = 3 * len(free) + 3
        entries = [
            (point * 3 + row) * unknowns + 3 * free.index(joint) + column
            for point, joint in moved
            for row in range(3)
            for column in range(3)
        ]
        ids = [[point for point, _ in moved], [joint for _, joint in moved], entries, joints]
        pairs, owners, flat, where = (torch.tensor(i, dtype=torch.long, device=offsets.device) for i in ids)
        return cls(where, offsets, free, pairs, owners, flat)

    @property
    def unknowns(self) -> int:
        """U."""
        return 3 * len(self.free) + 3

    def positions(self, world: Tensor, joints: Tensor) -> Tensor:
        """(F, P, 3) metres, from the joints' rotations and positions."""
        return joints[:, self.joints] + (world[:, self.joints] @ self.offsets[..., None])[..., 0]

    def jacobian(self, world: Tensor, joints: Tensor, points: Tensor) -> Tensor:
        """(F, 3 P, U) derivative of the points by the unknowns of their frame."""
        # Turning joint a by delta moves a point at d from it by cross(R_a delta, d): column c is cross(R_a e_c, d).
        lever = (points[:, self.pair_points] - joints[:, self.pair_joints])[..., None]
        columns = torch.linalg.cross(world[:, self.pair_joints], lever.expand(-1, -1, -1, 3), dim=2)
        frames, count = points.shape[:2]
        result = points.new_zeros(frames, count * 3 * self.unknowns)
        result[:, self.pair_entries] = columns.reshape(frames, -1)
        result = result.reshape(frames, count, 3, self.unknowns)
        result[..., -3:] = torch.eye(3, dtype=points.dtype, device=points.device)
        return result.reshape(frames, 3 * count, self.unknowns)

    def shape_jacobian(self, chain: Chain, world: Tensor) -> Tensor:
        """(F, 3 P, B) derivative of the points by the shape."""
        return chain.accumulate(world, chain.shapedirs)[:, self.joints].flatten(1, 2)
