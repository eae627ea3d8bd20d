"""The whole setting of one training run: strict, complete, written into the run folder, and valid input again.

The paper (arXiv 2510.10406) does not publish its hyper-parameters. Values here and in ``manifests/experiments/`` are
our choice; ``docs/network.md`` says which of them follow other work.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from meshgait_data.errors import ManifestError, UsageError
from meshgait_data.strict import build
from meshgait_data.yaml_files import read_yaml, shipped_names
from meshgait_model.config.data import DataConfig
from meshgait_model.config.network import LossConfig, NetworkConfig
from meshgait_model.config.train import EvalConfig, OptimConfig, RunConfig

EXTENDS = "extends"
"""Key of the experiment that a file goes out from."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ExperimentConfig:
    """One training run."""

    seed: int
    data: DataConfig
    network: NetworkConfig
    loss: LossConfig
    optim: OptimConfig
    run: RunConfig
    eval: EvalConfig = field(default_factory=EvalConfig)

    def __post_init__(self) -> None:
        if any(step >= self.run.steps for step in self.optim.milestones):
            raise ValueError(f"optim.milestones={list(self.optim.milestones)} lie beyond run.steps={self.run.steps}")
        if self.network.heatmap.temporal > self.data.frames:
            raise ValueError("network.heatmap.temporal is larger than data.frames")

    @property
    def supervised(self) -> bool:
        """Whether 3D labels are part of the loss."""
        return self.network.branch_3d and bool(self.loss.of_labels)


def load_config(name_or_path: str, overrides: Sequence[str] = ()) -> ExperimentConfig:
    """Read an experiment by its shipped name (``demo``) or by path, and change single values.

    ``extends: NAME`` in a file takes all that it leaves out from another one, shipped or beside it.

    Parameters
    ----------
    overrides
        ``dotted.key=value``, each value in YAML, e.g. ``optim.lr=1e-3``.

    Raises
    ------
    UsageError
        Where there is no such experiment, or an override is not ``key=value``.
    ManifestError
        Where a key is unknown, a value of another type, or values contradict each other.
    """
    data, where = _read(name_or_path, ())
    for text in overrides:
        _override(data, text)
    return build(ExperimentConfig, data, where)


def _read(name_or_path: str, below: tuple[str, ...]) -> tuple[Any, str]:
    """Plain data of a file, with what it leaves out taken from the one that it extends."""
    data, where = read_yaml(name_or_path, "experiments")
    if not isinstance(data, dict) or EXTENDS not in data:
        return data, where
    base, chain = data.pop(EXTENDS), (*below, name_or_path)
    if not isinstance(base, str):
        raise ManifestError(f"{EXTENDS} is no name of an experiment", where=where, hint=f"write {EXTENDS}: demo")
    if base not in shipped_names("experiments"):
        base = str(Path(name_or_path).parent / base)
    if base in chain:
        raise ManifestError(f"{' extends '.join((*chain, base))}: without end", where=where)
    _inherit(data, _read(base, chain)[0])
    return data, where


def _inherit(data: dict[str, Any], base: Any) -> None:
    """Fill in what is missing, mappings key by key; lists are taken whole."""
    for key, value in base.items() if isinstance(base, dict) else ():
        if isinstance(data.get(key), dict) and isinstance(value, dict):
            _inherit(data[key], value)
        else:
            data.setdefault(key, value)


def _override(data: Any, text: str) -> None:
    dotted, equals, value = text.partition("=")
    *path, last = dotted.strip().split(".")
    for key in path:
        data = data.setdefault(key, {}) if isinstance(data, dict) else None
    if not equals or not last or not isinstance(data, dict):
        raise UsageError(f"override {text!r} is not key=value", hint="write it like -o optim.lr=1e-3")
    data[last] = _parse(value)


def _parse(text: str) -> Any:
    try:
        # YAML 1.1 reads 1e-3 as text, people mean the number.
        return float(text) if "e" in text.lower() else yaml.safe_load(text)
    except ValueError:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UsageError(f"override value {text!r} is not valid YAML", hint="quote it, or write [1, 2]") from error
