"""The Mesh-Gait network: silhouettes in, embeddings out, 3D heatmaps in between.

After arXiv 2510.10406: a 2D branch, a branch that predicts 3D heatmaps of joints and virtual markers, a 3D branch that
reads features off them, and their fusion. Coordinates and mesh are only computed where they are asked for, so that
recognition alone pays nothing for them.
Shape letters: B clips, T frames, L frames with labels, J joints, K markers, P = J + K points, S parts of the
description (strips, then those of 3D alone), E embedding, V vertices.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from meshgait_data.conventions import SMPL_JOINTS
from meshgait_data.errors import InvalidData
from meshgait_data.types import FloatArray
from meshgait_model.config.network import NetworkConfig
from meshgait_model.nn.blocks import channels_last
from meshgait_model.nn.head import SeparateNeck
from meshgait_model.nn.heatmap import AnyHeatmaps
from meshgait_model.nn.mesh import MarkerMesh
from meshgait_model.nn.recognition import Recognition


@dataclass(frozen=True, slots=True, eq=False)
class MeshGaitOutput:
    """What the network says about a batch of clips."""

    embeddings: Tensor
    """(B, S, E) one description for each part; distances between them are Euclidean."""
    cosines: Tensor | None
    """(B, S, classes) similarity to each training identity; None where they were not asked for."""
    joints: Tensor | None = None
    """(B, L, J, 3) u, v, d in pixels of the input window; None where coordinates were not asked for."""
    markers: Tensor | None = None
    """(B, L, K, 3) the same of virtual markers."""
    confidence: Tensor | None = None
    """(B, L, P) probability of the voxels about each point, linear between their centres."""
    heatmaps: AnyHeatmaps | None = None
    """Of the L frames."""
    labelled: Tensor | None = None
    """(B, L) numbers of the frames that coordinates are of; None where it is all T of them."""

    @property
    def points(self) -> Tensor:
        """(B, L, P, 3) joints, then markers."""
        assert self.joints is not None
        assert self.markers is not None
        return torch.cat([self.joints, self.markers], 2)


class MeshGait(Recognition):
    """Recognition, and what only training and label errors want: identities, coordinates, the mesh.

    Parameters
    ----------
    config
        Sizes of the parts.
    classes
        Identities to train on.
    window
        Rows and columns of the silhouettes.
    coefficients
        (V, K) signed coefficients of the marker set: ``vertices = coefficients @ markers``. K sets how many markers
        the heatmaps have. Only the 3D branch needs them.
    joints
        Names of the joint set. Joints come first among the points of the heatmaps; markers follow.

    Raises
    ------
    InvalidData
        Where the feature map has no rows for the strips, the joint set cannot say where a body faces, or the 3D branch
        has no marker set.
    """

    def __init__(
        self,
        config: NetworkConfig,
        *,
        classes: int,
        window: tuple[int, int],
        coefficients: FloatArray | None,
        joints: Sequence[str] = SMPL_JOINTS,
    ) -> None:
        if config.branch_3d and coefficients is None:
            raise InvalidData("the 3D branch needs a marker set", hint="set network.branch_3d=false")
        markers = 0 if coefficients is None else coefficients.shape[1]
        super().__init__(config, window=window, markers=markers, joints=joints, heatmaps=True)
        self.branch_3d, self.joints = config.branch_3d, len(joints)
        self.neck = SeparateNeck(self.parts, config.embedding, classes)
        if config.branch_3d and coefficients is not None:
            self.mesh = MarkerMesh(coefficients, self.joints + markers, config.mesh)

    def forward(  # type: ignore[override]  # says more than recognition does
        self, silhouettes: Tensor, *, points: bool, labelled: Tensor | None = None, cosines: bool = True
    ) -> MeshGaitOutput:
        """Describe clips.

        Parameters
        ----------
        silhouettes
            (B, T, H, W) in [0, 1].
        points
            Whether to read coordinates off the heatmaps too.
        labelled
            (B, L) numbers of the frames that coordinates are wanted of; None is all of them.
        cosines
            Whether to compare with training identities. BNNeck normalises over the batch, so whoever has a part of one
            leaves it to ``network.neck`` on the embeddings of all.
        """
        look = self.look(silhouettes, heatmaps=points, labelled=labelled)
        embeddings = self.describe(look.pooled())
        output = MeshGaitOutput(embeddings, self.neck(embeddings) if cosines else None)
        if not points or look.heatmaps is None:
            return output
        uvd, confidence = self.points(look.heatmaps)
        joints, markers = uvd[:, :, : self.joints], uvd[:, :, self.joints :]
        return replace(
            output, joints=joints, markers=markers, confidence=confidence, heatmaps=look.heatmaps, labelled=labelled
        )

    def points(self, heatmaps: AnyHeatmaps) -> tuple[Tensor, Tensor]:
        """Coordinates (B, L, P, 3) in window pixels of heatmaps, and how sure they are: (B, L, P), no gradient."""
        uvd = heatmaps.coordinates(self.grid)
        with torch.no_grad():
            return uvd, heatmaps.at(uvd, self.grid)

    def vertices(self, points: Tensor, confidence: Tensor, vertex_ids: Tensor | None = None) -> Tensor:
        """Mesh (..., V or fewer, 3) that follows from points (..., P, 3) and their confidences (..., P)."""
        mesh: Tensor = self.mesh(points, confidence, vertex_ids)
        return mesh

    def recognition_only(self) -> Recognition:
        """A copy of what recognition needs, ready to use: no labels, body, markers or identities belong to it."""
        bare = Recognition(self.config, window=self.window, markers=self.markers, joints=self.joint_names)
        wanted = bare.state_dict()
        bare.load_state_dict({name: value for name, value in self.state_dict().items() if name in wanted})
        return channels_last(bare.to(next(self.parameters()).device)).eval()
