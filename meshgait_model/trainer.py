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

from meshgait_data.body.files import load_body, shipped_bodies
from meshgait_data.body.model import Body
from meshgait_data.errors import EnvironmentLacks, InvalidData
from meshgait_data.shards.reader import Shards
from meshgait_model.checkpoint import (
    LATEST,
    LOSSES,
    Checkpoint,
    keep_losses,
    load_checkpoint,
    open_run,
    save_checkpoint,
)
from meshgait_model.config import ExperimentConfig, LossConfig
from meshgait_model.data.augment import draw, move_silhouettes
from meshgait_model.data.batch import Batch, as_float
from meshgait_model.data.dataset import ClipDataset
from meshgait_model.data.loader import make_loader
from meshgait_model.data.picks import Clip, generator
from meshgait_model.data.sampler import AUGMENTING, PKSampler
from meshgait_model.data.targets import PARTS, Targets, label_fields, usable
from meshgait_model.losses import batch_all_triplet, label_l1, strip_cross_entropy, total
from meshgait_model.nn.meshgait import MeshGait, MeshGaitOutput
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
        self.targets: Targets | None = None
        if config.supervised:
            body = matching_body(shards.body_sha256) if config.loss.mesh else None
            targets = Targets(
                shards.markers,
                shards.joint_mirror,
                body,
                mesh_vertices=config.loss.mesh_vertices,
                symmetric=config.data.augment.flip > 0,
            )
            self.targets = targets.to(self.device)
        self.done = 0

    def _open_data(self) -> ClipDataset:
        data = self.config.data
        parts = [name for name in PARTS if self.config.supervised and getattr(self.config.loss, name)]
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
        rows, columns = self.data.window
        changes = draw(
            config.data.augment, len(batch.identities), (rows, columns), generator(config.seed, step, AUGMENTING)
        )
        silhouettes = move_silhouettes(as_float(batch.silhouettes), changes)
        amp = config.run.amp and self.device.type == "cuda"
        with torch.autocast(self.device.type, torch.bfloat16, enabled=amp):
            output = self.network(silhouettes, points=self.targets is not None)
        parts = recognition_losses(output, batch.identities, config.loss)
        if self.targets is not None:
            targets = self.targets(batch, changes, columns)
            parts |= self.label_losses(output, targets, {name: usable(batch, name) for name in targets}, float(rows))
        return parts

    def label_losses(
        self, output: MeshGaitOutput, targets: Mapping[str, Tensor], valid: Mapping[str, Tensor], window: float
    ) -> dict[str, Tensor]:
        """Parts of the loss that compare coordinates with labels, over the frames (B, T) that have valid ones."""
        assert output.joints is not None
        assert output.markers is not None
        found = {"joints": output.joints, "markers": output.markers}
        if self.targets is not None and "mesh" in targets:
            found["mesh"] = self.network.vertices(output.markers.float(), self.targets.vertex_ids)
        return {name: label_l1(found[name], target, valid[name], window) for name, target in targets.items()}

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


def recognition_losses(output: MeshGaitOutput, identities: Tensor, config: LossConfig) -> dict[str, Tensor]:
    """Parts of the loss that know who walks."""
    parts = {}
    if config.triplet:
        parts["triplet"] = batch_all_triplet(output.embeddings, identities, config.margin)
    if config.cross_entropy:
        parts["cross_entropy"] = strip_cross_entropy(
            output.cosines, identities, scale=config.logit_scale, smoothing=config.smoothing
        )
    return parts


def make_network(config: ExperimentConfig, shards: Shards, classes: int) -> MeshGait:
    """The network of a setting, for the markers and silhouettes of some shards."""
    side = shards.aligned_size
    network = MeshGait(
        config.network,
        classes=classes,
        window=(side, side - 2 * config.data.cut),
        coefficients=shards.markers.signed if config.network.branch_3d else None,
        joints=len(shards.info.joint_set.names),
    )
    # About twice as fast on a CPU as the default layout.
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's stubs


def matching_body(sha256: str) -> Body:
    """The body that labels were made with: the user's, else one that ships; raises InvalidData where it is another."""
    for name in (None, *shipped_bodies()):
        body = load_body(name)
        if body.sha256 == sha256:
            return body
    raise InvalidData(
        f"the shards were made with another body than {load_body().name!r} or those that ship",
        hint="point MESHGAIT_BODY at the body that they were packed with, or set loss.mesh=0 and eval.mesh_every=0",
    )


def pick_device(name: str) -> torch.device:
    """The device of ``run.device``; raises EnvironmentLacks where it is not there."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise EnvironmentLacks(f"run.device={name}, but torch sees no GPU", hint="set run.device=auto")
    try:
        return torch.device(name)
    except RuntimeError as error:
        raise EnvironmentLacks(f"run.device={name} is no device", hint="choose auto, cpu or cuda") from error
