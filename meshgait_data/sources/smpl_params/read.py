"""Read SMPL parameters of a walk: one file, or a folder with one file a frame, in any known layout."""

import difflib
import hashlib
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from meshgait_data.body.model import Body
from meshgait_data.errors import SourceError, UsageError
from meshgait_data.sources.smpl_params.entries import Part, describe
from meshgait_data.sources.smpl_params.inert import ENDINGS, read_file
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
    paths = _files(path)
    contents = [read_file(file) for file in paths]
    frames = [_number(file) if len(paths) > 1 else None for file in paths]
    parts = [Part(content.path, content.data, frame) for content, frame in zip(contents, frames, strict=True)]
    chosen = _named(layout, parts) if layout != AUTO else _recognised(parts)
    raw = chosen.read(parts, options)
    digest = hashlib.sha256("".join(content.sha256 for content in contents).encode()).hexdigest()
    return replace(settle(raw, chosen.name, options, body, str(path)), sha256=digest)


def _files(path: Path) -> list[Path]:
    """The files of a walk, in the order of their numbers."""
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise SourceError("there is nothing", where=str(path), hint="check the path in the manifest")
    found = [file for file in path.iterdir() if file.suffix.lower() in ENDINGS and not file.name.startswith(".")]
    named = [file for file in found if "smpl" in file.name.lower()]
    found = named or found
    if not found:
        raise SourceError("no files of parameters here", where=str(path), hint=f"they end in {', '.join(ENDINGS)}")
    kinds = sorted({file.suffix.lower() for file in found})
    if len(kinds) > 1:
        raise SourceError(f"files of several kinds: {', '.join(kinds)}", where=str(path), hint="name one of the files")
    return sorted(found, key=lambda file: [(int(t), "") if t.isdigit() else (-1, t) for t in _pieces(file.stem)])


def _pieces(stem: str) -> list[str]:
    return [piece for piece in re.split(r"(\d+)", stem) if piece]


def _number(path: Path) -> int | None:
    """The last number in a file's name."""
    digits = [piece for piece in _pieces(path.stem) if piece.isdigit()]
    return int(digits[-1]) if digits else None


def _named(name: str, parts: Sequence[Part]) -> Layout:
    if name not in LAYOUTS:
        near = difflib.get_close_matches(name, LAYOUTS, n=1)
        more = f"; did you mean {near[0]!r}?" if near else ""
        raise UsageError(f"unknown layout {name!r}", hint=f"known are {', '.join(LAYOUTS)}{more}")
    layout = LAYOUTS[name]
    for part in parts:
        if not layout.claims(part.data):
            hint = f"{name} is {layout.known_by}; found {describe(part.data)}"
            raise SourceError(f"is not in the layout {name!r}", where=part.path, hint=hint)
    return layout


def _recognised(parts: Sequence[Part]) -> Layout:
    """The one layout that every file is in."""
    for part in parts:
        fitting = [layout for layout in LAYOUTS.values() if layout.claims(part.data)]
        if len(fitting) == 1:
            return _named(fitting[0].name, parts)
        if fitting:
            names = " and ".join(layout.name for layout in fitting)
            raise SourceError(f"could be {names}", where=part.path, hint="name the layout")
    known = "; ".join(f"{layout.name}: {layout.known_by}" for layout in LAYOUTS.values())
    found = describe(parts[0].data)
    raise SourceError(f"no known layout; found {found}", where=parts[0].path, hint=f"known are {known}")
