"""Published joint regressors that the user supplies: read without executing anything, checked against the body."""

import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meshgait_data.body.joints import JointRegressor, JointSet
from meshgait_data.body.model import Body, rest_joints
from meshgait_data.conventions import SMPL_JOINTS, mirror_names
from meshgait_data.errors import InvalidData, MeshgaitError
from meshgait_data.types import FloatArray
from meshgait_data.yaml_files import read_yaml, shipped_names

_SUM_TOLERANCE = 0.02
"""Distance from one that sums of published rows may have; they are scaled to sum to one."""
_MOST_ELEMENTS = 10_000_000
_SIDES_M = 0.005
"""A left joint must lie at least this far to the left of its right partner."""
_FAR = 0.09
"""Joints farther from where they are expected than this part of the body's height (15 cm) are in another order."""
_HINT = (
    "give .npy, .npz or text with one row a joint and one column a vertex (J_regressor_h36m.npy, J_regressor_coco.npy, "
    "J_regressor_extra.npy, SMPL_to_J19), or .yaml with the set's names and their vertices"
)


def published_matrix(body: Body, joint_set: JointSet, path: Path, expected: FloatArray | None = None) -> JointRegressor:
    """Read a published regressor.

    Parameters
    ----------
    body
        The body that it is for.
    joint_set
        The set that is wanted. The file has its joints in its order; or in that of another set that ships, has its
        number of rows and all of its joints (``cocoplus19`` for ``SMPL_to_J19``).
    path
        .npy, .npz (plain or of scipy.sparse), text, or .yaml of names to vertices.
    expected
        (P, 3) where the joints lie about in the rest pose; None where nobody knows.

    Raises
    ------
    InvalidData
        Where the file is unreadable, has another shape, rows that do not sum to about one, or joints in places that
        say that it is in another order.
    """
    where = str(path)
    if not path.is_file():
        raise InvalidData("no such file", where=where, hint=_HINT)
    columns = body.num_vertices, body.num_vertices + len(SMPL_JOINTS)
    rows = _named(body, joint_set, path) if path.suffix in (".yaml", ".yml") else _numbers(path)
    if rows.ndim == 2 and rows.shape[0] in columns and rows.shape[1] not in columns:
        rows = rows.T
    if rows.ndim != 2 or rows.shape[1] not in columns:
        what = f"has shape {rows.shape}, expected (joints, {columns[0]}) for body {body.name!r}"
        raise InvalidData(what, where=where, hint="is it for this body? " + _HINT)
    if not np.isfinite(rows).all():
        raise InvalidData("holds values that are not finite", where=where, hint=_HINT)
    rows = _in_order(rows, joint_set, where)
    sums = rows.sum(axis=1)
    worst = int(np.abs(sums - 1.0).argmax())
    if abs(sums[worst] - 1.0) > _SUM_TOLERANCE:
        what = f"row {worst} ({joint_set.names[worst]}) sums to {sums[worst]:.4f}, expected 1"
        raise InvalidData(what, where=where, hint=_HINT)
    full = np.zeros((len(rows), columns[1]))
    full[:, : rows.shape[1]] = rows / sums[:, None]
    return _placed(body, joint_set, full, path, expected)


def _in_order(rows: FloatArray, joint_set: JointSet, where: str) -> FloatArray:
    """Rows in the order of the set; a file may hold another set that has all its joints."""
    if len(rows) == len(joint_set):
        return rows
    for name in shipped_names("joint_sets"):
        listed = [joint["name"] for joint in read_yaml(name, "joint_sets")[0]["joints"]]
        if len(listed) == len(rows) and set(joint_set.names) <= set(listed):
            return rows[[listed.index(joint) for joint in joint_set.names]]
    raise InvalidData(
        f"has {len(rows)} rows, joint set {joint_set.name!r} has {len(joint_set)} joints",
        where=where,
        hint=f"rows must be in this order: {', '.join(joint_set.originals)}; or name the set that the file is for",
    )


