"""What the 3D branch costs: training steps and inference with it, against the same backbone without it.

``benchmarks/network_costs.py [SIZE ...] [-o KEY=VALUE ...]`` prints the ratios of CPU time; sizes are ``demo`` and
published backbones (:data:`network_data.SIZES`). Steps are the trainer's own: all losses, labels, update.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from network_data import SIZES, setting, shards

from meshgait_model.amp import autocast
from meshgait_model.config.experiment import ExperimentConfig
from meshgait_model.data.batch import Batch, as_float
from meshgait_model.trainer import Trainer

Call = Callable[[], Any]
Clock = Callable[[], float]


def gpu_clock() -> float:
    """Seconds, once the GPU has done all that it was given."""
    torch.cuda.synchronize()
    return time.perf_counter()


def side_by_side(calls: Sequence[Call], repeat: int, clock: Clock | None = None) -> list[float]:
    """Median seconds of each call, taken in turns after one round that is not counted; by default CPU seconds."""
    clock = clock or time.process_time
    times: list[list[float]] = [[] for _ in calls]
    for _ in range(repeat + 1):
        for call, taken in zip(calls, times, strict=True):
            start = clock()
            call()
            taken.append(clock() - start)
    return [statistics.median(taken[1:]) for taken in times]


def without_3d(config: ExperimentConfig) -> ExperimentConfig:
    """The same setting of the backbone alone."""
    return replace(config, network=replace(config.network, branch_3d=False))


def infer(trainer: Trainer, batch: Batch) -> None:
    """Embeddings of the clips of a batch, as recognition needs them."""
    network = trainer.network.eval()
    with torch.inference_mode(), autocast(trainer.config.run.amp, trainer.device):
        network(as_float(batch.silhouettes.to(trainer.device)), points=False, cosines=False)
    network.train()


def costs(config: ExperimentConfig, repeat: int, clock: Clock | None = None) -> dict[str, float]:
    """Ratios of time, and the times themselves in ms a frame."""
    data = shards(max(6, config.data.people), max(4, config.data.clips))
    trainers = [Trainer(one, data) for one in (config, without_3d(config))]
    batches = [trainer.batch(0) for trainer in trainers]
    pairs = list(zip(trainers, batches, strict=True))
    train = side_by_side([partial(trainer.step, 0, batch) for trainer, batch in pairs], repeat, clock)
    inference = side_by_side([partial(infer, trainer, batch) for trainer, batch in pairs], repeat, clock)
    frames = batches[0].silhouettes.shape[0] * batches[0].silhouettes.shape[1]
    return {
        "train_cost_ratio": train[0] / train[1],
        "infer_cost_ratio": inference[0] / inference[1],
        "train_ms_frame": 1e3 * train[0] / frames,
        "infer_ms_frame": 1e3 * inference[0] / frames,
        "weights_m": sum(weight.numel() for weight in trainers[0].network.parameters()) / 1e6,
    }


def main() -> None:
    """Print the costs of some sizes."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("sizes", nargs="*", choices=[*SIZES, []], metavar="SIZE", help=", ".join(SIZES))
    parser.add_argument("-o", "--override", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()
    for size in options.sizes or ["demo", "gaitbase", "p3d_1111"]:
        figures = costs(setting(size, options.override), options.repeat)
        print(size, " ".join(f"{name} {value:.3g}" for name, value in figures.items()), flush=True)


if __name__ == "__main__":
    main()
