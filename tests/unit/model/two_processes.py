"""What two processes of a run do together; started by ``torchrun``, judged by ``test_two_processes.py``."""

import sys
from pathlib import Path

import torch
from torch import nn

from meshgait_data.errors import InvalidData
from meshgait_data.shards.reader import open_shards
from meshgait_model.config.experiment import load_config
from meshgait_model.distributed import PeerFailed, Processes, join_processes
from meshgait_model.nn.sync_norm import SyncNorm, synchronise
from meshgait_model.trainer import Trainer

# AdamW divides gradients by their size, so that in weights whose gradient is zero it shows nothing but rounding.
SETTING = ["run.steps=5", "run.log_every=1", "run.device=cpu", "data.people=3", "data.frames=6"]
SETTING += ["optim.kind=sgd", "optim.clip_norm=1"]
SCORED = "plain"
RUNS = {
    "plain": ["run.eval_every=5"],
    "portions": ["run.accumulate=3", "loss.labelled_frames=3"],
    "deep": ["network.backbone.form=p3d", "loss.mesh=0"],
}


def batch() -> torch.Tensor:
    return torch.randn(8, 3, 5, 4, generator=torch.Generator().manual_seed(1)) * 3 + 100


def talk(processes: Processes) -> None:
    """Sums, rows by turns, and what each has."""
    rank = processes.rank
    assert processes.add_up(torch.tensor([1.0, rank])).tolist() == [2, 1]
    assert processes.gather(torch.tensor([[rank], [rank + 2]])).flatten().tolist() == [0, 1, 2, 3]
    assert processes.collect({"rank": rank}) == ([{"rank": 0}, {"rank": 1}] if rank == 0 else [])
    assert processes.any(rank == 1)
    assert not processes.any(False)


def fail(processes: Processes) -> None:
    """One process fails, both stop, each knows why."""
    try:
        with processes.together():
            if processes.rank == 1:
                raise InvalidData("a damaged shard")
        raise AssertionError("nobody noticed")
    except InvalidData:
        assert processes.rank == 1
    except PeerFailed:
        assert processes.rank == 0


def normalise(processes: Processes) -> None:
    """Half of a batch each is normalised as the whole batch is by one process, forward and backward."""
    torch.manual_seed(0)
    whole, weights = batch(), torch.randn(8, 3, 5, 4)
    plain = nn.Sequential(nn.BatchNorm2d(3, momentum=0.3))
    nn.init.uniform_(plain[0].weight)
    synced = nn.Sequential(nn.BatchNorm2d(3, momentum=0.3))
    synced.load_state_dict(plain.state_dict())
    synchronise(synced)
    assert isinstance(synced[0], SyncNorm)
    mine = slice(processes.rank, None, 2)
    x, y = whole.clone().requires_grad_(), whole[mine].clone().requires_grad_()
    expected, found = plain(x), synced(y)
    (expected * weights).sum().backward()
    (found * weights[mine]).sum().backward()
    torch.testing.assert_close(found, expected[mine], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(y.grad, x.grad[mine], rtol=1e-4, atol=1e-4)
    processes.add_up_gradients(synced.parameters())
    for name, weight in plain.named_parameters():
        torch.testing.assert_close(dict(synced.named_parameters())[name].grad, weight.grad, rtol=1e-4, atol=1e-4)
    for name, value in plain.state_dict().items():
        torch.testing.assert_close(synced.state_dict()[name], value, rtol=1e-5, atol=1e-4)
    torch.testing.assert_close(synced.eval()(whole), plain.eval()(whole), rtol=1e-4, atol=1e-4)


def main(walks: str, mixed: str, out: str) -> None:
    torch.set_num_threads(1)
    with join_processes(torch.device("cpu")) as processes:
        for check in (talk, fail, normalise):
            check(processes)
        for name, overrides in RUNS.items():
            shards = open_shards(walks if name == SCORED else mixed)
            trainer = Trainer(load_config("debug", [*SETTING, *overrides]), shards, processes)
            trainer.train(Path(out) / name, lambda *_: None)
        # Frames in memory of its own, whose labels are broken in the second process only; both stop, one says why.
        trainer = Trainer(load_config("debug", [*SETTING, "data.cache=ram"]), open_shards(mixed), processes)
        if processes.rank == 1:
            trainer.data.source.arrays["joints"][:] = float("nan")
        try:
            trainer.train(Path(out) / "broken", lambda *_: None)
        except (InvalidData, PeerFailed) as error:
            (Path(out) / f"error-{processes.rank}").write_text(str(error))


if __name__ == "__main__":
    main(*sys.argv[1:])
