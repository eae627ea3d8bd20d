"""What is known of a batch whose loss is not finite, for people who look for the reason."""

import json
from collections.abc import Mapping
from pathlib import Path

import torch

from meshgait_data.atomic import write_text
from meshgait_data.errors import InvalidData
from meshgait_model.data.dataset import ClipDataset
from meshgait_model.data.picks import Picks

BAD_BATCH = "bad_batch.json"

_MOST_NAMED = 4
"""Sequences that the message names; the file has all."""


def not_finite(
    step: int, values: Mapping[str, float], data: ClipDataset, picks: Picks, run: Path | None
) -> InvalidData:
    """The error about a batch; its clips go to ``bad_batch.json`` in the run folder.

    Parameters
    ----------
    step, values
        Number of the update, and the parts of its loss.
    data, picks
        The dataset and the clips of the whole batch.
    run
        The run folder; None writes nothing.
    """
    keys = [str(data.sequences[int(index)].key) for index in picks.sequences]
    broken = _not_finite_in(data, picks, keys)
    if run is not None:
        frames = [numbers.tolist() for numbers in picks.frames]
        plain = {
            "step": step,
            # NaN is no JSON.
            "parts": {name: str(value) for name, value in values.items()},
            "not_finite_in": broken,
            "clips": [{"key": key, "frames": numbers} for key, numbers in zip(keys, frames, strict=True)],
        }
        write_text(run / BAD_BATCH, json.dumps(plain, indent=1) + "\n")
    parts = ", ".join(f"{name} {value:.3g}" for name, value in values.items())
    if broken:
        about = f"numbers in the labels of {_some(list(broken))} are not finite"
        hint = "look at them with 'mgdata verify', or leave these sequences out"
    else:
        about = f"the batch was of {_some(list(dict.fromkeys(keys)))}"
        hint = "lower optim.lr, set optim.clip_norm, or set run.amp=off"
    written = f"; all clips: {run / BAD_BATCH}" if run is not None else ""
    what = f"the loss or its gradient is not finite: {parts}; {about}{written}"
    return InvalidData(what, where=f"step {step}", hint=hint)


def _not_finite_in(data: ClipDataset, picks: Picks, keys: list[str]) -> dict[str, list[str]]:
    """Fields of clips that hold NaN or infinity, by the key of the sequence."""
    broken: dict[str, list[str]] = {}
    for name, array in data[picks].arrays.items():
        if array.is_floating_point():
            bad = ~torch.isfinite(array.flatten(1)).all(1)
            for key in sorted({keys[index] for index in bad.nonzero().flatten().tolist()}):
                broken.setdefault(key, []).append(name)
    return broken


def _some(keys: list[str]) -> str:
    more = len(keys) - _MOST_NAMED
    return ", ".join(keys[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
