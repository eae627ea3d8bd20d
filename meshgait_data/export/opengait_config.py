"""A config of OpenGait that trains and tests GaitBase on a tree: complete, with the figures of its published ones.

Keys and figures are those of OpenGait's ``configs/gaitbase/`` and ``docs/3.detailed_config.md`` (Fan et al., *OpenGait:
Revisiting Gait Recognition Toward Better Practicality*, CVPR 2023).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from meshgait_data.errors import UsageError
from meshgait_data.manifest_protocol import Protocol

EVALUATORS: Mapping[str, str] = {
    "CASIA-B": "evaluate_indoor_dataset",
    "OUMVLP": "evaluate_indoor_dataset",
    "CASIA-E": "evaluate_indoor_dataset",
    "SUSTech1K": "evaluate_indoor_dataset",
    "Gait3D": "evaluate_Gait3D",
    "GREW": "evaluate_real_scene",
    "CCPG": "evaluate_CCPG",
}
"""Datasets whose protocol OpenGait can score, and the function of ``opengait/evaluation/evaluator.py`` that does."""

_CUT = "BaseSilCuttingTransform"
"""OpenGait's transform that cuts silhouettes to the width of networks and divides them by 255."""


@dataclass(frozen=True, slots=True)
class TreeUsage:
    """How OpenGait is to use a tree."""

    scored_as: str = ""
    """Name in ``EVALUATORS``; by default what the protocol's title begins with."""
    gpus: int = 1
    """OpenGait tests one sequence a GPU at a time, and refuses another number."""

    def __post_init__(self) -> None:
        if self.scored_as and self.scored_as not in EVALUATORS:
            what = f"OpenGait scores no dataset by the name of {self.scored_as!r}"
            raise UsageError(what, hint=f"choose one of: {', '.join(EVALUATORS)}")
        if self.gpus < 1:
            raise UsageError(f"{self.gpus} GPUs", hint="OpenGait needs at least one")


@dataclass(frozen=True, slots=True)
class _Schedule:
    """How long GaitBase is trained."""

    people: int
    """Least number of people in training that it is for."""
    batch: tuple[int, int]
    """People, and sequences of each."""
    milestones: tuple[int, int, int]
    iterations: int


_SCHEDULES = (
    _Schedule(10_000, (32, 4), (80_000, 120_000, 150_000), 180_000),
    _Schedule(5_000, (32, 8), (60_000, 80_000, 100_000), 120_000),
    _Schedule(1_000, (32, 4), (20_000, 40_000, 50_000), 60_000),
    _Schedule(0, (8, 16), (20_000, 40_000, 50_000), 60_000),
)
"""Those that were published for GREW, OUMVLP, Gait3D and CASIA-B."""


def scored_as(protocol: Protocol) -> str:
    """Name in ``EVALUATORS`` of the dataset whose protocol this is; empty where OpenGait has none.

    >>> scored_as(Protocol(title="CASIA-B, identical view excluded"))
    'CASIA-B'
    """
    return next((name for name in EVALUATORS if re.match(rf"{re.escape(name)}(,|$)", protocol.title)), "")


def opengait_config(
    name: str,
    protocol: Protocol,
    root: Path,
    *,
    partition: str,
    files: Sequence[str],
    people: int,
    usage: TreeUsage | None = None,
) -> str:
    """Text of the YAML.

    Parameters
    ----------
    name
        Of the dataset; OpenGait puts its results below it.
    protocol
        How the dataset is scored.
    root
        Folder of the tree.
    partition
        Name of the partition file in it.
    files
        Names of the files of every leaf; the first is the silhouettes.
    people
        In training: classes of the softmax.
    usage
        How it is to be used.
    """
    usage = usage or TreeUsage()
    schedule = next(schedule for schedule in _SCHEDULES if people >= schedule.people)
    known = usage.scored_as or scored_as(protocol)
    data = {
        "dataset_name": name,
        "dataset_root": str(root),
        "dataset_partition": str(root / partition),
        "data_in_use": [number == 0 for number in range(len(files))],
        "num_workers": 1,
        "cache": False,
        "remove_no_gallery": False,
        "test_dataset_name": known or name,
    }
    keys = {
        "data_cfg": data,
        "model_cfg": _model(people),
        "loss_cfg": _losses(),
        "optimizer_cfg": {"solver": "SGD", "lr": 0.1, "momentum": 0.9, "weight_decay": 0.0005},
        "scheduler_cfg": {"scheduler": "MultiStepLR", "gamma": 0.1, "milestones": list(schedule.milestones)},
        "trainer_cfg": _trainer(schedule, people, usage),
        "evaluator_cfg": _evaluator(schedule, known, usage),
    }
    return _preface(files, known, usage) + yaml.safe_dump(keys, sort_keys=False, width=110)


