"""THE table of fields of a packed dataset: names, types, axes and units; nothing else defines them.

Fields that are not in the table may ride along under names of their own: their type and shape are then whatever the
first sequence brings, and one and the same in the whole dataset.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from meshgait_data.errors import ShardError
from meshgait_data.types import ByteArray, SequenceData

SCHEMA_VERSION = "3"
"""Raised with every change, so that a reader of the old version asks for a newer meshgait and misreads nothing."""

CHUNK_FRAMES = 32
"""Frames of an inner chunk: about the length of a training clip, so that a clip decodes one or two."""

MOST_FRAME_BYTES = 32 << 20
"""Of what rides along: chunks are compressed whole, and one must stay below 2 GiB."""

ONE_BIT_THRESHOLD = 128
"""Grey from which a pixel of ``silhouettes_1bit`` is body."""

SILHOUETTES = ("silhouettes", "silhouettes_1bit")
"""One of these is in every sequence."""

_RIDE_ALONG = "Rides along from the source."
_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_DTYPES = frozenset(
    [
        "bool",
        *(f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)),
        "float16",
        "float32",
        "float64",
    ]
)
_FLAGS = ("joints_visible", "markers_visible", "valid")


@dataclass(frozen=True, slots=True)
class Field:
    """One row of the table. The first axis of its array is frames."""

    name: str
    dtype: str
    """Numpy name; stored little endian."""
    axes: tuple[int | str, ...]
    """Axes after the frames: a size, or the letter of a size that is one and the same in a dataset."""
    axis_names: tuple[str, ...]
    """What each of those axes counts."""
    unit: str
    description: str


FIELDS = (
    Field("frame_ids", "int32", (), (), "",
          "Id of the frame in the source, increasing."),
    Field("silhouettes", "uint8", ("S", "S"), ("row", "column"), "grey",
          "Aligned silhouette, 0 background to 255 body: the observed one where the source has masks, else rendered."),
    Field("silhouettes_1bit", "uint8", ("S", "S/8"), ("row", "byte"), "bit",
          "In place of silhouettes: 1 where they are 128 or more, 8 columns a byte, first column in the highest bit."),
    Field("silhouettes_128", "uint8", (128, 128), ("row", "column"), "grey",
          "The same in 128 x 128 pixels, in the same frame: pixel (u, v) of 64 lies at (2 u + 0.5, 2 v + 0.5)."),
    Field("rendered_silhouettes", "uint8", ("S", "S"), ("row", "column"), "grey",
          "The fitted body seen through the same window, 0 background to 255 body."),
    Field("windows", "float32", (2, 3), ("row", "column"), "px",
          "Affine that takes image pixels (x, y, 1) to pixels (u, v) of the silhouette."),
    Field("joints", "float32", ("J", 3), ("joint", "uvd"), "window px",
          "Joints of the set that the dataset names: u, v in the silhouette, d = depth behind the pelvis times scale."),
    Field("joints_visible", "uint8", ("J",), ("joint",), "",
          "1 where the camera sees the joint's part of the body at its image, 0 where something hides it."),
    Field("markers", "float32", ("K", 3), ("marker", "uvd"), "window px",
          "Virtual markers, as joints; their names and mesh are in markers.npz."),
    Field("markers_visible", "uint8", ("K",), ("marker",), "",
          "1 where the camera sees the marker, 0 where the body hides it."),
    Field("scale", "float32", (), (), "window px / m",
          "Window pixels of one metre at the depth of the pelvis: mm = px / scale * 1000."),
    Field("global_orient", "float32", (3,), ("axis_angle",), "rad",
          "Rotation of the body's root, in the camera frame."),
    Field("body_pose", "float32", (69,), ("axis_angle",), "rad",
          "Rotations of SMPL's other 23 joints, each relative to its parent."),
    Field("transl", "float32", (3,), ("xyz",), "m",
          "Translation of the body, in the camera frame."),
    Field("verdict", "uint8", (), (), "",
          "Judgement of the fit: 0 accepted, 1 flagged, 2 rejected."),
    Field("valid", "uint8", (), (), "",
          "1 where the frame may be used; 0 where its fit was rejected (the silhouette counts) or that is empty."),
    Field("fit_error", "float32", (), (), "mm",
          "Mean distance of the fitted body from what was observed of it; -1 where nothing was observed in the frame."),
    Field("mask_iou", "float32", (), (), "",
          "Intersection over union of the fitted body and the observed mask in the image, 0 to 1; 0 without a fit."),
)  # fmt: skip
"""All fields of the schema. Pixel centres lie at integers; the camera frame is OpenCV's."""

