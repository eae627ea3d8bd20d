import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from walk_shards import VIEWS, write_dataset_of

from meshgait_data.body.files import load_body
from meshgait_data.body.model import forward
from meshgait_data.errors import EnvironmentLacks, InvalidData, UsageError
from meshgait_data.shards.reader import open_shards
from meshgait_data.types import BodyParams
from meshgait_model.assembly import matching_body, pick_device
from meshgait_model.checkpoint import CONFIG, LATEST, LOSSES, load_checkpoint, save_checkpoint
from meshgait_model.config.experiment import load_config
from meshgait_model.data.picks import Picks
from meshgait_model.data.targets import PARTS
from meshgait_model.evaluate import evaluate
from meshgait_model.nn.meshgait import MeshGait
from meshgait_model.optim import learning_rate
from meshgait_model.report import table
from meshgait_model.trainer import Trainer

SHORT = ["run.steps=4", "run.log_every=1", "run.checkpoint_every=2", "run.device=cpu"]


def quiet(*_: object) -> None:
    pass


def losses(run):
    return [json.loads(line) for line in (run / LOSSES).read_text().splitlines()]


class Interrupted(Exception):
    pass


@pytest.mark.parametrize("branch", ["true", "false"])
def test_an_interrupted_run_ends_like_an_uninterrupted_one(branch, shards, tmp_path):
    config = load_config("debug", [*SHORT, f"network.branch_3d={branch}"])
    whole, halved = tmp_path / "whole", tmp_path / "halved"
    Trainer(config, shards).train(whole, quiet)

    def stop(done, _):
        if done == 3:
            raise Interrupted

    with pytest.raises(Interrupted):
        Trainer(config, shards).train(halved, stop)
    summary = Trainer(config, shards).train(halved, quiet)
    assert summary.resumed_at == 2
    assert losses(halved) == losses(whole)
    first, second = (load_checkpoint(run / LATEST).network for run in (whole, halved))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_the_same_command_again_has_nothing_to_do(shards, tmp_path):
    config = load_config("debug", [*SHORT, "run.steps=2"])
    run = tmp_path / "run"
    Trainer(config, shards).train(run, quiet)
    before = (run / LATEST).read_bytes()
    summary = Trainer(config, shards).train(run, quiet)
    assert (summary.steps, summary.losses) == (2, {})
    assert (run / LATEST).read_bytes() == before
    assert load_config(str(run / CONFIG)) == config


def test_another_setting_needs_another_folder(shards, tmp_path):
    run = tmp_path / "run"
    Trainer(load_config("debug", [*SHORT, "run.steps=1"]), shards).train(run, quiet)
    with pytest.raises(UsageError, match=r"optim.lr: 0.001, now 0.5") as caught:
        Trainer(load_config("debug", [*SHORT, "run.steps=1", "optim.lr=0.5"]), shards).train(run, quiet)
    assert f"{run}/config.yaml --out {run}" in caught.value.hint
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").touch()
    with pytest.raises(UsageError, match="not empty and not a run"):
        Trainer(load_config("debug", SHORT), shards).train(tmp_path / "thesis", quiet)


def test_a_run_goes_on_with_another_loader_as_if_nothing_had_happened(shards, tmp_path):
    """How batches are loaded is no matter of the run; which batches, is."""
    whole, other = tmp_path / "whole", tmp_path / "other"
    Trainer(load_config("debug", SHORT), shards).train(whole, quiet)

    def stop(done, _):
        if done == 2:
            raise Interrupted

    with pytest.raises(Interrupted):
        Trainer(load_config("debug", [*SHORT, "data.cache=none", "data.workers=2"]), shards).train(other, stop)
    changed = ["data.cache=mmap", f"data.cache_folder={tmp_path / 'c'}", "data.loader=processes", "data.workers=0"]
    summary = Trainer(load_config("debug", [*SHORT, *changed]), shards).train(other, quiet)
    assert summary.resumed_at == 2
    assert "files mapped from" in summary.cache
    assert losses(other) == losses(whole)


