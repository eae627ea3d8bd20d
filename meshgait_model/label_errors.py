"""Label errors of a network on test people, in millimetres, aligned at the pelvis."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from meshgait_data.body.torch_body import TorchBody
from meshgait_data.shards.reader import Shards
from meshgait_data.types import FloatArray
from meshgait_model.data.dataset import GaitSet
from meshgait_model.data.targets import mesh_in_window, usable
from meshgait_model.nn.heatmap import soft_argmax
from meshgait_model.nn.meshgait import JOINTS, MeshGait


class LabelErrors:
    """Adds up distances between predicted and labelled points over frames.

    Parameters
    ----------
    network
        On its device, with a 3D branch.
    body
        The body of the shards, with all vertices, on the same device; None leaves mesh errors out.
    mesh_every
        Mesh errors are measured on every n-th frame.
    """

    def __init__(self, network: MeshGait, body: TorchBody | None, mesh_every: int) -> None:
        self.network, self.body, self.every = network, body, mesh_every
        self.sums: dict[tuple[str, str], list[float]] = {}

    def add(self, heatmaps: Tensor, labels: Mapping[str, Tensor], view: str) -> None:
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

    def means(self) -> dict[str, float]:
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


def mean_pose_error(shards: Shards, data: GaitSet) -> float | None:
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
