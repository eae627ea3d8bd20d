"""The gradient of the loss of a whole batch, whatever number of processes and portions it is shared out to.

Triplets compare all clips of a batch and BNNeck normalises over all of them, so a loss of some of the clips is another
loss. Therefore the graph is cut at the embeddings e: each process computes the recognition loss R from the embeddings
of all portions of all processes, which is cheap, and takes dR/de of its own clips. The rest is the chain rule, one
portion at a time:

    dL/dw  =  Σ_clips dR/de · de/dw  +  Σ_portions d(label sums)/dw / (labelled frames of the whole batch)

Several portions go through the network twice, first without a graph (*gradient caching*: Gao et al., *Scaling Deep
Contrastive Learning Batch Size under Memory Limited Setup*, RepL4NLP 2021). What is left that depends on the portions
is batch normalisation inside the network: it sees one portion of all processes at a time.
"""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from meshgait_model.amp import LossScale, autocast
from meshgait_model.config.experiment import ExperimentConfig
from meshgait_model.distributed import Processes, shares
from meshgait_model.losses import total
from meshgait_model.nn.meshgait import MeshGait, MeshGaitOutput
from meshgait_model.objective import Objective
from meshgait_model.portions import Portion, portion, statistics_kept


class LossGradient:
    """Adds the gradient of the loss of a batch to the weights.

    Parameters
    ----------
    config
        The setting.
    network, objective
        What learns, and from what; on their device.
    scale
        What the loss is multiplied by.
    processes
        Those that have the other clips of the batch.
    """

    def __init__(
        self,
        config: ExperimentConfig,
        network: MeshGait,
        objective: Objective,
        *,
        scale: LossScale,
        processes: Processes,
    ) -> None:
        self.config, self.network, self.objective = config, network, objective
        self.scale, self.processes = scale, processes

    def __call__(self, whole: Portion, step: int) -> dict[str, Tensor]:
        """Parts of the loss of the whole batch of a step, of which ``whole`` is what this process has."""
        places = shares(len(whole.batch) * self.processes.world, self.config.run.accumulate, self.processes)
        portions = [portion(whole, place) for place in places]
        # A portion that is the whole batch keeps its graph; the graphs of several would not fit into the memory.
        kept = self.look(portions[0], points=self.objective.points) if len(portions) == 1 else None
        own = [kept.embeddings.detach()] if kept else [self._embeddings(part) for part in portions]
        parts, slope = self._recognition(torch.cat(own), whole.batch.identities)
        counts = self._counts(portions, step)
        sums = {name: count.new_zeros(()) for name, count in counts.items()}
        for part in portions:
            for name, value in self._learn(part, kept, slope, counts, step=step).items():
                sums[name] += value
        self.processes.add_up_gradients(self.network.parameters())
        return parts | {name: value / counts[name] for name, value in self._added_up(sums).items()}

    def look(self, part: Portion, *, points: bool) -> MeshGaitOutput:
        """What the network says about a portion."""
        with autocast(self.config.run.amp, part.silhouettes.device):
            return self.network(part.silhouettes, points=points, labelled=part.labelled, cosines=False)

    def _embeddings(self, part: Portion) -> Tensor:
        with torch.no_grad(), statistics_kept(self.network):
            return self.look(part, points=False).embeddings

    def _recognition(self, own: Tensor, identities: Tensor) -> tuple[dict[str, Tensor], Tensor | None]:
        """Parts of the recognition loss R of all clips, and dR/de of own clips; the neck gets its gradient."""
        every = self.processes.gather(own.float()).requires_grad_()
        parts = self.objective.recognition(self.network, every, self.processes.gather(identities))
        if not parts:
            return parts, None
        self.scale.scale(total(parts, self.config.loss)).backward()  # type: ignore[no-untyped-call]
        if self.processes.several:
            # Every process has the neck's whole gradient; their sum is to be that again.
            for weight in self.network.neck.parameters():
                if weight.grad is not None:
                    weight.grad /= self.processes.world
        assert every.grad is not None
        slope = every.grad[self.processes.rank :: self.processes.world]
        return {name: part.detach() for name, part in parts.items()}, slope

    def _counts(self, portions: Iterable[Portion], step: int) -> dict[str, Tensor]:
        """Over how many frames of the whole batch each part of the label loss is a mean; 1 where there are none."""
        counts: dict[str, Tensor] = {}
        for part in portions:
            for name, count in self.objective.counts(part.batch, part.labelled, step=step).items():
                counts[name] = counts.get(name, 0) + count.float()
        return {name: count.clamp_min(1) for name, count in self._added_up(counts).items()}

    def _learn(
        self,
        part: Portion,
        output: MeshGaitOutput | None,
        slope: Tensor | None,
        counts: Mapping[str, Tensor],
        *,
        step: int,
    ) -> dict[str, Tensor]:
        """Add the gradient of a portion, which may have been looked at; gives its sums of label errors."""
        output = output or self.look(part, points=self.objective.points)
        found = self.objective.labels(self.network, output, part.batch, part.changes, step=step)
        means = {name: value / counts[name] for name, value in found.items()}
        # Through the embeddings and from the label losses, in one backward pass.
        starts: list[tuple[Tensor, Tensor | None]] = []
        if slope is not None:
            starts.append((output.embeddings, slope[part.place].to(output.embeddings.dtype)))
        if means:
            starts.append((self.scale.scale(total(means, self.config.loss)), None))
        if starts:
            torch.autograd.backward([tensor for tensor, _ in starts], [gradient for _, gradient in starts])
        return {name: value.detach() for name, value in found.items()}

    def _added_up(self, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Each value's sum over all processes, in one message."""
        if not values:
            return {}
        return dict(zip(values, self.processes.add_up(torch.stack(list(values.values()))).unbind(), strict=True))
