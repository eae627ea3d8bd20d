"""Training of the recognition-only network against a plain transcription of its definition, and what loading costs."""

import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from network_costs import Clock, side_by_side, without_3d
from network_data import shards
from network_plain import PlainNetwork, cross_entropy, triplet

from meshgait_model.config.experiment import ExperimentConfig
from meshgait_model.data.batch import Batch, as_float
from meshgait_model.optim import make_optimizer
from meshgait_model.trainer import Trainer


class PlainTrainer:
    """A plain loop's step: forward, losses, backward, update."""

    def __init__(self, config: ExperimentConfig, classes: int, device: torch.device, amp: bool) -> None:
        network = config.network
        self.loss, self.device, self.amp = config.loss, device, amp
        self.network = PlainNetwork(
            network.backbone, bins=network.bins, embedding=network.embedding, classes=classes
        ).to(device)
        self.optimizer = make_optimizer(self.network, config.optim)

    def step(self, batch: Batch) -> float:
        """One update; gives the loss before it."""
        batch = batch.to(self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.amp):
            embedded, cosines = self.network(as_float(batch.silhouettes))
        near = triplet(embedded.float(), batch.identities, self.loss.margin)
        named = cross_entropy(cosines, batch.identities, self.loss.logit_scale, self.loss.smoothing)
        loss = near + named
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss.item()


def still(config: ExperimentConfig) -> ExperimentConfig:
    """A setting of the backbone alone, without augmentation: the plain loop has none either."""
    augment = replace(config.data.augment, flip=0.0, affine=0.0, perspective=0.0, erase=0.0)
    return replace(without_3d(config), data=replace(config.data, augment=augment))


def against_plain(config: ExperimentConfig, repeat: int, clock: Clock | None = None) -> dict[str, float]:
    """Ratio of clips a second, ours to the plain loop's, in turns on the same batch."""
    trainer = Trainer(still(config), shards(max(6, config.data.people), max(4, config.data.clips)))
    amp = config.run.amp == "bf16"
    plain = PlainTrainer(config, len(trainer.data.people), trainer.device, amp)
    batch = trainer.batch(0)
    ours, theirs = side_by_side([partial(trainer.step, 0, batch), partial(plain.step, batch)], repeat, clock)
    return {"train_vs_plain": theirs / ours, "clips_per_s": len(batch.identities) / ours}


def waiting(config: ExperimentConfig, steps: int) -> float:
    """Share of a run's time that steps wait for their batch."""
    timed = replace(config, run=replace(config.run, steps=steps, log_every=steps, checkpoint_every=steps))
    timed = replace(timed, optim=replace(timed.optim, schedule="cosine", milestones=()))
    trainer = Trainer(timed, shards(max(6, config.data.people), max(4, config.data.clips)))
    with tempfile.TemporaryDirectory() as folder:
        return trainer.train(Path(folder) / "run", lambda *_: None).waited
