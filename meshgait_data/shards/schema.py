"""THE table of fields of a packed dataset: names, types, axes, units, chunks and codecs; nothing else defines them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from meshgait_data.conventions import SMPL_JOINTS
from meshgait_data.errors import ShardError
from meshgait_data.types import SequenceData

SCHEMA_VERSION = "2"
"""Raised with every change, so that a reader of the old version asks for a newer meshgait and misreads nothing."""

READABLE = ("1", SCHEMA_VERSION)
"""Versions that are read. Version 1 had no visibility and no other joints than SMPL's 24."""

CHUNK_FRAMES = 32
"""Frames of an inner chunk: about the length of a training clip, so that a clip decodes one or two."""

Codec = Literal["zstd", "blosc"]
"""``zstd``: level 3, no shuffle, for bytes. ``blosc``: zstd level 5 after a byte shuffle, for numbers."""


@dataclass(frozen=True, slots=True)
class Field:
    """One array of a part. Its first axis is frames."""

    name: str
    dtype: str
    """Numpy name; stored little endian."""
    axes: tuple[int | str, ...]
    """Axes after the frames: a size, or the letter of a size that is one and the same in a dataset."""
    axis_names: tuple[str, ...]
    """What each of those axes counts."""
    unit: str
    codec: Codec
    required: bool
    """Whether every dataset has it; the others are labels, which a dataset has or lacks as a whole."""
    description: str

    def shape(self, sizes: Mapping[str, int]) -> tuple[int, ...]:
        """Sizes of the axes after the frames; J is 24 where nobody says it, as in version 1."""
        known = {"J": len(SMPL_JOINTS), **sizes}
        return tuple(known[axis] if isinstance(axis, str) else axis for axis in self.axes)


FIELDS = (
    Field("silhouettes", "uint8", ("S", "S"), ("row", "column"), "grey", "zstd", True,
          "Aligned silhouette, 0 background to 255 body."),
    Field("windows", "float32", (2, 3), ("row", "column"), "px", "blosc", True,
          "Affine that takes image pixels (x, y, 1) to pixels (u, v) of the silhouette."),
    Field("frame_ids", "int32", (), (), "", "blosc", True,
          "Id of the frame in the source, increasing."),
    Field("joints", "float32", ("J", 3), ("joint", "uvd"), "window px", "blosc", False,
          "Joints of the set that the dataset names: u, v in the silhouette, d = depth behind the pelvis times scale."),
    Field("joints_visible", "uint8", ("J",), ("joint",), "", "zstd", False,
          "1 where the camera sees the joint's part of the body at its image, 0 where something hides it."),
    Field("markers", "float32", ("K", 3), ("marker", "uvd"), "window px", "blosc", False,
          "Virtual markers, as joints; their names and mesh are in markers.npz."),
    Field("markers_visible", "uint8", ("K",), ("marker",), "", "zstd", False,
          "1 where the camera sees the marker, 0 where the body hides it."),
    Field("scale", "float32", (), (), "window px / m", "blosc", False,
          "Window pixels of one metre at the depth of the pelvis: mm = px / scale * 1000."),
    Field("global_orient", "float32", (3,), ("axis_angle",), "rad", "blosc", False,
          "Rotation of the body's root, in the camera frame."),
    Field("body_pose", "float32", (69,), ("axis_angle",), "rad", "blosc", False,
          "Rotations of SMPL's other 23 joints, each relative to its parent."),
    Field("transl", "float32", (3,), ("xyz",), "m", "blosc", False,
          "Translation of the body, in the camera frame."),
    Field("verdict", "uint8", (), (), "", "zstd", False,
          "Judgement of the fit: 0 accepted, 1 flagged, 2 rejected."),
)  # fmt: skip
"""All fields of schema version 2. Pixel centres lie at integers; the camera frame is OpenCV's."""

BY_NAME: Mapping[str, Field] = {field.name: field for field in FIELDS}


