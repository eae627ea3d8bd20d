"""Which kinds of observations take part in a fit."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from meshgait_data.errors import SourceError, UsageError
from meshgait_data.fit.kinds import KINDS, offered
from meshgait_data.types import CaptureKey, Observations


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which observations take part."""

    use: tuple[str, ...] = ()
    """Kinds; all that are there if empty."""
    masks: Path | None = None
    """Folder of rendered masks that are added, see :mod:`meshgait_data.pipeline.fit_masks`."""


def parse_use(text: str) -> tuple[str, ...]:
    """``joints,masks`` as kinds, in their order; raises UsageError on one that does not exist."""
    asked = [word.strip() for word in text.split(",") if word.strip()]
    unknown = [word for word in asked if word not in KINDS]
    if unknown:
        raise UsageError(f"--use {unknown[0]}: no such kind of observation", hint=f"choose from {','.join(KINDS)}")
    return tuple(kind for kind in KINDS if kind in asked)


def only(seen: Observations, use: Collection[str]) -> Observations:
    """The observations of some kinds; all if none is named.

    Raises
    ------
    SourceError
        Where nothing is left.
    """
    if not use:
        return seen
    there = offered(seen)
    if not set(use) & set(there):
        what = f"has no {' and no '.join(use)}, only {', '.join(there) or 'nothing'}"
        raise SourceError(what, where=str(seen.key), hint="use another kind, or leave the walk out with --select")
    dropped = set(there) - set(use)
    changes: dict[str, object] = {}
    if "joints" in dropped:
        changes |= {"joints": np.zeros((len(seen.frame_ids), 0, 3), np.float32), "joint_names": (), "joint_set": ""}
    if "markers" in dropped:
        changes |= {"markers": None, "static": None}
    if "params" in dropped:
        changes["given"] = None
    changes |= {kind: () for kind in ("keypoints", "masks") if kind in dropped}
    return replace(seen, **changes)  # type: ignore[arg-type]  # names and values stand side by side above


def changed_hint(work: Path, root: Path, key: CaptureKey) -> SourceError:
    """The error of files that are not those that were indexed."""
    return SourceError(
        "the files were changed after the index was made",
        where=str(key),
        hint=f"mgdata index {work / 'manifest.yaml'} --root {root} --work {work}",
    )
