"""Settings of the updates, of a run, and of its evaluation."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True, slots=True)
class OptimConfig:
    """How the weights are updated."""

    kind: Literal["sgd", "adamw"]
    lr: float
    """Learning rate after the warm-up."""
    weight_decay: float = 5e-4
    momentum: float = 0.9
    """Of ``sgd``."""
    schedule: Literal["multistep", "cosine"] = "cosine"
    milestones: tuple[int, ...] = ()
    """Steps at which ``multistep`` multiplies the rate by ``gamma``."""
    gamma: float = 0.1
    warmup: int = 0
    """Steps during which the rate rises linearly."""
    clip_norm: float = 0.0
    """Largest norm of the gradient; 0 does not clip."""

    def __post_init__(self) -> None:
        if self.lr <= 0:
            raise ValueError(f"optim.lr={self.lr} must be positive")
        if self.schedule == "multistep" and not self.milestones:
            raise ValueError("optim.schedule=multistep needs optim.milestones")


Amp = Literal["auto", "off", "bf16", "fp16"]
"""Precision of a step, see :mod:`meshgait_model.amp`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RunConfig:
    """How long and on what."""

    steps: int
    log_every: int = 10
    checkpoint_every: int = 100
    """Steps between two checkpoints; each takes the place of the one before."""
    keep_every: int = 0
    """Steps between checkpoints that stay, ``checkpoint-001000.pt``; 0 keeps the latest and the best only."""
    eval_every: int = 0
    """Steps between evaluations on the test side; 0 evaluates with ``mgtrain eval`` only."""
    device: str = "auto"
    """``auto`` (a GPU where there is one), ``cpu``, ``cuda`` or ``cuda:1``."""
    amp: Amp | bool = "auto"
    """``auto``: bfloat16 on a GPU, float32 on a CPU; ``off``, ``bf16``, ``fp16``. ``true`` and ``false`` of old
    settings are read as ``auto`` and ``off``."""
    accumulate: int = 1
    """Parts of a batch that go through the network one after the other, so that a smaller memory holds them. Losses
    are those of the whole batch; batch normalisation sees a part at a time."""
    threads: int = 0
    """CPU threads; 0 keeps torch's choice."""
    start: str = ""
    """Checkpoint or run folder whose weights a new run begins with, those of the same name and shape; what compares
    with training identities is only taken where they are the same people. Empty: random weights."""

    def __post_init__(self) -> None:
        if min(self.steps, self.log_every, self.checkpoint_every, self.accumulate) < 1:
            names = "run.steps, run.log_every, run.checkpoint_every and run.accumulate"
            raise ValueError(f"{names} must be at least 1")
        if min(self.keep_every, self.eval_every, self.threads) < 0:
            raise ValueError("run.keep_every, run.eval_every and run.threads must not be negative")
        if isinstance(self.amp, bool):
            # YAML reads a bare off as false, so this is more than a courtesy to old files.
            object.__setattr__(self, "amp", "auto" if self.amp else "off")


@dataclass(frozen=True, kw_only=True, slots=True)
class EvalConfig:
    """How test sequences are scored."""

    frames_limit: int = 720
    """Longest sequence that is looked at in full (OpenGait's limit); of longer ones, the first frames."""
    chunk: int = 256
    """Frames that go through the network together."""
    mesh_every: int = 5
    """Mesh errors are measured on every n-th frame; 0 leaves them out."""
    protocol: str = ""
    """Protocol of the shards that ``run.eval_every`` scores by; by default their first."""
    best: str = "rank1"
    """Figure of the checkpoint that is kept as the best: a name in ``metrics.json``; of those in mm, the smallest."""

    def __post_init__(self) -> None:
        if self.frames_limit < 1 or self.chunk < 1 or self.mesh_every < 0:
            raise ValueError("eval.frames_limit and eval.chunk must be at least 1, eval.mesh_every at least 0")