def test_clips_without_labels_count_for_recognition_only(mixed):
    trainer = Trainer(load_config("debug", [*SHORT, "data.cache=ram"]), mixed)
    batch = trainer.batch(0)
    has = batch.has(*PARTS["mesh"])
    assert 0 < has.sum() < len(batch)
    before = {name: part.item() for name, part in trainer.gradient(batch, 0).items()}
    assert all(np.isfinite(value) for value in before.values())
    for name in ("joints", "markers", "transl", "valid"):
        batch.arrays[name][~has] = 1
    trainer = Trainer(trainer.config, mixed)
    assert {name: part.item() for name, part in trainer.gradient(batch, 0).items()} == before


def test_a_batch_without_any_labels_still_trains(mixed):
    trainer = Trainer(load_config("debug", [*SHORT, "data.cache=ram"]), mixed)
    sequences = np.flatnonzero(trainer.data.sequences.rows("joints") < 0)
    batch = trainer.data[Picks(sequences, np.zeros((len(sequences), 8), int))]
    values = trainer.step(0, batch)
    assert values["joints"] == values["markers"] == values["mesh"] == 0
    assert values["cross_entropy"] > 0


def test_sequences_without_labels_are_scored_by_recognition_only(shards, tmp_path):
    config = load_config("debug", [*SHORT, "run.steps=1"])
    Trainer(config, shards).train(tmp_path / "run", quiet)
    path = tmp_path / "run" / LATEST
    state = load_checkpoint(path)

    def stripped(record):
        sequence = shards.sequence(record)
        if record.side == "train" or record.key.view == VIEWS[0]:
            return sequence
        kept = {name: sequence.arrays[name] for name in ("silhouettes", "frame_ids")}
        return replace(sequence, arrays=kept, camera=None, betas=np.zeros(0, np.float32))

    some = open_shards(write_dataset_of(tmp_path / "s", [[stripped(record) for record in shards.sequences]]))
    whole, part = (evaluate(state, path, packed, quiet) for packed in (shards, some))
    assert part.to_plain()["map"] == whole.to_plain()["map"]
    assert set(part.joints_by_view) == {VIEWS[0]}
    assert part.joints_by_view[VIEWS[0]] == pytest.approx(whole.joints_by_view[VIEWS[0]])
    assert part.joints_of_mean_pose is not None


def test_a_step_that_is_not_finite_changes_nothing(shards, tmp_path):
    trainer = Trainer(load_config("debug", SHORT), shards)
    trainer.data.source.arrays["joints"][:] = float("nan")
    before = {name: value.clone() for name, value in trainer.network.named_parameters()}
    with pytest.raises(InvalidData, match=r"step 0: the loss or its gradient is not finite: .*joints nan"):
        trainer.train(tmp_path / "run", quiet)
    assert all(torch.equal(before[name], value) for name, value in trainer.network.named_parameters())
    assert not (tmp_path / "run" / LATEST).exists()


def test_parts_of_weight_zero_are_not_computed(shards):
    config = load_config("debug", [*SHORT, "loss.mesh=0", "loss.triplet=0", "loss.markers=0"])
    values = Trainer(config, shards).step(0)
    assert set(values) == {"cross_entropy", "joints", "loss", "gradient", "lr"}
    expected = config.loss.cross_entropy * values["cross_entropy"] + config.loss.joints * values["joints"]
    assert values["loss"] == pytest.approx(expected)


def test_training_lowers_the_label_losses(shards):
    overrides = [*SHORT, "run.steps=25", "optim.lr=0.02", "loss.triplet=0", "loss.cross_entropy=0"]
    trainer = Trainer(load_config("debug", overrides), shards)
    values = [trainer.step(step) for step in range(25)]
    for part in ("joints", "markers", "mesh"):
        assert values[-1][part] < 0.8 * values[0][part]


@pytest.mark.parametrize("branch", ["true", "false"])
def test_evaluation_reports_both_kinds_of_scores(branch, shards, tmp_path):
    config = load_config("debug", [*SHORT, "run.steps=1", f"network.branch_3d={branch}", "eval.chunk=5"])
    Trainer(config, shards).train(tmp_path / "run", quiet)
    path = tmp_path / "run" / LATEST
    result = evaluate(load_checkpoint(path), path, shards, quiet)
    plain = result.to_plain()
    assert (plain["people"], plain["sequences"], plain["probes"]) == (6, 20, 8)
    assert plain["rank1_chance"] == pytest.approx(1 / 6)
    assert 0 <= plain["rank1"] <= plain["rank5"] <= 1
    assert ("joints_mm" in plain) == (branch == "true")
    assert json.loads(json.dumps(plain)) == plain
    assert "chance" in table(result)


