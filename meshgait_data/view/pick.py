"""Find what a key names, in a work folder or in packed shards, so that it can be shown."""

import difflib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from meshgait_data.body.model import Body
from meshgait_data.errors import InvalidData, UsageError
from meshgait_data.fits import fit_path, read_fit
from meshgait_data.index import read_index
from meshgait_data.render.sequence import render_views
from meshgait_data.shards import SequenceRecord, Shards, open_shards
from meshgait_data.types import MarkerSet, SequenceData, SequenceKey
from meshgait_data.view.sheet import Shown

Row = TypeVar("Row")

NEEDED = {"windows", "joints", "scale", "global_orient", "body_pose", "transl", "verdict"}
"""Labels that a sheet draws."""


def from_work(work: Path, key: str, body: Body, markers: MarkerSet) -> tuple[list[Shown], list[str]]:
    """Render what a key names from its fit.

    Parameters
    ----------
    work
        Folder with an index and fits.
    key
        dataset/subject/condition, for all views, or dataset/subject/condition/view.
    body, markers
        Those of the fits.

    Returns
    -------
    One item for each view that can be rendered, and for each that cannot the reason.

    Raises
    ------
    UsageError
        Where the index has no such key, or the capture is not fitted.
    InvalidData
        Where no view can be rendered.
    """
    index = read_index(work)
    rows = choose(key, [(row.key, row) for row in index.rendered()], str(work))
    rows = [row for row in rows if row.capture == rows[0].capture]
    fit = read_fit(fit_path(work, rows[0].capture))
    sequences, failures = render_views(body, markers, fit, index.manifest, [row.view for row in rows])
    if len(rows) == 1:
        for error in failures.values():
            raise error
    misses = fit.residuals.get("joints")
    if misses is None:
        shown = [Shown(sequence) for sequence in sequences]
    else:
        residuals = dict(zip(fit.frame_ids.tolist(), misses * 1000, strict=True))
        shown = [Shown(s, tuple(residuals[i] for i in s.arrays["frame_ids"].tolist())) for s in sequences]
    notes = [str(error) for error in failures.values()]
    if not shown:
        raise InvalidData("no view can be rendered", where=str(rows[0].capture), hint=notes[0])
    return shown, notes


def from_shards(path: Path, key: str, body: Body) -> list[Shown]:
    """Read what a key names back from packed shards; raises UsageError, ShardError, or InvalidData (another body)."""
    shards = open_shards(path)
    if shards.body_sha256 != body.sha256:
        raise InvalidData(
            f"these labels were made with another body than {body.name!r}",
            where=str(path),
            hint="name the body that was packed with --body or MESHGAIT_BODY",
        )
    missing = NEEDED - set(shards.fields)
    if missing:
        raise UsageError(f"this dataset has no {', '.join(sorted(missing))} to show", where=str(path))
    records = choose(key, [(record.key, record) for record in shards.sequences], str(path))
    lacking = [
        str(record.key) for record in records if not set(record.rows) >= NEEDED or shards.detail(record).camera is None
    ]
    if lacking:
        raise UsageError(f"{lacking[0]} has no labels to show", where=str(path))
    return [Shown(_grey(shards, record)) for record in records]


def _grey(shards: Shards, record: SequenceRecord) -> SequenceData:
    """A sequence, its silhouettes unpacked where they are in 1 bit."""
    sequence = shards.sequence(record)
    return replace(sequence, arrays={**sequence.arrays, "silhouettes": shards.read(record, "silhouettes")})


def choose(key: str, known: Sequence[tuple[SequenceKey, Row]], where: str) -> list[Row]:
    """Rows of one sequence, or of all views of one capture; raises UsageError with near matches."""
    chosen = [row for found, row in known if key.strip("/") in (str(found), found.walk)]
    if chosen:
        return chosen
    names = {str(found) for found, _ in known} | {found.walk for found, _ in known}
    near = difflib.get_close_matches(key, sorted(names), n=3, cutoff=0.5)
    example = next(iter(sorted(names)), "dataset/subject/condition/view")
    hint = f"did you mean {', '.join(near)}?" if near else f"a key is like {example}"
    raise UsageError(f"no sequence or capture {key!r}", where=where, hint=hint)
