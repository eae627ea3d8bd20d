"""Read SMPL parameters of a walk: one file, or a folder with one file a frame, in any known layout."""

import difflib
import hashlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from meshgait_data.body.model import Body
from meshgait_data.errors import SourceError, UsageError
from meshgait_data.findings import Finding, Severity
from meshgait_data.sources.frames import FileNames, frame_files, names_in, read_frames
from meshgait_data.sources.numpy_files import DAMAGE
from meshgait_data.sources.smpl_params.entries import Part, describe
from meshgait_data.sources.smpl_params.inert import ENDINGS, content_of, read_file
from meshgait_data.sources.smpl_params.layouts import (
    amass,
    easymocap,
    hmr2,
    oumvlp_mesh,
    phalp,
    romp,
    smplx_npz,
    vector85,
    vibe,
)
from meshgait_data.sources.smpl_params.layouts.base import Layout
from meshgait_data.sources.smpl_params.records import ParamsFile, ReadOptions
from meshgait_data.sources.smpl_params.settle import settle

LAYOUTS: dict[str, Layout] = {
    layout.name: layout
    for layout in (
        smplx_npz.FIT,
        vector85.LAYOUT,
        romp.LAYOUT,
        oumvlp_mesh.LAYOUT,
        amass.LAYOUT,
        easymocap.LAYOUT,
        hmr2.LAYOUT,
        phalp.LAYOUT,
        vibe.LAYOUT,
        smplx_npz.LAYOUT,
    )
}
"""All known layouts by name."""
AUTO = "auto"
_DEFAULT = ReadOptions()
_VIDEO = "^video_results$"
"""Name of the file that ROMP's video mode writes for all frames, into the folder of the frames."""


def read_params(
    path: Path, layout: str = AUTO, options: ReadOptions = _DEFAULT, *, body: Body | None = None
) -> ParamsFile:
    """Read SMPL parameters of one walk.

    Parameters
    ----------
    path
        A file, or a folder with one file a frame; of other files in a folder those with ``smpl`` in their names.
    layout
        Name of the layout, or ``auto``: what the keys and shapes say.
    options
        What the file does not say.
    body
        The body that the parameters are of, where it is at hand: places of layouts that turn about the origin, or
        whose world is turned, are then exact.

    Returns
    -------
    Parameters in smplx's convention, what camera they belong to, and what was assumed.

    Raises
    ------
    UsageError
        On an unknown layout.
    SourceError
        Where nothing is there, the layout is not known or not what was said, a pickle asks for code to be run, or the
        numbers cannot be right.
    """
    files = _read(path, options.names)
    parts, findings = _fitting(files.parts, layout, str(path))
    chosen = _named(layout, parts) if layout != AUTO else _recognised(parts)
    try:
        raw = chosen.read(parts, options)
        settled = settle(raw, chosen.name, options, body, str(path))
    except SourceError:
        raise
    except DAMAGE as error:
        # Layouts look at what a file holds with what it ought to hold in mind; what it may hold instead has no end.
        what = f"makes no sense as {chosen.name}: {type(error).__name__}: {error}"
        raise SourceError(what, where=str(path), hint=f"{chosen.name} is {chosen.known_by}") from error
    by_name = len(parts) > 1 and len(raw.frame_ids) == len(parts) and all(part.frame is not None for part in parts)
    noticed = (*files.findings, *findings, *raw.findings)
    return replace(settled, sha256=files.sha256, findings=noticed, counted=raw.counted or by_name)


@dataclass(frozen=True, slots=True)
class _Files:
    """What the files of a walk hold."""

    parts: Sequence[Part]
    findings: tuple[Finding, ...]
    sha256: str


