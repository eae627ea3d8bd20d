"""What a part says about each of its sequences, and its plain form in the part's attributes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from meshgait_data.types import Camera, FloatArray, SequenceData, SequenceKey

Side = Literal["train", "test", "unused"]


@dataclass(frozen=True, slots=True, eq=False)
class SequenceRecord:
    """One packed sequence: who, where in which part, and what does not change from frame to frame."""

    key: SequenceKey
    identity: str
    """Person as the protocol counts them."""
    side: Side
    """Side of the split that the identity is on."""
    part: str
    """Name of the part's folder."""
    start: int
    """First frame within the part."""
    length: int
    """Number of frames."""
    fps: float
    betas: FloatArray
    """(B,) float32 shape of the fitted body."""
    camera: Camera
    """Camera that saw it; float64 arrays."""
    dropped: tuple[int, ...]
    """Source ids of frames that were left out."""


def describe(sequence: SequenceData, *, side: Side, start: int) -> dict[str, Any]:
    """Plain form of a sequence; equal sequences give equal JSON."""
    return {
        "key": str(sequence.key),
        "identity": sequence.identity,
        "side": side,
        "start": start,
        "length": len(sequence),
        "fps": float(sequence.fps),
        "betas": np.asarray(sequence.betas, np.float32).tolist(),
        "camera": plain_camera(sequence.camera),
        "dropped": [int(frame) for frame in sequence.dropped],
    }


def restore(plain: Mapping[str, Any], part: str) -> SequenceRecord:
    """Read what :func:`describe` wrote; raises KeyError, TypeError or ValueError where it is something else."""
    return SequenceRecord(
        key=SequenceKey.parse(plain["key"]),
        identity=plain["identity"],
        side=plain["side"],
        part=part,
        start=plain["start"],
        length=plain["length"],
        fps=plain["fps"],
        betas=np.array(plain["betas"], np.float32),
        camera=restore_camera(plain["camera"]),
        dropped=tuple(plain["dropped"]),
    )


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
