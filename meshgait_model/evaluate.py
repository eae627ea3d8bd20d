"""Score a trained network on test people: recognition by protocols, and label errors in millimetres.

Shape letters: N test sequences, S strips, E embedding.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from meshgait_data.body.torch_body import TorchBody
from meshgait_data.errors import InvalidData
from meshgait_data.manifest_protocol import Protocol
from meshgait_data.shards.reader import Shards
from meshgait_data.types import FloatArray
from meshgait_model.assembly import make_network, matching_body, pick_device
from meshgait_model.checkpoint import Checkpoint
from meshgait_model.config.experiment import ExperimentConfig
from meshgait_model.data.batch import Batch, as_float
from meshgait_model.data.dataset import BETAS, INTRINSICS, ClipDataset
from meshgait_model.data.loader import make_loader
from meshgait_model.data.sampler import SequenceSampler
from meshgait_model.data.targets import JUDGEMENTS, usable
from meshgait_model.label_errors import NEEDED, VISIBILITY, LabelErrors, mean_pose_error, root_joints
from meshgait_model.nn.meshgait import MeshGait
from meshgait_model.protocols.figures import plain_scores
from meshgait_model.protocols.scoring import Embedded, ProtocolScores, checked_roles, score

Report = Callable[[int], None]
"""Called after each sequence with how many are done."""

_BATCH_FRAMES = 2048
"""Frames that are read together; the network takes ``eval.chunk`` of them at a time."""


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """What ``mgtrain eval`` reports."""

    checkpoint: Path
    step: int
    """Updates that the network was trained for."""
    branch_3d: bool
    embedded: Embedded
    """Embeddings of all test sequences."""
    scores: tuple[ProtocolScores, ...]
    """By each protocol that was asked for."""
    frames: int
    """Frames that were looked at."""
    label_errors: dict[str, float]
    """Mean distance in mm of ``joints``, ``markers``, ``mesh``, aligned at the pelvis, and of the visible and hidden
    ones among them where the shards say which are; empty without the 3D branch."""
    joints_by_view: dict[str, float]
    """Mean distance of joints in mm for each view."""
    joints_of_mean_pose: float | None
    """The same of a guess that knows the view and nothing else: the mean training pose of that view."""

    def to_plain(self) -> dict[str, Any]:
        """Figures for ``metrics.json``."""
        figures: dict[str, Any] = {"checkpoint": str(self.checkpoint), "step": self.step, "branch_3d": self.branch_3d}
        figures |= plain_scores(self.scores)
        figures |= {"sequences": len(self.embedded.keys), "frames": self.frames}
        figures |= {f"{name}_mm": value for name, value in self.label_errors.items()}
        figures |= {"joints_mm_by_view": self.joints_by_view, "joints_mm_of_mean_pose": self.joints_of_mean_pose}
        return figures


def evaluate(
    state: Checkpoint, path: Path, shards: Shards, report: Report, protocols: Mapping[str, Protocol] | None = None
) -> Evaluation:
    """Score a checkpoint on the test side of some shards.

    Parameters
    ----------
    state, path
        The checkpoint and where it lies.
    protocols
        Protocols to score by, by name; those of kind ``submission`` give no scores. None: the one that the shards
        carry as their first.

    Raises
    ------
    InvalidData
        Where the shards have another joint set or number of markers than the network, or lack what the protocol names.
    """
    config = state.config
    device = pick_device(config.run.device)
    if config.run.threads:
        torch.set_num_threads(config.run.threads)
    learned = f"joint set {state.joint_set} and {state.markers} markers"
    packed = f"joint set {shards.joint_set.name} and {shards.num_markers} markers"
    if config.network.branch_3d and learned != packed:
        raise InvalidData(
            f"the network was trained on {learned}, these shards have {packed}",
            where=shards.url,
            hint="evaluate on shards that were packed with the same joint set and marker set",
        )
    network = make_network(config, shards, len(state.people))
    network.load_state_dict(state.network)
    network.to(device).eval()
    data = _open_data(config, shards)
    wanted = protocols if protocols is not None else dict(list(shards.protocols.items())[:1])
    _check_roles(data, shards, wanted)
    scorer = _label_errors(network, state, shards) if set(NEEDED) <= set(data.fields) else None
    embedded = _embedded(_Embedder(network, device, config, scorer).embed_all(data, report), data, shards)
    return Evaluation(
        checkpoint=path,
        step=state.step,
        branch_3d=config.network.branch_3d,
        embedded=embedded,
        scores=tuple(score(embedded, one, name) for name, one in wanted.items() if one.kind != "submission"),
        frames=int(np.minimum(data.lengths, config.eval.frames_limit).sum()),
        label_errors=scorer.means() if scorer else {},
        joints_by_view=scorer.by_view() if scorer else {},
        joints_of_mean_pose=mean_pose_error(shards) if scorer else None,
    )


def _check_roles(data: ClipDataset, shards: Shards, protocols: Mapping[str, Protocol]) -> None:
    """Find out before the network runs that a protocol cannot be scored; raises InvalidData."""
    nothing = np.zeros((len(data), 1, 1), np.float32)
    for name, protocol in protocols.items():
        checked_roles(_embedded(nothing, data, shards), protocol, name)


def _embedded(embeddings: FloatArray, data: ClipDataset, shards: Shards) -> Embedded:
    lists = {"PROBE_SET": shards.split.probe, "GALLERY_SET": shards.split.gallery}
    keys, identities = tuple(record.key for record in data.sequences), tuple(data.sequences.identities)
    return Embedded(embeddings, keys, identities, lists)


def _open_data(config: ExperimentConfig, shards: Shards) -> ClipDataset:
    """Test sequences, with labels where there are some; each is read once, so decoded frames are not kept."""
    fields: tuple[str, ...] = ("silhouettes",)
    known = {*shards.fields, BETAS, INTRINSICS}
    # A dataset without labels can still be recognised.
    if config.supervised and set(NEEDED) <= known:
        fields += (*NEEDED, *(name for name in (*JUDGEMENTS, *VISIBILITY) if name in known))
    return ClipDataset(shards, "test", fields=fields, cut=config.data.cut, cache="none")


def _label_errors(network: MeshGait, state: Checkpoint, shards: Shards) -> LabelErrors:
    every = state.config.eval.mesh_every
    body = TorchBody(matching_body(shards.body_sha256)).to(network.coefficients.device) if every else None
    return LabelErrors(network, body, every, root=root_joints(shards.joint_set.names))


@dataclass(frozen=True, slots=True)
class _Embedder:
    """Embeds whole sequences, looking at the labels of the same frames on the way."""

    network: MeshGait
    device: torch.device
    config: ExperimentConfig
    scorer: LabelErrors | None

    def embed_all(self, data: ClipDataset, report: Report) -> NDArray[np.float32]:
        """Embeddings (N, S, E) of all sequences, in their order."""
        sampler = SequenceSampler(data.lengths, frames=_BATCH_FRAMES, limit=self.config.eval.frames_limit)
        found: dict[int, NDArray[np.float32]] = {}
        with make_loader(data, sampler, self.config.data.loader, self.config.data.workers) as loader:
            for batch in loader:
                moved = batch.to(self.device)
                for place, index in enumerate(batch.sequences.tolist()):
                    found[index] = self.embed(moved, place, data.sequences[index].key.view)
                    report(len(found))
        return np.stack([found[index] for index in range(len(data))])

    @torch.inference_mode()
    def embed(self, batch: Batch, place: int, view: str) -> NDArray[np.float32]:
        """Embedding (S, E) of one of the sequences of a batch."""
        assert batch.offsets is not None
        begin, end = (int(offset) for offset in batch.offsets[place : place + 2])
        labelled = self.scorer is not None and bool(batch.has(*NEEDED)[place])
        names = [name for name in batch.arrays if bool(batch.present[name][place])]
        amp = self.config.run.amp and self.device.type == "cuda"
        pooled: list[Tensor] = []
        for start in range(begin, end, self.config.eval.chunk):
            chunk = slice(start, min(start + self.config.eval.chunk, end))
            with torch.autocast(self.device.type, torch.bfloat16, enabled=amp):
                features, heatmaps = self.network.frame_features(as_float(batch.silhouettes[chunk])[None])
            pooled.append(features.amax(0))
            if self.scorer is not None and heatmaps is not None and labelled:
                labels = {name: batch.arrays[name][chunk] for name in names}
                self.scorer.add(heatmaps, labels, usable(batch, "joints")[chunk], view)
        return self.network.pool(torch.stack(pooled).amax(0, keepdim=True))[0].float().cpu().numpy()