def _read(path: Path, names: FileNames | None) -> _Files:
    """The files of a walk, in the order of their numbers."""
    if not path.is_dir():
        if not os.path.lexists(path):
            raise SourceError("there is nothing", where=str(path), hint="check the path in the manifest")
        return _single(path)
    found = [name for name in names_in(path) if Path(name).suffix.lower() in ENDINGS and not name.startswith(".")]
    found = [name for name in found if "smpl" in name.lower()] or found
    if not found:
        raise SourceError("no files of parameters here", where=str(path), hint=f"they end in {', '.join(ENDINGS)}")
    kinds = sorted({Path(name).suffix.lower() for name in found})
    if len(kinds) > 1:
        raise SourceError(f"files of several kinds: {', '.join(kinds)}", where=str(path), hint="name one of the files")
    if len(found) == 1:
        return _single(path / found[0])
    if not any(re.search(r"\d", Path(name).stem) for name in found):
        contents = [read_file(path / name) for name in found]
        digest = hashlib.sha256("".join(content.sha256 for content in contents).encode()).hexdigest()
        return _Files([Part(content.path, content.data, None) for content in contents], (), digest)
    files = frame_files(path, kinds, skip=_VIDEO, names=names, listed=found)
    frames = read_frames(files, lambda data, where: (where, content_of(data, where)))
    parts = [Part(*value, number) for number, value in zip(frames.ids.tolist(), frames.values, strict=True)]
    return _Files(parts, frames.findings, frames.sha256)


def _single(path: Path) -> _Files:
    content = read_file(path)
    return _Files([Part(content.path, content.data, None)], (), content.sha256)


def _fitting(parts: Sequence[Part], layout: str, where: str) -> tuple[Sequence[Part], tuple[Finding, ...]]:
    """Parts of the layout that the first one that has one is in; the others are frames that are missing."""
    if len(parts) == 1 or layout not in (AUTO, *LAYOUTS):
        return parts, ()
    allowed = LAYOUTS.values() if layout == AUTO else [LAYOUTS[layout]]
    chosen = next((one for part in parts for one in allowed if _claims(one, part.data)), None)
    bad = [part for part in parts if chosen is None or not _claims(chosen, part.data)]
    if not bad or len(bad) == len(parts):
        return parts, ()
    what = f"{len(bad)} of {len(parts)} files are not in the layout of the others, their frames are missing, e.g. "
    what += f"{Path(bad[0].path).name}: {describe(bad[0].data)}"
    finding = Finding(Severity.WARNING, "MG-SOURCE-030", where, what, "write these files again")
    return [part for part in parts if part not in bad], (finding,)


def _claims(layout: Layout, data: Any) -> bool:
    """Whether content looks like a layout; content that cannot even be looked at does not."""
    try:
        return layout.claims(data)
    except DAMAGE:
        return False


def _named(name: str, parts: Sequence[Part]) -> Layout:
    if name not in LAYOUTS:
        near = difflib.get_close_matches(name, LAYOUTS, n=1)
        more = f"; did you mean {near[0]!r}?" if near else ""
        raise UsageError(f"unknown layout {name!r}", hint=f"known are {', '.join(LAYOUTS)}{more}")
    layout = LAYOUTS[name]
    for part in parts:
        if not _claims(layout, part.data):
            hint = f"{name} is {layout.known_by}; found {describe(part.data)}"
            raise SourceError(f"is not in the layout {name!r}", where=part.path, hint=hint)
    return layout


def _recognised(parts: Sequence[Part]) -> Layout:
    """The one layout that every file is in."""
    for part in parts:
        fitting = [layout for layout in LAYOUTS.values() if _claims(layout, part.data)]
        if len(fitting) == 1:
            return _named(fitting[0].name, parts)
        if fitting:
            names = " and ".join(layout.name for layout in fitting)
            raise SourceError(f"could be {names}", where=part.path, hint="name the layout")
    known = "; ".join(f"{layout.name}: {layout.known_by}" for layout in LAYOUTS.values())
    found = describe(parts[0].data)
    raise SourceError(f"no known layout; found {found}", where=parts[0].path, hint=f"known are {known}")