BY_NAME: Mapping[str, Field] = {field.name: field for field in FIELDS}


@dataclass(frozen=True, slots=True)
class ArraySpec:
    """One array of a part, of the table or riding along."""

    name: str
    dtype: str
    """Numpy name; stored little endian."""
    shape: tuple[int, ...]
    """Of one frame."""
    unit: str = ""
    description: str = _RIDE_ALONG
    axis_names: tuple[str, ...] = ()
    """What each axis of a frame counts; empty where the source did not say."""

    @property
    def frame_bytes(self) -> int:
        """Bytes of one frame, decoded."""
        return int(np.prod(self.shape, dtype=np.int64)) * np.dtype(self.dtype).itemsize

    def plain(self) -> dict[str, Any]:
        """Plain form, which the attributes of a part hold under the name."""
        return {
            "dtype": self.dtype,
            "shape": list(self.shape),
            "unit": self.unit,
            "description": self.description,
            "axis_names": list(self.axis_names),
        }

    @classmethod
    def restore(cls, name: str, plain: Mapping[str, Any]) -> Self:
        """Read what :meth:`plain` gave; raises KeyError, TypeError or ValueError where it is something else."""
        if not _NAME.fullmatch(name) or plain["dtype"] not in _DTYPES:
            raise ValueError(f"{name!r} of type {plain['dtype']!r} is no field")
        shape, names = tuple(int(size) for size in plain["shape"]), tuple(str(axis) for axis in plain["axis_names"])
        return cls(name, plain["dtype"], shape, str(plain["unit"]), str(plain["description"]), names)


def spec_of(name: str, array: NDArray[Any], *, where: str, description: str = _RIDE_ALONG) -> ArraySpec:
    """Say what an array of frames is.

    Parameters
    ----------
    name
        Of a field of the table, or another, which then rides along.
    array
        (F, ...).
    where
        Key of the sequence, for messages.
    description
        Of what rides along.

    Raises
    ------
    ShardError
        Where a field of the table has another type or number of axes, or another name or type cannot be stored.
    """
    field = BY_NAME.get(name)
    if field is None:
        if not _NAME.fullmatch(name):
            hint = "names of fields are small letters, digits and _, e.g. keypoints_2d"
            raise ShardError(f"{name!r} cannot be the name of a field", where=where, hint=hint)
        if array.dtype.name not in _DTYPES or array.ndim < 1:
            hint = "give numbers or booleans, frames first"
            raise ShardError(f"{name} is {array.dtype} {array.shape}, which cannot be stored", where=where, hint=hint)
        spec = ArraySpec(name, array.dtype.name, array.shape[1:], description=description)
        if not 0 < spec.frame_bytes <= MOST_FRAME_BYTES:
            what = f"a frame of {name} has shape {spec.shape}, {spec.frame_bytes} bytes"
            raise ShardError(what, where=where, hint=f"frames have 1 to {MOST_FRAME_BYTES} bytes")
        return spec
    spec = ArraySpec(name, field.dtype, array.shape[1:], field.unit, field.description, field.axis_names)
    fixed = [(axis, size) for axis, size in zip(field.axes, spec.shape, strict=False) if isinstance(axis, int)]
    if array.dtype != np.dtype(field.dtype) or len(spec.shape) != len(field.axes) or any(a != s for a, s in fixed):
        expected = ", ".join(map(str, ("F", *field.axes)))
        what = f"{name} is {array.dtype} {array.shape}, expected {field.dtype} ({expected})"
        raise ShardError(what, where=where)
    return spec


def specs_of(sequence: SequenceData, known: Mapping[str, ArraySpec] | None = None) -> dict[str, ArraySpec]:
    """Check a sequence, and say what its arrays are.

    Parameters
    ----------
    known
        Arrays of the sequences before it, which those of the same name must agree with.

    Returns
    -------
    Name to array: those known and those that are new, the table's first and in its order, the others by name.

    Raises
    ------
    ShardError
        Where a field that every sequence has is missing, an array is of another type, shape or length, values cannot
        be right (not finite, frame ids that do not increase, an empty silhouette that is valid), or sizes disagree.
    """
    where, specs = str(sequence.key), dict(known or {})
    _check_names(sequence, where)
    for name, array in sequence.arrays.items():
        spec = spec_of(name, array, where=where)
        other = specs.setdefault(name, spec)
        if (spec.dtype, spec.shape) != (other.dtype, other.shape):
            what = f"{name} is {spec.dtype} {spec.shape}, and {other.dtype} {other.shape} in the sequences before"
            raise ShardError(what, where=where, hint="a field has one type and shape in a dataset")
        if len(array) != len(sequence):
            raise ShardError(f"{name} has {len(array)} frames, frame_ids {len(sequence)}", where=where)
        _check_values(name, array, where)
    _check_silhouettes(sequence.arrays, where)
    sizes_of(specs, where)
    return in_order(specs)


