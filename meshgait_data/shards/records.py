"""What a part says about each of its sequences, and its plain form in the part's attributes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from meshgait_data.types import Camera, FloatArray, SequenceData, SequenceKey

Side = Literal["train", "test", "unused"]


@dataclass(frozen=True, slots=True, eq=False)
class SequenceRecord:
    """One packed sequence: who, and where in which part. It is all that random access needs."""

    key: SequenceKey
    identity: str
    """Person as the protocol counts them."""
    side: Side
    """Side of the split that the identity is on."""
    part: str
    """Name of the part."""
    position: int
    """Which of the part's sequences."""
    length: int
    """Number of frames."""
    fps: float
    rows: Mapping[str, int]
    """Name of each field that it has to its first row in the part's array of that name."""
    dropped: int = 0
    """Number of frames that were left out."""


@dataclass(frozen=True, slots=True, eq=False)
class SequenceDetail:
    """What only the part knows of a sequence."""

    camera: Camera | None
    """Camera that saw it; float64 arrays."""
    betas: FloatArray
    """(B,) float32 shape of the fitted body; of length 0 where none was fitted."""
    dropped: tuple[int, ...]
    """Source ids of frames that were left out."""


def describe(sequence: SequenceData, *, side: Side, rows: Mapping[str, int]) -> dict[str, Any]:
    """Plain form of a sequence; equal sequences give equal JSON.

    Parameters
    ----------
    side
        Side of the split.
    rows
        First row of each of its fields.
    """
    plain = {
        "key": str(sequence.key),
        "identity": sequence.identity,
        "side": side,
        "length": len(sequence),
        "fps": float(sequence.fps),
        "rows": dict(rows),
        "dropped": [int(frame) for frame in sequence.dropped],
    }
    if sequence.camera is not None:
        plain["camera"] = plain_camera(sequence.camera)
    if len(sequence.betas):
        plain["betas"] = np.asarray(sequence.betas, np.float32).tolist()
    return plain


def restore(plain: Mapping[str, Any], *, part: str, position: int) -> tuple[SequenceRecord, SequenceDetail]:
    """Read what :func:`describe` wrote; raises KeyError, TypeError or ValueError where it is something else."""
    record = SequenceRecord(
        key=SequenceKey.parse(plain["key"]),
        identity=plain["identity"],
        side=plain["side"],
        part=part,
        position=position,
        length=plain["length"],
        fps=plain["fps"],
        rows={str(name): int(row) for name, row in plain["rows"].items()},
        dropped=len(plain["dropped"]),
    )
    detail = SequenceDetail(
        camera=restore_camera(plain["camera"]) if "camera" in plain else None,
        betas=np.array(plain.get("betas", ()), np.float32),
        dropped=tuple(plain["dropped"]),
    )
    return record, detail


def plain_camera(camera: Camera) -> dict[str, Any]:
    """Plain form of a camera; model and lens only where they are not those of a plain pinhole."""
    plain: dict[str, Any] = {
        "name": camera.name,
        "intrinsics": np.asarray(camera.intrinsics, np.float64).tolist(),
        "rotation": np.asarray(camera.rotation, np.float64).tolist(),
        "translation": np.asarray(camera.translation, np.float64).tolist(),
        "size": [int(side) for side in camera.size],
    }
    if not camera.plain:
        plain |= {
            "model": camera.model,
            "distortion": [float(k) for k in camera.distortion],
            "reference_m": float(camera.reference_m),
        }
    return plain


def restore_camera(plain: Mapping[str, Any]) -> Camera:
    """Read what :func:`plain_camera` wrote; raises KeyError, TypeError or ValueError where it is something else."""
    width, height = plain["size"]
    return Camera(
        plain["name"],
        np.array(plain["intrinsics"], np.float64),
        np.array(plain["rotation"], np.float64),
        np.array(plain["translation"], np.float64),
        (width, height),
        model=plain.get("model", "perspective"),
        distortion=tuple(plain.get("distortion", ())),
        reference_m=plain.get("reference_m", 0.0),
    )
