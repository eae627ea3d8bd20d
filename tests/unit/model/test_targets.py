import numpy as np
import pytest
import torch

from meshgait_data.body.files import load_body
from meshgait_data.body.torch_body import TorchBody
from meshgait_data.shards.reader import Shards
from meshgait_model.config.data import AugmentConfig
from meshgait_model.data.augment import draw
from meshgait_model.data.dataset import ClipDataset
from meshgait_model.data.picks import Picks
from meshgait_model.data.targets import (
    PARTS,
    Targets,
    coarse_faces,
    label_fields,
    mesh_in_window,
    spread_vertices,
    usable,
)

PICKS = Picks(np.array([0, 3, 5]), np.tile(np.arange(0, 12, 2), (3, 1)))


@pytest.fixture(scope="module")
def data(shards: Shards):
    return ClipDataset(shards, "train", fields=("silhouettes", *label_fields(shards, PARTS)), cut=10, cache="ram")


def test_sides_never_share_a_person(shards: Shards):
    train, test = (ClipDataset(shards, side, cache="none").people for side in ("train", "test"))
    assert set(train).isdisjoint(test)
    assert train == ("05", "06", "07")


def test_the_mesh_from_parameters_meets_the_packed_markers(shards: Shards, data):
    """Markers are vertices: the body, posed and projected here, must put them where the renderer put them."""
    labels = data[PICKS].arrays
    body = TorchBody(load_body(), shards.markers.vertex_ids)
    torch.testing.assert_close(mesh_in_window(body, labels), labels["markers"], atol=2e-3, rtol=0)


def test_mirrored_targets_belong_together(shards: Shards, data):
    """The mesh of the mirrored clip is where its markers are, after the labels' own mirror tables were applied."""
    body = load_body()
    targets = Targets(shards.markers, shards.joint_mirror, body, mesh_vertices=body.num_vertices, symmetric=True)
    changes = draw(AugmentConfig(flip=1, affine=1), 3, (64, 44), np.random.default_rng(0))
    made = targets(data[PICKS], changes, 44)
    mesh = made["mesh"][:, :, shards.markers.vertex_ids]
    torch.testing.assert_close(mesh, made["markers"], atol=2e-3, rtol=0)


def test_spread_vertices_are_spread_and_closed_under_the_mirror():
    body = load_body()
    ids, mirror = spread_vertices(body, 128, symmetric=True)
    assert 128 <= len(ids) <= 130
    np.testing.assert_array_equal(ids[mirror], np.asarray(body.mirror)[ids])
    distance = np.linalg.norm(body.v_template[ids][:, None] - body.v_template[ids][None], axis=-1)
    np.fill_diagonal(distance, np.inf)
    nearest = np.linalg.norm(body.v_template[:, None] - body.v_template[ids][None], axis=-1).min(1)
    assert nearest.max() < 0.15


@pytest.mark.parametrize("count", [128, 512])
def test_coarse_faces_cover_the_body_as_its_own_do(count):
    """A closed surface, turning outwards, the same on both sides, with nearly the volume of the body."""
    body = load_body()
    ids, mirror = spread_vertices(body, count, symmetric=True)
    faces = coarse_faces(body, ids)
    ends = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    directed = {tuple(edge) for edge in ends.tolist()}
    assert all(edge[::-1] in directed for edge in directed)
    # Two vertices about a thin limb have several edges between them.
    assert len(directed) > 0.94 * len(ends)
    assert len(np.unique(faces)) > 0.99 * len(ids)
    volumes = [volume(body.v_template, body.faces), volume(body.v_template[ids], faces)]
    assert 0.7 < volumes[1] / volumes[0] < 1
    turned = np.sort(mirror[faces], axis=1)
    same = {tuple(face) for face in np.sort(faces, axis=1).tolist()} & {tuple(face) for face in turned.tolist()}
    assert len(same) > 0.9 * len({tuple(face) for face in np.sort(faces, axis=1).tolist()})


def volume(points: np.ndarray, faces: np.ndarray) -> float:
    a, b, c = (points[faces[:, corner]] for corner in range(3))
    return float((np.cross(a, b) * c).sum() / 6)


def test_rejected_frames_are_not_used(data):
    batch = data[Picks(np.array([0]), np.array([[0, 1, 2]]))]
    batch.arrays["verdict"][:] = torch.tensor([[0, 1, 2]])
    assert usable(batch, "joints").tolist() == [[True, True, False]]
    batch.arrays["valid"][:] = torch.tensor([[0, 1, 1]])
    assert usable(batch, "mesh").tolist() == [[False, True, False]]
