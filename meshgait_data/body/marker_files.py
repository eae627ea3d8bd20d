"""Marker files: one .npz a set, tied to the body that it was learned on; the set of the free body ships."""

import json
import zipfile
import zlib
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meshgait_data.atomic import write_npz
from meshgait_data.body.model import Body
from meshgait_data.errors import InvalidData, UsageError
from meshgait_data.types import FloatArray, MarkerSet

SCHEMA = 1
"""Version of the file layout."""
FREE = "free-64"
"""Set that ships with meshgait, for the free body."""

_SUM_TOLERANCE = 0.02
"""Rows are stored in half precision and scaled to sum to one on reading; farther off than this is damage."""


def load_markers(body: Body, name_or_path: str | Path | None = None) -> MarkerSet:
    """Read virtual markers and make sure that they belong to a body.

    Parameters
    ----------
    body
        The body that they will be used with.
    name_or_path
        Name of a set that ships (``free-64``) or path of a file; None: the set that ships for the free body.

    Raises
    ------
    UsageError
        Where there is no such set, or it was learned on another body.
    InvalidData
        Where the file is damaged or of another schema version.
    """
    markers = read_markers(marker_path(FREE if name_or_path is None else name_or_path))
    if markers.body_sha256 != body.sha256 or len(markers.convex) != body.num_vertices:
        learned_on = markers.provenance.get("body", "unknown")
        raise UsageError(
            f"markers {markers.name!r} were learned on body {learned_on!r} ({markers.body_sha256[:12]}), "
            f"not on {body.name!r} ({body.sha256[:12]})",
            hint="learn markers for this body with 'mgdata markers learn WORK --body BODY --out WORK/markers.npz'; "
            "'mgdata build' does so by itself",
        )
    return markers


def marker_path(name_or_path: str | Path) -> Path:
    """Where a set lies: shipped names first, then paths; raises UsageError where there is neither."""
    folder = Path(str(files("meshgait_data"))) / "assets" / "markers"
    shipped = {path.stem: path for path in sorted(folder.glob("*.npz"))}
    path = shipped.get(str(name_or_path), Path(name_or_path).expanduser())
    if not path.is_file():
        raise UsageError(
            f"no markers file and no shipped set {str(name_or_path)!r}",
            hint=f"give the path of a file that 'mgdata markers learn' wrote, or one of: {', '.join(shipped)}",
        )
    return path


def save_markers(path: Path, markers: MarkerSet) -> None:
    """Write a set: convex coefficients sparse, signed ones in half precision (0.1 mm); equal sets give equal bytes."""
    meta = {
        "schema": SCHEMA,
        "name": markers.name,
        "body_sha256": markers.body_sha256,
        "provenance": dict(markers.provenance),
    }
    rows, columns = np.nonzero(markers.convex)
    arrays: dict[str, NDArray[Any]] = {
        "vertex_ids": markers.vertex_ids.astype(np.int32),
        "mirror": markers.mirror.astype(np.int32),
        "convex_counts": np.bincount(rows, minlength=len(markers.convex)).astype(np.uint8),
        "convex_columns": columns.astype(np.uint16),
        "convex_values": markers.convex[rows, columns].astype(np.float32),
        "signed": markers.signed.astype(np.float16),
        "meta": np.array(json.dumps(meta, sort_keys=True)),
    }
    write_npz(path, arrays)


def read_markers(path: Path) -> MarkerSet:
    """Read a set without asking which body it is for.

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
            raise InvalidData(f"marker schema {meta['schema']} is not {SCHEMA}", where=str(path), hint=_AGAIN)
        return _checked(arrays, meta)
    except InvalidData:
        raise
    except (OSError, ValueError, KeyError, TypeError, IndexError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        what = f"not a marker file: {error}" if str(error) else "not a marker file"
        raise InvalidData(what, where=str(path), hint=_AGAIN) from error


_AGAIN = "write it again with 'mgdata markers learn'"


def _checked(arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any]) -> MarkerSet:
    """Build the set, or ValueError or IndexError."""
    ids, mirror, signed = arrays["vertex_ids"].astype(np.int64), arrays["mirror"].astype(np.int64), arrays["signed"]
    counts, columns = arrays["convex_counts"].astype(np.int64), arrays["convex_columns"]
    vertices, count = signed.shape
    convex = np.zeros((vertices, count), np.float32)
    convex[np.repeat(np.arange(vertices), counts), columns] = arrays["convex_values"]
    if len(ids) != count or not (ids.min() >= 0 and ids.max() < vertices):
        raise ValueError("marker ids and coefficients do not fit together")
    if not np.array_equal(mirror[mirror], np.arange(count)):
        raise ValueError("left/right pairs do not pair up")
    if convex.min() < 0:
        raise ValueError("convex coefficients are negative")
    return MarkerSet(
        name=str(meta["name"]),
        body_sha256=str(meta["body_sha256"]),
        vertex_ids=ids,
        mirror=mirror,
        convex=_sum_to_one(convex),
        signed=_sum_to_one(signed.astype(np.float32)),
        provenance=dict(meta["provenance"]),
    )


def _sum_to_one(rows: FloatArray) -> FloatArray:
    sums = rows.sum(axis=1, dtype=np.float64, keepdims=True)
    # Written so that NaN is refused too.
    if not np.all(np.abs(sums - 1.0) < _SUM_TOLERANCE):
        raise ValueError("rows of coefficients do not sum to one")
    return (rows / sums).astype(np.float32)