@dataclass(frozen=True, slots=True)
class Layout:
    """Which fields a dataset has, and its free sizes."""

    fields: tuple[str, ...]
    """Names in the order of the table."""
    sizes: Mapping[str, int]
    """Letter to size: S side of the silhouette, J joints, K markers (only where there are some)."""

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of one frame of a field."""
        return BY_NAME[name].shape(self.sizes)


def layout_of(sequences: Sequence[SequenceData]) -> Layout:
    """Check sequences against the table and say what they have in common.

    Raises
    ------
    ShardError
        Where there is no sequence, a field is missing, unknown or of another type or shape, two sequences differ in
        their fields or sizes, a key occurs twice, or an array holds values that cannot be right.
    """
    if not sequences:
        raise ShardError("there is no sequence to pack", hint="every capture failed: see failures.jsonl")
    found = _layout(sequences[0])
    seen = set()
    for sequence in sequences:
        _check(sequence, found)
        if sequence.key in seen:
            raise ShardError("this sequence occurs twice", where=str(sequence.key))
        seen.add(sequence.key)
    return found


def _layout(sequence: SequenceData) -> Layout:
    names = tuple(field.name for field in FIELDS if field.name in sequence.arrays)
    sizes: dict[str, int] = {}
    for name in names:
        for axis, size in zip(BY_NAME[name].axes, sequence.arrays[name].shape[1:], strict=False):
            if isinstance(axis, str):
                sizes.setdefault(axis, size)
    return Layout(names, sizes)


def _check(sequence: SequenceData, expected: Layout) -> None:
    where = str(sequence.key)
    missing = [f.name for f in FIELDS if f.required and f.name not in sequence.arrays]
    unknown = sorted(set(sequence.arrays) - set(BY_NAME))
    if missing or unknown:
        raise ShardError(
            f"fields do not fit schema version {SCHEMA_VERSION}: missing {missing}, unknown {unknown}",
            where=where,
            hint=f"fields are {', '.join(BY_NAME)}",
        )
    other = sorted(set(sequence.arrays) ^ set(expected.fields))
    if other:
        raise ShardError(f"only some sequences have the fields {other}", where=where, hint="a dataset has all or none")
    if len(sequence) == 0:
        raise ShardError("the sequence has no frame", where=where)
    for name in expected.fields:
        _check_array(name, sequence.arrays[name], (len(sequence), *expected.shape(name)), where)
    _check_values(sequence, where)


def _check_array(name: str, array: NDArray[Any], shape: tuple[int, ...], where: str) -> None:
    dtype = np.dtype(BY_NAME[name].dtype)
    if array.dtype != dtype or array.shape != shape:
        raise ShardError(f"{name} is {array.dtype} {array.shape}, expected {dtype} {shape}", where=where)
    bad = np.flatnonzero(~np.isfinite(array.reshape(len(array), -1)).all(axis=1))
    if len(bad):
        raise ShardError(
            f"{name} has values that are not finite in frame {bad[0]} and {len(bad) - 1} more", where=where
        )


def _check_values(sequence: SequenceData, where: str) -> None:
    if np.any(np.diff(sequence.arrays["frame_ids"].astype(np.int64)) <= 0):
        raise ShardError("frame_ids do not increase", where=where)
    if "scale" in sequence.arrays and sequence.arrays["scale"].min() <= 0:
        raise ShardError("scale must be positive", where=where)
    for name in ("joints_visible", "markers_visible"):
        if name in sequence.arrays and sequence.arrays[name].max(initial=0) > 1:
            raise ShardError(f"{name} must be 0 or 1", where=where)
    empty = np.flatnonzero(~sequence.arrays["silhouettes"].any(axis=(1, 2)))
    if len(empty):
        raise ShardError(
            f"the silhouette of frame {empty[0]} is empty", where=where, hint="drop the frame when aligning"
        )


def markdown_table() -> str:
    """The table as Markdown, for the documentation."""
    rows = ["| field | type | shape of a frame | unit | codec | required | meaning |", "|---|---|---|---|---|---|---|"]
    for field in FIELDS:
        shape = ", ".join(map(str, field.axes)) or "scalar"
        required = "yes" if field.required else "label"
        cells = (f"`{field.name}`", field.dtype, shape, field.unit, field.codec, required, field.description)
        rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(rows) + "\n"
