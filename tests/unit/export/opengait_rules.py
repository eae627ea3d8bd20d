"""What OpenGait does with a tree and a config, by its documented rules: an independent reading of its loader.

The rules: https://github.com/ShiqiYu/OpenGait, ``datasets/README.md``, ``opengait/data/dataset.py``, ``sampler.py``,
``transform.py``, ``opengait/evaluation/evaluator.py`` and ``docs/3.detailed_config.md``. Nothing of it is imported.
"""

import json
import os
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

DEFAULTS = {"data_cfg", "evaluator_cfg", "loss_cfg", "model_cfg", "optimizer_cfg", "scheduler_cfg", "trainer_cfg"}
"""Sections of a config."""
INDOOR = {"CASIA-B", "OUMVLP", "CASIA-E", "SUSTech1K"}
"""Names that ``evaluate_indoor_dataset`` knows; it raises KeyError on any other."""


@dataclass
class Loaded:
    """A sequence as the network would get it."""

    label: str
    type: str
    view: str
    files: list[str]
    data: list[Any]


class Refused(Exception):
    """OpenGait ends here, or goes on with something else than was meant."""


def read_config(path: Path) -> dict[str, Any]:
    """A config, checked for what the trainer and the tester take from it without asking."""
    config = yaml.safe_load(path.read_text())
    if set(config) != DEFAULTS:
        raise Refused(f"sections {sorted(config)}")
    data, trainer, tester = config["data_cfg"], config["trainer_cfg"], config["evaluator_cfg"]
    used = data["data_in_use"]
    count = sum(used) if all(isinstance(use, bool) for use in used) else len(used)
    for section in (trainer, tester):
        if len(section["transform"]) != count:
            raise Refused("as many transforms as modalities are needed")
        for name in ("enable_float16", "restore_hint", "restore_ckpt_strict", "save_name", "sampler"):
            section[name]
    for name in ("fix_BN", "sync_BN", "with_test", "log_iter", "save_iter", "total_iter"):
        trainer[name]
    kind, order = trainer["sampler"]["sample_type"].split("_")
    if kind == "fixed" and order == "unordered":
        trainer["sampler"]["frames_num_fixed"]
    model = config["model_cfg"]
    people = model["SeparateBNNecks"]["class_num"]
    if people != len(json.loads(Path(data["dataset_partition"]).read_text())["TRAIN_SET"]):
        raise Refused("classes are the people on the training side")
    strips = sum(model["bin_num"])
    if {model[name]["parts_num"] for name in ("SeparateFCs", "SeparateBNNecks")} != {strips}:
        raise Refused("as many parts as strips are needed")
    channels = model["backbone_cfg"]["channels"][-1]
    if (model["SeparateFCs"]["in_channels"], model["SeparateFCs"]["out_channels"]) != (
        channels,
        model["SeparateBNNecks"]["in_channels"],
    ):
        raise Refused("channels do not follow from each other")
    return config


def check_gpus(config: dict[str, Any], gpus: int) -> None:
    """What the samplers refuse on so many GPUs."""
    people, each = config["trainer_cfg"]["sampler"]["batch_size"]
    if people * each % gpus:
        raise Refused("the batch is not a multiple of the GPUs")
    if config["evaluator_cfg"]["sampler"]["batch_size"] != gpus:
        raise Refused("in testing the batch must be the number of GPUs")


def load(config: dict[str, Any], *, training: bool) -> list[Loaded]:
    """Every sequence of one side of the partition, in OpenGait's order."""
    data = config["data_cfg"]
    root, used = data["dataset_root"], data["data_in_use"]
    partition = json.loads(Path(data["dataset_partition"]).read_text())
    on_disk = os.listdir(root)
    found = []
    for label in partition["TRAIN_SET" if training else "TEST_SET"]:
        if label not in on_disk:
            continue
        for type in sorted(os.listdir(f"{root}/{label}")):
            for view in sorted(os.listdir(f"{root}/{label}/{type}")):
                names = sorted(os.listdir(f"{root}/{label}/{type}/{view}"))
                if not names:
                    continue
                if all(isinstance(use, bool) for use in used):
                    if len(used) != len(names):
                        raise Refused("the mask is shorter or longer than the files: other ones are read")
                    names = [name for name, use in zip(names, used, strict=True) if use]
                else:
                    names = [names[at] for at in used if at < len(names)]
                arrays = [_array(f"{root}/{label}/{type}/{view}/{name}") for name in names]
                if len({len(array) for array in arrays}) != 1:
                    raise Refused(f"{label}/{type}/{view}: lengths differ")
                if not len(arrays[0]):
                    raise Refused(f"{label}/{type}/{view}: no frames")
                found.append(Loaded(label, type, view, names, arrays))
    return found


def _array(path: str) -> Any:
    if not path.endswith(".pkl"):
        raise Refused(f"{path}: just .pkl files")
    return pickle.loads(Path(path).read_bytes())  # noqa: TID251 - bytes that this project wrote


def cut(silhouettes: Any) -> Any:
    """``BaseSilCuttingTransform``: ten columns of each 64 go at either side, and white becomes 1."""
    columns = int(silhouettes.shape[-1] // 64) * 10
    return (silhouettes[..., columns:-columns] if columns else silhouettes) / 255.0


def check(root: Path, gpus: int = 1) -> tuple[list[Loaded], list[Loaded]]:
    """Load both sides of a tree by the config beside it, and check what a network of 64 x 44 or 128 x 88 needs."""
    config = read_config(root / "opengait.yaml")
    check_gpus(config, gpus)
    sides = load(config, training=True), load(config, training=False)
    for sequence in [*sides[0], *sides[1]]:
        silhouettes = sequence.data[0]
        if silhouettes.dtype != np.uint8 or silhouettes.shape[1:] not in ((64, 64), (128, 128)):
            raise Refused(f"silhouettes are {silhouettes.dtype} {silhouettes.shape}")
        height, width = cut(silhouettes).shape[1:]
        assert (height, width) in ((64, 44), (128, 88))
        # Two strides of two, and 16 strips of what is left.
        assert (height // 4) * (width // 4) % 16 == 0
    tester = config["evaluator_cfg"]["eval_func"]
    name = config["data_cfg"]["test_dataset_name"]
    text = (root / "opengait.yaml").read_text()
    if tester == "evaluate_indoor_dataset" and name not in INDOOR:
        assert "KeyError" in text
    return sides
