import json
import os
import signal
import sys
import threading
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "model"))
from walk_shards import make_shards

from meshgait_model.checkpoint import load_checkpoint
from meshgait_model.config.experiment import load_config


@pytest.fixture(scope="module")
def packed(tmp_path_factory) -> Path:
    return make_shards(tmp_path_factory.mktemp("mgtrain") / "shards")


def test_run_then_eval(mgtrain, packed, tmp_path):
    run = tmp_path / "run"
    command = ("run", "debug", "--shards", packed, "--out", run, "-o", "run.steps=2", "-o", "run.device=cpu")
    first = mgtrain(*command)
    assert first.exit_code == 0, first.output
    assert f"next      mgtrain eval {run}" in first.stdout
    assert {"config.yaml", "checkpoint.pt", "metrics.jsonl", "tensorboard"} <= {path.name for path in run.iterdir()}
    again = mgtrain(*command)
    assert again.exit_code == 0
    assert "resumed at 2" in again.stdout
    scored = mgtrain("eval", run, "--json")
    assert scored.exit_code == 0, scored.output
    assert json.loads(scored.stdout) == json.loads((run / "metrics.json").read_text())
    shown = mgtrain("eval", run)
    assert "Rank-1" in shown.stdout
    assert "aligned at the pelvis" in shown.stdout
    assert "made of this checkpoint" in shown.stderr
    assert json.loads(scored.stdout) == json.loads((run / "metrics.json").read_text())
    anew = mgtrain("eval", run, "--again", "--json")
    assert "made of this checkpoint" not in anew.stderr
    assert json.loads(anew.stdout) == json.loads(scored.stdout)


def test_the_resolved_setting_runs_again(mgtrain, packed, tmp_path):
    overrides = ("-o", "run.steps=1", "-o", "run.device=cpu", "-o", "network.branch_3d=false")
    assert mgtrain("run", "debug", "--shards", packed, "--out", tmp_path / "a", *overrides).exit_code == 0
    assert mgtrain("run", tmp_path / "a" / "config.yaml", "--out", tmp_path / "b").exit_code == 0
    logs = [(tmp_path / name / "metrics.jsonl").read_text() for name in "ab"]
    assert logs[0] == logs[1]


def test_a_dry_run_prints_the_setting_and_touches_nothing(mgtrain, tmp_path):
    result = mgtrain("run", "demo", "--out", tmp_path / "run", "-o", "optim.lr=1e-4", "--dry-run")
    path = tmp_path / "printed.yaml"
    path.write_text(result.stdout)
    assert load_config(str(path)) == load_config("demo", ["optim.lr=1e-4"])
    assert not (tmp_path / "run").exists()


def test_a_dry_run_with_shards_tells_the_data_too(mgtrain, packed, tmp_path):
    result = mgtrain("run", "debug", "--shards", packed, "--out", tmp_path / "run", "--dry-run")
    assert result.exit_code == 0, result.output
    comments = [line for line in result.stdout.splitlines() if line.startswith("#")]
    assert any("3 people, 12 sequences" in line for line in comments)
    assert any("memory" in line for line in comments)
    assert not (tmp_path / "run").exists()


def test_sigterm_ends_a_run_after_its_step_with_a_checkpoint(mgtrain, packed, tmp_path):
    run, ended = tmp_path / "run", threading.Event()

    def terminate():
        # The log has a line once the run has begun, and its end is far away.
        while not ended.wait(0.05):
            if (run / "metrics.jsonl").exists() and (run / "metrics.jsonl").read_text():
                os.kill(os.getpid(), signal.SIGTERM)
                return

    overrides = ("-o", "run.steps=100000", "-o", "run.device=cpu", "-o", "run.log_every=1", "-o", "loss.mesh=0")
    thread = threading.Thread(target=terminate)
    thread.start()
    stopped = mgtrain("run", "debug", "--shards", packed, "--out", run, *overrides)
    ended.set()
    thread.join()
    assert stopped.exit_code == 143, stopped.output
    assert "the same command goes on from there" in stopped.stderr
    lines = (run / "metrics.jsonl").read_text().splitlines()
    assert load_checkpoint(run / "checkpoint.pt").step == json.loads(lines[-1])["step"]
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


@pytest.mark.parametrize(
    ("command", "code", "words"),
    [
        (("run", "demo", "--out", "x"), 2, "--shards"),
        (("run", "dmeo", "--out", "x"), 2, "demo"),
        (("run", "demo", "--shards", "nowhere", "--out", "x"), 4, "mgdata pack"),
        (("run", "demo", "--shards", "nowhere", "--out", "x", "-o", "optim.lrr=1"), 4, "did you mean 'lr'"),
        (("eval", "nowhere"), 2, "mgtrain run"),
    ],
)
def test_mistakes_say_the_way_out(mgtrain, command, code, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = mgtrain(*command)
    assert result.exit_code == code
    assert words in result.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["run", "eval", "score"])
def test_help_shows_an_example(mgtrain, command):
    result = mgtrain(command, "--help")
    assert result.exit_code == 0
    assert f"mgtrain {command} " in result.output.partition("Examples:")[2]


def test_embeddings_are_scored_again_by_other_protocols(mgtrain, packed, tmp_path):
    run = tmp_path / "run"
    command = ("run", "debug", "--shards", packed, "--out", run, "-o", "run.steps=1", "-o", "run.device=cpu")
    assert mgtrain(*command).exit_code == 0
    assert mgtrain("eval", run, "--protocol", "all").exit_code == 0
    first = json.loads((run / "metrics.json").read_text())
    again = mgtrain("score", run, "--json", "--out", tmp_path / "again.json")
    assert again.exit_code == 0, again.output
    scored = json.loads(again.stdout)
    assert scored["protocols"] == first["protocols"]
    assert json.loads((tmp_path / "again.json").read_text()) == scored
    other = tmp_path / "other.yaml"
    text = (Path(__file__).parents[2] / "manifests" / "datasets" / "cmu_walk.yaml").read_text()
    server = "protocols: {server: {kind: submission, gallery: [02/01, 16/15, 32/01], probe: {subjects: ['35']},"
    other.write_text(text + f"{server} submission: {{columns: 3, name: '{{condition}}-{{view}}'}}}}}}\n")
    made = mgtrain("score", run, "--manifest", other, "--protocol", "server", "--submission", tmp_path / "s.csv")
    assert made.exit_code == 0, made.output
    lines = (tmp_path / "s.csv").read_text().splitlines()
    assert lines[0] == "videoId,rank1,rank2,rank3"
    assert len(lines) == 5
    wrong = mgtrain("score", run, "--protocol", "gait")
    assert wrong.exit_code == 2
    assert "there are main" in wrong.stderr
