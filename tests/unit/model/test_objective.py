"""The losses of labels: each against its definition on real labels, masks of frames and clips, chosen frames."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from meshgait_data.shards.reader import Shards
from meshgait_model.config.experiment import load_config
from meshgait_model.data.augment import draw
from meshgait_model.data.batch import as_float
from meshgait_model.data.picks import Picks
from meshgait_model.data.targets import of_frames
from meshgait_model.losses import total
from meshgait_model.nn.meshgait import MeshGaitOutput
from meshgait_model.objective import wanted_labels
from meshgait_model.trainer import Trainer

ALL = [f"loss.{name}=1" for name in ("joints", "markers", "confidence", "mesh", "normals", "edges")]
SETTING = ["run.device=cpu", "data.people=3", "data.frames=4", "data.cache=ram", *ALL]
OF_LABELS = {"joints", "markers", "confidence", "mesh", "normals", "edges"}


def make(shards: Shards, *overrides: str) -> Trainer:
    return Trainer(load_config("debug", [*SETTING, *overrides]), shards)


def clips(trainer: Trainer, *, labels: bool):
    """A batch of clips that all have labels, or all have none."""
    with_labels = np.array(["joints" in record.rows for record in trainer.data.sequences])
    chosen = np.flatnonzero(with_labels == labels)[:4]
    frames = np.stack([np.arange(4) % trainer.data.lengths[i] for i in chosen])
    return trainer.data[Picks(chosen, frames)]


def unchanged(trainer: Trainer, batch):
    config = replace(trainer.config.data.augment, flip=0.0, affine=0.0)
    return draw(config, len(batch), trainer.data.window, np.random.default_rng(0))


def parts_of(trainer: Trainer, batch, *, step: int = 0, labelled=None, output: MeshGaitOutput | None = None):
    if output is None:
        output = trainer.network(as_float(batch.silhouettes), points=True, labelled=labelled)
    return trainer.objective(trainer.network, output, batch, unchanged(trainer, batch), step=step)


def right(trainer: Trainer, batch) -> MeshGaitOutput:
    """What a network would say that knows the labels."""
    said = trainer.network(as_float(batch.silhouettes), points=True)
    return replace(said, joints=batch.arrays["joints"], markers=batch.arrays["markers"])


@pytest.fixture(scope="module")
def trainer(mixed: Shards) -> Trainer:
    return make(mixed)


def test_all_parts_are_there_and_a_weight_of_zero_is_not_computed(trainer, mixed):
    batch = clips(trainer, labels=True)
    assert set(parts_of(trainer, batch)) == {"triplet", "cross_entropy"} | OF_LABELS
    without = make(mixed, "loss.edges=0", "loss.confidence=0", "loss.triplet=0")
    assert set(parts_of(without, batch)) == {"cross_entropy"} | OF_LABELS - {"edges", "confidence"}


def test_kinds_of_labels_that_losses_need():
    config = load_config("debug", ["loss.joints=0", "loss.markers=0", "loss.mesh=0", "loss.confidence=1"])
    assert wanted_labels(config) == ("joints", "markers")
    config = load_config("debug", ["loss.joints=0", "loss.markers=0", "loss.mesh=0", "loss.normals=1"])
    assert wanted_labels(config) == ("mesh",)
    assert wanted_labels(load_config("debug", [*ALL, "network.branch_3d=false"])) == ()


def test_true_points_have_no_error_and_one_pixel_is_one_unit_of_the_window(trainer):
    batch = clips(trainer, labels=True)
    said = right(trainer, batch)
    exact = parts_of(trainer, batch, output=said)
    # The mesh of true markers is off by what 64 markers cannot say, a few millimetres of two metres.
    assert exact["joints"] == exact["markers"] == 0
    assert exact["mesh"] < 0.01
    assert exact["normals"] < 0.1
    off = replace(said, joints=said.joints + 1, markers=said.markers - 2)
    moved = parts_of(trainer, batch, output=off)
    torch.testing.assert_close(moved["joints"], torch.tensor(1 / 64))
    torch.testing.assert_close(moved["markers"], torch.tensor(2 / 64))
    torch.testing.assert_close(moved["normals"], exact["normals"], atol=1e-5, rtol=0)
    torch.testing.assert_close(moved["edges"], exact["edges"], atol=1e-5, rtol=0)


def test_confidence_is_minus_the_log_of_what_heatmaps_say_at_the_labels(trainer):
    batch = clips(trainer, labels=True)
    said = trainer.network(as_float(batch.silhouettes), points=True)
    points = torch.cat([batch.arrays["joints"], batch.arrays["markers"]], 2)
    grid = trainer.network.grid
    inside = ((points >= torch.tensor(grid.low)) & (points <= torch.tensor(grid.high))).all(-1)
    surprise = -said.heatmaps.at(points, grid).log()
    expected = torch.stack([s[i].mean() for s, i in zip(surprise.flatten(0, 1), inside.flatten(0, 1), strict=True)])
    torch.testing.assert_close(parts_of(trainer, batch, output=said)["confidence"], expected.mean())


def test_edges_begin_at_their_step(mixed):
    trainer = make(mixed, "loss.edges_from=3")
    batch = clips(trainer, labels=True)
    found = ["edges" in parts_of(trainer, batch, step=step) for step in (0, 2, 3, 9)]
    assert found == [False, False, True, True]


def test_a_batch_without_labels_gives_exact_zeros_with_a_gradient(trainer):
    batch = clips(trainer, labels=False)
    # Whatever lies where no label is.
    for name, values in batch.arrays.items():
        if values.is_floating_point() and name != "silhouettes":
            values.fill_(float("nan"))
    parts = parts_of(trainer, batch)
    assert {name: parts[name].item() for name in OF_LABELS} == dict.fromkeys(OF_LABELS, 0.0)
    trainer.network.zero_grad()
    total({name: parts[name] for name in OF_LABELS}, trainer.config.loss).backward()
    gradients = [weight.grad for weight in trainer.network.parameters() if weight.grad is not None]
    assert gradients
    assert not any(gradient.any() for gradient in gradients)


def test_frames_without_labels_do_not_change_the_others(trainer):
    """The loss of a batch is that of its labelled frames: a rejected frame's labels may say anything."""
    batch = clips(trainer, labels=True)
    said = trainer.network(as_float(batch.silhouettes), points=True)
    batch.arrays["verdict"][:, 1] = 2
    expected = parts_of(trainer, batch, output=said)
    for name in ("joints", "markers", "transl"):
        batch.arrays[name][:, 1] = float("nan")
    torch.testing.assert_close(parts_of(trainer, batch, output=said), expected)
    kept = [0, 2, 3]
    chosen = torch.tensor([kept] * len(batch))
    of_kept = replace(
        said,
        joints=said.joints[:, kept],
        markers=said.markers[:, kept],
        confidence=said.confidence[:, kept],
        heatmaps=said.heatmaps.frames(chosen),
        labelled=chosen,
    )
    found = parts_of(trainer, batch, output=of_kept)
    torch.testing.assert_close({n: found[n] for n in OF_LABELS}, {n: expected[n] for n in OF_LABELS})


