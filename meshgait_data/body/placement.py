"""Where labelled markers sit on a body: a point of the skin, how far off it, and how sure that is.

Shape letters: M markers, V vertices, J joints (24). Rest pose (T-pose, y up, facing +z), metres.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from meshgait_data.body.joint_rows import SkinPoint, skin_rows
from meshgait_data.body.joint_sets import SkinPoints
from meshgait_data.body.model import Body
from meshgait_data.errors import UsageError
from meshgait_data.types import FloatArray

_SIDES = {"left": "L", "right": "R"}


@dataclass(frozen=True, slots=True)
class Marker:
    """One marker of a layout, or a pair of them."""

    name: str
    """``left_x`` also stands for its mirror image."""
    labels: tuple[str, ...]
    """Labels that capture software gives it, the usual one first; ``?`` stands for L or R."""
    at: str
    """The place on the skin: a name among the rules for the skin or among ``points`` of this file."""
    along_m: float = 0.0
    """Standard deviation along the skin between laboratories and people; 0 for the file's."""
    off_m: float = 0.0
    """Distance of the marker's centre from the skin; 0 for the file's."""
    off_sd_m: float = 0.0
    """Standard deviation of that; 0 for the file's."""


@dataclass(frozen=True, slots=True)
class Placement:
    """A marker layout: what its file says."""

    name: str
    title: str
    origin: str
    off_m: float
    """Distance of a marker's centre from the skin: radius and base plate."""
    off_sd_m: float
    """Its standard deviation: soft tissue, clothes, glue, and girths that the shape space lacks."""
    along_m: float
    """Standard deviation along the skin of a marker on a palpated bone."""
    markers: tuple[Marker, ...]
    points: tuple[SkinPoint, ...] = ()
    """Rules for places that are not among those for the skin; same stature."""

    def __post_init__(self) -> None:
        if min(self.off_m, self.off_sd_m, self.along_m) <= 0:
            raise ValueError("off_m, off_sd_m and along_m must be positive")
        labels = [label.upper() for marker in self.markers for label in _labels(marker)]
        twice = sorted({label for label in labels if labels.count(label) > 1})
        if twice:
            raise ValueError(f"labels stand for more than one marker: {', '.join(twice)}")


@dataclass(frozen=True, slots=True, eq=False)
class PlacedMarkers:
    """The markers of a layout on one body."""

    placement: str
    names: tuple[str, ...]
    """M"""
    labels: tuple[tuple[str, ...], ...]
    """(M,) labels in capital letters."""
    rows: FloatArray
    """(M, V + J) points of the skin as sums of vertices; rows sum to one."""
    offsets: FloatArray
    """(M, 3) from the skin to the marker's centre, in the rest pose."""
    spread: FloatArray
    """(M, 3, 3) covariance of the marker's centre, m^2: wide along the skin, narrow off it."""

    def __len__(self) -> int:
        return len(self.names)

    def take(self, markers: Sequence[int]) -> "PlacedMarkers":
        """Some of the markers, in that order."""
        ids = list(markers)
        names, labels = tuple(self.names[i] for i in ids), tuple(self.labels[i] for i in ids)
        return PlacedMarkers(self.placement, names, labels, self.rows[ids], self.offsets[ids], self.spread[ids])

    def match(self, observed: Sequence[str]) -> tuple[tuple[int, int], ...]:
        """Pairs of a marker and the column of its first label among those observed, whatever their case."""
        columns = {label.upper(): column for column, label in reversed(list(enumerate(observed)))}
        pairs = []
        for marker, labels in enumerate(self.labels):
            column = next((columns[label] for label in labels if label in columns), None)
            if column is not None:
                pairs.append((marker, column))
        return tuple(pairs)


def place_markers(body: Body, placement: Placement, skin: SkinPoints) -> PlacedMarkers:
    """Find the markers of a layout on a body.

    Parameters
    ----------
    body
        Any body in SMPL's schema.
    placement
        The layout.
    skin
        Rules for places on the skin, for a body of the stature that they name.

    Raises
    ------
    UsageError
        Where the layout names a place that no rule gives.
    InvalidData
        Where the body has no skin where a rule looks for it.
    """
    rules = {point.name: point for point in (*skin.points, *placement.points)}
    unknown = sorted({marker.at for marker in placement.markers} - set(rules))
    if unknown:
        hint = f"add a rule to 'points', or name one of: {', '.join(sorted(rules))}"
        raise UsageError(f"no rule for {', '.join(unknown)}", where=placement.name, hint=hint)
    scale = float(np.ptp(body.v_template[:, 1])) / skin.stature_m
    rows = skin_rows(body, tuple(rules[at] for at in sorted({m.at for m in placement.markers})), scale)
    sided = [pair for marker in placement.markers for pair in _sided(marker, rows)]
    kinds = [marker for marker, _, _, _ in sided]
    normals = np.stack([_normal(body, row) for _, _, _, row in sided])
    off = np.array([marker.off_m or placement.off_m for marker in kinds])
    off_sd = np.array([marker.off_sd_m or placement.off_sd_m for marker in kinds])
    along = np.array([marker.along_m or placement.along_m for marker in kinds])
    outer = normals[:, :, None] * normals[:, None]
    spread = along[:, None, None] ** 2 * (np.eye(3) - outer) + off_sd[:, None, None] ** 2 * outer
    return PlacedMarkers(
        placement=placement.name,
        names=tuple(name for _, name, _, _ in sided),
        labels=tuple(labels for _, _, labels, _ in sided),
        rows=np.stack([row for _, _, _, row in sided]),
        offsets=off[:, None] * normals,
        spread=spread,
    )


def _labels(marker: Marker) -> tuple[str, ...]:
    if not marker.name.startswith("left_"):
        return marker.labels
    return tuple(label.replace("?", side) for side in _SIDES.values() for label in marker.labels)


def _sided(marker: Marker, rows: Mapping[str, FloatArray]) -> list[tuple[Marker, str, tuple[str, ...], FloatArray]]:
    """A marker, or both of a pair: name, labels, row."""
    if not marker.name.startswith("left_"):
        return [(marker, marker.name, tuple(label.upper() for label in marker.labels), rows[marker.at])]
    found = []
    for side, letter in _SIDES.items():
        name, at = (text.replace("left_", f"{side}_", 1) for text in (marker.name, marker.at))
        found.append((marker, name, tuple(label.upper().replace("?", letter) for label in marker.labels), rows[at]))
    return found


def _normal(body: Body, row: FloatArray) -> FloatArray:
    """(3,) normal of the skin about a point that is a sum of vertices: of the triangles at them, by area."""
    used = np.flatnonzero(row[: body.num_vertices])
    touching = np.isin(body.faces, used).any(axis=1)
    corners = body.v_template.astype(np.float64)[body.faces[touching]]
    total = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]).sum(axis=0)
    unit: FloatArray = total / np.linalg.norm(total)
    return unit
