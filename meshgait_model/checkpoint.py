"""Checkpoints and the run folder: what is on disk about a training run.

``RUN/config.yaml`` the resolved setting, ``RUN/checkpoint.pt`` the latest weights, ``RUN/metrics.jsonl`` and
``RUN/tensorboard/`` the losses, ``RUN/metrics.json`` the scores of ``mgtrain eval``.
"""

import json
import pickle
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import torch

from meshgait_data.atomic import write_bytes, write_text
from meshgait_data.conventions import SMPL_SET
from meshgait_data.errors import InvalidData, UsageError
from meshgait_data.manifest import dump_yaml
from meshgait_data.strict import build, to_plain
from meshgait_model.config.experiment import ExperimentConfig, load_config

CONFIG, LATEST, LOSSES, METRICS = "config.yaml", "checkpoint.pt", "metrics.jsonl", "metrics.json"

FORMAT = 1
"""Version of the checkpoint's keys."""

_MACHINE = tuple(f"data.{name}:" for name in ("cache", "cache_gib", "cache_folder", "loader", "workers"))
"""Settings that say how a machine loads batches, not which: a run may go on with others."""


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
    }
    buffer = BytesIO()
    torch.save(plain, buffer)
    write_bytes(path, buffer.getvalue())


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
            raise InvalidData(f"checkpoint format {plain['format']} is not {FORMAT}", where=str(path))
        return Checkpoint(
            step=int(plain["step"]),
            config=build(ExperimentConfig, plain["config"], str(path)),
            people=tuple(plain["people"]),
            body_sha256=str(plain["body_sha256"]),
            markers=int(plain["markers"]),
            # Checkpoints of version 0.1 do not say it: there was one.
            joint_set=str(plain.get("joint_set", SMPL_SET)),
            network=plain["network"],
            optimizer=plain["optimizer"],
        )
    except (RuntimeError, pickle.UnpicklingError, EOFError, KeyError, TypeError) as error:
        raise InvalidData(
            f"not a checkpoint of meshgait, or damaged: {str(error).splitlines()[0]}",
            where=str(path),
            hint="train again into a new folder",
        ) from error


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


def keep_losses(run: Path, step: int) -> None:
    """Drop lines of ``metrics.jsonl`` after a step, which a resumed run will write again."""
    path = run / LOSSES
    if path.exists():
        kept = [line for line in path.read_text(encoding="utf-8").splitlines() if _step_of(line) <= step]
        write_text(path, "".join(line + "\n" for line in kept))


def _step_of(line: str) -> float:
    try:
        return int(json.loads(line)["step"])
    except (ValueError, KeyError):
        # A line that an interruption cut short: it is written again.
        return float("inf")
