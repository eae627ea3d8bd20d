"""The body's forward pass in torch: differentiable, batched, any device; the same figures as ``model.forward``."""

import numpy as np
import torch
from torch import Tensor, nn

from meshgait_data.body.model import Body, rest_joints
from meshgait_data.errors import InvalidData
from meshgait_data.torch_rotations import exp
from meshgait_data.types import IntArray

_BLOCK = 32
"""Bodies that a processor skins at once, so that what lies between fits into its cache (measured: all 512 at once take
twice as long)."""


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

    template: Tensor
    directions: Tensor
    correctives: Tensor
    weights: Tensor
    J_template: Tensor
    J_shapedirs: Tensor

    def __init__(self, body: Body, vertex_ids: IntArray | None = None, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        chosen = slice(None) if vertex_ids is None else np.asarray(vertex_ids)
        J_template, J_shapedirs = rest_joints(body)
        # The vertices are innermost (x of all, y of all, z of all), so that every step is one long sweep.
        arrays = {
            "template": body.v_template[chosen].T,
            "directions": body.shapedirs[chosen].transpose(2, 1, 0),
            "correctives": body.posedirs[chosen].transpose(2, 1, 0),
            "weights": body.weights[chosen].T,
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
            (N, B) shape; (1, B) is shared by all. Fewer than the body has leave the other components at zero.
        global_orient, body_pose
            (N, 3) and (N, 3 (J-1)) axis-angle in radians.
        transl
            (N, 3) metres.

        Returns
        -------
        Vertices (N, S, 3) and joints (N, J, 3) in metres.

        Raises
        ------
        InvalidData
            Where there are more betas than the body has.
        """
        count, width = len(transl), betas.shape[1]
        if width > len(self.directions):
            raise InvalidData(f"betas has {width} columns, but the body has {len(self.directions)} shape components")
        rotations = exp(torch.cat([global_orient, body_pose], 1).reshape(count, len(self.parents), 3))
        rest = self.J_template + torch.einsum("jxb,nb->njx", self.J_shapedirs[..., :width], betas)
        world, joints = self._chain(rotations, rest.expand(count, -1, -1))
        offset = joints - (world @ rest[..., None])[..., 0]
        matrices = torch.cat([world, offset[..., None]], -1)
        feature = (rotations[:, 1:] - torch.eye(3, dtype=rest.dtype, device=rest.device)).flatten(1)
        shaped = self.template + (betas @ self.directions[:width].flatten(1)).reshape(-1, *self.template.shape)
        step = _BLOCK if transl.device.type == "cpu" else max(count, 1)
        parts = (shaped.expand(count, -1, -1), feature, matrices)
        blocks = zip(*(torch.split(part, step) for part in parts), strict=True)
        vertices = torch.cat([self._skin(*block) for block in blocks])
        return vertices + transl[:, None], joints + transl[:, None]

    def _skin(self, shaped: Tensor, feature: Tensor, matrices: Tensor) -> Tensor:
        """(N, S, 3) vertices of (N, 3, S) shaped ones, (N, P) pose features and (N, J, 3, 4) matrices of the joints."""
        count = len(feature)
        placed = shaped + (feature @ self.correctives.flatten(1)).reshape(shaped.shape)
        blended = matrices.permute(0, 2, 3, 1).reshape(12 * count, len(self.weights)) @ self.weights
        blended = blended.reshape(count, 3, 4, placed.shape[2])
        return ((blended[:, :, :3] * placed[:, None]).sum(2) + blended[:, :, 3]).mT

    def _chain(self, rotations: Tensor, rest: Tensor) -> tuple[Tensor, Tensor]:
        """(N, J, 3, 3) world rotation and (N, J, 3) position of each joint, before the translation."""
        turns: list[Tensor] = []
        places: list[Tensor] = []
        for joint, parent in enumerate(self.parents):
            if parent < 0:
                turns.append(rotations[:, joint])
                places.append(rest[:, joint])
                continue
            bone = (rest[:, joint] - rest[:, parent])[..., None]
            places.append((turns[parent] @ bone)[..., 0] + places[parent])
            turns.append(turns[parent] @ rotations[:, joint])
        return torch.stack(turns, 1), torch.stack(places, 1)