def _preface(files: Sequence[str], known: str, usage: TreeUsage) -> str:
    lines = [
        "GaitBase on this tree. Run it in a checkout of OpenGait, where FILE is this file:",
        f"  torchrun --nproc_per_node={usage.gpus} opengait/main.py --cfgs FILE --phase train   (then: --phase test)",
        "data_in_use says which of these files are read, one transform each:",
        *(f"  {name}" for name in files),
    ]
    if known == "Gait3D":
        lines.append(
            "evaluate_Gait3D reads PROBE_SET of ./datasets/Gait3D/Gait3D.json, whatever partition stands here."
        )
    if not known:
        lines += [
            "OpenGait has no evaluator for the protocol of this dataset and ends --phase test with a KeyError:",
            "train with it, and score with 'mgtrain eval', or name one that is scored alike as test_dataset_name.",
        ]
    return "".join(f"# {line}\n" for line in lines)


def _model(people: int) -> dict[str, Any]:
    backbone = {
        "type": "ResNet9",
        "block": "BasicBlock",
        "channels": [64, 128, 256, 512],
        "layers": [1, 1, 1, 1],
        "strides": [1, 2, 2, 1],
        "maxpool": False,
    }
    return {
        "model": "Baseline",
        "backbone_cfg": backbone,
        "SeparateFCs": {"in_channels": 512, "out_channels": 256, "parts_num": 16},
        "SeparateBNNecks": {"class_num": people, "in_channels": 256, "parts_num": 16},
        "bin_num": [16],
    }


def _losses() -> list[dict[str, Any]]:
    triplet = {"type": "TripletLoss", "loss_term_weight": 1.0, "margin": 0.2, "log_prefix": "triplet"}
    softmax = {"type": "CrossEntropyLoss", "loss_term_weight": 1.0, "scale": 16, "log_prefix": "softmax"}
    return [triplet, {**softmax, "log_accuracy": True}]


def _trainer(schedule: _Schedule, people: int, usage: TreeUsage) -> dict[str, Any]:
    sampler = {
        "type": "TripletSampler",
        "sample_type": "fixed_unordered",
        "batch_size": _batch(schedule.batch, people, usage.gpus),
        "batch_shuffle": True,
        "frames_num_fixed": 30,
    }
    return {
        "enable_float16": True,
        "fix_BN": False,
        "sync_BN": True,
        "with_test": False,
        "log_iter": 100,
        "save_iter": schedule.iterations // 3,
        "total_iter": schedule.iterations,
        "restore_hint": 0,
        "restore_ckpt_strict": True,
        "save_name": "GaitBase",
        "sampler": sampler,
        "transform": [{"type": _CUT}],
    }


def _batch(batch: tuple[int, int], people: int, gpus: int) -> list[int]:
    """People and sequences of a batch: no more people than there are, and a share of the batch for every GPU."""
    count = min(batch[0], people) or 1
    each = batch[1]
    while count * each % gpus:
        each += 1
    return [count, each]


def _evaluator(schedule: _Schedule, known: str, usage: TreeUsage) -> dict[str, Any]:
    sampler = {
        "type": "InferenceSampler",
        "sample_type": "all_ordered",
        "batch_size": usage.gpus,
        "batch_shuffle": False,
        "frames_all_limit": 720,
    }
    return {
        "enable_float16": True,
        "eval_func": EVALUATORS.get(known, "evaluate_indoor_dataset"),
        "metric": "euc",
        "restore_hint": schedule.iterations,
        "restore_ckpt_strict": True,
        "save_name": "GaitBase",
        "sampler": sampler,
        "transform": [{"type": _CUT}],
    }
