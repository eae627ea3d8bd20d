"""Joint set files: definitions by name, regressors that ship for the free bodies, published ones of the user."""

import hashlib
import json
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meshgait_data.atomic import write_npz
from meshgait_data.body.joint_published import published_matrix
from meshgait_data.body.joint_sets import SkinPoints, defined, points_of
from meshgait_data.body.joints import JointRegressor, JointSet, rest_points
from meshgait_data.body.model import Body
from meshgait_data.conventions import SMPL_JOINTS
from meshgait_data.errors import InvalidData, UsageError
from meshgait_data.shipped import ASSETS
from meshgait_data.strict import build
from meshgait_data.types import FloatArray
from meshgait_data.yaml_files import read_yaml, shipped_names

SCHEMA = 1
"""Version of the file layout."""
_ASSETS = ASSETS / "joints"
_SUM_TOLERANCE = 1e-4
_DAMAGE = (OSError, ValueError, KeyError, TypeError, IndexError, EOFError, zipfile.BadZipFile, zlib.error)


def joint_set_names() -> tuple[str, ...]:
    """Names of the joint sets that ship."""
    return tuple(shipped_names("joint_sets"))


def load_joint_set(name_or_path: str) -> JointSet:
    """Read the definition of a joint set by its shipped name (``coco17``) or by path.

    Raises
    ------
    UsageError
        Where there is neither.
    ManifestError
        Where the YAML is not a joint set.
    """
    data, where = read_yaml(name_or_path, "joint_sets")
    return build(JointSet, data, where)


def load_skin_points(name_or_path: str = "free") -> SkinPoints:
    """Read rules for places on the skin; raises like :func:`load_joint_set`."""
    data, where = read_yaml(name_or_path, "skin_points")
    return build(SkinPoints, data, where)


def load_regressor(body: Body, joint_set: str, path: Path | str | None = None) -> JointRegressor:
    """Find the matrix that gives a joint set on a body.

    Parameters
    ----------
    body
        The body.
    joint_set
        Name of a set that ships, or path of its YAML.
    path
        A published regressor for this body, in the set's order: .npy or .npz with (P, V) or (P, V + 24), text, or
        .yaml with the joint's names and their vertices. None: what ships for the free bodies; for another body the
        set's definition, with stand-ins where it lacks points (``approximate`` says so).

    Raises
    ------
    UsageError
        Where there is no such set, or the body lacks points that it needs.
    InvalidData
        Where the file is damaged, does not fit the body or the set, or its rows do not sum to about one.
    """
    known = load_joint_set(joint_set)
    if path is None:
        return _own(body, known)
    try:
        expected = rest_points(body, _own(body, known))
    except UsageError:
        expected = None
    return published_matrix(body, known, Path(path), expected)


def _own(body: Body, known: JointSet) -> JointRegressor:
    """What ships for the body, or else what its definition gives."""
    shipped = read_regressors(body)
    if shipped is not None and known.name in shipped:
        return shipped[known.name]
    return defined(body, known, points_of(body, known, load_skin_points(), {}))


def mesh_sha256(body: Body) -> str:
    """Hash over the triangles: what vertex numbers mean, whatever the body's shape."""
    digest = hashlib.sha256(f"{body.num_vertices}\n".encode())
    digest.update(np.ascontiguousarray(body.faces, "<i4").tobytes())
    return digest.hexdigest()


def read_regressors(body: Body) -> Mapping[str, JointRegressor] | None:
    """Regressors that ship for a body, by set; None where there are none for its mesh.

    Raises
    ------
    InvalidData
        Where the file is damaged.
    """
    path = _shipped_for(body)
    if path is None:
        return None
    arrays, meta = _opened(path)
    return {name: _unpacked(body, arrays, entry, name, path) for name, entry in meta["sets"].items()}


def read_errors(body: Body) -> Mapping[str, Mapping[str, Sequence[float]]]:
    """Measured errors of the shipped regressors in mm: set, then kind of error, then one number a joint."""
    path = _shipped_for(body)
    sets = {} if path is None else _opened(path)[1]["sets"]
    return {name: entry["errors_mm"] for name, entry in sets.items()}


