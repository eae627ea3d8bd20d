"""The loss of a batch as a setting asks for it: its parts by name, from what the network says and what labels say."""

from collections.abc import Mapping
from typing import Self

import torch
from torch import Tensor

from meshgait_data.shards.reader import Shards
from meshgait_model.assembly import matching_body
from meshgait_model.config.experiment import ExperimentConfig
from meshgait_model.config.network import LossConfig
from meshgait_model.data.augment import Augmentation
from meshgait_model.data.batch import Batch
from meshgait_model.data.targets import PARTS, Targets, usable
from meshgait_model.losses import batch_all_triplet, label_l1, strip_cross_entropy
from meshgait_model.nn.meshgait import MeshGait, MeshGaitOutput


class Objective:
    """Parts of the loss of a batch.

    Parameters
    ----------
    config
        The setting.
    shards
        Say which markers, joints and body the labels are of.
    """

    def __init__(self, config: ExperimentConfig, shards: Shards) -> None:
        self.config = config.loss
        self.targets: Targets | None = None
        if config.supervised:
            self.targets = Targets(
                shards.markers,
                shards.joint_mirror,
                matching_body(shards.body_sha256) if config.loss.mesh else None,
                mesh_vertices=config.loss.mesh_vertices,
                symmetric=config.data.augment.flip > 0,
            )

    def to(self, device: torch.device) -> Self:
        """Move what it needs to a device."""
        if self.targets is not None:
            self.targets.to(device)
        return self

    @property
    def points(self) -> bool:
        """Whether the network has to say coordinates."""
        return self.targets is not None

    def __call__(
        self, network: MeshGait, output: MeshGaitOutput, batch: Batch, changes: Augmentation
    ) -> dict[str, Tensor]:
        """Parts of the loss; their names are those of their weights.

        Parameters
        ----------
        network, output
            The network, and what it said about the batch after ``changes``.
        """
        parts = recognition_losses(output, batch.identities, self.config)
        if self.targets is not None:
            rows, columns = batch.silhouettes.shape[-2:]
            targets = self.targets(batch, changes, columns)
            valid = {name: usable(batch, name) for name in targets}
            parts |= self._label_losses(network, output, targets, valid, float(rows))
        return parts

    def _label_losses(
        self,
        network: MeshGait,
        output: MeshGaitOutput,
        targets: Mapping[str, Tensor],
        valid: Mapping[str, Tensor],
        window: float,
    ) -> dict[str, Tensor]:
        """Parts of the loss that compare coordinates with labels, over the frames (B, T) that have valid ones."""
        assert output.joints is not None
        assert output.markers is not None
        found = {"joints": output.joints, "markers": output.markers}
        if self.targets is not None and "mesh" in targets:
            found["mesh"] = network.vertices(output.markers.float(), self.targets.vertex_ids)
        return {name: label_l1(found[name], target, valid[name], window) for name, target in targets.items()}


def wanted_labels(config: ExperimentConfig) -> tuple[str, ...]:
    """Kinds of labels that the loss of a setting compares with."""
    return tuple(name for name in PARTS if config.supervised and getattr(config.loss, name))


def recognition_losses(output: MeshGaitOutput, identities: Tensor, config: LossConfig) -> dict[str, Tensor]:
    """Parts of the loss that know who walks."""
    parts = {}
    if config.triplet:
        parts["triplet"] = batch_all_triplet(output.embeddings, identities, config.margin)
    if config.cross_entropy:
        parts["cross_entropy"] = strip_cross_entropy(
            output.cosines, identities, scale=config.logit_scale, smoothing=config.smoothing
        )
    return parts
