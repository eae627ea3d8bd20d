"""The training loop: batches, losses, updates, logs, checkpoints. Read it from top to bottom.

A run is a function of its setting and its shards: batches and augmentation follow from the seed and the step, the
learning rate from the step, so that an interrupted run that is started again goes on as if nothing had happened.
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from meshgait_data.errors import InvalidData
from meshgait_data.shards.reader import Shards
from meshgait_model.assembly import make_network, pick_device
from meshgait_model.checkpoint import (
    LATEST,
    LOSSES,
    Checkpoint,
    keep_losses,
    load_checkpoint,
    open_run,
    save_checkpoint,
)
from meshgait_model.config.experiment import ExperimentConfig
from meshgait_model.data.augment import draw, move_silhouettes
from meshgait_model.data.batch import Batch, as_float
from meshgait_model.data.dataset import ClipDataset
from meshgait_model.data.loader import make_loader
from meshgait_model.data.picks import Clip, generator
from meshgait_model.data.sampler import AUGMENTING, PKSampler
from meshgait_model.data.targets import label_fields
from meshgait_model.losses import total
from meshgait_model.objective import Objective, wanted_labels
from meshgait_model.optim import learning_rate, make_optimizer

Report = Callable[[int, Mapping[str, float]], None]
"""Called after each update with the number of updates done and the parts of the loss."""


@dataclass(frozen=True, slots=True)
class TrainSummary:
    """What a run came to."""

    steps: int
    """Updates done, all together."""
    resumed_at: int
    """Updates that had been done before this call."""
    seconds: float
    people: int
    sequences: int
    cache: str
    """How decoded frames were kept, and why."""
    parameters: int
    losses: Mapping[str, float]
    """Parts of the loss of the last update; empty where there was nothing left to do."""


class Trainer:
    """One training run.

    Parameters
    ----------
    config
        Its setting.
    shards
        Packed dataset; batches come from its training side.
    """

    def __init__(self, config: ExperimentConfig, shards: Shards) -> None:
        self.config = config
        self.device = pick_device(config.run.device)
        if config.run.threads:
            torch.set_num_threads(config.run.threads)
        torch.manual_seed(config.seed)
        self.shards = shards
        self.data = self._open_data()
        data = config.data
        self.sampler = PKSampler(
            self.data.identities,
            self.data.lengths,
            people=data.people,
            clips=data.clips,
            clip=Clip(data.frames, data.skip),
            seed=config.seed,
        )
        self.network = make_network(config, shards, len(self.data.people)).to(self.device)
        self.optimizer = make_optimizer(self.network, config.optim)
        self.objective = Objective(config, shards).to(self.device)
        self.done = 0

    def _open_data(self) -> ClipDataset:
        data = self.config.data
        parts = wanted_labels(self.config)
        return ClipDataset(
            self.shards,
            "train",
            fields=("silhouettes", *label_fields(self.shards, parts)) if parts else ("silhouettes",),
            cut=data.cut,
            cache=data.cache,
            cache_gib=data.cache_gib or None,
            cache_folder=data.cache_folder or None,
        )

    def train(self, run: Path, report: Report) -> TrainSummary:
        """Train to the end, or from the last checkpoint in ``run`` to the end.

        Raises
        ------
        UsageError
            Where ``run`` holds something else.
        InvalidData
            Where the loss or its gradient is not finite; nothing is updated then.
        """
        from torch.utils.tensorboard import SummaryWriter

        config, began = self.config.run, time.monotonic()
        if open_run(run, self.config):
            self.restore(run / LATEST)
        keep_losses(run, self.done)
        resumed_at, losses = self.done, {}
        self.sampler.first = self.done
        with (
            make_loader(self.data, self.sampler, self.config.data.loader, self.config.data.workers) as loader,
            SummaryWriter(str(run / "tensorboard"), purge_step=self.done + 1) as board,
            (run / LOSSES).open("a", encoding="utf-8", buffering=1) as log,
        ):
            while self.done < config.steps:
                losses = self.step(self.done, next(loader))
                self.done += 1
                if self.done % config.log_every == 0 or self.done == config.steps:
                    log.write(json.dumps({"step": self.done, **losses}) + "\n")
                    for name, value in losses.items():
                        board.add_scalar(f"train/{name}", value, self.done)
                if self.done % config.checkpoint_every == 0 or self.done == config.steps:
                    self.save(run / LATEST)
                report(self.done, losses)
        return TrainSummary(
            steps=self.done,
            resumed_at=resumed_at,
            seconds=time.monotonic() - began,
            people=len(self.data.people),
            sequences=len(self.data),
            cache=self.data.cache.reason,
            parameters=sum(weight.numel() for weight in self.network.parameters()),
            losses=losses,
        )

    def step(self, step: int, batch: Batch | None = None) -> dict[str, float]:
        """One update with a batch, by default that of the step; gives the parts of the loss before it."""
        rate = learning_rate(self.config.optim, step, self.config.run.steps)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        parts = self.losses((self.batch(step) if batch is None else batch).to(self.device), step)
        loss = total(parts, self.config.loss)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        limit = self.config.optim.clip_norm or float("inf")
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), limit)
        values = {name: part.item() for name, part in {**parts, "loss": loss, "gradient": norm}.items()}
        # Before the update: weights that were once not finite never come back.
        if not torch.isfinite(loss + norm):
            text = ", ".join(f"{name} {value:.3g}" for name, value in values.items())
            hint = "lower optim.lr, set optim.clip_norm, or look for bad labels with 'mgdata verify'"
            raise InvalidData(f"the loss or its gradient is not finite: {text}", where=f"step {step}", hint=hint)
        self.optimizer.step()
        return values | {"lr": rate}

    def batch(self, step: int) -> Batch:
        """The clips of a step."""
        return self.data[self.sampler.draw(step)]

    def losses(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """Parts of the loss of a batch, augmented as the seed and the step say."""
        config = self.config
        rng = generator(config.seed, step, AUGMENTING)
        changes = draw(config.data.augment, len(batch.identities), self.data.window, rng)
        silhouettes = move_silhouettes(as_float(batch.silhouettes), changes)
        amp = config.run.amp and self.device.type == "cuda"
        with torch.autocast(self.device.type, torch.bfloat16, enabled=amp):
            output = self.network(silhouettes, points=self.objective.points)
        return self.objective(self.network, output, batch, changes)

    def save(self, path: Path) -> None:
        """Write a checkpoint."""
        state = Checkpoint(
            step=self.done,
            config=self.config,
            people=self.data.people,
            body_sha256=self.shards.body_sha256,
            markers=self.shards.num_markers,
            joint_set=self.shards.info.joint_set.name,
            network=self.network.state_dict(),
            optimizer=self.optimizer.state_dict(),
        )
        save_checkpoint(path, state)

    def restore(self, path: Path) -> None:
        """Go on from a checkpoint of the same people; raises InvalidData otherwise."""
        state = load_checkpoint(path)
        if state.people != self.data.people:
            raise InvalidData(
                "the shards have other training identities than this run",
                where=str(path),
                hint="train into another folder",
            )
        self.network.load_state_dict(state.network)
        self.optimizer.load_state_dict(state.optimizer)
        self.done = state.step
