"""Label errors of a network on test people, in millimetres.

Predictions are taken back to metres by the exact inverse of what made the labels: perspective, window and depth. That
needs to know what a label knows and a silhouette does not say: the frame's window, the camera's intrinsics, and the
labelled depth of the pelvis (as ``scale``). Then predicted and true points are laid on each other at the pelvis, so
what is measured is the pose and shape of the body in metres of the camera's frame, not where it stands.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from meshgait_data.body.torch_body import TorchBody
from meshgait_data.render.labels import from_window
from meshgait_data.shards.reader import Shards
from meshgait_data.shards.records import Side
from meshgait_data.types import FloatArray
from meshgait_model.data.targets import PARTS, mesh_in_camera
from meshgait_model.nn.meshgait import MeshGait

NEEDED = tuple(dict.fromkeys(("scale", *(field for fields in PARTS.values() for field in fields))))
"""Fields that a sequence must have for its label errors to be measured."""

VISIBILITY = ("joints_visible", "markers_visible")
"""Fields that split the errors where a sequence has them."""

_POSE = ("joints", "scale", "windows")


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
    root
        Joints whose mean is the pelvis, see :func:`root_joints`.
    """

    def __init__(
        self, network: MeshGait, body: TorchBody | None, mesh_every: int, *, root: Sequence[int] = (0,)
    ) -> None:
        self.network, self.body, self.every, self.root = network, body, mesh_every, list(root)
        self.sums: dict[tuple[str, str], list[float]] = {}

    def add(self, points: Tensor, confidence: Tensor, labels: Mapping[str, Tensor], *, keep: Tensor, view: str) -> None:
        """Compare points of one sequence with its labels.

        Parameters
        ----------
        points, confidence
            (F, P, 3) in window pixels, joints first, and (F, P), as the network says.
        labels
            Field to (F, ...).
        keep
            (F,) True for frames whose labels count.
        view
            Of the sequence.
        """
        labels = {name: value[keep] for name, value in labels.items()}
        where = labels["scale"], labels["intrinsics"], labels["windows"]
        found = from_window(points[keep], *where)
        truth = from_window(torch.cat([labels["joints"], labels["markers"]], 1), *where)
        joints = self.network.joints
        found_root, truth_root = (points[:, self.root].mean(1, keepdim=True) for points in (found, truth))
        errors = ((found - found_root) - (truth - truth_root)).norm(dim=-1) * 1000
        for name, part in (("joints", errors[:, :joints]), ("markers", errors[:, joints:])):
            self._sum(name, view, part)
            if f"{name}_visible" in labels:
                seen = labels[f"{name}_visible"] > 0
                self._sum(f"{name}_visible", view, part[seen])
                self._sum(f"{name}_hidden", view, part[~seen])
        if self.body is not None:
            some = slice(None, None, self.every)
            mesh, _ = mesh_in_camera(self.body, {name: value[None, some] for name, value in labels.items()})
            predicted = self.network.vertices(found[some], confidence[keep][some])
            self._sum("mesh", view, ((predicted - found_root[some]) - (mesh[0] - truth_root[some])).norm(dim=-1) * 1000)

    def _sum(self, name: str, view: str, errors: Tensor) -> None:
        entry = self.sums.setdefault((name, view), [0.0, 0.0])
        entry[0] += float(errors.double().sum())
        entry[1] += errors.numel()

    def join(self, others: Iterable[Mapping[tuple[str, str], list[float]]]) -> None:
        """Add what others have added up, see :attr:`sums`."""
        for sums in others:
            for key, (total, count) in sums.items():
                entry = self.sums.setdefault(key, [0.0, 0.0])
                entry[0] += total
                entry[1] += count

    def means(self) -> dict[str, float]:
        """Mean error of each kind of point: ``joints``, ``markers``, ``mesh``.

        Where the shards say what is visible, also ``joints_visible``, ``joints_hidden`` and so on.
        """
        names = {name for name, _ in self.sums}
        return {name: self._mean([v for (n, _), v in self.sums.items() if n == name]) for name in sorted(names)}

    def by_view(self) -> dict[str, float]:
        """Mean error of joints for each view."""
        return {view: self._mean([value]) for (name, view), value in sorted(self.sums.items()) if name == "joints"}

    @staticmethod
    def _mean(entries: list[list[float]]) -> float:
        total, count = np.sum(entries, axis=0)
        return float(total / count) if count else float("nan")


def root_joints(names: Sequence[str]) -> tuple[int, ...]:
    """Joints of a set whose mean stands for the pelvis: the pelvis, the two hips, or all of them."""
    for wanted in (("pelvis",), ("left_hip", "right_hip")):
        if set(wanted) <= set(names):
            return tuple(names.index(name) for name in wanted)
    return tuple(range(len(names)))


def mean_pose_error(shards: Shards) -> float | None:
    """Error of joints in mm on the test side of always saying the mean training pose of the view.

    None where one of the sides has no labels, or a view of the test side is not among those trained on.
    """
    (poses, views), (truth, test_views) = (_relative(shards, side) for side in ("train", "test"))
    if not len(poses) or not len(truth) or not set(test_views) <= set(views):
        return None
    means = {view: poses[views == view].mean(0) for view in np.unique(test_views)}
    errors = [np.linalg.norm(truth[test_views == view] - mean, axis=-1).mean(1) for view, mean in means.items()]
    return float(np.concatenate(errors).mean() * 1000)


def _relative(shards: Shards, side: Side) -> tuple[FloatArray, NDArray[np.str_]]:
    """Joints (F, J, 3) of one side relative to the pelvis in metres, camera frame, and the view of each frame (F,)."""
    chosen = shards.sequences.where(side=side, has=_POSE)
    cameras = [shards.detail(record).camera for record in chosen]
    chosen = chosen.take(np.array([camera is not None for camera in cameras], bool))
    if not len(chosen):
        return np.zeros((0, len(shards.joint_set.names), 3)), np.zeros(0, str)
    matrices = [camera.intrinsics for camera in cameras if camera is not None]
    intrinsics = np.repeat(np.stack(matrices), chosen.lengths, axis=0)
    fields = {name: shards.load(name, chosen)[0] for name in _POSE}
    joints = from_window(fields["joints"], fields["scale"], intrinsics, fields["windows"])
    root = list(root_joints(shards.joint_set.names))
    return joints - joints[:, root].mean(1, keepdims=True), np.repeat(chosen.views.astype(str), chosen.lengths)
