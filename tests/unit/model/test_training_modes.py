"""Precision, batches that are not finite, evaluation in parts, and embeddings that are scored again."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from meshgait_data.errors import InvalidData, ManifestError
from meshgait_model.amp import LossScale, precision
from meshgait_model.bad_batch import BAD_BATCH
from meshgait_model.checkpoint import LATEST, load_checkpoint
from meshgait_model.comparison import comparison, read_run
from meshgait_model.config.experiment import load_config
from meshgait_model.evaluate import evaluate
from meshgait_model.preview import preview
from meshgait_model.protocols.files import EMBEDDINGS
from meshgait_model.remembered import origin_of, recall, remember
from meshgait_model.trainer import Trainer

SETTING = ["run.steps=2", "run.log_every=1", "run.device=cpu", "data.people=3", "loss.mesh=0", "eval.mesh_every=0"]


def quiet(*_):
    pass


def config(*overrides):
    return load_config("debug", [*SETTING, *overrides])


@pytest.mark.parametrize(
    ("written", "kept"),
    [("true", "auto"), ("false", "off"), ("off", "off"), ("bf16", "bf16"), ("fp16", "fp16"), ("auto", "auto")],
)
def test_old_words_for_precision_are_understood(written, kept):
    assert config(f"run.amp={written}").run.amp == kept


def test_another_precision_is_refused():
    with pytest.raises(ManifestError, match="amp"):
        config("run.amp=fp8")


def test_auto_is_bfloat16_on_a_gpu_and_float32_on_a_cpu():
    cpu, gpu = torch.device("cpu"), torch.device("cuda")
    assert [precision("auto", device) for device in (cpu, gpu)] == [None, torch.bfloat16]
    assert [precision(amp, cpu) for amp in ("off", "bf16", "fp16")] == [None, torch.bfloat16, torch.float16]


@pytest.mark.parametrize("amp", ["bf16", "fp16"])
def test_half_precision_is_near_the_whole_and_weights_stay_whole(amp, shards):
    whole, half = Trainer(config(), shards), Trainer(config(f"run.amp={amp}"), shards)
    expected, found = whole.step(0), half.step(0)
    assert found["loss"] != expected["loss"]
    for name in ("triplet", "cross_entropy", "joints", "markers", "loss"):
        assert found[name] == pytest.approx(expected[name], rel=0.05), name
    assert all(weight.dtype == torch.float32 for weight in half.network.parameters())
    assert ("loss_scale" in found) == (amp == "fp16")


def test_float16_leaves_out_an_update_whose_gradient_is_not_finite(shards):
    trainer = Trainer(config("run.amp=fp16"), shards)
    trainer.loss_scale.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**40)
    before = {name: weight.clone() for name, weight in trainer.network.named_parameters()}
    values = trainer.step(0)
    assert trainer.skipped == 1
    assert values["loss_scale"] == 2.0**39
    assert np.isfinite(values["loss"])
    assert all(torch.equal(before[name], weight) for name, weight in trainer.network.named_parameters())


def test_float16_gives_up_where_no_factor_helps():
    scale = LossScale("fp16", torch.device("cpu"))
    weight = torch.nn.Parameter(torch.ones(1))
    optimizer = torch.optim.SGD([weight], 1.0)

    def update():
        weight.grad = torch.tensor([float("inf")])
        scale.scale(weight.sum())
        scale.unscale(optimizer)
        return scale.update(optimizer, 7)

    assert not any(update() for _ in range(20))
    assert weight.item() == 1
    with pytest.raises(InvalidData, match="step 7: gradients are not finite in float16"):
        [update() for _ in range(20)]


def test_a_bad_batch_is_named(shards, tmp_path):
    trainer = Trainer(config("data.cache=ram"), shards)
    number = int(trainer.batch(0).sequences[0])
    bad, start = trainer.data.sequences[number], int(trainer.data.source.starts["joints"][number])
    trainer.data.source.arrays["joints"][start : start + trainer.data.lengths[number]] = float("nan")
    with pytest.raises(InvalidData, match="joints nan") as caught:
        trainer.train(tmp_path / "run", quiet)
    assert f"labels of {bad.key}" in str(caught.value)
    told = json.loads((tmp_path / "run" / BAD_BATCH).read_text())
    assert told["step"] == 0
    assert told["not_finite_in"] == {str(bad.key): ["joints"]}
    picks = trainer.sampler.draw(0)
    assert [clip["frames"] for clip in told["clips"]] == picks.frames.tolist()
    assert told["clips"][0]["key"] == str(bad.key)
    assert "nan" in told["parts"]["joints"]


def test_a_batch_that_makes_the_network_overflow_is_named_too(shards, tmp_path):
    trainer = Trainer(config(), shards)
    with torch.no_grad():
        trainer.network.embed.weight.fill_(1e38)
    with pytest.raises(InvalidData, match="the batch was of cmu_walk") as caught:
        trainer.train(tmp_path / "run", quiet)
    assert "optim.lr" in caught.value.hint
    assert (tmp_path / "run" / BAD_BATCH).exists()


@pytest.mark.parametrize("form", ["p3d", "3d"])
def test_a_sequence_seen_in_parts_is_the_sequence_seen_at_once(form, shards, tmp_path):
    """Parts overlap by what the network sees before and after a frame; embeddings and label errors are the same."""
    deep = [f"network.backbone.form={form}", "network.heatmap.temporal=3", "network.fusion=[add, motion]"]
    Trainer(config("run.steps=1", *deep, "network.motion.temporal=3"), shards).train(tmp_path / "run", quiet)
    state = load_checkpoint(tmp_path / "run" / LATEST)
    found = {}
    for chunk in (5, 720):
        changed = replace(state.config, eval=replace(state.config.eval, chunk=chunk))
        found[chunk] = evaluate(replace(state, config=changed), tmp_path, shards, quiet)
    parts, whole = found[5], found[720]
    np.testing.assert_allclose(parts.embedded.embeddings, whole.embedded.embeddings, rtol=1e-3, atol=1e-4)
    assert parts.label_errors == pytest.approx(whole.label_errors, rel=1e-4)


def test_embeddings_are_recalled_for_their_checkpoint_and_shards_only(shards, mixed, tmp_path):
    run = tmp_path / "run"
    trainer = Trainer(config("run.steps=1"), shards)
    trainer.train(run, quiet)
    path, origin = run / EMBEDDINGS, origin_of(run / LATEST, shards)
    assert recall(path, origin) is None
    result = evaluate(load_checkpoint(run / LATEST), run / LATEST, shards, quiet)
    remember(path, result, shards.protocols, origin)
    found = recall(path, origin)
    assert found is not None
    wanted = dict(list(shards.protocols.items())[:1])
    assert found.scored(wanted, run / LATEST).to_plain() == result.to_plain()
    assert recall(path, origin_of(run / LATEST, mixed)) is None
    trainer.done = 2
    trainer.save(run / LATEST)
    assert recall(path, origin_of(run / LATEST, shards)) is None
    path.write_bytes(path.read_bytes()[:1000])
    assert recall(path, origin) is None


def test_scores_on_the_way_do_not_disturb_the_comparison(shards, tmp_path):
    run = tmp_path / "run"
    Trainer(config("run.eval_every=1"), shards).train(run, quiet)
    result = evaluate(load_checkpoint(run / LATEST), run / LATEST, shards, quiet)
    (run / "metrics.json").write_text(json.dumps(result.to_plain()))
    read = read_run(run)
    assert [record["step"] for record in read.losses] == [1, 2]
    assert "Rank-1" in comparison([read])


def test_a_preview_says_how_large_everything_is(shards):
    lines = "\n".join(preview(config(), shards))
    assert "3 people, 12 sequences, 144 frames to train on" in lines
    assert f"{2 * 3 * 2} clips in 2 steps" in lines
    assert "weights" in lines
    assert "memory" in lines
    without = "\n".join(preview(load_config("debug"), None))
    assert "no shards given" in without
