"""Groups of paths that are described alike: a family of the tree with its layout, and what its paths hold."""

import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from meshgait_data.describe.families import Family, Level, common_ending, files_of
from meshgait_data.describe.kinds import Holding, first_holdings
from meshgait_data.describe.moments import NAMES as TIMES
from meshgait_data.describe.names_alike import in_parts
from meshgait_data.describe.roles import Layouted, in_template, laid_out
from meshgait_data.describe.tree import Folder, kind_of_file, spread
from meshgait_data.errors import MeshgaitError
from meshgait_data.manifest_source import KINDS
from meshgait_data.templates import compiled_template

TRIES = 4
"""Paths of a family that are opened."""
_ENOUGH = 0.9
"""Share of names of files that must be of one form for it to be said in the manifest."""


@dataclass(frozen=True, slots=True)
class Group:
    """A family with its layout and what its paths hold."""

    layout: Layouted
    blocks: dict[str, dict[str, Any]]
    """Block of the source to its keys; paths start with the pattern of the layout."""
    holdings: dict[str, Holding]
    paths: tuple[str, ...]
    """Folders or files that were seen."""
    subjects: frozenset[str]

    @property
    def kinds(self) -> frozenset[str]:
        """Blocks of observations."""
        return frozenset(self.blocks) & set(KINDS)


def groups_of(root: Path, family: Family) -> Iterator[Group]:
    """Groups that a family makes: none where no reader knows its files, several where they end differently."""
    if family.way == "walks":
        yield from _walks(root, family)
        return
    found = _frames(root, family) if family.way == "frames" else _leaf(root, family)
    if found is None and family.way == "leaf":
        yield from _walks(root, replace(family, way="walks"))
    elif found is not None:
        yield found


def by_camera(found: Mapping[str, Holding]) -> bool:
    """Whether something of it is as cameras saw it, so that views have files of their own."""
    return not all(holding.in_world for holding in found.values())


def _frames(root: Path, family: Family) -> Group | None:
    """Folders with one file a frame, of one or several kinds."""
    paths = spread([folder.path for folder in family.folders], TRIES)
    found = {one.kind: one for one in first_holdings(root / path for path in paths)}
    if {"smpl", "joints3d"} <= set(found) and family.kind == "arrays":
        # Files of bodies hold the bodies' joints too, which add nothing.
        del found["joints3d"]
    layout = laid_out(family, by_view=by_camera(found)) if found else None
    if layout is None:
        return None
    blocks: dict[str, dict[str, Any]] = {}
    for kind, holding in found.items():
        blocks[kind] = {"path": layout.pattern, **holding.options}
        name = _frame_names(family.folders, layout, kind)
        if name:
            blocks[kind]["file"] = name
        else:
            blocks[kind].pop("times", None)
    return Group(layout, blocks, found, tuple(family.paths()), _subjects(family, layout))


_FILES_OF = {
    "silhouettes": ("picture",),
    "keypoints2d": ("text", "json"),
    "joints3d": ("text", "json", "arrays"),
    "smpl": ("arrays", "json", "pickle"),
}
"""Kind to the files that frames of it can be."""


def _frame_names(folders: Sequence[Folder], layout: Layouted, kind: str) -> str:
    """The form of the names of nearly all files, with ``{frame}``; empty where they have several."""
    forms: Counter[str] = Counter()
    for folder in folders:
        values = values_of(layout, folder.path)
        for name in folder.files:
            if kind_of_file(name) in _FILES_OF.get(kind, ()) and values is not None:
                forms[_frame_name(name, folder, layout, values)] += 1
    about = {"keypoints2d": "2d", "joints3d": "3d"}.get(kind, "")
    own = Counter({form: count for form, count in forms.items() if about and about in form.lower()}) or forms
    form, count = own.most_common(1)[0] if own else ("", 0)
    return form if count >= _ENOUGH * sum(own.values()) and "{frame}" in form else ""


