"""Parts of a batch: what goes through the network at a time, and what a process has of the batch of all of them.

Shape letters: B clips, T frames, H, W rows and columns.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from meshgait_model.data.augment import Augmentation
from meshgait_model.data.batch import Batch


@dataclass(frozen=True, slots=True, eq=False)
class Portion:
    """Some clips of a batch, as the network and the losses get them."""

    place: slice
    """Which clips of the batch these are."""
    batch: Batch
    silhouettes: Tensor
    """(B, T, H, W) in 0..1, augmented."""
    changes: Augmentation
    """How they were augmented."""
    labelled: Tensor | None
    """(B, n) frames that coordinates are read off in; None: all."""


def portion(whole: Portion, place: slice) -> Portion:
    """Some clips of a portion."""
    labelled = None if whole.labelled is None else whole.labelled[place]
    return Portion(
        place, clips_of(whole.batch, place), whole.silhouettes[place], changes_of(whole.changes, place), labelled
    )


def clips_of(batch: Batch, place: slice) -> Batch:
    """Some clips of a batch whose clips have T frames."""
    return replace(
        batch,
        arrays={name: values[place] for name, values in batch.arrays.items()},
        present={name: values[place] for name, values in batch.present.items()},
        identities=batch.identities[place],
        sequences=batch.sequences[place],
        frames=batch.frames[place],
    )


def changes_of(changes: Augmentation, place: slice) -> Augmentation:
    """What happens to some of the clips: all of its arrays have the clips as their first axis."""
    return replace(changes, **{field.name: getattr(changes, field.name)[place] for field in fields(changes)})


@contextmanager
def statistics_kept(network: nn.Module) -> Iterator[None]:
    """Within it batch normalisations use the statistics of their batch as ever, but do not remember them."""
    norms = [module for module in network.modules() if isinstance(module, _BatchNorm) and module.track_running_stats]
    for norm in norms:
        norm.track_running_stats = False
    try:
        yield
    finally:
        for norm in norms:
            norm.track_running_stats = True
