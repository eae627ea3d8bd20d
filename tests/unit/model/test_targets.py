from dataclasses import replace

import numpy as np
import pytest
import torch

from meshgait_data.body.files import load_body
from meshgait_data.body.torch_body import TorchBody
from meshgait_data.errors import InvalidData
from meshgait_data.shards.reader import Shards
from meshgait_model.config import AugmentConfig
from meshgait_model.data.augment import draw
from meshgait_model.data.dataset import load_side
from meshgait_model.data.sampler import Picks
from meshgait_model.data.targets import Targets, mesh_in_window, spread_vertices, usable

PICKS = Picks(np.array([0, 3, 5]), np.tile(np.arange(0, 12, 2), (3, 1)))


@pytest.fixture(scope="module")
def data(shards: Shards):
    return load_side(shards, "train", labels=True, cut=10)


def test_sides_never_share_a_person(shards: Shards):
    train = {r.identity for r in load_side(shards, "train", labels=False, cut=10).records}
    test = {r.identity for r in load_side(shards, "test", labels=False, cut=10).records}
    assert train.isdisjoint(test)
    assert train == {"05", "06", "07"}


def test_batches_hold_the_frames_that_were_asked_for(shards: Shards, data):
    batch = data.gather(PICKS)
    record = data.records[3]
    whole = shards.read(record, "silhouettes")[::2, :, 10:54]
    np.testing.assert_array_equal(batch.silhouettes[1].numpy(), whole)
    joints = shards.read(record, "joints")[::2] - np.array([10, 0, 0], np.float32)
    np.testing.assert_array_equal(batch.labels["joints"][1].numpy(), joints)
    assert data.window == (64, 44)


def test_fits_of_fewer_shape_components_share_a_batch(data):
    first = PICKS.sequences[0]
    records = [replace(r, betas=r.betas[:4]) if n == first else r for n, r in enumerate(data.records)]
    betas = replace(data, records=tuple(records)).gather(PICKS).labels["betas"]
    assert betas.shape[-1] == 10
    np.testing.assert_array_equal(betas[0, 0, :4], data.records[first].betas[:4])
    assert not betas[0, 0, 4:].any()


def test_the_mesh_from_parameters_meets_the_packed_markers(shards: Shards, data):
    """Markers are vertices: the body, posed and projected here, must put them where the renderer put them."""
    labels = data.gather(PICKS).labels
    body = TorchBody(load_body(), shards.markers.vertex_ids)
    torch.testing.assert_close(mesh_in_window(body, labels), labels["markers"], atol=2e-3, rtol=0)


def test_mirrored_targets_belong_together(shards: Shards, data):
    """The mesh of the mirrored clip is where its markers are, after the labels' own mirror tables were applied."""
    body = load_body()
    targets = Targets(shards.markers, shards.joint_mirror, body, mesh_vertices=body.num_vertices, symmetric=True)
    changes = draw(AugmentConfig(flip=1, affine=1), 3, (64, 44), np.random.default_rng(0))
    made = targets(data.gather(PICKS).labels, changes, 44)
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


def test_rejected_frames_are_not_used(data):
    labels = dict(data.gather(PICKS).labels)
    labels["verdict"] = torch.tensor([[0, 1, 2]])
    assert usable(labels).tolist() == [[True, True, False]]


def test_what_shards_lack_is_said(shards: Shards):
    with pytest.raises(InvalidData, match="leaves nothing"):
        load_side(shards, "test", labels=False, cut=32)
