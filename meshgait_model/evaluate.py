"""Score a trained network on test people: cross-view recognition, and label errors in millimetres.

Shape letters: N test sequences, S strips, E embedding, F frames, P points.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from meshgait_data.body.torch_body import TorchBody
from meshgait_data.errors import InvalidData
from meshgait_data.manifest import Protocol
from meshgait_data.shards.reader import Shards
from meshgait_data.shards.records import SequenceRecord
from meshgait_data.types import BoolArray, FloatArray
from meshgait_model.checkpoint import Checkpoint
from meshgait_model.data.dataset import GaitSet, load_side
from meshgait_model.data.sampler import Picks
from meshgait_model.data.targets import mesh_in_window, usable
from meshgait_model.metrics import ViewRanks, cross_view_ranks, mean_average_precision, part_distances
from meshgait_model.nn.heatmap import soft_argmax
from meshgait_model.nn.meshgait import JOINTS, MeshGait
from meshgait_model.trainer import make_network, matching_body, pick_device

Report = Callable[[int], None]
"""Called after each sequence with how many are done."""


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """What ``mgtrain eval`` reports."""

    checkpoint: Path
    step: int
    """Updates that the network was trained for."""
    branch_3d: bool
    ranks: ViewRanks
    mean_ap: float
    """Pooled over all pairs of views that the protocol allows, 0..1."""
    mean_ap_chance: float
    """The same of random embeddings."""
    people: int
    """Enrolled identities."""
    sequences: int
    """Test sequences that were looked at."""
    frames: int
    label_errors: dict[str, float]
    """Mean distance in mm of ``joints``, ``markers``, ``mesh``, aligned at the pelvis; empty without the 3D branch."""
    joints_by_view: dict[str, float]
    """Mean distance of joints in mm for each view."""
    joints_of_mean_pose: float | None
    """The same of a guess that knows the view and nothing else: the mean training pose of that view."""

    def to_plain(self) -> dict[str, Any]:
        """Figures for ``metrics.json``."""
        ranks, mean, chance = self.ranks, self.ranks.mean(), self.ranks.mean_chance()
        figures: dict[str, Any] = {"checkpoint": str(self.checkpoint), "step": self.step, "branch_3d": self.branch_3d}
        figures |= {f"rank{k}": float(mean[i]) for i, k in enumerate(ranks.ranks)}
        figures |= {f"rank{k}_chance": float(chance[i]) for i, k in enumerate(ranks.ranks)}
        figures |= {"map": self.mean_ap, "map_chance": self.mean_ap_chance}
        figures |= {"people": self.people, "sequences": self.sequences, "frames": self.frames}
        figures |= {"probes": int(ranks.probes.sum()), "unscorable_pairs": ranks.unscorable}
        figures |= {f"{name}_mm": value for name, value in self.label_errors.items()}
        figures |= {"joints_mm_by_view": self.joints_by_view, "joints_mm_of_mean_pose": self.joints_of_mean_pose}
        figures["views"] = list(ranks.views)
        figures["tables"] = {
            f"rank{k}": [[None if np.isnan(x) else float(x) for x in row] for row in ranks.table[i]]
            for i, k in enumerate(ranks.ranks)
        }
        return figures


def evaluate(state: Checkpoint, path: Path, shards: Shards, report: Report) -> Evaluation:
    """Score a checkpoint on the test side of some shards, by their protocol.

    Parameters
    ----------
    state, path
        The checkpoint and where it lies.

    Raises
    ------
    InvalidData
        Where the shards have another number of markers than the network, or lack what the protocol names.
    """
    config = state.config
    device = pick_device(config.run.device)
    if config.run.threads:
        torch.set_num_threads(config.run.threads)
    if config.network.branch_3d and shards.num_markers != state.markers:
        raise InvalidData(
            f"the network was trained on {state.markers} markers, these shards have {shards.num_markers}",
            where=str(shards.path),
            hint="evaluate on shards that were packed with the same marker set",
        )
    network = make_network(config, shards, len(state.people))
    network.load_state_dict(state.network)
    network.to(device).eval()
    data = load_side(shards, "test", labels=config.supervised, cut=config.data.cut)
    scorer = _Scorer(network, data, state, shards) if config.supervised else None
    embeddings = np.stack([x for x in _embed_all(network, data, state, device, scorer, report)])
    ranks, mean_ap = score(embeddings, data.records, shards.protocol)
    noise = np.random.default_rng(0).normal(size=(len(embeddings), 1, 64))
    return Evaluation(
        checkpoint=path,
        step=state.step,
        branch_3d=config.network.branch_3d,
        ranks=ranks,
        mean_ap=mean_ap,
        mean_ap_chance=score(noise, data.records, shards.protocol)[1],
        people=len({record.identity for record in np.array(data.records)[_roles(data.records, shards.protocol)[0]]}),
        sequences=len(data.records),
        frames=int(np.minimum(data.lengths, config.eval.frames_limit).sum()),
        label_errors=scorer.errors() if scorer else {},
        joints_by_view=scorer.by_view() if scorer else {},
        joints_of_mean_pose=_mean_pose_error(shards, data) if scorer else None,
    )


def score(embeddings: FloatArray, records: Sequence[SequenceRecord], protocol: Protocol) -> tuple[ViewRanks, float]:
    """Ranks and pooled mean average precision of embeddings (N, S, E) of test sequences."""
    gallery, probe = _roles(records, protocol)
    identities = np.array([record.identity for record in records])
    views = np.array([record.key.view for record in records])
    distances = part_distances(embeddings[probe], embeddings[gallery])
    ranks = cross_view_ranks(
        distances,
        (identities[probe], views[probe]),
        (identities[gallery], views[gallery]),
        ranks=protocol.ranks,
        exclude_identical_view=protocol.exclude_identical_view,
    )
    matches = identities[probe][:, None] == identities[gallery][None]
    other_view = views[probe][:, None] != views[gallery][None]
    allowed = other_view if protocol.exclude_identical_view else np.ones_like(other_view)
    return ranks, mean_average_precision(distances, matches, allowed)


def _roles(records: Sequence[SequenceRecord], protocol: Protocol) -> tuple[BoolArray, BoolArray]:
    """(N,) which sequences are gallery and which are probes; raises InvalidData where a named walk is missing."""
    walks = np.array([f"{record.key.subject}/{record.key.condition}" for record in records])
    named = set(protocol.gallery) | (set() if protocol.probe == "rest" else set(protocol.probe))
    missing = sorted(named - set(walks.tolist()))
    if missing:
        raise InvalidData(
            f"walks that the protocol names are not among the test sequences: {', '.join(missing)}",
            hint="see failures.jsonl of the work folder for why they were not packed, or change the protocol",
        )
    gallery = np.isin(walks, list(protocol.gallery))
    if protocol.probe != "rest":
        return gallery, np.isin(walks, list(protocol.probe))
    enrolled = {record.identity for record, enrol in zip(records, gallery, strict=True) if enrol}
    return gallery, ~gallery & np.array([record.identity in enrolled for record in records])


@torch.inference_mode()
def _embed_all(
    network: MeshGait,
    data: GaitSet,
    state: Checkpoint,
    device: torch.device,
    scorer: "_Scorer | None",
    report: Report,
) -> list[NDArray[np.float32]]:
    """Embedding (S, E) of each sequence, looking at the labels of the same frames on the way."""
    limits, found = state.config.eval, []
    amp = state.config.run.amp and device.type == "cuda"
    for index, length in enumerate(data.lengths):
        best: Tensor | None = None
        for frames in np.array_split(np.arange(min(length, limits.frames_limit)), -(-length // limits.chunk)):
            if not len(frames):
                continue
            batch = data.gather(Picks(np.array([index]), frames[None])).to(device)
            with torch.autocast(device.type, torch.bfloat16, enabled=amp):
                features, heatmaps = network.frame_features(batch.silhouettes.float() / 255)
            largest = features.amax(0, keepdim=True)
            best = largest if best is None else torch.maximum(best, largest)
            if scorer is not None and heatmaps is not None:
                scorer.add(heatmaps, batch.labels, data.records[index].key.view)
        assert best is not None
        found.append(network.pool(best)[0].float().cpu().numpy())
        report(index + 1)
    return found


class _Scorer:
    """Adds up label errors over frames."""

    def __init__(self, network: MeshGait, data: GaitSet, state: Checkpoint, shards: Shards) -> None:
        self.network, self.every = network, state.config.eval.mesh_every
        self.body = TorchBody(matching_body(shards.body_sha256)) if self.every else None
        if self.body is not None:
            self.body.to(network.centres.device)
        self.sums: dict[tuple[str, str], list[float]] = {}

    def add(self, heatmaps: Tensor, labels: dict[str, Tensor] | Any, view: str) -> None:
        """Compare heatmaps (F, P, D, H, W) of one clip with its labels (1, F, ...)."""
        found = soft_argmax(heatmaps, self.network.centres).uvd
        keep = usable(labels)[0]
        truth = torch.cat([labels["joints"], labels["markers"]], 2)[0]
        scale = labels["scale"][0]
        errors = _millimetres(found, truth, found[:, :1], truth[:, :1], scale)[keep]
        self._sum("joints", view, errors[:, :JOINTS])
        self._sum("markers", view, errors[:, JOINTS:])
        if self.body is not None:
            some = torch.arange(0, len(found), self.every, device=found.device)
            some = some[keep[some]]
            part = {name: value[:, some] for name, value in labels.items()}
            mesh = mesh_in_window(self.body, part)[0]
            predicted = self.network.vertices(found[some, JOINTS:])
            self._sum("mesh", view, _millimetres(predicted, mesh, found[some, :1], truth[some, :1], scale[some]))

    def _sum(self, name: str, view: str, errors: Tensor) -> None:
        entry = self.sums.setdefault((name, view), [0.0, 0.0])
        entry[0] += float(errors.double().sum())
        entry[1] += errors.numel()

    def errors(self) -> dict[str, float]:
        """Mean error of each kind of point."""
        names = {name for name, _ in self.sums}
        return {name: self._mean([v for (n, _), v in self.sums.items() if n == name]) for name in sorted(names)}

    def by_view(self) -> dict[str, float]:
        """Mean error of joints for each view."""
        return {view: self._mean([value]) for (name, view), value in sorted(self.sums.items()) if name == "joints"}

    @staticmethod
    def _mean(entries: list[list[float]]) -> float:
        total, count = np.sum(entries, axis=0)
        return float(total / count) if count else float("nan")


def _millimetres(found: Tensor, truth: Tensor, found_root: Tensor, truth_root: Tensor, scale: Tensor) -> Tensor:
    """Distances (F, P) in mm of points in window pixels after their pelvises were laid on each other."""
    return ((found - found_root) - (truth - truth_root)).norm(dim=-1) / scale[:, None] * 1000


def _mean_pose_error(shards: Shards, data: GaitSet) -> float | None:
    """Error of joints in mm of always saying the mean training pose of the view; None without training sequences."""
    train = [record for record in shards.sequences if record.side == "train"]
    if not train:
        return None
    poses = _relative(*(shards.load(field, train)[0] for field in ("joints", "scale")))
    views = np.repeat([record.key.view for record in train], [record.length for record in train])
    truth = _relative(data.arrays["joints"], data.arrays["scale"])
    test_views = np.repeat([record.key.view for record in data.records], data.lengths)
    if not set(test_views) <= set(views):
        return None
    means = {view: poses[views == view].mean(0) for view in np.unique(test_views)}
    errors = [np.linalg.norm(truth[test_views == view] - mean, axis=-1).mean(1) for view, mean in means.items()]
    return float(np.concatenate(errors).mean() * 1000)


def _relative(joints: FloatArray, scale: FloatArray) -> FloatArray:
    """Joints (F, 24, 3) relative to the pelvis, in metres."""
    return (joints - joints[:, :1]) / scale[:, None, None]
