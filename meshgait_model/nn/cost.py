"""What a network costs before it runs: weights, multiply-accumulates, and the memory that training takes.

The network runs on tensors that have shapes but no numbers, so that the largest setting is counted within seconds and
without memory. Shape letters: B clips, T frames.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode

from meshgait_model.amp import precision
from meshgait_model.config.experiment import ExperimentConfig
from meshgait_model.nn.meshgait import MeshGait, MeshGaitOutput

GIB = 2**30

_STATES = {"sgd": 1, "adamw": 2}
"""Numbers that the optimiser keeps for each weight."""

_PASSING = 2
"""Largest feature maps that a step holds beside those that it saves: the gradient of one, and of what it came from."""


@dataclass(frozen=True, slots=True)
class PartCost:
    """One part of a network."""

    name: str
    weights: int
    macs_frame: float
    """Multiply-accumulates of recognition for each frame; 0 where recognition does not need the part."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a network costs."""

    parts: tuple[PartCost, ...]
    clips: int
    """That go through the network together."""
    frames: int
    """Of a clip."""
    macs_step: float
    """Multiply-accumulates of a training step with all clips of a batch, forward and backward, losses left out."""
    weights_bytes: int
    """Weights, their gradients, and what the optimiser keeps."""
    activation_bytes: int
    """What the forward pass keeps for the backward pass, and what is on its way through it."""

    @property
    def weights(self) -> int:
        """Of all parts."""
        return sum(part.weights for part in self.parts)

    @property
    def recognition_weights(self) -> int:
        """Of the parts that recognition needs."""
        return sum(part.weights for part in self.parts if part.macs_frame)

    @property
    def macs_frame(self) -> float:
        """Multiply-accumulates of recognition for each frame."""
        return sum(part.macs_frame for part in self.parts)

    @property
    def memory_bytes(self) -> int:
        """Of a training step; libraries take a few hundred MiB more."""
        return self.weights_bytes + self.activation_bytes

    def text(self) -> str:
        """A table for people."""
        rows = [f"{'part':<10} {'weights':>10} {'recognition':>24}"]
        for part in self.parts:
            macs = f"{part.macs_frame / 1e6:10.1f} M MACs/frame" if part.macs_frame else "not needed"
            rows.append(f"{part.name:<10} {part.weights / 1e6:8.3f} M {macs:>24}")
        macs = f"{self.macs_frame / 1e6:10.1f} M MACs/frame"
        rows.append(f"{'all':<10} {self.weights / 1e6:8.3f} M {macs:>24}")
        rows.append(f"recognition needs {self.recognition_weights / 1e6:.3f} M weights")
        rows.append(f"a training step: {self.macs_step / 1e12:.3g} T MACs")
        rows.append(
            f"its memory: about {self.memory_bytes / GIB:.2f} GiB, {self.activation_bytes / GIB:.2f} of them for"
            f" {self.clips} clips of {self.frames} frames"
        )
        return "\n".join(rows)


def cost_of(config: ExperimentConfig, network: MeshGait, device: torch.device | None = None) -> Cost:
    """Count what a setting's network costs.

    Parameters
    ----------
    network
        The network that it makes.
    device
        That it will train on, for ``run.amp: auto``; by default where the network lies.
    """
    weight = next(network.parameters())
    device = device or weight.device
    batch, frames = config.data.people * config.data.clips, max(config.data.frames, config.data.frames_most)
    clips = -(-batch // config.run.accumulate)
    dtype = precision(config.run.amp, device)
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        fake = _Fake(network, {n: mode.from_tensor(t) for n, t in _tensors(network)}, weight.device)
        with training(network):
            macs = fake.recognition_macs(frames)
            labelled = min(config.loss.labelled_frames, frames) if config.supervised else 0
            macs_clips, saved = fake.training(clips, frames, labelled, dtype)
    parts = tuple(
        PartCost(name, sum(weight.numel() for weight in part.parameters()), macs.get(name, 0.0))
        for name, part in network.named_children()
        if any(True for _ in part.parameters())
    )
    numbers = sum(part.weights for part in parts)
    return Cost(
        parts=parts,
        clips=clips,
        frames=frames,
        macs_step=macs_clips * batch / clips,
        weights_bytes=4 * numbers * (2 + _STATES[config.optim.kind]),
        activation_bytes=saved,
    )


@contextmanager
def training(network: nn.Module) -> Iterator[None]:
    """The network in training mode, for as long as the context lasts."""
    before = network.training
    try:
        network.train()
        yield
    finally:
        network.train(before)


def _tensors(network: nn.Module) -> Iterator[tuple[str, Tensor]]:
    yield from network.named_parameters()
    yield from network.named_buffers()


class _Fake:
    """A network on tensors without numbers."""

    def __init__(self, network: MeshGait, tensors: dict[str, Tensor], device: torch.device) -> None:
        self.network, self.tensors, self.device = network, tensors, device
        self.config = network.config

    def run(self, clips: int, frames: int, **options: object) -> MeshGaitOutput:
        """The forward pass."""
        silhouettes = torch.zeros(clips, frames, *self.network.window, device=self.device)
        output: MeshGaitOutput = torch.func.functional_call(self.network, self.tensors, (silhouettes,), options)
        return output

    def recognition_macs(self, frames: int) -> dict[str, float]:
        """Multiply-accumulates of recognition for each frame, by part."""
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            self.run(1, frames, points=False, cosines=False)
        counts = {name: sum(by_kind.values()) / 2 / frames for name, by_kind in counter.get_flop_counts().items()}
        root = type(self.network).__name__
        children = (name for name, _ in self.network.named_children())
        return {name: counts[f"{root}.{name}"] for name in children if f"{root}.{name}" in counts}

    def training(self, clips: int, frames: int, labelled: int, dtype: torch.dtype | None) -> tuple[float, int]:
        """Multiply-accumulates of a forward and backward pass, and the bytes that they keep."""
        options: dict[str, object] = {"points": self.network.branch_3d}
        if labelled and self.network.branch_3d:
            options["labelled"] = torch.zeros(clips, labelled, dtype=torch.long, device=self.device)
        autocast = torch.autocast(self.device.type, dtype or torch.bfloat16, enabled=dtype is not None)
        with FlopCounterMode(display=False) as counter:
            with _saving(self.tensors.values()) as kept, autocast:
                output = self.run(clips, frames, **options)
            said = [output.embeddings, output.cosines, output.joints, output.markers]
            torch.stack([one.sum() for one in said if one is not None]).sum().backward()  # type: ignore[no-untyped-call]
        sizes = kept.values()
        return counter.get_total_flops() / 2, sum(sizes) + _PASSING * max(sizes)


@contextmanager
def _saving(own: Iterable[Tensor]) -> Iterator[dict[int, int]]:
    """Bytes of what is saved for the backward pass, each storage once; weights are left out."""
    weights = {tensor.untyped_storage()._cdata for tensor in own}
    kept: dict[int, int] = {}
    # Held, so that no storage takes the address of another that is gone.
    storages = []

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in weights:
            storages.append(storage)
            kept[storage._cdata] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        yield kept
