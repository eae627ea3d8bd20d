"""The plan of packing: what each capture follows from, and which part it goes into, so that old parts stay."""

import hashlib
import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from meshgait_data.atomic import write_text
from meshgait_data.errors import UsageError
from meshgait_data.fits import fit_path
from meshgait_data.index import Index, IndexRow
from meshgait_data.manifest_source import Silhouettes
from meshgait_data.pipeline.pack_leaves import further_pickles
from meshgait_data.pipeline.pack_settings import Ingredients, joints_told, markers_sha256
from meshgait_data.pipeline.runner import selected
from meshgait_data.shards.schema import SCHEMA_VERSION
from meshgait_data.sources.parts import Place
from meshgait_data.strict import to_plain
from meshgait_data.types import CaptureKey

RECIPE = 3
"""Raised where equal input is packed to something else than before: parts are then written again."""

PENDING = ".packing.json"
"""Beside the parts while they are being written: which captures go into which, for one who resumes."""


@dataclass(frozen=True, slots=True)
class CapturePlan:
    """One capture that is to be packed."""

    row: IndexRow
    """One of its rows of the index."""
    views: tuple[str, ...]
    fitted: bool
    """Whether there is a fit."""
    fingerprint: str
    """Hash over everything that its sequences follow from."""
    kinds: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """View to the blocks of the source that the index lists of it."""

    @property
    def key(self) -> CaptureKey:
        """The walk."""
        return self.row.capture


@dataclass(frozen=True, slots=True)
class PartPlan:
    """One part: what is to lie in it, in order."""

    path: Path
    captures: tuple[CapturePlan, ...]


def plan_captures(index: Index, rows: Sequence[IndexRow], shared: Ingredients) -> list[CapturePlan]:
    """What there is to pack, by key; reads the fit files to hash them.

    Parameters
    ----------
    index
        Of the work folder.
    rows
        Views through which silhouettes are rendered. Where they were observed the views are those of the index.
    shared
        What parts share.

    Raises
    ------
    UsageError
        Where nothing is selected, nothing can be packed, or something is to ride along that no sequence has.
    """
    settings, views = shared.settings, _views(index, rows, shared)
    wanted = {
        key: tuple(view for view in own if selected(key.sequence(view), settings.select)) for key, own in views.items()
    }
    wanted = {key: own for key, own in sorted(wanted.items()) if own}
    if not wanted:
        example = f"a key is like {next(iter(views)).sequence('VIEW')}" if views else "run 'mgdata index' again"
        what = f"nothing to pack: no sequence matches {settings.select!r}" if views else "the index is empty"
        raise UsageError(what, where=str(shared.work), hint=example)
    if shared.observed is None and not any((shared.work / "fits").rglob("*.npz")):
        raise UsageError(
            "nothing is fitted yet", where=str(shared.work), hint="run 'mgdata fit-smpl' on the work folder"
        )
    _check_pickles(wanted, shared)
    base = _base(shared)
    labels = [shared.body.sha256, markers_sha256(shared.markers), joints_told(shared.joints)]
    return [_planned(index, key, own, (base, labels), shared) for key, own in wanted.items()]


def _views(index: Index, rows: Sequence[IndexRow], shared: Ingredients) -> dict[CaptureKey, list[str]]:
    seen = rows if shared.observed is None else [row for row in index.rows if "silhouettes" in row.kinds]
    views: dict[CaptureKey, list[str]] = {}
    for row in sorted(seen):
        views.setdefault(row.capture, []).append(row.view)
    return views


def mask_paths(shared: Ingredients, key: CaptureKey) -> dict[str, Path]:
    """View to the file or folder of its masks, of one capture whose source has some."""
    block = shared.observed
    assert isinstance(block, Silhouettes)
    found = Place(shared.manifest, shared.root, key).files(block)
    return {view or block.view: path for view, path in found}


def _check_pickles(wanted: Mapping[CaptureKey, Iterable[str]], shared: Ingredients) -> None:
    """Raise UsageError for a name that no leaf of the tree has."""
    missing, known = set(shared.pickles), set[str]()
    for key in wanted if missing else ():
        for view, path in mask_paths(shared, key).items():
            known |= set(further_pickles(path, key.sequence(view)))
        missing -= known
        if not missing:
            return
    if missing:
        what = f"--also {min(missing)}: no folder of the tree has a pickle of that name"
        raise UsageError(what, where=str(shared.root), hint=f"there are: {', '.join(sorted(known)) or 'none'}")