def in_order(specs: Mapping[str, ArraySpec]) -> dict[str, ArraySpec]:
    """Fields of the table in its order, then the others by name."""
    names = [field.name for field in FIELDS if field.name in specs]
    return {name: specs[name] for name in names + sorted(set(specs) - set(names))}


def sizes_of(specs: Mapping[str, ArraySpec], where: str) -> dict[str, int]:
    """Letter of the table to size: S side of the silhouettes, J joints, K markers, as far as the arrays tell.

    Raises
    ------
    ShardError
        Where two arrays disagree.
    """
    sizes: dict[str, int] = {}
    for name, spec in specs.items():
        for axis, size in zip(BY_NAME[name].axes if name in BY_NAME else (), spec.shape, strict=False):
            if isinstance(axis, int):
                continue
            letter, value = ("S", 8 * size) if axis == "S/8" else (axis, size)
            if sizes.setdefault(letter, value) != value:
                raise ShardError(f"{name} says {letter} = {value}, others {sizes[letter]}", where=where)
    return sizes


def pack_bits(silhouettes: ByteArray) -> ByteArray:
    """``silhouettes_1bit`` (F, S, S/8) of silhouettes (F, S, S); what lies between body and background is lost."""
    return np.packbits(silhouettes >= ONE_BIT_THRESHOLD, axis=-1)


def unpack_bits(bits: ByteArray) -> ByteArray:
    """Silhouettes (F, S, S) of 0 and 255 of ``silhouettes_1bit`` (F, S, S/8)."""
    return np.unpackbits(bits, axis=-1) * np.uint8(255)


def _check_names(sequence: SequenceData, where: str) -> None:
    if "frame_ids" not in sequence.arrays:
        raise ShardError("the sequence has no frame_ids", where=where)
    if not any(name in sequence.arrays for name in SILHOUETTES):
        raise ShardError("the sequence has no silhouettes", where=where, hint="every sequence has silhouettes")
    if len(sequence) == 0:
        raise ShardError("the sequence has no frame", where=where)


def _check_values(name: str, array: NDArray[Any], where: str) -> None:
    if name not in BY_NAME:
        return
    if array.dtype.kind == "f":
        bad = np.flatnonzero(~np.isfinite(array.reshape(len(array), -1)).all(axis=1))
        if len(bad):
            what = f"{name} has values that are not finite in frame {bad[0]} and {len(bad) - 1} more"
            raise ShardError(what, where=where)
    if name == "frame_ids" and np.any(np.diff(array.astype(np.int64)) <= 0):
        raise ShardError("frame_ids do not increase", where=where)
    if name == "scale" and array.min() <= 0:
        raise ShardError("scale must be positive", where=where)
    if name in _FLAGS and array.max(initial=0) > 1:
        raise ShardError(f"{name} must be 0 or 1", where=where)


def _check_silhouettes(arrays: Mapping[str, NDArray[Any]], where: str) -> None:
    """Raise ShardError for empty silhouettes: ``valid`` must say 0 there, and not all of them may be."""
    for name in SILHOUETTES:
        if name not in arrays:
            continue
        empty = np.asarray(~arrays[name].any(axis=(1, 2)))
        told = np.flatnonzero(empty & (arrays.get("valid", np.ones(len(empty))) != 0))
        if len(told):
            hint = "drop the frame when aligning, or say valid 0 there"
            raise ShardError(f"the silhouette of frame {told[0]} is empty", where=where, hint=hint)
        if empty.all():
            raise ShardError("every silhouette is empty", where=where, hint="leave the sequence out")


def markdown_table() -> str:
    """The table as Markdown, for the documentation."""
    rows = ["| field | type | shape of a frame | unit | meaning |", "|---|---|---|---|---|"]
    for field in FIELDS:
        shape = ", ".join(map(str, field.axes)) or "scalar"
        rows.append(f"| `{field.name}` | {field.dtype} | {shape} | {field.unit} | {field.description} |")
    return "\n".join(rows) + "\n"
