"""The body's forward pass in torch: differentiable, batched, any device; the same figures as ``model.forward``."""

import numpy as np
import torch
from torch import Tensor, nn

from meshgait_data.body.model import Body, rest_joints
from meshgait_data.torch_rotations import exp
from meshgait_data.types import IntArray


class TorchBody(nn.Module):
    """A body whose vertices and joints can be differentiated with respect to its parameters.

    Parameters
    ----------
    body
        Any body in SMPL's schema.
    vertex_ids
        (S,) vertices to compute; None for all V.
    dtype
        Of the model's arrays; inputs must have the same.
    """

    v_template: Tensor
    shapedirs: Tensor
    posedirs: Tensor
    weights: Tensor
    J_template: Tensor
    J_shapedirs: Tensor

    def __init__(self, body: Body, vertex_ids: IntArray | None = None, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        chosen = slice(None) if vertex_ids is None else np.asarray(vertex_ids)
        J_template, J_shapedirs = rest_joints(body)
        arrays = {
            "v_template": body.v_template[chosen],
            "shapedirs": body.shapedirs[chosen],
            "posedirs": body.posedirs[chosen].reshape(-1, body.posedirs.shape[2]).T,
            "weights": body.weights[chosen],
            "J_template": J_template,
            "J_shapedirs": J_shapedirs,
        }
        for name, array in arrays.items():
            # Not persistent: the arrays belong to the body's licence and never go into a checkpoint.
            self.register_buffer(name, torch.tensor(np.ascontiguousarray(array), dtype=dtype), persistent=False)
        self.parents = [int(parent) for parent in body.parents]

    def forward(self, betas: Tensor, global_orient: Tensor, body_pose: Tensor, transl: Tensor) -> tuple[Tensor, Tensor]:
        """Pose N bodies.

        Parameters
        ----------
        betas
            (N, B) shape; (1, B) is shared by all.
        global_orient, body_pose
            (N, 3) and (N, 3 (J-1)) axis-angle in radians.
        transl
            (N, 3) metres.

        Returns
        -------
        Vertices (N, S, 3) and joints (N, J, 3) in metres.
        """
        count = len(transl)
        rotations = exp(torch.cat([global_orient, body_pose], 1).reshape(count, -1, 3))
        rest = self.J_template + torch.einsum("jxb,nb->njx", self.J_shapedirs, betas)
        world = self._chain(rotations, rest.expand(count, -1, -1))
        joints = world[..., 3]
        offset = joints - (world[..., :3] @ rest[..., None])[..., 0]
        world = torch.cat([world[..., :3], offset[..., None]], -1)
        feature = (rotations[:, 1:] - torch.eye(3, dtype=rest.dtype, device=rest.device)).reshape(count, -1)
        shaped = self.v_template + torch.einsum("vxb,nb->nvx", self.shapedirs, betas)
        corrected = shaped + (feature @ self.posedirs).reshape(count, -1, 3)
        blended = (self.weights @ world.reshape(count, -1, 12)).reshape(count, -1, 3, 4)
        vertices = (blended[..., :3] @ corrected[..., None])[..., 0] + blended[..., 3]
        return vertices + transl[:, None], joints + transl[:, None]

    def _chain(self, rotations: Tensor, rest: Tensor) -> Tensor:
        """(N, J, 3, 4) world rotation and position of each joint, before the translation."""
        world: list[Tensor] = []
        for joint, parent in enumerate(self.parents):
            if parent < 0:
                world.append(torch.cat([rotations[:, joint], rest[:, joint, :, None]], -1))
                continue
            turn, place = world[parent][..., :3], world[parent][..., 3]
            step = (turn @ (rest[:, joint] - rest[:, parent])[..., None])[..., 0] + place
            world.append(torch.cat([turn @ rotations[:, joint], step[..., None]], -1))
        return torch.stack(world, 1)
