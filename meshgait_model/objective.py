"""The loss of a batch as a setting asks for it: its parts by name, from what the network says and what labels say.

Shape letters: B clips, T frames, L frames with labels, P points.
"""

from collections.abc import Mapping
from typing import Self

import numpy as np
import torch
from torch import Tensor

from meshgait_data.shards.reader import Shards
from meshgait_model.assembly import matching_body
from meshgait_model.config.experiment import ExperimentConfig
from meshgait_model.config.network import LossConfig
from meshgait_model.data.augment import Augmentation
from meshgait_model.data.batch import Batch
from meshgait_model.data.picks import generator
from meshgait_model.data.sampler import LABELLING
from meshgait_model.data.targets import USES, Targets, label_fields, of_frames, usable
from meshgait_model.losses import (
    batch_all_triplet,
    confidence_errors,
    edge_errors,
    normal_errors,
    point_errors,
    strip_cross_entropy,
)
from meshgait_model.nn.heatmap import voxels
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
        self.config, self.seed = config.loss, config.seed
        self.targets: Targets | None = None
        if config.supervised:
            self.targets = Targets(
                shards.markers,
                shards.joint_mirror,
                matching_body(shards.body_sha256) if config.loss.needs_mesh else None,
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

    def labelled(self, step: int, clips: int, frames: int) -> Tensor | None:
        """Frames (B, L) of the clips of a step that are compared with labels; None where all T are."""
        wanted = self.config.labelled_frames
        if not self.points or not wanted or wanted >= frames:
            return None
        rng = generator(self.seed, step, LABELLING)
        chosen = rng.permuted(np.tile(np.arange(frames), (clips, 1)), axis=1)[:, :wanted]
        return torch.from_numpy(np.sort(chosen, axis=1))

    def __call__(
        self, network: MeshGait, output: MeshGaitOutput, batch: Batch, changes: Augmentation, *, step: int = 0
    ) -> dict[str, Tensor]:
        """Parts of the loss of a batch that is seen at once; their names are those of their weights.

        Parameters
        ----------
        network, output
            The network, and what it said about the batch after ``changes``.
        step
            Number of the update, for parts that begin later.
        """
        parts = recognition_losses(output, batch.identities, self.config)
        if self.points:
            counts = self.counts(batch, output.labelled, step=step)
            sums = self.labels(network, output, batch, changes, step=step)
            parts |= {name: value / counts[name].clamp_min(1) for name, value in sums.items()}
        return parts

    def recognition(self, network: MeshGait, embeddings: Tensor, identities: Tensor) -> dict[str, Tensor]:
        """Parts that know who walks, of the embeddings (B, S, E) of a whole batch: they compare its clips."""
        cosines = network.neck(embeddings) if self.config.cross_entropy else None
        return recognition_losses(MeshGaitOutput(embeddings, cosines), identities, self.config)

    def counts(self, batch: Batch, labelled: Tensor | None, *, step: int = 0) -> dict[str, Tensor]:
        """Over how many frames each part that compares with labels is a mean.

        Parameters
        ----------
        labelled
            (B, L) frames that are looked at; None is all of them.
        """
        if not self.points:
            return {}
        labels = batch if labelled is None else of_frames(batch, labelled)
        return {name: _counting(name, labels).sum() for name in self._begun(step)}

    def labels(
        self, network: MeshGait, output: MeshGaitOutput, batch: Batch, changes: Augmentation, *, step: int = 0
    ) -> dict[str, Tensor]:
        """Sums over frames of each part that compares with labels; exactly zero, with a gradient, where none counts."""
        if self.targets is None:
            return {}
        rows, columns = batch.silhouettes.shape[-2:]
        labels = batch if output.labelled is None else of_frames(batch, output.labelled)
        targets = self.targets(labels, changes, columns)
        valid = {name: usable(labels, name) for name in targets}
        # What lies under a label that is none may be NaN, which no factor of zero takes out of a gradient.
        targets = {name: torch.where(valid[name][..., None, None], target, 0) for name, target in targets.items()}
        compared = _Compared(network, output, targets, self.targets, float(rows))
        return {name: (compared.errors(name) * _counting(name, labels)).sum() for name in self._begun(step)}

    def _begun(self, step: int) -> list[str]:
        """Losses that compare with labels in a step."""
        return [name for name in self.config.of_labels if name != "edges" or step >= self.config.edges_from]


class _Compared:
    """Errors of frames, each loss by its name.

    Parameters
    ----------
    targets
        (B, L, P, 3) in window pixels, by name; zeros where a frame has no labels.
    maker
        Knows the vertices and triangles of the mesh targets.
    unit
        Window pixels that count as one.
    """

    def __init__(
        self,
        network: MeshGait,
        output: MeshGaitOutput,
        targets: Mapping[str, Tensor],
        maker: Targets,
        unit: float,
    ) -> None:
        self.network, self.output, self.targets = network, output, targets
        self.maker, self.unit = maker, unit
        self._made: tuple[Tensor, Tensor | None] | None = None

    def errors(self, name: str) -> Tensor:
        """Errors (B, L) of a loss."""
        if name == "confidence":
            return self._confidence()
        if name in ("joints", "markers"):
            found = self.output.joints if name == "joints" else self.output.markers
            assert found is not None
            return point_errors(found / self.unit, self.targets[name] / self.unit)
        found, plain = self._meshes()
        if plain is None:
            return self._mesh_errors(name, found)
        # The value is that of the learned mesh, which learns by it; the markers learn by the plain one's.
        taught = self._mesh_errors(name, plain)
        return self._mesh_errors(name, found) + (taught - taught.detach())

    def _mesh_errors(self, name: str, found: Tensor) -> Tensor:
        target = self.targets["mesh"] / self.unit
        if name == "mesh":
            return point_errors(found, target)
        compare = normal_errors if name == "normals" else edge_errors
        return compare(found, target, self.maker.faces)

    def _meshes(self) -> tuple[Tensor, Tensor | None]:
        """Predicted vertices in units of the window; where their form is learned, also the plain ones."""
        if self._made is None:
            assert self.output.confidence is not None
            mesh, ids = self.network.mesh, self.maker.vertex_ids
            points = self.output.points.float() / self.unit
            plain = mesh.plain(points, ids) if mesh.form != "fixed" else None
            self._made = mesh(points, self.output.confidence, ids), plain
        return self._made

    def _confidence(self) -> Tensor:
        assert self.output.heatmaps is not None
        places = torch.cat([self.targets[name] for name in USES["confidence"]], 2)
        where = voxels(places, self.network.grid)
        last = torch.tensor(self.network.grid.sizes[::-1], device=where.device) - 1
        inside = ((where >= 0) & (where <= last)).all(-1)
        return confidence_errors(self.output.heatmaps.at(places, self.network.grid), inside)


def _counting(loss: str, batch: Batch) -> Tensor:
    """(B, L) frames that have all labels which a loss compares with."""
    return torch.stack([usable(batch, kind) for kind in USES[loss]]).all(0)


def wanted_labels(config: ExperimentConfig) -> tuple[str, ...]:
    """Kinds of labels that the losses of a setting compare with."""
    losses = config.loss.of_labels if config.network.branch_3d else ()
    return tuple(dict.fromkeys(kind for name in losses for kind in USES[name]))


def training_fields(config: ExperimentConfig, shards: Shards) -> tuple[str, ...]:
    """Fields of the shards that training reads; raises InvalidData where they lack labels that the losses need."""
    wanted = wanted_labels(config)
    return ("silhouettes", *(label_fields(shards, wanted) if wanted else ()))


def recognition_losses(output: MeshGaitOutput, identities: Tensor, config: LossConfig) -> dict[str, Tensor]:
    """Parts of the loss that know who walks."""
    parts = {}
    if config.triplet:
        parts["triplet"] = batch_all_triplet(output.embeddings, identities, config.margin)
    if config.cross_entropy and output.cosines is not None:
        parts["cross_entropy"] = strip_cross_entropy(
            output.cosines, identities, scale=config.logit_scale, smoothing=config.smoothing
        )
    return parts
