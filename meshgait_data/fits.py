"""Fit files: ``WORK/fits/<subject>/<condition>.npz``, the minimal derivative that everything else follows from."""

import json
import zipfile
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meshgait_data.atomic import write_npz
from meshgait_data.errors import InvalidData, UsageError
from meshgait_data.types import BodyParams, Camera, CaptureKey, Fit, Worn

SCHEMA = 2
"""Version of the file layout; ``docs/formats/fits.md`` says what each has."""
_READABLE = (1, SCHEMA)

_RESIDUAL, _WORN = "residual_", "worn_"


def fit_path(work: Path, key: CaptureKey) -> Path:
    """Where the fit of a capture lies in a work folder."""
    folder = work / "fits" / key.subject
    return folder / key.condition / f"{key.group}.npz" if key.group else folder / f"{key.condition}.npz"


def write_fit(path: Path, fit: Fit) -> None:
    """Write a fit: arrays under smplx's names, everything else as JSON in ``meta``. Equal fits give equal bytes."""
    meta = {
        "schema": SCHEMA,
        "key": str(fit.key),
        "fps": fit.fps,
        "reasons": list(fit.reasons),
        "converged": fit.converged,
        "body_name": fit.body_name,
        "body_sha256": fit.body_sha256,
        "frame": "world, y up, metres",
        "provenance": dict(fit.provenance),
        "cameras": {name: _plain_camera(camera) for name, camera in fit.cameras.items()},
    }
    arrays: dict[str, NDArray[Any]] = {
        "betas": fit.params.betas,
        "global_orient": fit.params.global_orient,
        "body_pose": fit.params.body_pose,
        "transl": fit.params.transl,
        "frame_ids": fit.frame_ids,
        "verdict": fit.verdict,
    }
    arrays |= {_RESIDUAL + term: values for term, values in fit.residuals.items()}
    if fit.worn is not None:
        arrays |= {_WORN + item.name: getattr(fit.worn, item.name) for item in fields(Worn)}
    arrays["meta"] = np.array(json.dumps(meta, sort_keys=True))
    write_npz(path, arrays)


def read_fit(path: Path) -> Fit:
    """Read what :func:`write_fit` wrote.

    Raises
    ------
    UsageError
        Where there is no such file.
    InvalidData
        Where the file is damaged or of another schema version.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        meta = json.loads(str(arrays.pop("meta")))
    except FileNotFoundError:
        raise UsageError("no fit here", where=str(path), hint="run 'mgdata fit-smpl' on the work folder") from None
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise InvalidData(
            f"not a fit file: {error}", where=str(path), hint="delete it and run 'mgdata fit-smpl' again"
        ) from error
    if meta.get("schema") not in _READABLE:
        raise InvalidData(
            f"fit schema {meta.get('schema')} is not one of {', '.join(map(str, _READABLE))}",
            where=str(path),
            hint="refit with 'mgdata fit-smpl --existing overwrite'",
        )
    params = BodyParams(*(arrays[name] for name in ("betas", "global_orient", "body_pose", "transl")))
    return Fit(
        key=CaptureKey.parse(meta["key"]),
        params=params,
        frame_ids=arrays["frame_ids"],
        fps=meta["fps"],
        residuals={name.removeprefix(_RESIDUAL): a for name, a in arrays.items() if name.startswith(_RESIDUAL)},
        verdict=arrays["verdict"],
        reasons=tuple(meta["reasons"]),
        converged=meta["converged"],
        body_name=meta["body_name"],
        body_sha256=meta["body_sha256"],
        # Files of the first schema have no cameras.
        cameras={name: _camera(name, plain) for name, plain in meta.get("cameras", {}).items()},
        provenance=meta["provenance"],
        worn=Worn(*(arrays[_WORN + item.name] for item in fields(Worn))) if f"{_WORN}faces" in arrays else None,
    )


def _plain_camera(camera: Camera) -> dict[str, Any]:
    return {
        "intrinsics": np.asarray(camera.intrinsics, np.float64).tolist(),
        "rotation": np.asarray(camera.rotation, np.float64).tolist(),
        "translation": np.asarray(camera.translation, np.float64).tolist(),
        "size": list(camera.size),
        "model": camera.model,
        "distortion": list(camera.distortion),
        "reference_m": camera.reference_m,
    }


def _camera(name: str, plain: dict[str, Any]) -> Camera:
    return Camera(
        name,
        intrinsics=np.array(plain["intrinsics"]),
        rotation=np.array(plain["rotation"]),
        translation=np.array(plain["translation"]),
        size=(plain["size"][0], plain["size"][1]),
        model=plain["model"],
        distortion=tuple(plain["distortion"]),
        reference_m=plain["reference_m"],
    )
