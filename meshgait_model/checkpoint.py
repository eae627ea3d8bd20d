"""Checkpoints and the run folder: what is on disk about a training run.

``RUN/config.yaml`` the resolved setting, ``RUN/checkpoint.pt`` the latest weights (``checkpoint_best.pt`` those with
the best scores, ``checkpoint-001000.pt`` those that ``run.keep_every`` keeps), ``RUN/metrics.jsonl`` and
``RUN/tensorboard/`` losses and scores during training, ``RUN/speed.jsonl`` clips a second, ``RUN/metrics.json`` and
``RUN/embeddings.npz`` what ``mgtrain eval`` found.
"""

import json
import pickle
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from meshgait_data.atomic import write_text, write_with
from meshgait_data.errors import InvalidData, UsageError
from meshgait_data.manifest import dump_yaml
from meshgait_data.strict import build, to_plain
from meshgait_model.config.experiment import ExperimentConfig, load_config

CONFIG, LATEST, BEST = "config.yaml", "checkpoint.pt", "checkpoint_best.pt"
LOSSES, SPEED, METRICS = "metrics.jsonl", "speed.jsonl", "metrics.json"

FORMAT = 2
"""Version of the checkpoint's keys, and of what the weights of the network are called."""

IDENTITIES = "neck."
"""How names of weights begin that compare with training identities."""

_ANOTHER = "train again into a new folder, or use the version of meshgait that it was made with"

_MACHINE = (
    *(f"data.{name}:" for name in ("cache", "cache_gib", "cache_folder", "loader", "workers")),
    *(f"run.{name}:" for name in ("log_every", "checkpoint_every", "keep_every", "eval_every")),
)
"""Settings that no weight depends on: how batches are loaded, what is written when. A run may go on with others."""


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """Everything that a run needs to go on, and an evaluation to score it."""

    step: int
    """Updates done."""
    config: ExperimentConfig
    people: tuple[str, ...]
    """Training identity of each class."""
    body_sha256: str
    """Body of the shards that it was trained on."""
    markers: int
    """K of the marker set; 0 where there was none."""
    joint_set: str
    """Name of the joint set of the shards."""
    network: dict[str, Any]
    optimizer: dict[str, Any]
    loss_scale: dict[str, Any] = field(default_factory=dict)
    """Of float16."""


def kept(run: Path, step: int) -> Path:
    """Where a checkpoint lies that stays."""
    return run / f"checkpoint-{step:06d}.pt"


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint so that it is complete or absent."""
    plain = {
        "format": FORMAT,
        "step": checkpoint.step,
        "config": to_plain(checkpoint.config),
        "people": list(checkpoint.people),
        "body_sha256": checkpoint.body_sha256,
        "markers": checkpoint.markers,
        "joint_set": checkpoint.joint_set,
        "network": checkpoint.network,
        "optimizer": checkpoint.optimizer,
        "loss_scale": checkpoint.loss_scale,
    }
    write_with(path, lambda file: torch.save(plain, file))


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint without executing anything in it.

    Raises
    ------
    UsageError
        Where there is none.
    InvalidData
        Where it is damaged, unsafe, or of another format.
    """
    if not path.is_file():
        raise UsageError("no checkpoint here", where=str(path), hint="train first: mgtrain run demo --out RUN")
    try:
        plain = torch.load(path, map_location="cpu", weights_only=True)
        if plain["format"] != FORMAT:
            what = f"made by another version of meshgait: checkpoint format {plain['format']} is not {FORMAT}"
            raise InvalidData(what, where=str(path), hint=_ANOTHER)
        return Checkpoint(
            step=int(plain["step"]),
            config=build(ExperimentConfig, plain["config"], str(path)),
            people=tuple(plain["people"]),
            body_sha256=str(plain["body_sha256"]),
            markers=int(plain["markers"]),
            joint_set=str(plain["joint_set"]),
            network=plain["network"],
            optimizer=plain["optimizer"],
            loss_scale=dict(plain["loss_scale"]),
        )
    except (RuntimeError, pickle.UnpicklingError, EOFError, KeyError, TypeError) as error:
        # torch's words about unpickling advise to execute what the file says.
        said = "no weights" if isinstance(error, pickle.UnpicklingError) else str(error).splitlines()[0]
        what = f"not a checkpoint of meshgait, or damaged: {said}"
        raise InvalidData(what, where=str(path), hint="train again into a new folder") from error


