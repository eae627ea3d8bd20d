"""Marker recordings in C3D: bytes to labelled points in metres, y up, with what the file says of the person.

The format (c3d.org, *The C3D File Format User Guide*) leaves much to its writers: units and axes are parameters, model
outputs lie among the markers, height and mass have no fixed name. All of that is settled here, and said in findings.
The reader behind it is pure Python, so that a damaged or hostile file can raise an error and nothing else.
"""

import hashlib
import io
import struct
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import c3d
import numpy as np

from meshgait_data.errors import SourceError
from meshgait_data.findings import Finding, Severity
from meshgait_data.types import FloatArray, IntArray
from meshgait_data.untrusted import read_bytes

METRES = {"m": 1.0, "meter": 1.0, "meters": 1.0, "metre": 1.0, "metres": 1.0, "cm": 0.01, "dm": 0.1, "mm": 0.001}
"""Units of length that POINT:UNITS may name."""
_OUTPUTS = ("ANGLES", "FORCES", "MOMENTS", "POWERS", "SCALARS", "MODELED_MARKERS", "BONES", "REACTIONS")
"""Parameters of POINT that list labels which are no markers (POINT:TYPE_GROUPS names further ones)."""
_HEIGHTS = ("HEIGHT", "BODYHEIGHT", "BODY_HEIGHT", "STATURE")
_MASSES = ("BODYMASS", "BODY_MASS", "MASS", "WEIGHT", "BODYWEIGHT")
_GROUPS = ("PROCESSING", "SUBJECTS", "SUBJECT", "PARAMETERS", "ANTHROPOMETRY", "ANALYSIS")
"""Groups that these are looked for in, the first first."""
_HEAD = ("LFHD", "RFHD", "LBHD", "RBHD", "C7", "CLAV", "LSHO", "RSHO")
_FEET = ("LANK", "RANK", "LHEE", "RHEE", "LTOE", "RTOE")
_UPRIGHT = 0.8
"""Cosine to an axis that the line from feet to head must have, for that axis to be taken as up."""
_DAMAGE: tuple[type[Exception], ...] = (
    *(ValueError, NameError, KeyError, TypeError, IndexError, AttributeError, AssertionError, EOFError, OSError),
    *(struct.error, OverflowError, ZeroDivisionError, MemoryError, UnicodeError),
)
"""What the reader raises on files that are not what they say."""
_AGAIN = "export the file again from the capture software, or take it from its source again"


@dataclass(frozen=True, slots=True, eq=False)
class MarkerTake:
    """Markers of one recording."""

    path: str
    points: FloatArray
    """(F, P, 3) float64 metres, world frame (y up); NaN where a marker was not seen."""
    names: tuple[str, ...]
    """P labels without the subject's prefix."""
    fps: float
    frame_ids: IntArray
    """(F,) as the file counts them."""
    up: str
    """The file's axis that points up, e.g. ``+Z``."""
    unit: str
    """The file's unit of length."""
    height_m: float | None
    """Stature of the person as the file says it; for checks only."""
    mass_kg: float | None
    subject: str
    """Name of the person; empty where the file says none."""
    sha256: str
    findings: tuple[Finding, ...]

    def __len__(self) -> int:
        return len(self.points)