def _base(shared: Ingredients) -> dict[str, Any]:
    """What all captures follow from."""
    settings, manifest = shared.settings, shared.manifest
    seen_by = shared.scene.cameras if shared.observed is None else manifest.source
    return {
        "schema": SCHEMA_VERSION,
        "recipe": RECIPE,
        "dataset": [manifest.name, to_plain(manifest.licence)],
        "seen_by": to_plain(seen_by),
        "pictures": [shared.scene.aligned_size, settings.one_bit, to_plain(settings.whole_look()), list(settings.also)],
    }


def _planned(
    index: Index,
    key: CaptureKey,
    views: tuple[str, ...],
    common: tuple[Mapping[str, Any], Sequence[Any]],
    shared: Ingredients,
) -> CapturePlan:
    row, (base, labels) = index.row(key), common
    kinds = {} if shared.observed is None else {view: index.row(key.sequence(view)).kinds for view in views}
    fit = fit_path(shared.work, row.capture)
    fitted = fit.is_file()
    inputs = {
        **base,
        "key": str(row.capture),
        "views": views,
        "person": [shared.manifest.identity(row.subject), shared.manifest.side(row.subject)],
        "source": row.sha256 if shared.observed else "",
        "pickles": _pickles_sha256(row.capture, views, shared) + _riding_sha256(row.capture, shared),
    }
    if shared.observed is not None and shared.manifest.source.also:
        inputs["kinds"] = kinds
    if fitted:
        inputs["labels"] = [_sha256(fit), *labels]
    fingerprint = hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()
    return CapturePlan(row, views, fitted, fingerprint, kinds)


def _pickles_sha256(key: CaptureKey, views: Sequence[str], shared: Ingredients) -> list[str]:
    if not shared.pickles:
        return []
    paths = mask_paths(shared, key)
    leaves = [further_pickles(paths[view], key.sequence(view)) for view in views]
    return [_sha256(leaf[name]) if name in leaf else "" for leaf in leaves for name in shared.pickles]


def _riding_sha256(key: CaptureKey, shared: Ingredients) -> list[str]:
    if shared.observed is None:
        return []
    place = Place(shared.manifest, shared.root, key)
    blocks = [block for block in shared.manifest.source.also.values() if not block.clock]
    paths = [path for block in blocks for _, path in place.files(block)]
    files = [file for path in paths for file in (sorted(path.iterdir()) if path.is_dir() else [path])]
    return [f"{file.name} {_sha256(file)}" for file in files if file.is_file()]


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def grouped(
    captures: Sequence[CapturePlan],
    present: Mapping[int, Iterable[str]],
    *,
    most_sequences: int,
    most_captures: int | None = None,
) -> dict[int, tuple[CapturePlan, ...]]:
    """Which captures go into which part.

    Parameters
    ----------
    captures
        All that are to be packed, by key.
    present
        Number of each part that is there, or was being written, to the keys of its captures. They stay together; new
        ones come into new parts, whose numbers are the lowest that are free.
    most_sequences, most_captures
        Of a new part; a capture is never split.
    """
    left = {str(capture.key): capture for capture in captures}
    order = {key: place for place, key in enumerate(left)}
    groups: dict[int, tuple[CapturePlan, ...]] = {}
    for number, keys in sorted(present.items()):
        own = sorted((key for key in set(keys) if key in left), key=order.__getitem__)
        if own:
            groups[number] = tuple(left.pop(key) for key in own)
    free = (number for number in itertools.count() if number not in groups)
    new: list[CapturePlan] = []
    for capture in left.values():
        sequences = sum(len(other.views) for other in new) + len(capture.views)
        if new and (sequences > most_sequences or len(new) == most_captures):
            groups[next(free)] = tuple(new)
            new = []
        new.append(capture)
    return {**groups, next(free): tuple(new)} if new else groups


def write_pending(out: Path, groups: Mapping[int, Sequence[CapturePlan]]) -> None:
    """Say what is going to be written."""
    plain = {str(number): [str(capture.key) for capture in own] for number, own in sorted(groups.items())}
    write_text(out / PENDING, json.dumps(plain) + "\n")


def read_pending(out: Path) -> dict[int, list[str]]:
    """Read what :func:`write_pending` wrote; nothing where it is missing or damaged."""
    try:
        plain = json.loads((out / PENDING).read_text(encoding="utf-8"))
        return {int(number): [str(key) for key in own] for number, own in plain.items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}