def test_perfect_heatmaps_have_no_label_error(shards, tmp_path, monkeypatch):
    """Labels in, labels out: with the network's points replaced by the labels, only the markers' own error is left."""
    config = load_config("debug", [*SHORT, "run.steps=1", "eval.mesh_every=1"])
    Trainer(config, shards).train(tmp_path / "run", quiet)
    path = tmp_path / "run" / LATEST
    test = shards.sequences.where(side="test")
    fields = {name: shards.load(name, test) for name in ("joints", "markers", "global_orient", "body_pose", "transl")}
    left = torch.tensor([10.0, 0, 0])
    truth = [
        torch.cat([torch.from_numpy(fields[name][0][a:b]) for name in ("joints", "markers")], 1) - left
        for a, b in pairwise(fields["joints"][1])
    ]
    answers = iter(truth)
    monkeypatch.setattr(MeshGait, "points", lambda *_: (points := next(answers)[None], torch.ones(points.shape[:3])))
    errors = evaluate(load_checkpoint(path), path, shards, quiet).label_errors
    assert errors["joints"] < 1e-3
    assert errors["markers"] < 1e-3
    body, errors_mm = load_body(), []
    for record, (a, b) in zip(test, pairwise(fields["joints"][1]), strict=True):
        pose = (fields[name][0][a:b] for name in ("global_orient", "body_pose", "transl"))
        vertices = forward(body, BodyParams(shards.detail(record).betas, *pose)).vertices
        guess = np.einsum("vk,fkx->fvx", shards.markers.signed, vertices[:, shards.markers.vertex_ids])
        errors_mm.append(1000 * np.linalg.norm(guess - vertices, axis=-1).mean())
    assert errors["mesh"] == pytest.approx(np.mean(errors_mm), rel=1e-3)
    assert {"joints_visible", "joints_hidden"} < set(errors)


def test_checkpoints_execute_nothing(tmp_path, shards):
    class Bomb:
        def __reduce__(self):
            return (pytest.fail, ("code in a checkpoint was executed",))

    path = tmp_path / LATEST
    torch.save({"format": 1, "network": Bomb()}, path)
    with pytest.raises(InvalidData, match="not a checkpoint"):
        load_checkpoint(path)
    path.write_bytes(b"half a file")
    with pytest.raises(InvalidData, match="not a checkpoint"):
        load_checkpoint(path)
    with pytest.raises(UsageError, match="no checkpoint"):
        load_checkpoint(tmp_path / "nowhere")


def test_checkpoints_round_trip(tmp_path, shards):
    trainer = Trainer(load_config("debug", SHORT), shards)
    trainer.step(0)
    trainer.done = 1
    trainer.save(tmp_path / "a.pt")
    state = load_checkpoint(tmp_path / "a.pt")
    save_checkpoint(tmp_path / "b.pt", state)
    assert load_checkpoint(tmp_path / "b.pt").config == trainer.config
    assert state.people == ("05", "06", "07")


def test_learning_rates():
    cosine = load_config("demo", ["optim.lr=1", "optim.warmup=10", "optim.schedule=cosine"]).optim
    rates = [learning_rate(cosine, step, 110) for step in range(110)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == rates[10] == 1
    assert rates[60] == pytest.approx(0.5)
    steps = load_config("gaitbase_gait3d").optim
    assert [learning_rate(steps, s, 60000) for s in (0, 19999, 20000, 45000, 59999)] == pytest.approx(
        [0.1, 0.1, 0.01, 1e-3, 1e-4]
    )


def test_another_body_or_device_is_said():
    for name in ("free", "free-lite"):
        assert matching_body(load_body(name).sha256).name == name
    with pytest.raises(InvalidData, match="another body"):
        matching_body("0" * 64)
    with pytest.raises(EnvironmentLacks, match="no device"):
        pick_device("gpu")
    if not torch.cuda.is_available():
        with pytest.raises(EnvironmentLacks, match="no GPU"):
            pick_device("cuda")
