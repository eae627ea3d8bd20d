"""Labels of a batch in the network's window: joints and markers as packed, mesh vertices from the body's parameters.

Not every sequence needs to have labels: a clip without counts for recognition only.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from meshgait_data.body.model import Body
from meshgait_data.body.torch_body import TorchBody
from meshgait_data.conventions import REJECTED
from meshgait_data.errors import InvalidData
from meshgait_data.render.labels import to_window
from meshgait_data.shards.reader import Shards
from meshgait_data.types import IntArray, MarkerSet
from meshgait_model.data.augment import Augmentation, move_points
from meshgait_model.data.batch import Batch
from meshgait_model.data.dataset import BETAS, INTRINSICS

PARTS: Mapping[str, tuple[str, ...]] = {
    "joints": ("joints",),
    "markers": ("markers",),
    "mesh": ("windows", "global_orient", "body_pose", "transl", BETAS, INTRINSICS),
}
"""Kind of target to the fields that it is made of."""

USES: Mapping[str, tuple[str, ...]] = {
    "joints": ("joints",),
    "markers": ("markers",),
    "confidence": ("joints", "markers"),
    "mesh": ("mesh",),
    "normals": ("mesh",),
    "edges": ("mesh",),
}
"""Loss to the kinds of targets that it compares with."""

JUDGEMENTS = ("valid", "verdict")
"""Fields that say which frames have labels that may be used; where a sequence has neither, all may."""


def label_fields(shards: Shards, parts: Iterable[str]) -> tuple[str, ...]:
    """Fields that some kinds of targets need, and those that judge them.

    Raises
    ------
    InvalidData
        Where no sequence of the shards has one of them.
    """
    fields = tuple(dict.fromkeys(field for part in parts for field in PARTS[part]))
    missing = [name for name in fields if name not in shards.fields and name not in (BETAS, INTRINSICS)]
    if missing:
        raise InvalidData(
            f"these shards have no {', '.join(missing)}",
            where=shards.url,
            hint="pack them with labels, or train without them: -o network.branch_3d=false",
        )
    return fields + tuple(name for name in JUDGEMENTS if name in shards.fields)


def spread_vertices(body: Body, count: int, symmetric: bool) -> tuple[IntArray, IntArray]:
    """Vertices spread evenly over a body by farthest-point sampling of its template.

    Parameters
    ----------
    count
        About how many; each is joined by the vertex on the other side.
    symmetric
        Whether the other side is needed.

    Returns
    -------
    Their ids (S,), and for each of them the place of its mirror image among them (S,).

    Raises
    ------
    InvalidData
        Where mirror images are needed and the mesh is not symmetric.
    """
    if symmetric and body.mirror is None:
        raise InvalidData(
            f"body {body.name!r} is not symmetric, so its mesh labels cannot be mirrored",
            hint="set data.augment.flip=0 or loss.mesh=0",
        )
    mirror = np.arange(body.num_vertices) if body.mirror is None else np.asarray(body.mirror)
    chosen = [0, int(mirror[0])]
    distance = np.full(body.num_vertices, np.inf)
    while True:
        for vertex in chosen[-2:]:
            distance = np.minimum(distance, np.linalg.norm(body.v_template - body.v_template[vertex], axis=1))
        if len(set(chosen)) >= min(count, body.num_vertices):
            break
        farthest = int(distance.argmax())
        chosen += [farthest, int(mirror[farthest])]
    ids = np.unique(chosen)
    return ids, np.searchsorted(ids, mirror[ids])


def coarse_faces(body: Body, ids: IntArray) -> IntArray:
    """Triangles between some vertices of a body, which cover it like its own faces.

    Every vertex of the body belongs to the nearest chosen one, along edges; a face whose corners belong to three
    different ones makes a triangle of these (the dual of the Voronoi cells).

    Returns
    -------
    (F, 3) places among ``ids``, turning as the body's faces do.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import dijkstra

    faces = np.asarray(body.faces)
    ends = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    lengths = np.linalg.norm(body.v_template[ends[:, 0]] - body.v_template[ends[:, 1]], axis=1)
    # Both directions of an edge may be there once or twice: the same length is set, not added.
    ends, first = np.unique(np.sort(ends, axis=1), axis=0, return_index=True)
    graph = coo_array((lengths[first], (ends[:, 0], ends[:, 1])), shape=(body.num_vertices,) * 2).tocsr()
    _, _, nearest = dijkstra(graph, directed=False, indices=ids, return_predecessors=True, min_only=True)
    cells = np.full(body.num_vertices, -1)
    cells[nearest >= 0] = np.searchsorted(ids, nearest[nearest >= 0])
    corners = cells[faces]
    differ = (corners >= 0).all(1) & (corners != np.roll(corners, 1, axis=1)).all(1)
    # The same triangle begins at its smallest corner.
    turned = [np.roll(triangle, -int(triangle.argmin())) for triangle in corners[differ]]
    return np.unique(np.array(turned, np.int64).reshape(-1, 3), axis=0)


