"""Modalities of sensors with clocks of their own: counted, compared with each other, and never joined to the walk.

What belongs to one clock has as many frames. A clock may be some of the moments of another one, such as those that two
sensors have together.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from meshgait_data.errors import SourceError
from meshgait_data.findings import Finding, Severity
from meshgait_data.manifest import Manifest
from meshgait_data.manifest_source import Also, Clock
from meshgait_data.sources.clock import alone_of
from meshgait_data.sources.counting import count_files
from meshgait_data.sources.parts import Lost, looked_for
from meshgait_data.sources.places import Place
from meshgait_data.sources.riding import Counted, read_counted
from meshgait_data.sources.track import frames_text
from meshgait_data.types import CaptureKey
from meshgait_data.untrusted import below


@dataclass(frozen=True, slots=True)
class Beside:
    """One modality of another clock."""

    kind: str
    """Block of the source, e.g. ``also.clouds``."""
    view: str
    """Empty where it is of the whole walk."""
    clock: str
    frames: int
    repeated: tuple[int, ...] = ()
    """Those that are as the one before."""


@dataclass(frozen=True, slots=True)
class Clocks:
    """Everything of one walk that has another clock."""

    beside: tuple[Beside, ...] = ()
    lost: tuple[Lost, ...] = ()
    """What is there and cannot be used."""
    findings: tuple[Finding, ...] = ()


def read_clocks(manifest: Manifest, root: Path, key: CaptureKey) -> Clocks:
    """Count the frames of everything that has a clock of its own.

    Findings are MG-RIDING-001 (frames that hold nothing), -003 (clouds without points), MG-FRAMES-014 (frames as the
    one before), -015 (files of one clock that differ in length) and -016 (moments that only the other clock has).
    """
    blocks = {f"also.{name}": block for name, block in manifest.source.also.items() if block.clock}
    if not blocks:
        return Clocks()
    place, beside = Place(manifest, root, key), list[Beside]()
    lost: list[Lost] = []
    findings: list[Finding] = []
    with below(root, links=manifest.layout_of(key).links):
        for kind, block in blocks.items():
            for view, path in looked_for(place, kind, block, lost):
                try:
                    counted = _counted(place, block, view, path)
                except SourceError as error:
                    lost.append(Lost(kind, view, error))
                    continue
                beside.append(Beside(kind, view, block.clock, counted.frames, tuple(counted.repeated.tolist())))
                findings += _noticed(counted, kind, str(path))
                findings += _alone(place, block, view, str(path))
    for view in sorted({one.view for one in beside}):
        own = [one for one in beside if one.view == view]
        findings += _compared(str(key.sequence(view) if view else key), own, manifest.source.clocks)
    return Clocks(tuple(beside), tuple(lost), tuple(findings))


def _counted(place: Place, block: Also, view: str, path: Path) -> Counted:
    if path.is_dir():
        return count_files(path, place.file_pattern(block, view) if block.file else None, block.exclude)
    return read_counted(path, format=block.format, array=block.array)


def _alone(place: Place, block: Also, view: str, where: str) -> Iterator[Finding]:
    """Say how many moments of a sensor, whose files are named by time, are none of the walk's."""
    if block.times is None:
        return
    alone, every = alone_of(place, block, view)
    if alone:
        within = f"{1000 * place.manifest.source.tolerance_s:g} ms"
        what = f"{len(alone)} of {every} frames of the clock {block.clock} have no frame of the walk within {within}: "
        message = what + ", ".join(alone[:3]) + (", …" if len(alone) > 3 else "")
        yield Finding(Severity.INFO, "MG-FRAMES-017", where, message)


def _noticed(found: Counted, kind: str, where: str) -> Iterator[Finding]:
    every, warning = found.frames, Severity.WARNING
    if len(found.lost):
        what = f"{len(found.lost)} of {every} frames hold nothing: {frames_text(found.lost)}"
        yield Finding(warning, "MG-RIDING-001", where, what, "make the file again")
    if len(found.empty):
        what = f"{len(found.empty)} of {every} frames of {kind} are empty, e.g. clouds without points: "
        hint = "the sensor saw nobody, or the person was cut away; leave these moments out"
        yield Finding(warning, "MG-RIDING-003", where, what + frames_text(found.empty), hint)


def _compared(where: str, own: Sequence[Beside], clocks: Mapping[str, Clock]) -> Iterator[Finding]:
    lengths: dict[str, int] = {}
    for clock in dict.fromkeys(one.clock for one in own):
        frames = [one.frames for one in own if one.clock == clock]
        lengths[clock] = usual = max(sorted(set(frames)), key=frames.count)
        others = [f"{one.kind} has {one.frames}" for one in own if one.clock == clock and one.frames != usual]
        if others:
            what = f"modalities of the clock {clock} have {usual} frames, but {', '.join(others)}"
            hint = "make them again together: nobody can tell which frames are missing"
            yield Finding(Severity.WARNING, "MG-FRAMES-015", where, what, hint)
        yield from _repeats(where, [one for one in own if one.clock == clock])
    for clock, count in lengths.items():
        whole = lengths.get(clocks[clock].within, count)
        if count != whole:
            what = f"the clock {clock} has {count} of the {whole} moments of {clocks[clock].within}"
            severity = Severity.INFO if count < whole else Severity.WARNING
            hint = "" if count < whole else "files of two recordings were mixed: take them from their source again"
            yield Finding(severity, "MG-FRAMES-016", where, what, hint)


def _repeats(where: str, own: Sequence[Beside]) -> Iterator[Finding]:
    """One finding for all modalities of a clock that repeat the same frames: a moment of their sensor served twice."""
    for places in sorted({one.repeated for one in own if one.repeated}):
        kinds = ", ".join(one.kind for one in own if one.repeated == places)
        what = f"{len(places)} of {own[0].frames} frames of the clock {own[0].clock} are those of the frame before in "
        hint = "nothing to do: one frame of a sensor served for two moments"
        message = f"{what}{kinds}: {frames_text(np.array(places))}"
        yield Finding(Severity.INFO, "MG-FRAMES-014", where, message, hint)