def fill_network(network: nn.Module, checkpoint: Checkpoint) -> None:
    """Put the weights of a checkpoint into a network.

    Raises
    ------
    InvalidData
        Where they are of another network: made by another version, or with other identities.
    """
    try:
        network.load_state_dict(checkpoint.network)
    except RuntimeError as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        what = f"the weights of this checkpoint do not fit the network: {lines[min(1, len(lines) - 1)][:200]}"
        raise InvalidData(what, where=f"checkpoint of step {checkpoint.step}", hint=_ANOTHER) from error


def borrow_weights(network: nn.Module, checkpoint: Checkpoint, people: tuple[str, ...]) -> list[str]:
    """Begin with the weights of another run, those of the same name and shape.

    Parameters
    ----------
    people
        Training identities of the new run; with others, what compares with identities stays as it is.

    Returns
    -------
    Names of the network's weights that were not taken.

    Raises
    ------
    InvalidData
        Where nothing fits.
    """
    own = network.state_dict()
    identities = () if checkpoint.people == people else (IDENTITIES,)
    taken = {
        name: value
        for name, value in checkpoint.network.items()
        if name in own and own[name].shape == value.shape and not name.startswith(identities)
    }
    if not taken:
        what = "no weight of this checkpoint has the name and shape of one of the network"
        raise InvalidData(what, where="run.start", hint="choose a checkpoint of the same network, or run.start=''")
    network.load_state_dict(own | taken)
    return [name for name in own if name not in taken]


def open_run(run: Path, config: ExperimentConfig) -> bool:
    """Make a run folder, or check that an existing one is of the same setting; says if there is a checkpoint in it.

    Raises
    ------
    UsageError
        Where the folder holds something else or a run of another setting.
    """
    path = run / CONFIG
    if not path.exists():
        if run.exists() and any(run.iterdir()):
            raise UsageError("this folder is not empty and not a run", where=str(run), hint="choose another --out")
        write_text(path, dump_yaml(config))
        return False
    changed = differences(to_plain(load_config(str(path))), to_plain(config))
    changed = [text for text in changed if not text.startswith(_MACHINE)]
    if changed:
        raise UsageError(
            f"this folder holds a run of another setting: {'; '.join(changed)}",
            where=str(run),
            hint=f"choose another --out, or go on with the old setting: mgtrain run {path} --out {run}",
        )
    return (run / LATEST).exists()


def differences(old: dict[str, Any], new: dict[str, Any], prefix: str = "") -> list[str]:
    """Keys that two settings differ in, as ``key: old, now new``."""
    changed = []
    for key in new:
        if isinstance(new[key], dict) and isinstance(old.get(key), dict):
            changed += differences(old[key], new[key], f"{prefix}{key}.")
        elif old.get(key) != new[key]:
            changed.append(f"{prefix}{key}: {old.get(key)}, now {new[key]}")
    return changed


def keep_lines(path: Path, step: int) -> None:
    """Drop lines of a log after a step, which a resumed run will write again."""
    if path.exists():
        lines = [line for line in path.read_text(encoding="utf-8").splitlines() if _step_of(line) <= step]
        write_text(path, "".join(line + "\n" for line in lines))


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Records of a log; none where there is no file.

    Raises
    ------
    InvalidData
        Where a line is damaged.
    """
    if not path.exists():
        return []
    try:
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    except ValueError as error:
        raise InvalidData(f"damaged: {error}", where=str(path), hint="train again into a new folder") from error


def _step_of(line: str) -> float:
    try:
        return int(json.loads(line)["step"])
    except (ValueError, KeyError):
        # A line that an interruption cut short: it is written again.
        return float("inf")