def of_frames(batch: Batch, chosen: Tensor) -> Batch:
    """The labels of some frames (B, L) of each clip; silhouettes are left out."""
    clips = torch.arange(len(chosen), device=chosen.device)[:, None]
    arrays = {name: values[clips, chosen] for name, values in batch.arrays.items() if name != "silhouettes"}
    return replace(batch, arrays=arrays, frames=batch.frames[clips, chosen])


class Targets(nn.Module):
    """Makes the targets of the label losses; lives on the device.

    Parameters
    ----------
    markers
        The marker set of the shards.
    joint_mirror
        (J,) joint on the other side of the body, of the joint set of the shards.
    body
        The body of the shards; None leaves mesh targets out.
    mesh_vertices
        About how many vertices the mesh targets have.
    symmetric
        Whether clips may be mirrored.
    """

    vertex_ids: Tensor
    faces: Tensor

    def __init__(
        self, markers: MarkerSet, joint_mirror: IntArray, body: Body | None, *, mesh_vertices: int, symmetric: bool
    ) -> None:
        super().__init__()
        self.register_buffer("joint_mirror", torch.from_numpy(np.array(joint_mirror, np.int64)))
        self.register_buffer("marker_mirror", torch.from_numpy(np.array(markers.mirror, np.int64)))
        self.body: TorchBody | None = None
        if body is not None:
            ids, mirror = spread_vertices(body, mesh_vertices, symmetric)
            self.body = TorchBody(body, ids)
            self.register_buffer("vertex_ids", torch.from_numpy(ids))
            self.register_buffer("vertex_mirror", torch.from_numpy(mirror))
            self.register_buffer("faces", torch.from_numpy(coarse_faces(body, ids)))

    @torch.no_grad()
    def forward(self, batch: Batch, augmentation: Augmentation, columns: int) -> dict[str, Tensor]:
        """Targets (B, T, P, 3) by name: of the fields that the batch has, and with a body ``mesh``.

        They mean nothing where a clip lacks a field, see :func:`usable`.
        """
        targets = {
            name: move_points(batch.arrays[name], augmentation, self.get_buffer(f"{name[:-1]}_mirror"), columns)
            for name in ("joints", "markers")
            if name in batch.arrays
        }
        if self.body is not None:
            vertices = self._mesh(self.body, batch)
            targets["mesh"] = move_points(vertices, augmentation, self.get_buffer("vertex_mirror"), columns)
        return targets

    def _mesh(self, body: TorchBody, batch: Batch) -> Tensor:
        has = batch.has(*PARTS["mesh"])
        # A body that is not there has no image: its depth would be zero.
        vertices = batch.arrays["transl"].new_zeros(*batch.frames.shape, len(self.vertex_ids), 3)
        if has.any():
            vertices[has] = mesh_in_window(body, {name: batch.arrays[name][has] for name in PARTS["mesh"]})
        return vertices


def usable(batch: Batch, part: str) -> Tensor:
    """(B, T) or (M,) True for frames that have labels of a kind, of a fit that was not rejected."""
    use = batch.per_frame(batch.has(*PARTS[part]))
    for name in JUDGEMENTS:
        if name in batch.arrays:
            values = batch.arrays[name]
            good = values > 0 if name == "valid" else values != REJECTED
            use = use & (good | ~batch.per_frame(batch.present[name]))
    return use


def mesh_in_window(body: TorchBody, labels: Mapping[str, Tensor]) -> Tensor:
    """Vertices (B, T, S, 3) of the fitted bodies in window pixels."""
    vertices, joints = mesh_in_camera(body, labels)
    return to_window(vertices, joints[..., 0, 2], labels["intrinsics"], labels["windows"])


def mesh_in_camera(body: TorchBody, labels: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Vertices (B, T, S, 3) and the 24 joints (B, T, 24, 3) of the fitted bodies in metres, camera frame."""
    size = labels["transl"].shape[:2]
    flat = {name: labels[name].flatten(0, 1) for name in ("betas", "global_orient", "body_pose", "transl")}
    vertices, joints = body(**flat)
    return vertices.unflatten(0, size), joints.unflatten(0, size)