def read_c3d(path: Path, *, subject: str = "") -> MarkerTake:
    """Read the markers of a C3D file.

    Parameters
    ----------
    path
        The file: Intel, DEC or MIPS numbers, integer or float.
    subject
        Prefix of the person's labels, where the file holds several people.

    Returns
    -------
    Markers without model outputs (angles, forces, virtual points that the file lists as such) and without unlabelled
    trajectories.

    Raises
    ------
    SourceError
        Where the file is damaged, has no markers, a unit that is no length, or several people and ``subject`` does not
        say which.
    """
    data = read_bytes(path)
    raw = _parse(data, str(path))
    findings = list(raw.findings)
    columns, names, person = _select(raw, subject, str(path))
    scale = _metres(raw.unit, str(path))
    points = raw.points[:, columns] * scale
    up = _up_axis(raw, points, names, str(path), findings)
    return MarkerTake(
        path=str(path),
        points=points @ _to_y_up(up).T,
        names=names,
        fps=raw.fps,
        frame_ids=raw.frame_ids,
        up=up,
        unit=raw.unit,
        height_m=_length(raw.numbers, _HEIGHTS),
        mass_kg=_first(raw.numbers, _MASSES, 2.0, 400.0),
        subject=person,
        sha256=hashlib.sha256(data).hexdigest(),
        findings=tuple(findings),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Raw:
    points: FloatArray
    """(F, P, 3) in the file's unit and axes; NaN where invalid."""
    labels: tuple[str, ...]
    outputs: frozenset[str]
    fps: float
    frame_ids: IntArray
    unit: str
    screen: str
    """Axis that is up on the screen, e.g. ``+Z``; empty where not said."""
    prefixes: tuple[str, ...]
    subjects: tuple[str, ...]
    numbers: Mapping[str, float]
    """``GROUP:NAME`` to single numbers."""
    findings: tuple[Finding, ...]


def _parse(data: bytes, where: str) -> _Raw:
    if len(data) < 1024 or data[1] != 0x50:
        raise SourceError("this is no C3D file: the second byte of those is 0x50", where=where, hint=_AGAIN)
    try:
        with warnings.catch_warnings():
            # What it warns of (short data, missing labels) is checked below and said in our own words.
            warnings.simplefilter("ignore")
            reader = c3d.Reader(io.BytesIO(data))
            if reader.point_used < 1:
                raise SourceError("the file holds no points", where=where, hint="was it exported without markers?")
            return _read(reader, where)
    except SourceError:
        raise
    except _DAMAGE as error:
        raise SourceError(f"damaged C3D file: {type(error).__name__}: {error}", where=where, hint=_AGAIN) from error


def _read(reader: c3d.Reader, where: str) -> _Raw:
    declared = reader.last_frame - reader.first_frame + 1
    frames, ids = [], []
    for number, points, _ in reader.read_frames(analog_transform=False):
        xyz = points[:, :3].astype(np.float64)
        lost = (points[:, 3] < 0) | ~np.isfinite(xyz).all(1) | ~xyz.any(1)
        xyz[lost] = np.nan
        frames.append(xyz)
        ids.append(number)
    fps = float(reader.point_rate)
    if not frames or not 1 <= fps <= 10_000:
        what = f"no frames, or a frame rate that cannot be: {len(frames)} frames at {fps:g} Hz"
        raise SourceError(what, where=where, hint=_AGAIN)
    labels = _listed(reader, "POINT", "LABELS")
    if len(labels) < reader.point_used:
        what = f"{reader.point_used} points but {len(labels)} labels"
        raise SourceError(what, where=where, hint="label the markers in the capture software and export again")
    findings = []
    if len(frames) < declared:
        message = f"the file breaks off: {len(frames)} of {declared} frames are there"
        findings.append(Finding(Severity.WARNING, "MG-SOURCE-001", where, message, _AGAIN))
    kinds = [kind for kind in _listed(reader, "POINT", "TYPE_GROUPS") if kind]
    outputs = {label for kind in {*_OUTPUTS, *kinds[::2]} for label in _listed(reader, "POINT", kind)}
    screen = reader.get("POINT:Y_SCREEN")
    unit = reader.get("POINT:UNITS")
    return _Raw(
        points=np.stack(frames),
        labels=tuple(labels[: reader.point_used]),
        outputs=frozenset(outputs),
        fps=fps,
        frame_ids=np.array(ids),
        unit="" if unit is None else unit.string_value.strip("\0 ").lower(),
        screen="" if screen is None else screen.string_value.strip("\0 ").upper(),
        prefixes=tuple(p for p in _listed(reader, "SUBJECTS", "LABEL_PREFIXES") if p),
        subjects=tuple(s for s in _listed(reader, "SUBJECTS", "NAMES") if s),
        numbers=_numbers(reader),
        findings=tuple(findings),
    )


def _listed(reader: c3d.Reader, group: str, name: str) -> list[str]:
    """Strings of a parameter and of its continuations: more than 255 go on in LABELS2, LABELS3, ..."""
    found: list[str] = []
    for tail in ("", *map(str, range(2, 100))):
        parameter = reader.get(f"{group}:{name}{tail}")
        if parameter is None or parameter.bytes_per_element != -1:
            break
        found += [str(text).strip("\0 ") for text in np.ravel(parameter.string_array)]
    return found


def _numbers(reader: c3d.Reader) -> dict[str, float]:
    found: dict[str, float] = {}
    for group_name in _GROUPS:
        group = reader.get(group_name)
        for name, parameter in group.param_items() if group is not None else ():
            if parameter.bytes_per_element == 4 and parameter.num_elements == 1:
                found[f"{group_name}:{name}"] = float(parameter.float_value)
    return found


def _select(raw: _Raw, subject: str, where: str) -> tuple[list[int], tuple[str, ...], str]:
    """Columns of one person's markers, their clean labels, and the person."""
    split = [_without_prefix(label, raw.prefixes) for label in raw.labels]
    known = tuple(raw.subjects)
    markers = [
        i
        for i, (label, (_, name)) in enumerate(zip(raw.labels, split, strict=True))
        if name and not name.startswith("*") and label not in raw.outputs and name not in raw.outputs
    ]
    people = sorted({split[i][0] for i in markers if split[i][0]})
    if subject:
        markers = [i for i in markers if split[i][0].upper() == subject.upper()]
        if not markers:
            hint = f"people in this file: {', '.join(people) or 'none by name'}"
            raise SourceError(f"no markers of {subject!r}", where=where, hint=hint)
    twice = [name for name, count in Counter(split[i][1] for i in markers).items() if count > 1]
    if twice:
        what = f"{len(twice)} labels occur more than once ({', '.join(twice[:4])}): people {', '.join(people)}"
        raise SourceError(what, where=where, hint="say which person with 'subject'" if people else _AGAIN)
    person = subject or (people[0] if len(people) == 1 else known[0] if len(known) == 1 else "")
    return markers, tuple(split[i][1] for i in markers), person


def _without_prefix(label: str, prefixes: Sequence[str]) -> tuple[str, str]:
    """``HC030A:LFHD`` and a listed prefix become person and label."""
    if ":" in label:
        person, _, name = label.rpartition(":")
        return person, name
    for prefix in sorted(prefixes, key=len, reverse=True):
        if label.startswith(prefix) and label != prefix:
            return prefix.rstrip("_-: "), label[len(prefix) :]
    return "", label


def _metres(unit: str, where: str) -> float:
    if unit not in METRES:
        what = f"POINT:UNITS is {unit!r}, which is no length" if unit else "the file does not say its unit of length"
        hint = f"set POINT:UNITS to one of {', '.join(METRES)} in the capture software and export again"
        raise SourceError(what, where=where, hint=hint)
    return METRES[unit]


def _up_axis(raw: _Raw, points: FloatArray, names: Sequence[str], where: str, findings: list[Finding]) -> str:
    """The axis that the person stands along; what the file says where the markers do not tell."""
    said = raw.screen if len(raw.screen) == 2 and raw.screen[0] in "+-" and raw.screen[1] in "XYZ" else ""
    seen = _stature_axis(points, names)
    if said and seen and said != seen:
        message = f"the file says that {said} is up (POINT:Y_SCREEN), but the person stands along {seen}: took {seen}"
        hint = "set the screen axes in the capture software, and look at the fit"
        findings.append(Finding(Severity.WARNING, "MG-SOURCE-010", where, message, hint))
    if not said and seen:
        message = f"the file does not say which axis is up; the person stands along {seen}: took {seen}"
        findings.append(Finding(Severity.INFO, "MG-SOURCE-011", where, message))
    if not said and not seen:
        message = "neither the file nor the markers tell which axis is up: took +Z"
        hint = "set POINT:X_SCREEN and POINT:Y_SCREEN in the capture software and export again"
        findings.append(Finding(Severity.WARNING, "MG-SOURCE-012", where, message, hint))
    return seen or said or "+Z"


def _stature_axis(points: FloatArray, names: Sequence[str]) -> str:
    """Signed axis from feet to head by the usual labels; empty where unclear."""
    upper = [names.index(name) for name in _HEAD if name in names]
    lower = [names.index(name) for name in _FEET if name in names]
    if not upper or not lower:
        return ""
    both = np.stack([_means(points[:, ids]) for ids in (upper, lower)])
    both = both[:, np.isfinite(both).all((0, 2))]
    if not both.shape[1]:
        return ""
    line = np.median(both[0] - both[1], axis=0)
    size = np.linalg.norm(line)
    axis = int(np.argmax(np.abs(line)))
    if size == 0 or abs(line[axis]) < _UPRIGHT * size:
        return ""
    return ("+" if line[axis] > 0 else "-") + "XYZ"[axis]


def _means(points: FloatArray) -> FloatArray:
    """(F, 3) mean of the seen points; NaN where there is none."""
    seen = np.isfinite(points).all(-1, keepdims=True)
    count = seen.sum(1)
    return np.where(count > 0, np.where(seen, points, 0.0).sum(1) / np.maximum(count, 1), np.nan)


def _to_y_up(up: str) -> FloatArray:
    """Proper rotation of quarter turns that takes a signed axis to +y."""
    sign, axis = (1.0 if up[0] == "+" else -1.0), "XYZ".index(up[1])
    following = np.eye(3)
    y = sign * following[axis]
    x = following[1] if axis == 0 else following[0]
    return np.stack([x, y, np.cross(x, y)])


def _first(numbers: Mapping[str, float], names: Sequence[str], low: float, high: float) -> float | None:
    """The first number of these names that can be one, group by group."""
    for group in _GROUPS:
        for name in names:
            value = numbers.get(f"{group}:{name}")
            if value is not None and low <= value <= high:
                return value
    return None


def _length(numbers: Mapping[str, float], names: Sequence[str]) -> float | None:
    """Height in metres, whether the file gives it in metres, centimetres or millimetres."""
    for unit in (1.0, 0.01, 0.001):
        found = _first(numbers, names, 0.4 / unit, 2.6 / unit)
        if found is not None:
            return found * unit
    return None
