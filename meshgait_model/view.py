"""What a network sees: the clips of a training step or of test people, their labels, and what the network says."""

from dataclasses import replace
from typing import Literal

import numpy as np
import torch

from meshgait_data.shards.reader import Shards
from meshgait_data.view.clips import Points, clip_sheet
from meshgait_data.view.sheet import evenly, skeleton
from meshgait_model.assembly import load_network, make_sampler
from meshgait_model.checkpoint import Checkpoint
from meshgait_model.config.experiment import ExperimentConfig
from meshgait_model.data.augment import Augmentation, draw, move_points, move_silhouettes
from meshgait_model.data.batch import Batch, as_float
from meshgait_model.data.dataset import ClipDataset
from meshgait_model.data.picks import Picks, generator
from meshgait_model.data.sampler import AUGMENTING
from meshgait_model.data.targets import JUDGEMENTS, usable
from meshgait_model.portions import changes_of

_LABELS = ("joints", "markers")


def batch_sheet(
    config: ExperimentConfig,
    shards: Shards,
    state: Checkpoint | None,
    *,
    step: int | None,
    clips: int,
    frames: int,
) -> bytes:
    """Draw clips as a network gets them.

    Parameters
    ----------
    state
        A checkpoint: what it says is drawn, too. It is looked at as in evaluation.
    step
        The batch of a training step, augmented as training does it; None: sequences of the test side as they are.
    clips, frames
        At most so many.

    Returns
    -------
    PNG file.
    """
    data = _open_data(config, shards, "test" if step is None else "train")
    batch, changes = _test_clips(data, clips) if step is None else _training_batch(config, data, step, clips)
    silhouettes = move_silhouettes(as_float(batch.silhouettes), changes)
    shown = evenly(silhouettes.shape[1], frames)
    rows = []
    if set(_LABELS) <= set(data.fields):
        rows.append(("labels", _labels(shards, batch, changes)))
    if state is not None and config.network.branch_3d:
        rows.append((f"the network after {state.step} steps", _said(state, shards, silhouettes)))
    cut = [(name, Points(p.joints[:, shown], p.markers[:, shown], p.known[:, shown])) for name, p in rows]
    captions = [str(data.sequences[index].key) for index in batch.sequences.tolist()]
    bones = skeleton(shards.joint_set.name, len(shards.joint_set.names))
    title = "sequences of test people" if step is None else f"clips of step {step}"
    return clip_sheet(silhouettes[:, shown].numpy(), cut, captions, bones, title=title)


def _open_data(config: ExperimentConfig, shards: Shards, side: Literal["train", "test"]) -> ClipDataset:
    wanted = (*_LABELS, *JUDGEMENTS) if set(_LABELS) <= set(shards.fields) else ()
    fields = ("silhouettes", *(name for name in wanted if name in shards.fields))
    return ClipDataset(shards, side, fields=fields, cut=config.data.cut, cache="none")


def _training_batch(config: ExperimentConfig, data: ClipDataset, step: int, clips: int) -> tuple[Batch, Augmentation]:
    """The first clips of a training step, changed as training changes them."""
    picks = make_sampler(config, data).draw(step)
    changes = draw(config.data.augment, len(picks.sequences), data.window, generator(config.seed, step, AUGMENTING))
    some = slice(0, clips)
    few = replace(picks, sequences=picks.sequences[some], frames=picks.frames[some])
    return data[few], changes_of(changes, some)


def _test_clips(data: ClipDataset, clips: int) -> tuple[Batch, Augmentation]:
    """Test sequences from first to last, as long as the shortest of them, unchanged."""
    chosen = np.array(evenly(len(data), clips))
    length = int(data.lengths[chosen].min())
    frames = np.tile(np.arange(length), (len(chosen), 1))
    count = len(chosen)
    nothing = Augmentation(
        np.zeros(count, bool), np.tile(np.eye(3), (count, 1, 1)), np.ones(count), np.zeros((count, *data.window), bool)
    )
    return data[Picks(chosen, frames)], nothing


def _labels(shards: Shards, batch: Batch, changes: Augmentation) -> Points:
    columns = batch.silhouettes.shape[-1]
    mirrors = (torch.from_numpy(np.array(m)) for m in (shards.joint_mirror, shards.markers.mirror))
    joints, markers = (
        move_points(batch.arrays[name], changes, mirror, columns).numpy()
        for name, mirror in zip(_LABELS, mirrors, strict=True)
    )
    return Points(joints, markers, usable(batch, "joints").numpy())


@torch.inference_mode()
def _said(state: Checkpoint, shards: Shards, silhouettes: torch.Tensor) -> Points:
    output = load_network(state, shards).eval()(silhouettes, points=True)
    assert output.joints is not None
    assert output.markers is not None
    known = np.ones(silhouettes.shape[:2], bool)
    return Points(output.joints.float().numpy(), output.markers.float().numpy(), known)
