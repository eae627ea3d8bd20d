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


@dataclass(frozen=True, kw_only=True, slots=True)
class RunConfig:
    """How long and on what."""

    steps: int
    log_every: int = 10
    checkpoint_every: int = 100
    device: str = "auto"
    """``auto`` (a GPU where there is one), ``cpu``, ``cuda`` or ``cuda:1``."""
    amp: bool = True
    """bfloat16 where the device is a GPU; never on a CPU."""
    threads: int = 0
    """CPU threads; 0 keeps torch's choice."""

    def __post_init__(self) -> None:
        if min(self.steps, self.log_every, self.checkpoint_every) < 1:
            raise ValueError("run.steps, run.log_every and run.checkpoint_every must be at least 1")


@dataclass(frozen=True, kw_only=True, slots=True)
class EvalConfig:
    """How test sequences are scored."""

    frames_limit: int = 720
    """Longest sequence that is looked at in full (OpenGait's limit); of longer ones, the first frames."""
    chunk: int = 256
    """Frames that go through the network together."""
    mesh_every: int = 5
    """Mesh errors are measured on every n-th frame; 0 leaves them out."""

    def __post_init__(self) -> None:
        if self.frames_limit < 1 or self.chunk < 1 or self.mesh_every < 0:
            raise ValueError("eval.frames_limit and eval.chunk must be at least 1, eval.mesh_every at least 0")
