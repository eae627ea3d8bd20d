"""Runs that are interrupted, stopped, evaluated on the way, or begun with weights of others."""

import json
import shutil

import pytest
import torch

from meshgait_data.errors import InvalidData, UsageError
from meshgait_model.checkpoint import BEST, LATEST, LOSSES, SPEED, kept, load_checkpoint
from meshgait_model.config.experiment import load_config
from meshgait_model.evaluate import evaluate
from meshgait_model.trainer import Trainer

SETTING = ["run.steps=5", "run.log_every=1", "run.checkpoint_every=2", "run.device=cpu", "data.people=3", "loss.mesh=0"]


def quiet(*_):
    pass


def config(*overrides):
    return load_config("debug", [*SETTING, *overrides])


def same_weights(first, second):
    one, two = (load_checkpoint(run / LATEST) for run in (first, second))
    assert one.network.keys() == two.network.keys()
    assert all(torch.equal(one.network[name], two.network[name]) for name in one.network)
    for number, state in one.optimizer["state"].items():
        assert all(torch.equal(value, two.optimizer["state"][number][name]) for name, value in state.items())
    assert one.loss_scale == two.loss_scale


class Killed(BaseException):
    pass


def killed_at(step):
    """As kill -9 would: nothing is written after the step."""

    def report(done, _):
        if done == step:
            raise Killed

    return report


PORTIONS = ["run.accumulate=2", "optim.kind=sgd", "optim.clip_norm=1", "run.eval_every=2", "loss.labelled_frames=2"]
HALF = ["run.amp=fp16"]
MOVED = ["data.augment.perspective=0.5", "data.augment.erase=0.5", "data.frames_most=7", "data.kind=unordered"]


@pytest.mark.parametrize("extra", [[], PORTIONS, HALF, MOVED], ids=["plain", "portions", "fp16", "augmented"])
def test_a_killed_run_ends_like_an_uninterrupted_one(extra, shards, tmp_path):
    """Killed between two checkpoints and right after one: weights, optimiser and logs are the same bits."""
    whole = tmp_path / "whole"
    Trainer(config(*extra), shards).train(whole, quiet)
    for step in (1, 3):
        again = tmp_path / f"killed-{step}"
        with pytest.raises(Killed):
            Trainer(config(*extra), shards).train(again, killed_at(step))
        with pytest.raises(Killed):
            Trainer(config(*extra), shards).train(again, killed_at(4))
        Trainer(config(*extra), shards).train(again, quiet)
        same_weights(whole, again)
        assert (again / LOSSES).read_bytes() == (whole / LOSSES).read_bytes()


def test_a_run_that_is_asked_to_stop_goes_on_from_that_very_step(shards, tmp_path):
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    Trainer(config(), shards).train(whole, quiet)
    trainer = Trainer(config(), shards)
    summary = trainer.train(stopped, quiet, lambda: trainer.done == 3)
    assert summary.steps == load_checkpoint(stopped / LATEST).step == 3
    summary = Trainer(config(), shards).train(stopped, quiet)
    assert (summary.resumed_at, summary.steps) == (3, 5)
    same_weights(whole, stopped)
    assert (stopped / LOSSES).read_bytes() == (whole / LOSSES).read_bytes()


def test_evaluation_on_the_way_changes_no_bit_of_the_training(shards, tmp_path):
    plain, scored = tmp_path / "plain", tmp_path / "scored"
    Trainer(config(), shards).train(plain, quiet)
    trainer = Trainer(config("run.eval_every=2", "eval.best=joints_mm"), shards)
    trainer.train(scored, quiet)
    same_weights(plain, scored)
    assert trainer.network.training
    records = [json.loads(line) for line in (scored / LOSSES).read_text().splitlines()]
    scores = {record["step"]: record["eval"] for record in records if "eval" in record}
    assert list(scores) == [2, 4, 5]
    losses = [record for record in records if "eval" not in record]
    assert losses == [json.loads(line) for line in (plain / LOSSES).read_text().splitlines()]
    best = load_checkpoint(scored / BEST)
    assert best.step == min(scores, key=lambda step: scores[step]["joints_mm"])
    found = evaluate(best, scored / BEST, shards, quiet).to_plain()
    for name, value in scores[best.step].items():
        assert found[name] == pytest.approx(value, rel=1e-6), name


def test_checkpoints_that_stay(shards, tmp_path):
    run = tmp_path / "run"
    Trainer(config("run.keep_every=2"), shards).train(run, quiet)
    assert sorted(path.name for path in run.glob("*.pt")) == [kept(run, 2).name, kept(run, 4).name, LATEST]
    assert load_checkpoint(kept(run, 2)).step == 2
    speeds = [json.loads(line) for line in (run / SPEED).read_text().splitlines()]
    assert [line["step"] for line in speeds] == [1, 2, 3, 4, 5]
    assert all(line["clips_per_s"] > 0 and 0 <= line["waiting"] <= 1 for line in speeds)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [(["eval.best=rank7"], "no figure of protocol"), (["eval.protocol=gait"], "no protocol 'gait'")],
)
def test_what_cannot_be_scored_is_said_before_the_first_step(overrides, words, shards):
    with pytest.raises(UsageError, match=words):
        Trainer(config("run.eval_every=1", *overrides), shards)


def test_a_run_begins_with_the_weights_of_another(shards, tmp_path):
    first, second, third = tmp_path / "first", tmp_path / "second", tmp_path / "third"
    Trainer(config("run.steps=1"), shards).train(first, quiet)
    learned = load_checkpoint(first / LATEST).network
    follower = Trainer(config("run.steps=1", f"run.start={first}", "optim.lr=1e-9"), shards)
    summary = follower.train(second, quiet)
    assert summary.started == f"{first}, step 1"
    assert torch.allclose(learned["embed.weight"], load_checkpoint(second / LATEST).network["embed.weight"])
    # Other people: what compares with them is not taken.
    state = torch.load(first / LATEST, weights_only=True)
    state["people"][0] = "somebody else"
    shutil.copytree(first, third)
    torch.save(state, third / LATEST)
    follower = Trainer(config("run.steps=1", f"run.start={third / LATEST}"), shards)
    before = follower.network.neck.weight.detach().clone()
    follower._borrow(third / LATEST)
    assert torch.equal(follower.network.neck.weight, before)
    assert not torch.equal(learned["neck.weight"], before)
    assert torch.equal(follower.network.embed.weight, learned["embed.weight"])
    assert "not taken: neck." in follower.started
    with pytest.raises(InvalidData, match="no weight of this checkpoint"):
        Trainer(config("network.embedding=9", "network.backbone.channels=[3, 5]"), shards)._borrow(_emptied(third))


def _emptied(run):
    state = torch.load(run / LATEST, weights_only=True)
    state["network"] = {"other": torch.zeros(1)}
    torch.save(state, run / LATEST)
    return run


def test_a_checkpoint_of_another_network_is_said(shards, tmp_path):
    run = tmp_path / "run"
    Trainer(config("run.steps=1"), shards).train(run, quiet)
    state = torch.load(run / LATEST, weights_only=True)
    state["network"]["embed.weight"] = torch.zeros(2, 2)
    torch.save(state, run / LATEST)
    with pytest.raises(InvalidData, match=r"do not fit the network.*embed\.weight"):
        evaluate(load_checkpoint(run / LATEST), run / LATEST, shards, quiet)
    torch.save(state | {"format": 1}, run / LATEST)
    with pytest.raises(InvalidData, match="made by another version of meshgait"):
        load_checkpoint(run / LATEST)
