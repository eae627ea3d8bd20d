"""Files of priors: one .npz with a pose prior and, where the people walked, a gait-cycle prior; two ship."""

import json
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from meshgait_data.atomic import write_npz
from meshgait_data.errors import InvalidData, UsageError
from meshgait_data.fit.priors import GaitPrior, PosePrior
from meshgait_data.shipped import shipped_files, shipped_or_path

SCHEMA = 1
"""Version of the file layout."""
WALK = "walk"
"""The priors that are used where none are named."""
_AGAIN = "write it again with 'mgdata priors learn'"


@dataclass(frozen=True, slots=True, eq=False)
class Priors:
    """What is known of the people of a dataset before any of them is observed."""

    name: str
    pose: PosePrior
    gait: GaitPrior | None
    """None where the prior is about people who do anything."""
    provenance: Mapping[str, Any] = field(default_factory=dict)
    """People, settings, held-out figures, licence and acknowledgement of the data."""


def load_priors(name_or_path: str | Path = WALK) -> Priors:
    """Read the priors of that name (``walk``, ``general``), or a file that ``mgdata priors learn`` wrote.

    Raises
    ------
    UsageError
        Where there is neither.
    InvalidData
        Where the file is damaged or of another schema version.
    """
    return read_priors(prior_path(name_or_path))


def load_gait(name_or_path: str | Path = WALK) -> GaitPrior:
    """The gait-cycle prior alone, see :func:`load_priors`; raises UsageError where the file has none."""
    found = load_priors(name_or_path)
    if found.gait is None:
        raise UsageError(f"priors {found.name!r} have no gait cycle", hint="name others, e.g. 'walk'")
    return found.gait


def shipped_priors() -> dict[str, Path]:
    """Priors that ship with meshgait, by name."""
    return shipped_files("priors")


def prior_path(name_or_path: str | Path) -> Path:
    """Where priors lie: shipped names first, then paths; raises UsageError where there is neither."""
    return shipped_or_path("priors", name_or_path, command="mgdata priors learn")


def save_priors(path: Path, priors: Priors) -> None:
    """Write priors in single precision; equal priors give equal bytes."""
    meta = {"schema": SCHEMA, "name": priors.name, "provenance": dict(priors.provenance)}
    arrays: dict[str, NDArray[Any]] = {
        # Rotations stay in double precision, so that they stay orthonormal.
        "pose_mean": priors.pose.mean.numpy(),
        "pose_covariance": priors.pose.covariance.numpy().astype(np.float32),
        "pose_acceleration": priors.pose.acceleration.numpy().astype(np.float32),
        "pose_transl_acceleration": np.array(priors.pose.transl_acceleration),
    }
    if priors.gait is not None:
        arrays["gait_mean"] = priors.gait.mean.numpy()
        arrays |= {f"gait_{name}": getattr(priors.gait, name).numpy().astype(np.float32) for name in _GAIT}
        arrays["gait_memory_s"] = np.array(priors.gait.memory_s)
    arrays["meta"] = np.array(json.dumps(meta, sort_keys=True))
    write_npz(path, arrays)


_GAIT = ("cycle", "styles", "rhythm", "rhythm_styles", "rhythm_covariance", "covariance")


def read_priors(path: Path) -> Priors:
    """Read what :func:`save_priors` wrote.

    Raises
    ------
    InvalidData
        Where the file is damaged or of another schema version.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        meta = json.loads(str(arrays["meta"]))
        if meta["schema"] != SCHEMA:
            raise InvalidData(f"schema {meta['schema']} of priors is not {SCHEMA}", where=str(path), hint=_AGAIN)
        return _checked(arrays, str(meta["name"]), dict(meta["provenance"]))
    except InvalidData:
        raise
    except (OSError, ValueError, KeyError, TypeError, IndexError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        what = f"not a file of priors: {error}" if str(error) else "not a file of priors"
        raise InvalidData(what, where=str(path), hint=_AGAIN) from error


def _checked(arrays: Mapping[str, NDArray[Any]], name: str, provenance: Mapping[str, Any]) -> Priors:
    """Build the priors, or ValueError or KeyError."""
    for key, array in arrays.items():
        if key != "meta" and not np.isfinite(array).all():
            raise ValueError(f"{key} has values that are not finite")
    pose = _pose(arrays, name, provenance)
    if "gait_cycle" not in arrays:
        return Priors(name, pose, None, provenance)
    tensors = {key: torch.as_tensor(arrays[f"gait_{key}"].astype(np.float64)) for key in _GAIT}
    waves, channels = tensors["cycle"].shape
    styles = len(tensors["styles"])
    expected = {"styles": (styles, waves, 75), "rhythm": (2,), "rhythm_styles": (styles, 2)}
    wrong = [key for key, shape in expected.items() if tensors[key].shape != shape]
    if channels != 75 or waves % 2 == 0 or wrong:
        raise ValueError(f"the shapes of {', '.join(wrong) or 'cycle'} do not fit together")
    tensors["covariance"] = _covariance(arrays["gait_covariance"], 75)
    tensors["rhythm_covariance"] = _covariance(arrays["gait_rhythm_covariance"], 2)
    mean, memory_s = _rotations(arrays["gait_mean"]), float(arrays["gait_memory_s"])
    if not memory_s > 0:
        raise ValueError(f"memory_s={memory_s} is not positive")
    return Priors(name, pose, GaitPrior(name, mean, memory_s=memory_s, provenance=provenance, **tensors), provenance)


def _pose(arrays: Mapping[str, NDArray[Any]], name: str, provenance: Mapping[str, Any]) -> PosePrior:
    turn, move = arrays["pose_acceleration"].astype(np.float64), float(arrays["pose_transl_acceleration"])
    if turn.shape != (24,) or not min(turn.min(), move) > 0:
        raise ValueError("accelerations are not 24 positive numbers and one")
    mean, covariance = _rotations(arrays["pose_mean"]), _covariance(arrays["pose_covariance"], 69)
    return PosePrior(name, mean, covariance, torch.as_tensor(turn), move, provenance)


def _rotations(array: NDArray[Any]) -> torch.Tensor:
    if array.shape != (24, 3, 3) or not np.allclose(array @ array.swapaxes(-1, -2), np.eye(3), atol=1e-6):
        raise ValueError("the mean pose is not 24 rotations")
    return torch.as_tensor(array.astype(np.float64))


def _covariance(array: NDArray[Any], size: int) -> torch.Tensor:
    values = array.astype(np.float64)
    if values.shape != (size, size) or not np.linalg.eigvalsh(0.5 * (values + values.T))[0] > 0:
        raise ValueError(f"a covariance is not positive definite, or not of size {size}")
    return torch.as_tensor(0.5 * (values + values.T))
