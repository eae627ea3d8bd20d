"""Marker files: one .npz a set, tied to the body that it was learned on; the sets of the free body ship."""

import json
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meshgait_data.atomic import write_npz
from meshgait_data.body.marker_names import regular_names
from meshgait_data.body.model import Body
from meshgait_data.errors import InvalidData, UsageError
from meshgait_data.shipped import shipped_files, shipped_or_path
from meshgait_data.types import BoolArray, FloatArray, IntArray, MarkerSet

SCHEMA = 2
"""Version of the file layout that is written."""
READABLE = (1, SCHEMA)
"""Versions that are read. Version 1 has no names and all rows of coefficients."""
FREE = "free-64"
"""The set that is used where none is named, of those that ship with meshgait for the free body."""

_SUM_TOLERANCE = 0.02
"""Rows are stored in half precision and scaled to sum to one on reading; farther off than this is damage."""


def load_markers(body: Body, name_or_path: str | Path | None = None) -> MarkerSet:
    """Read virtual markers and make sure that they belong to a body.

    Parameters
    ----------
    body
        The body that they will be used with.
    name_or_path
        Name of a set that ships (``free-64``) or path of a file; None: :data:`FREE`.

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
            hint="learn markers for this body with 'mgdata markers learn --body BODY --out FILE.npz'; "
            "'mgdata build' does so by itself",
        )
    return markers


def shipped_sets() -> dict[str, Path]:
    """Sets that ship with meshgait, by name, smallest first."""
    return dict(sorted(shipped_files("markers").items(), key=lambda item: (len(item[0]), item[0])))


def marker_path(name_or_path: str | Path) -> Path:
    """Where a set lies: shipped names first, then paths; raises UsageError where there is neither."""
    return shipped_or_path("markers", name_or_path, command="mgdata markers learn")


def save_markers(path: Path, markers: MarkerSet) -> None:
    """Write a set; equal sets give equal bytes.

    Coefficients are in half precision (0.1 mm), the convex ones sparse. A row that is another one with left and right
    exchanged is not written again, which leaves half of a symmetric body.
    """
    meta = {
        "schema": SCHEMA,
        "name": markers.name,
        "body_sha256": markers.body_sha256,
        "provenance": dict(markers.provenance),
    }
    convex, signed = markers.convex.astype(np.float16), markers.signed.astype(np.float16)
    kept, source, flipped = _without_images(np.concatenate([convex, signed], axis=1), markers.mirror)
    rows, columns = np.nonzero(convex[kept])
    arrays: dict[str, NDArray[Any]] = {
        "vertex_ids": markers.vertex_ids.astype(np.int32),
        "mirror": markers.mirror.astype(np.int32),
        "names": np.array(markers.names or regular_names(len(markers)), dtype=np.str_),
        "row": source.astype(np.int32),
        "flipped": flipped,
        "convex_counts": np.bincount(rows, minlength=len(kept)).astype(np.uint16),
        "convex_columns": columns.astype(np.uint16),
        "convex_values": convex[kept][rows, columns],
        "signed": signed[kept],
        "meta": np.array(json.dumps(meta, sort_keys=True)),
    }
    write_npz(path, arrays)


def _without_images(rows: NDArray[Any], mirror: IntArray) -> tuple[IntArray, IntArray, BoolArray]:
    """Vertices whose rows are written; for each vertex which of these it takes, and whether with sides exchanged."""
    count = len(mirror)
    exchange = np.concatenate([mirror, count + mirror])
    place: dict[bytes, int] = {}
    kept: list[int] = []
    source, flipped = np.zeros(len(rows), int), np.zeros(len(rows), bool)
    for vertex, row in enumerate(rows):
        image = place.get(row[exchange].tobytes())
        if image is None:
            # The first of equal rows stands for all.
            source[vertex] = place.setdefault(row.tobytes(), len(kept))
            kept += [vertex] if source[vertex] == len(kept) else []
        else:
            source[vertex], flipped[vertex] = image, True
    return np.array(kept), source, flipped


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
        if meta["schema"] not in READABLE:
            known = " or ".join(map(str, READABLE))
            raise InvalidData(f"marker schema {meta['schema']} is not {known}", where=str(path), hint=_AGAIN)
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
    kept, count = signed.shape
    convex = np.zeros((kept, count), np.float32)
    convex[np.repeat(np.arange(kept), counts), columns] = arrays["convex_values"]
    if convex.min() < 0:
        raise ValueError("convex coefficients are negative")
    if len(ids) != count or not np.array_equal(mirror[mirror], np.arange(count)):
        raise ValueError("left/right pairs do not pair up")
    convex, signed = (_unfolded(_sum_to_one(rows.astype(np.float32)), arrays, mirror) for rows in (convex, signed))
    if not (ids.min() >= 0 and ids.max() < len(convex)):
        raise ValueError("marker ids and coefficients do not fit together")
    names = tuple(map(str, arrays["names"])) if meta["schema"] > 1 else regular_names(count)
    if len(names) != count or len(set(names)) != count:
        raise ValueError("names and markers do not fit together")
    return MarkerSet(
        name=str(meta["name"]),
        body_sha256=str(meta["body_sha256"]),
        vertex_ids=ids,
        mirror=mirror,
        convex=convex,
        signed=signed,
        names=names,
        provenance=dict(meta["provenance"]),
    )


def _unfolded(rows: FloatArray, arrays: Mapping[str, NDArray[Any]], mirror: IntArray) -> FloatArray:
    """Rows of all vertices from those that were written; in version 1, all were."""
    if "row" not in arrays:
        return rows
    source, flipped = arrays["row"].astype(np.int64), arrays["flipped"].astype(bool)
    if source.shape != flipped.shape or source.min() < 0:
        raise ValueError("rows of coefficients and vertices do not fit together")
    return np.where(flipped[:, None], rows[source][:, mirror], rows[source])


def _sum_to_one(rows: FloatArray) -> FloatArray:
    sums = rows.sum(axis=1, dtype=np.float64, keepdims=True)
    # Written so that NaN is refused too.
    if not np.all(np.abs(sums - 1.0) < _SUM_TOLERANCE):
        raise ValueError("rows of coefficients do not sum to one")
    return (rows / sums).astype(np.float32)