def _frame_name(name: str, folder: Folder, layout: Layouted, values: dict[str, str]) -> str:
    # The number of dimensions in 00012_2d_pose.txt counts nothing.
    numbered = (TIMES["decimal"].fullmatch(name), re.match(r"(.*?)(\d+)(_[23]d_.*)$", name))
    number = next((match for match in numbered if match), re.match(r"(.*?)(\d+)(\D*)$", name))
    if number is None:
        return name
    above = folder.path.split("/")
    head, tail = (in_template(number[group], above, layout, values) for group in (1, 3))
    return f"{head}{{frame}}{tail}"


def _leaf(root: Path, family: Family) -> Group | None:
    """Folders with one file a kind; None where each file is a walk."""
    found: dict[str, tuple[Holding, str]] = {}
    layout = laid_out(family, by_view=True)
    if layout is None:
        return None
    forms = _forms(family, layout)
    for form, paths in forms.items():
        held = first_holdings(root / path for path in spread(paths, TRIES))
        for holding in held[:1]:
            found[form] = (holding, paths[0])
    if not found or _are_walks(family, {form: holding for form, (holding, _) in found.items()}):
        return None
    blocks, chosen = _chosen(layout, found)
    ids = _ids_file(root, family, layout)
    if ids:
        for name in chosen:
            blocks[name]["frame_ids"] = ids
    return Group(layout, blocks, chosen, tuple(family.paths()), _subjects(family, layout))


def _are_walks(family: Family, found: Mapping[str, Holding]) -> bool:
    """Whether all files of a folder are of one kind, which then is that of several walks."""
    if all(holding.in_world for holding in found.values()):
        return True
    alike = {re.sub(r"\d+", "#", form) for form in found}
    several = max(len(files_of(folder, family.kind)) for folder in family.folders) > 1
    return several and len(alike) == 1 and len({holding.kind for holding in found.values()}) == 1


def _forms(family: Family, layout: Layouted) -> dict[str, list[str]]:
    """Form of the names of files to the paths that have it, those that most folders have first."""
    forms: dict[str, list[str]] = {}
    for folder in family.folders:
        values = values_of(layout, folder.path)
        for name in files_of(folder, family.kind) if values is not None else ():
            form = in_template(name, folder.path.split("/"), layout, values or {})
            forms.setdefault(form, []).append(f"{folder.path}/{name}")
    most = max(map(len, forms.values()), default=0)
    return {form: paths for form, paths in sorted(forms.items()) if len(paths) >= most / 4}


def _chosen(
    layout: Layouted, found: Mapping[str, tuple[Holding, str]]
) -> tuple[dict[str, dict[str, Any]], dict[str, Holding]]:
    """Of each kind the best file; the others ride along where they have as many frames."""
    blocks: dict[str, dict[str, Any]] = {}
    chosen: dict[str, Holding] = {}
    also: dict[str, dict[str, Any]] = {}
    ordered = sorted(found.items(), key=lambda item: (worse(item[0]), item[0]))
    frames = next((_frames_of(one) for _, (one, _) in ordered if one.kind in KINDS), 0)
    for form, (holding, _) in ordered:
        path = f"{layout.pattern}/{form}"
        if holding.kind in KINDS and holding.kind not in blocks:
            blocks[holding.kind] = {"path": path, **holding.options}
            chosen[holding.kind] = holding
        elif _frames_of(holding) == frames:
            also.setdefault(_own_name(form), {"path": path})
    if also and blocks:
        blocks["also"] = also
    return blocks, chosen


def worse(path: str) -> tuple[bool, bool]:
    """Greater for what is less likely meant where several paths hold the same kind: not aligned, of a LiDAR."""
    return "align" not in path.lower(), bool(re.search("(?i)lidar|pcd", path))


def _frames_of(holding: Holding) -> int:
    number = re.search(r"(\d+) frames", holding.about)
    return int(number[1]) if number else 0