def _shipped_for(body: Body) -> Path | None:
    """File of the regressors that ship for a body's mesh."""
    mesh = mesh_sha256(body)
    return next((path for path in sorted(_ASSETS.glob("free*.npz")) if _opened(path)[1]["mesh_sha256"] == mesh), None)


def save_regressors(
    path: Path, body: Body, regressors: Sequence[JointRegressor], errors: Mapping[str, Mapping[str, Sequence[float]]]
) -> None:
    """Write the regressors of a body in one file; equal regressors give equal bytes."""
    sets: dict[str, Any] = {}
    arrays: dict[str, NDArray[Any]] = {}
    for regressor in regressors:
        name, matrix = regressor.joint_set, regressor.matrix
        arrays |= {
            f"{name}.ends": matrix.indptr.astype(np.int32),
            f"{name}.columns": matrix.indices.astype(np.int32),
            f"{name}.values": matrix.data.astype(np.float32),
        }
        sets[name] = {
            "names": list(regressor.names),
            "how": list(regressor.how),
            "origin": regressor.origin,
            "errors_mm": {kind: [round(float(v), 2) for v in values] for kind, values in errors[name].items()},
        }
    meta = {"schema": SCHEMA, "body": body.name, "mesh_sha256": mesh_sha256(body), "sets": sets}
    write_npz(path, arrays | {"meta": np.array(json.dumps(meta, sort_keys=True))})


@lru_cache(maxsize=4)
def _opened(path: Path) -> tuple[Mapping[str, NDArray[Any]], Mapping[str, Any]]:
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        meta = json.loads(str(arrays["meta"]))
        if meta["schema"] != SCHEMA:
            raise ValueError(f"schema {meta['schema']} is not {SCHEMA}")
        return arrays, meta
    except _DAMAGE as error:
        raise InvalidData(f"not a file of joint regressors: {error}", where=str(path), hint=_AGAIN) from error


_AGAIN = "install meshgait again, or write the file with 'mgdata body joints --build'"


def _unpacked(
    body: Body, arrays: Mapping[str, NDArray[Any]], entry: Mapping[str, Any], name: str, path: Path
) -> JointRegressor:
    from scipy.sparse import csr_array

    shape = len(entry["names"]), body.num_vertices + len(SMPL_JOINTS)
    try:
        parts = (arrays[f"{name}.{part}"] for part in ("values", "columns", "ends"))
        values, columns, ends = parts
        matrix = csr_array((values.astype(np.float64), columns, ends), shape=shape)
        sums = np.asarray(matrix.sum(axis=1))
        if not np.all(np.abs(sums - 1.0) < _SUM_TOLERANCE):
            raise ValueError("rows do not sum to one")
    except _DAMAGE as error:
        raise InvalidData(f"joints {name!r} are damaged: {error}", where=str(path), hint=_AGAIN) from error
    return JointRegressor(
        name, body.sha256, tuple(entry["names"]), matrix, tuple(entry["how"]), origin=str(entry["origin"])
    )


def read_keypoints() -> dict[str, FloatArray]:
    """(V,) rows of Anny's keypoints on the free body's mesh, by name; data with origin, see its ``meta``.

    Raises
    ------
    InvalidData
        Where the file is damaged.
    """
    path = _ASSETS / "keypoints.npz"
    arrays, _ = _opened(path)
    try:
        count = int(arrays["vertices"])
        rows: dict[str, FloatArray] = {}
        for name in map(str, arrays["names"]):
            rows[name] = np.zeros(count)
            rows[name][arrays[f"{name}.columns"]] = arrays[f"{name}.values"]
        return rows
    except _DAMAGE as error:
        raise InvalidData(f"keypoints are damaged: {error}", where=str(path), hint=_AGAIN) from error


def save_keypoints(path: Path, rows: Mapping[str, FloatArray], meta: Mapping[str, Any]) -> None:
    """Write rows (V,) of keypoints by name."""
    arrays: dict[str, NDArray[Any]] = {
        "names": np.array(list(rows)),
        "vertices": np.array(len(next(iter(rows.values())))),
    }
    for name, row in rows.items():
        columns = np.flatnonzero(row)
        arrays |= {f"{name}.columns": columns.astype(np.int32), f"{name}.values": row[columns].astype(np.float32)}
    write_npz(path, arrays | {"meta": np.array(json.dumps({"schema": SCHEMA, **meta}, sort_keys=True))})
