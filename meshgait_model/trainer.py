"""The training loop: batches, losses, updates, logs, checkpoints. Read it from top to bottom.

A run is a function of its setting and its shards: batches and augmentation follow from the seed and the step, the
learning rate from the step, so that an interrupted run that is started again goes on as if nothing had happened.
Several processes (``torchrun``) and several portions of a batch (``run.accumulate``) give the gradient of the same
loss, that of the whole batch; :mod:`meshgait_model.gradients` tells how.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from meshgait_data.errors import InvalidData
from meshgait_data.shards.reader import Shards
from meshgait_model.amp import LossScale
from meshgait_model.assembly import make_network, make_sampler, pick_device
from meshgait_model.bad_batch import not_finite
from meshgait_model.checkpoint import (
    BEST,
    LATEST,
    Checkpoint,
    borrow_weights,
    fill_network,
    kept,
    load_checkpoint,
    open_run,
    save_checkpoint,
)
from meshgait_model.config.experiment import ExperimentConfig
from meshgait_model.data.augment import draw, move_silhouettes
from meshgait_model.data.batch import Batch, as_float
from meshgait_model.data.dataset import ClipDataset
from meshgait_model.data.loader import make_loader
from meshgait_model.data.picks import generator
from meshgait_model.data.sampler import AUGMENTING
from meshgait_model.distributed import Processes, own_device
from meshgait_model.gradients import LossGradient
from meshgait_model.losses import total
from meshgait_model.nn.sync_norm import synchronise
from meshgait_model.objective import Objective, training_fields
from meshgait_model.optim import clip_gradients, learning_rate, make_optimizer
from meshgait_model.portions import Portion, changes_of
from meshgait_model.run_log import RunLog, Stopwatch
from meshgait_model.validation import Validation

Report = Callable[[int, Mapping[str, float]], None]
"""Called after each update with the number of updates done, and the parts of the loss and how fast it goes."""


@dataclass(frozen=True, slots=True)
class TrainSummary:
    """What a run came to."""

    steps: int
    """Updates done, all together."""
    resumed_at: int
    """Updates that had been done before this call."""
    started: str
    """What its first weights are from, and which weights were not taken; empty where they are random."""
    seconds: float
    """Of training, evaluations left out."""
    waited: float
    """Share of these that was spent waiting for batches."""
    people: int
    sequences: int
    cache: str
    """How decoded frames were kept, and why."""
    parameters: int
    losses: Mapping[str, float]
    """Parts of the loss of the last update; empty where there was nothing left to do."""
    skipped: int
    """Updates of this call left out since a gradient was not finite in float16."""


class Trainer:
    """One training run.

    Parameters
    ----------
    config
        Its setting.
    shards
        Packed dataset; batches come from its training side.
    processes
        Those that do this run together; by default this one alone.
    """

    def __init__(self, config: ExperimentConfig, shards: Shards, processes: Processes | None = None) -> None:
        self.config, self.shards, self.processes = config, shards, processes or Processes()
        self.device = own_device(pick_device(config.run.device))
        if config.run.threads:
            torch.set_num_threads(config.run.threads)
        torch.manual_seed(config.seed)
        with self.processes.together():
            self.data = self._open_data()
            self.sampler = make_sampler(config, self.data, self.processes.rank, self.processes.world)
            self.network = make_network(config, shards, len(self.data.people)).to(self.device)
            self.objective = Objective(config, shards).to(self.device)
            self.validation = Validation(config, shards, self.processes) if config.run.eval_every else None
        if self.processes.several:
            # The neck is given the embeddings of all processes anyway.
            synchronise(self.network, leave_out=("neck",))
        self.optimizer = make_optimizer(self.network, config.optim)
        self.loss_scale = LossScale(config.run.amp, self.device)
        self.loss_gradient = LossGradient(
            config, self.network, self.objective, scale=self.loss_scale, processes=self.processes
        )
        self.run: Path | None = None
        self.done = self.skipped = 0
        self.started = ""

    def _open_data(self) -> ClipDataset:
        data = self.config.data
        return ClipDataset(
            self.shards,
            "train",
            fields=training_fields(self.config, self.shards),
            cut=data.cut,
            cache=data.cache,
            cache_gib=data.cache_gib or None,
            cache_folder=data.cache_folder or None,
        )

    def train(self, run: Path, report: Report, stop: Callable[[], bool] = lambda: False) -> TrainSummary:
        """Train to the end, or from the last checkpoint in ``run`` to the end.

        Parameters
        ----------
        run
            The run folder; only the first process writes there.
        stop
            Asked before each step; where it says yes, a checkpoint is written and training ends.

        Raises
        ------
        UsageError
            Where ``run`` holds something else.
        InvalidData
            Where the loss or its gradient is not finite; nothing is updated then.
        PeerFailed
            Where another process failed.
        """
        config, losses = self.config.run, dict[str, float]()
        self._begin(run)
        resumed_at = self.done
        with (
            make_loader(self.data, self.sampler, self.config.data.loader, self.config.data.workers) as loader,
            RunLog(self.run, self.done) as log,
        ):
            watch = Stopwatch(self.device)
            while self.done < config.steps and not self.processes.any(stop()):
                with self.processes.together(), watch.waiting():
                    batch = next(loader)
                losses = self.step(self.done, batch)
                self.done += 1
                watch.clips += len(batch) * self.processes.world
                if self._due(config.log_every):
                    log.losses(self.done, losses)
                    log.speed(self.done, watch.lap())
                if self.validation is not None and self._due(config.eval_every):
                    with watch.away():
                        self._validate(self.validation, log, run)
                if config.keep_every and self.done % config.keep_every == 0:
                    self.save(kept(run, self.done))
                # Last, so that whoever goes on from it finds all that was written down up to it.
                if self._due(config.checkpoint_every):
                    self.save(run / LATEST)
                report(self.done, losses | watch.figures)
            if losses and not self._due(config.checkpoint_every):
                self.save(run / LATEST)
        return TrainSummary(
            steps=self.done,
            resumed_at=resumed_at,
            started=self.started,
            seconds=watch.seconds,
            waited=watch.share_waited,
            people=len(self.data.people),
            sequences=len(self.data),
            cache=self.data.cache.reason,
            parameters=sum(weight.numel() for weight in self.network.parameters()),
            losses=losses,
            skipped=self.skipped,
        )

    def _begin(self, run: Path) -> None:
        """Make the run folder, or go on from the checkpoint in it."""
        with self.processes.together():
            if self.processes.first:
                open_run(run, self.config)
        with self.processes.together():
            if (run / LATEST).exists():
                self.restore(run / LATEST)
            elif self.config.run.start:
                self._borrow(Path(self.config.run.start))
        self.run = run if self.processes.first else None
        self.sampler.first = self.done

    def _borrow(self, start: Path) -> None:
        """Begin with the weights of another run."""
        state = load_checkpoint(start / LATEST if start.is_dir() else start)
        left_out = borrow_weights(self.network, state, self.data.people)
        self.started = f"{start}, step {state.step}" + (f"; not taken: {', '.join(left_out)}" if left_out else "")

    def _due(self, every: int) -> bool:
        return self.done % every == 0 or self.done == self.config.run.steps

    def _validate(self, validation: Validation, log: RunLog, run: Path) -> None:
        """Score the network, and keep it if it was never better."""
        figures = validation(self.network, self.done)
        if figures and log.scores(self.done, figures, self.config.eval.best):
            self.save(run / BEST)

    def step(self, step: int, batch: Batch | None = None) -> dict[str, float]:
        """One update with a batch, by default that of the step; gives the parts of the loss before it."""
        rate = learning_rate(self.config.optim, step, self.config.run.steps)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad(set_to_none=True)
        parts = self.gradient(self.batch(step) if batch is None else batch, step)
        self.loss_scale.unscale(self.optimizer)
        parts |= {
            "loss": total(parts, self.config.loss),
            "gradient": clip_gradients(self.network.parameters(), self.config.optim.clip_norm),
        }
        # All figures come from the device together: each trip would wait for all that it still has to do.
        values = dict(zip(parts, torch.stack(list(parts.values())).tolist(), strict=True))
        # Before the update: weights that were once not finite never come back.
        if not math.isfinite(values["loss"]) or not (math.isfinite(values["gradient"]) or self.loss_scale.enabled):
            self._give_up(step, values)
        if not self.loss_scale.update(self.optimizer, step):
            self.skipped += 1
        return values | {"lr": rate} | ({"loss_scale": self.loss_scale.factor} if self.loss_scale.enabled else {})

    def batch(self, step: int) -> Batch:
        """The clips of a step that this process has."""
        return self.data[self.sampler.draw(step)]

    def gradient(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """Add the gradient of the loss of a step to the weights; gives the parts of the loss."""
        return self.loss_gradient(self.augmented(batch.to(self.device), step), step)

    def augmented(self, batch: Batch, step: int) -> Portion:
        """A batch as the network gets it, augmented as the seed and the step say."""
        config, processes = self.config, self.processes
        # What happens to a clip does not depend on how many processes there are: all draw for the whole batch.
        clips, own = len(batch) * processes.world, slice(processes.rank, None, processes.world)
        rng = generator(config.seed, step, AUGMENTING)
        changes = changes_of(draw(config.data.augment, clips, self.data.window, rng), own)
        labelled = self.objective.labelled(step, clips, batch.frames.shape[1])
        return Portion(
            place=slice(None),
            batch=batch,
            silhouettes=move_silhouettes(as_float(batch.silhouettes), changes),
            changes=changes,
            labelled=None if labelled is None else labelled[own].to(self.device),
        )

    def _give_up(self, step: int, values: Mapping[str, float]) -> None:
        """Stop all processes over a loss that is not finite; the first one says why."""
        with self.processes.together():
            if self.processes.first:
                raise not_finite(step, values, self.data, make_sampler(self.config, self.data).draw(step), self.run)

    def save(self, path: Path) -> None:
        """Write a checkpoint, if this is the process that writes."""
        if not self.processes.first:
            return
        state = Checkpoint(
            step=self.done,
            config=self.config,
            people=self.data.people,
            body_sha256=self.shards.body_sha256,
            markers=self.shards.num_markers,
            joint_set=self.shards.info.joint_set.name,
            network=self.network.state_dict(),
            optimizer=self.optimizer.state_dict(),
            loss_scale=self.loss_scale.state(),
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
        fill_network(self.network, state)
        self.optimizer.load_state_dict(state.optimizer)
        self.loss_scale.restore(state.loss_scale)
        self.done = state.step
