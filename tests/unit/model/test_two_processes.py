"""Two processes do one run: the weights of one process to rounding, and only the first one writes."""

import json
import os
import subprocess
import sys
from itertools import chain
from pathlib import Path

import pytest
import torch
from two_processes import RUNS, SCORED, SETTING

from meshgait_data.errors import EnvironmentLacks, InvalidData
from meshgait_model.checkpoint import LATEST, LOSSES, load_checkpoint, read_lines
from meshgait_model.config.experiment import load_config
from meshgait_model.distributed import Processes, join_processes, own_device, shares
from meshgait_model.trainer import Trainer


@pytest.fixture(scope="module")
def together(shards, mixed, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("two")
    script = Path(__file__).parent / "two_processes.py"
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*command, str(script), shards.url, mixed.url, str(out)],
        check=False,
        capture_output=True,
        text=True,
        timeout=1200,
        env=os.environ | {"OMP_NUM_THREADS": "1", "MESHGAIT_CACHE": str(out / "cache")},
    )
    assert done.returncode == 0, done.stderr
    return out


@pytest.mark.slow
@pytest.mark.parametrize("name", RUNS)
def test_two_processes_train_the_weights_of_one(name, together, shards, mixed, tmp_path):
    trainer = Trainer(load_config("debug", [*SETTING, *RUNS[name]]), shards if name == SCORED else mixed)
    trainer.train(tmp_path / "one", lambda *_: None)
    one, two = (load_checkpoint(run / LATEST) for run in (tmp_path / "one", together / name))
    assert one.network.keys() == two.network.keys()
    for key, value in one.network.items():
        torch.testing.assert_close(two.network[key], value, rtol=1e-4, atol=2e-5)
    logs = [read_lines(run / LOSSES) for run in (tmp_path / "one", together / name)]
    for mine, theirs in zip(*logs, strict=True):
        assert mine.pop("eval", {}) == pytest.approx(theirs.pop("eval", {}), rel=1e-3)
        assert mine == pytest.approx(theirs, rel=1e-3)


@pytest.mark.slow
def test_a_loss_that_is_not_finite_in_one_process_stops_both(together):
    assert "another process" in (together / "error-1").read_text()
    assert "not finite" in (together / "error-0").read_text()
    assert len(json.loads((together / "broken" / "bad_batch.json").read_text())["clips"]) == 6


def test_portions_are_the_same_clips_for_any_number_of_processes():
    for clips, parts in ((6, 1), (6, 3), (24, 5), (12, 12), (8, 50)):
        for world in (1, 2, 4):
            if clips % world:
                continue
            found = [shares(clips, parts, Processes(rank, world)) for rank in range(world)]
            assert len({len(one) for one in found}) == 1
            portions = [
                sorted(clip for rank in range(world) for clip in range(rank, clips, world)[found[rank][part]])
                for part in range(len(found[0]))
            ]
            assert list(chain.from_iterable(portions)) == list(range(clips))
            assert all(len(range(clips)[rank::world][place]) for rank in range(world) for place in found[rank])
            if parts <= clips // 4:
                assert portions == [list(range(clips))[one] for one in shares(clips, parts, Processes())]


def test_one_process_needs_nobody(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with join_processes(torch.device("cpu")) as processes:
        assert (processes.rank, processes.world, processes.first, processes.several) == (0, 1, True, False)
        rows = torch.ones(2, 3)
        assert processes.gather(rows) is rows
        assert processes.add_up(rows) is rows
        assert processes.collect(5) == [5]
        with pytest.raises(InvalidData, match="mine"), processes.together():
            raise InvalidData("mine")
    assert own_device(torch.device("cpu")) == torch.device("cpu")


def test_more_processes_than_gpus_are_said(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    monkeypatch.setenv("LOCAL_RANK", str(torch.cuda.device_count()))
    with pytest.raises(EnvironmentLacks, match="GPUs"):
        own_device(torch.device("cuda"))
