"""Score a network on test people: recognition by protocols, and label errors in millimetres.

Shape letters: N test sequences, S parts of a description, E embedding, F frames of a sequence.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from meshgait_data.body.torch_body import TorchBody
from meshgait_data.manifest_protocol import Protocol
from meshgait_data.shards.reader import Shards
from meshgait_data.types import FloatArray
from meshgait_model.amp import autocast
from meshgait_model.assembly import load_network, matching_body, pick_device
from meshgait_model.checkpoint import Checkpoint
from meshgait_model.config.experiment import ExperimentConfig
from meshgait_model.data.batch import Batch, as_float
from meshgait_model.data.dataset import BETAS, INTRINSICS, ClipDataset
from meshgait_model.data.loader import make_loader
from meshgait_model.data.sampler import SequenceSampler
from meshgait_model.data.targets import JUDGEMENTS, usable
from meshgait_model.distributed import Processes
from meshgait_model.label_errors import NEEDED, VISIBILITY, LabelErrors, mean_pose_error, root_joints
from meshgait_model.nn.heatmap import Context
from meshgait_model.nn.look import Pooled
from meshgait_model.nn.meshgait import MeshGait
from meshgait_model.protocols.figures import plain_scores
from meshgait_model.protocols.scoring import Embedded, ProtocolScores, checked_roles, score

Report = Callable[[int], None]
"""Called after each sequence with how many are done."""

_BATCH_FRAMES = 2048
"""Frames that are read together; the network takes ``eval.chunk`` of them at a time."""


@dataclass(frozen=True, slots=True, eq=False)
class Findings:
    """What the network said of the test side, before anything is scored."""

    step: int
    """Updates that the network was trained for."""
    branch_3d: bool
    embedded: Embedded
    """Embeddings of all test sequences."""
    frames: int
    """Frames that were looked at."""
    label_errors: dict[str, float]
    """Mean distance in mm of ``joints``, ``markers``, ``mesh``, aligned at the pelvis, and of the visible and hidden
    ones among them where the shards say which are; empty without the 3D branch."""
    joints_by_view: dict[str, float]
    """Mean distance of joints in mm for each view."""
    joints_of_mean_pose: float | None
    """The same of a guess that knows the view and nothing else: the mean training pose of that view."""

    def figures(self) -> dict[str, Any]:
        """All but the embeddings, as plain data."""
        return {
            "step": self.step,
            "branch_3d": self.branch_3d,
            "frames": self.frames,
            "label_errors": self.label_errors,
            "joints_by_view": self.joints_by_view,
            "joints_of_mean_pose": self.joints_of_mean_pose,
        }

    def scored(self, protocols: Mapping[str, Protocol], checkpoint: Path) -> "Evaluation":
        """With the scores of protocols; those of kind ``submission`` give none."""
        scores = tuple(score(self.embedded, one, name) for name, one in protocols.items() if one.kind != "submission")
        same = {field.name: getattr(self, field.name) for field in fields(Findings)}
        return Evaluation(**same, checkpoint=checkpoint, scores=scores)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Evaluation(Findings):
    """What ``mgtrain eval`` reports."""

    checkpoint: Path
    scores: tuple[ProtocolScores, ...]
    """By each protocol that was asked for."""

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
    network = load_network(state, shards).to(device)
    wanted = protocols if protocols is not None else dict(list(shards.protocols.items())[:1])
    side = TestSide(config, shards, wanted)
    found = side.look(network, state.step, report, guess=True)
    assert found is not None
    return found.scored(wanted, path)


class TestSide:
    """The test side of some shards, for one or many evaluations.

    Parameters
    ----------
    config
        The setting.
    shards
        The packed dataset.
    protocols
        What is going to be scored; found out now whether it can be.
    processes
        Those that share the sequences out among themselves.

    Raises
    ------
    InvalidData
        Where the shards lack what a protocol names.
    """

    __test__ = False  # Its name is no matter of pytest's.

    def __init__(
        self,
        config: ExperimentConfig,
        shards: Shards,
        protocols: Mapping[str, Protocol],
        processes: Processes | None = None,
    ) -> None:
        self.config, self.shards, self.processes = config, shards, processes or Processes()
        self.data = _open_data(config, shards)
        self.labels = set(NEEDED) <= set(self.data.fields)
        nothing = np.zeros((len(self.data), 1, 1), np.float32)
        for name, protocol in protocols.items():
            checked_roles(self.embedded(nothing), protocol, name)

    def embedded(self, embeddings: FloatArray) -> Embedded:
        """Embeddings (N, S, E) and whose they are."""
        lists = {"PROBE_SET": self.shards.split.probe, "GALLERY_SET": self.shards.split.gallery}
        keys = tuple(record.key for record in self.data.sequences)
        return Embedded(embeddings, keys, tuple(self.data.sequences.identities), lists)

    def look(self, network: MeshGait, step: int, report: Report, *, guess: bool = False) -> Findings | None:
        """What a network says of all sequences; it is left in the mode, training or not, that it was in.

        Where there are several processes, only the first one gets the findings of all; the others get None.

        Parameters
        ----------
        guess
            Whether to find out how wrong the mean training pose is, which reads all labels of the training side.
        """
        training = network.training
        scorer = self._label_errors(network) if self.labels else None
        try:
            found = _Embedder(network.eval(), self.config, scorer).embed_all(self.data, self.processes, report)
        finally:
            network.train(training)
        sums = self.processes.collect(scorer.sums if scorer else {})
        for others in self.processes.collect(found):
            found |= others
        if not self.processes.first:
            return None
        if scorer is not None:
            scorer.join(sums[1:])
        embeddings = np.stack([found[index] for index in range(len(self.data))])
        return Findings(
            step=step,
            branch_3d=self.config.network.branch_3d,
            embedded=self.embedded(embeddings),
            frames=int(np.minimum(self.data.lengths, self.config.eval.frames_limit).sum()),
            label_errors=scorer.means() if scorer else {},
            joints_by_view=scorer.by_view() if scorer else {},
            joints_of_mean_pose=mean_pose_error(self.shards) if guess and scorer else None,
        )

    def _label_errors(self, network: MeshGait) -> LabelErrors:
        every, device = self.config.eval.mesh_every, next(network.parameters()).device
        body = TorchBody(matching_body(self.shards.body_sha256)).to(device) if every else None
        return LabelErrors(network, body, every, root=root_joints(self.shards.joint_set.names))


def _open_data(config: ExperimentConfig, shards: Shards) -> ClipDataset:
    """Test sequences, with labels where there are some; each is read once, so decoded frames are not kept."""
    fields: tuple[str, ...] = ("silhouettes",)
    known = {*shards.fields, BETAS, INTRINSICS}
    # A dataset without labels can still be recognised.
    if config.supervised and set(NEEDED) <= known:
        fields += (*NEEDED, *(name for name in (*JUDGEMENTS, *VISIBILITY) if name in known))
    return ClipDataset(shards, "test", fields=fields, cut=config.data.cut, cache="none")


@dataclass(frozen=True, slots=True)
class _Embedder:
    """Embeds whole sequences, looking at the labels of the same frames on the way."""

    network: MeshGait
    config: ExperimentConfig
    scorer: LabelErrors | None

    def embed_all(self, data: ClipDataset, processes: Processes, report: Report) -> dict[int, NDArray[np.float32]]:
        """Embeddings (S, E) of the sequences of this process, by their number."""
        device = next(self.network.parameters()).device
        sampler = SequenceSampler(
            data.lengths,
            # Few sequences are shared out, too.
            frames=min(_BATCH_FRAMES, int(data.lengths.sum()) // processes.world),
            limit=self.config.eval.frames_limit,
            rank=processes.rank,
            world=processes.world,
        )
        found: dict[int, NDArray[np.float32]] = {}
        with make_loader(data, sampler, self.config.data.loader, self.config.data.workers) as loader:
            for batch in loader:
                moved = batch.to(device)
                for place, index in enumerate(batch.sequences.tolist()):
                    found[index] = self.embed(moved, place, data.sequences[index].key.view)
                    report(len(found))
        return found

    @torch.inference_mode()
    def embed(self, batch: Batch, place: int, view: str) -> NDArray[np.float32]:
        """Embedding (S, E) of one of the sequences of a batch.

        A long sequence is looked at in parts, each with as many frames before and after it as the network's view of a
        frame reaches, so that the result is that of the whole sequence.
        """
        assert batch.offsets is not None
        begin, end = (int(offset) for offset in batch.offsets[place : place + 2])
        scorer = self.scorer if self.scorer is not None and bool(batch.has(*NEEDED)[place]) else None
        names = [name for name in batch.arrays if bool(batch.present[name][place])]
        parts, pooled = self._parts(begin, end), list[Pooled]()
        context = self._context(batch, parts) if len(parts) > 1 else None
        for (first, last), (start, stop) in parts:
            clip = as_float(batch.silhouettes[first:last])[None]
            with autocast(self.config.run.amp, clip.device):
                seen = self.network.look(clip, heatmaps=scorer is not None, context=context)
            look = seen[start - first : stop - first]
            pooled.append(look.pooled())
            if scorer is not None and look.heatmaps is not None:
                points, confidence = self.network.points(look.heatmaps)
                labels = {name: batch.arrays[name][start:stop] for name in names}
                scorer.add(points[0], confidence[0], labels, keep=usable(batch, "joints")[start:stop], view=view)
        with autocast(self.config.run.amp, batch.silhouettes.device):
            described = self.network.describe(Pooled.join(pooled))
        return described[0].float().cpu().numpy()

    def _parts(self, begin: int, end: int) -> list[tuple[tuple[int, int], tuple[int, int]]]:
        """Frames that are looked at together, and which of them count."""
        reach, chunk = self.network.reach, self.config.eval.chunk
        own = [(start, min(start + chunk, end)) for start in range(begin, end, chunk)]
        return [((max(start - reach, begin), min(stop + reach, end)), (start, stop)) for start, stop in own]

    def _context(self, batch: Batch, parts: list[tuple[tuple[int, int], tuple[int, int]]]) -> Context | None:
        """What all frames of a long sequence say together."""
        contexts = []
        for (first, last), (start, stop) in parts:
            clip = as_float(batch.silhouettes[first:last])[None]
            with autocast(self.config.run.amp, clip.device):
                contexts.append(self.network.context(clip, slice(start - first, stop - first)))
        known = [context for context in contexts if context is not None]
        return Context.join(known) if known else None