def test_recognition_sees_all_clips_whether_or_not_they_have_labels(trainer):
    some, none = clips(trainer, labels=True), clips(trainer, labels=False)
    for batch in (some, none):
        assert parts_of(trainer, batch)["cross_entropy"] > 0


def test_labelled_frames_are_drawn_anew_in_each_step_and_the_same_for_a_seed(mixed):
    trainer = make(mixed, "loss.labelled_frames=2")
    first, again, other = (trainer.objective.labelled(step, 50, 4) for step in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert first.shape == (50, 2)
    assert (first[:, 0] < first[:, 1]).all()
    assert first.unique().tolist() == [0, 1, 2, 3]
    assert trainer.objective.labelled(0, 50, 2) is None
    assert make(mixed).objective.labelled(0, 50, 4) is None


def test_labels_of_chosen_frames_are_those_of_the_clip(trainer):
    batch = clips(trainer, labels=True)
    some = of_frames(batch, torch.tensor([[3, 0]] * len(batch)))
    assert "silhouettes" not in some.arrays
    torch.testing.assert_close(some.arrays["joints"], batch.arrays["joints"][:, [3, 0]])
    torch.testing.assert_close(some.arrays["intrinsics"], batch.arrays["intrinsics"][:, [3, 0]])
    assert some.frames.tolist() == batch.frames[:, [3, 0]].tolist()


@pytest.mark.parametrize("form", ["learned", "adaptive"])
def test_markers_learn_by_the_plain_mesh_and_the_learned_mesh_by_its_own(form, mixed):
    gradients = []
    for one in (form, "fixed"):
        trainer = make(mixed, f"network.mesh.form={one}", "network.fusion=[]")
        if one != "fixed":
            for weight in trainer.network.mesh.parameters():
                torch.nn.init.normal_(weight, std=0.1)
        torch.manual_seed(0)
        for weight in trainer.network.heatmaps.parameters():
            torch.nn.init.normal_(weight, std=0.1)
        output = trainer.network(as_float(clips(trainer, labels=True).silhouettes), points=True)
        markers = output.markers.detach().requires_grad_()
        said = replace(output, markers=markers, joints=output.joints.detach())
        parts = parts_of(trainer, clips(trainer, labels=True), output=said)
        (parts["mesh"] + parts["normals"] + parts["edges"]).backward()
        gradients.append(markers.grad)
        assert all(weight.grad.any() for weight in trainer.network.mesh.parameters())
        assert all(weight.grad is None for weight in trainer.network.heatmaps.parameters())
    torch.testing.assert_close(*gradients)