def _placed(
    body: Body, joint_set: JointSet, rows: FloatArray, path: Path, expected: FloatArray | None
) -> JointRegressor:
    """Check where the joints lie in the rest pose; exchange the sides where the file has them the other way round."""
    from scipy.sparse import csr_array

    where, how = str(path), f"published: {path.name}"
    points = np.concatenate([body.v_template, rest_joints(body)[0]])
    rest = rows @ points
    other = mirror_names(joint_set.names)
    left = [i for i, name in enumerate(joint_set.names) if name.startswith("left_")]
    wrong = [i for i in left if rest[i, 0] < rest[other[i], 0] + _SIDES_M]
    if left and len(wrong) == len(left):
        rows, rest, how = rows[other], rest[other], f"{how}, sides exchanged"
    elif wrong:
        name = joint_set.names[wrong[0]]
        raise InvalidData(f"{name!r} is on the right of its partner: another order of rows?", where=where, hint=_HINT)
    if expected is not None:
        apart = np.linalg.norm(rest - expected, axis=1)
        worst = int(apart.argmax())
        if apart[worst] > _FAR * float(np.ptp(body.v_template[:, 1])):
            near = joint_set.names[int(np.linalg.norm(expected - rest[worst], axis=1).argmin())]
            raise InvalidData(
                f"row {worst} should be {joint_set.names[worst]!r} but lies {100 * apart[worst]:.0f} cm from where "
                f"that is expected, nearest to {near!r}: another order of rows?",
                where=where,
                hint=f"rows must be in this order: {', '.join(joint_set.originals)}",
            )
    return JointRegressor(
        joint_set.name, body.sha256, joint_set.names, csr_array(rows), (how,) * len(rows), origin=where
    )


def _numbers(path: Path) -> FloatArray:
    """(P, V) of an array file."""
    if path.suffix in (".pkl", ".pt", ".pth"):
        what = f"files ending in {path.suffix!r} can execute code and are not read"
        raise InvalidData(what, where=str(path), hint="save the array with numpy.save and give the .npy")
    try:
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as file:
                array = _from_npz({name: file[name] for name in file.files})
        elif path.suffix == ".npy":
            array = np.load(path, allow_pickle=False)
        else:
            text = path.read_text(encoding="utf-8")
            array = np.loadtxt(text.replace(",", " ").splitlines(), ndmin=2)
        if array.dtype.kind not in "fiu" or array.size > _MOST_ELEMENTS:
            raise ValueError(f"{array.size} elements of type {array.dtype}")
        return array.astype(np.float64)
    except (OSError, ValueError, KeyError, TypeError, IndexError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise InvalidData(f"not a readable array ({error})", where=str(path), hint=_HINT) from error


def _from_npz(arrays: Mapping[str, NDArray[Any]]) -> FloatArray:
    """The only array, or a matrix as scipy.sparse writes it."""
    if "format" not in arrays:
        if len(arrays) != 1:
            raise ValueError(f"holds {', '.join(arrays)}; expected one array")
        return next(iter(arrays.values()))
    kind, shape = str(np.asarray(arrays["format"]).astype(str)), tuple(int(n) for n in arrays["shape"])
    if len(shape) != 2 or shape[0] * shape[1] > _MOST_ELEMENTS:
        raise ValueError(f"a sparse matrix of shape {shape}")
    data = arrays["data"].astype(np.float64)
    if kind == "coo":
        rows, columns = arrays["row"], arrays["col"]
    elif kind in ("csr", "csc"):
        long = np.repeat(np.arange(len(arrays["indptr"]) - 1), np.diff(arrays["indptr"]))
        rows, columns = (long, arrays["indices"]) if kind == "csr" else (arrays["indices"], long)
    else:
        raise ValueError(f"a sparse matrix of format {kind!r}")
    dense = np.zeros(shape)
    np.add.at(dense, (rows, columns), data)
    return dense


def _named(body: Body, joint_set: JointSet, path: Path) -> FloatArray:
    """(P, V + 24) of a YAML: each joint of the set, by either name, to a vertex, a joint of SMPL, or a list of them."""
    try:
        content = read_yaml(str(path), "joint_sets")[0]
    except MeshgaitError as error:
        raise InvalidData(error.what, where=error.where, hint=_HINT) from error
    rows = np.zeros((len(joint_set), body.num_vertices + len(SMPL_JOINTS)))
    if not isinstance(content, Mapping):
        raise InvalidData("expected names and vertices", where=str(path), hint=_HINT)
    for row, joint in zip(rows, joint_set.joints, strict=True):
        value = content.get(joint.name, content.get(joint.original))
        parts = value if isinstance(value, list) and value else [value]
        for part in parts:
            row[_column(body, part, joint.name, path)] += 1.0 / len(parts)
    return rows


def _column(body: Body, part: object, name: str, path: Path) -> int:
    if isinstance(part, str) and part in SMPL_JOINTS:
        return body.num_vertices + SMPL_JOINTS.index(part)
    if isinstance(part, int) and not isinstance(part, bool) and 0 <= part < body.num_vertices:
        return part
    what = f"{name!r} is {part!r}, expected a vertex from 0 to {body.num_vertices - 1} or a joint of SMPL"
    raise InvalidData(what, where=str(path), hint=_HINT)