def _own_name(form: str) -> str:
    """Name of a modality in shards: what a file's name says beside numbers and parts."""
    words = re.findall(r"[a-z][a-z0-9]*", re.sub(r"\{\w+\}", " ", os.path.splitext(form)[0]).lower())
    return "_".join(words) or "more"


def _ids_file(root: Path, family: Family, layout: Layouted) -> str:
    """Template of a text beside the files that numbers their frames; empty where there is none."""
    from meshgait_data.sources.frame_ids import read_ids

    names = Counter(name for folder in family.folders for name in folder.files if kind_of_file(name) == "text")
    for name, count in names.items():
        if count < _ENOUGH * len(family.folders):
            continue
        first = next(folder.path for folder in family.folders if name in folder.files)
        try:
            read_ids(root / first / name)
        except MeshgaitError:
            continue
        return f"{layout.pattern}/{name}"
    return ""


def _walks(root: Path, family: Family) -> Iterator[Group]:
    """Files that hold a walk each; a layout for each ending that they have."""
    paths = list(family.paths())
    for ending in common_ending([os.path.basename(path) for path in paths]):
        own = [path for path in paths if common_ending([os.path.basename(path)])[0] == ending]
        found = {one.kind: one for one in first_holdings(root / path for path in spread(own, TRIES))}
        layout = _of_files(family, own, ending, by_view=by_camera(found)) if found.keys() & set(KINDS) else None
        if layout is None:
            continue
        blocks = {kind: {"path": layout.pattern, **one.options} for kind, one in found.items()}
        if blocks.get("mocap", {}).get("format") == "asf_amc":
            blocks["mocap"]["skeleton"] = _skeleton(family, layout)
        subjects = frozenset(values["subject"] for path in own if (values := values_of(layout, path)))
        yield Group(layout, blocks, found, tuple(own), subjects)


def _of_files(family: Family, paths: Sequence[str], ending: str, *, by_view: bool) -> Layouted | None:
    """Layout whose last level is the names of files without their ending."""
    stems = [(path.split("/")[:-1], os.path.basename(path).removesuffix(ending)) for path in paths]
    prefix = _prefix(stems)
    names = tuple(sorted({stem.removeprefix(_filled(prefix, above)) for above, stem in stems}))
    layout = laid_out(replace(family, levels=(*family.levels, Level(names, False))), by_view=by_view)
    if layout is None:
        return None
    head = re.sub(r"\{(\d+)\}", lambda match: layout.words[int(match[1])], prefix)
    last = f"{head}{layout.words[-1]}{ending}"
    words = (*layout.words[:-1], last)
    return replace(layout, pattern="/".join(words), words=words)


def _prefix(stems: Sequence[tuple[Sequence[str], str]]) -> str:
    """What all names of files start with, a folder's name in braces by its place: ``{1}_``."""
    for place in range(len(stems[0][0])):
        for separator in "_-. ":
            if all(stem.startswith(f"{above[place]}{separator}") for above, stem in stems):
                return f"{{{place}}}{separator}"
    return ""


def _filled(prefix: str, above: Sequence[str]) -> str:
    return re.sub(r"\{(\d+)\}", lambda match: above[int(match[1])], prefix)


def _skeleton(family: Family, layout: Layouted) -> str:
    """Template of the skeleton file of a subject."""
    for folder in family.folders:
        values = values_of(layout, None if not (own := files_of(folder, "amc")) else f"{folder.path}/{own[0]}")
        for name in files_of(folder, "asf") if values else ():
            return in_parts(f"{folder.path}/{name}", [("subject", values["subject"])]) if values else ""
    return ""


def values_of(layout: Layouted, path: str | None) -> dict[str, str] | None:
    """Parts of a path; None where it is not of the layout."""
    match = None if path is None else compiled_template(layout.pattern, layout.parts).fullmatch(path)
    return match.groupdict() if match else None


def _subjects(family: Family, layout: Layouted) -> frozenset[str]:
    found = (values_of(layout, folder.path) for folder in family.folders)
    return frozenset(values["subject"] for values in found if values)
