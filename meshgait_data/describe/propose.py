"""A first manifest for a folder, by looking at it: where sequences lie, what they hold, who could be tested on."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from meshgait_data.describe.families import Family, families
from meshgait_data.describe.groups import TRIES, Group, by_camera, groups_of, values_of, worse
from meshgait_data.describe.kinds import Holding
from meshgait_data.describe.tree import Folder, look
from meshgait_data.errors import InvalidData, MeshgaitError, UsageError
from meshgait_data.manifest_partition import read_partition

_ENERGY = re.compile(r"(?i)[^a-z]gei\.[a-z]+$")
_SLOW = 25.0
"""Frames per second where times do not tell."""
_BEST = ("silhouettes", "keypoints2d", "joints3d", "smpl", "mocap")
"""Kinds, by whose family the layout goes where there are several."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """What could be found out about a folder."""

    root: Path
    layouts: tuple[dict[str, object], ...]
    source: dict[str, Any]
    about: dict[str, str]
    """Block of the source to what was seen, for people."""
    by_camera: bool
    """Whether something is as cameras saw it."""
    fps: float
    """0 where no file says."""
    rig: str
    """Rig whose cameras stand as the names of views say."""
    partition: str = ""
    """File below the root that says who is trained on."""
    partition_probes: bool = False
    left: tuple[str, ...] = field(default=())
    """What was seen and is not in the proposal, a sentence each."""


def propose(root: Path) -> Proposal:
    """Look at a folder and propose how to describe it.

    Names are looked at in part where there are very many, and of each sort of file a few are opened; nothing in them
    is executed.

    Raises
    ------
    UsageError
        Where there is no such folder.
    InvalidData
        Where nothing in it looks like sequences.
    """
    if not root.is_dir():
        raise UsageError(f"no such folder: {root}", hint="give the folder that the dataset lies in")
    tree = look(root)
    groups: list[Group] = []
    left: list[str] = []
    for family in _merged(families(tree)):
        found = list(groups_of(root, family))
        groups += found
        if not found and family.levels and family.way != "leaf":
            example = next(family.paths(), "")
            left.append(f"{family.kind} files such as those of {example} hold nothing that a reader knows")
    if not groups:
        hint = "docs/formats/ tells what files can hold; docs/manifests.md how to describe them by hand"
        raise InvalidData(f"nothing below {root} looks like silhouettes, keypoints, bodies or mocap", hint=hint)
    return _joined(root, tree, groups, left)


def _merged(found: Sequence[Family]) -> Iterator[Family]:
    """Families without those whose folders are frames of another kind of file too: a folder is read as a whole."""
    taken: set[tuple[str, ...]] = set()
    for family in found:
        place = tuple(folder.path for folder in family.folders)
        if family.way == "frames":
            if place in taken:
                continue
            taken.add(place)
        yield family


def _joined(root: Path, tree: Folder, groups: Sequence[Group], left: list[str]) -> Proposal:
    """One proposal of all groups: those of the same kinds are further layouts, others further kinds."""
    main = min(groups, key=_rank)
    more, source = [main], {kind: dict(block) for kind, block in main.blocks.items()}
    about = {kind: holding.about for kind, holding in main.holdings.items()}
    for group in groups:
        if group is main:
            continue
        if group.kinds & main.kinds and any(_same_keys(group, other) for other in more):
            left.append(f"{group.layout.pattern} holds {_listed(group)} of the same sequences once more")
        elif group.kinds & main.kinds:
            more.append(group)
        elif group.subjects & main.subjects and set(group.layout.parts) <= set(main.layout.parts):
            source |= group.blocks
            about |= {kind: holding.about for kind, holding in group.holdings.items()}
        else:
            left.append(f"{group.layout.pattern} holds {_listed(group)} of other sequences, for another manifest")
    for block in (*(source[kind] for kind in source if kind != "also"), *source.get("also", {}).values()):
        _relative(block, main.layout.pattern)
    held = {kind: holding for group in groups for kind, holding in group.holdings.items() if kind in source}
    _finish(source, held)
    probes, partition = _partition(root, tree)
    return Proposal(
        root=root,
        layouts=tuple(_distinct(root, more, _unused(tree), by_view=by_camera(main.holdings))),
        source=source,
        about=about,
        by_camera=by_camera(main.holdings),
        fps=next((round(holding.fps, 2) for holding in held.values() if holding.fps), 0.0),
        rig="casia_b",
        partition=partition,
        partition_probes=probes,
        left=tuple(left),
    )


def _rank(group: Group) -> tuple[int, tuple[bool, bool], int]:
    """Least for the group whose layout is the manifest's."""
    return min(_BEST.index(kind) for kind in group.kinds), worse(group.layout.pattern), -len(group.paths)


def _listed(group: Group) -> str:
    return ", ".join(sorted(group.kinds))


def _same_keys(group: Group, other: Group) -> bool:
    """Whether two groups have sequences under the same names."""
    if group.layout.keys != other.layout.keys or set(group.layout.parts) != set(other.layout.parts):
        return False
    one, two = ({tuple(sorted((values_of(g.layout, path) or {}).items())) for path in g.paths} for g in (group, other))
    return len(one & two) > 0.5 * min(len(one), len(two))


def _relative(block: dict[str, Any], pattern: str) -> None:
    for name in ("path", "frame_ids"):
        text = block.get(name, "")
        if text == pattern or text.startswith(f"{pattern}/"):
            block[name] = "{folder}" + text[len(pattern) :]


def _finish(source: dict[str, Any], held: Mapping[str, Holding]) -> None:
    """What follows from the kinds together."""
    masks, points = held.get("silhouettes"), held.get("keypoints2d")
    if masks is not None and masks.aligned and (set(source) & {"keypoints2d", "smpl"}):
        source["silhouettes"]["fit"] = False
    if points is not None and not all(points.size) and masks is not None and not masks.aligned and all(masks.size):
        source["keypoints2d"]["size"] = list(masks.size)
    if (masks is not None and (masks.aligned or not all(masks.size))) or (masks is None and points is not None):
        source["cameras"] = {"format": "crops"}
    if any("times" in source[kind] for kind in held):
        rates = [holding.fps for kind, holding in held.items() if "times" in source[kind] and holding.fps]
        source["tolerance_s"] = round(0.5 / max(rates, default=_SLOW), 4)


def _distinct(
    root: Path, groups: Sequence[Group], unused: Sequence[str], *, by_view: bool
) -> Iterator[dict[str, object]]:
    """Layouts whose keys differ: people of train and of another side that bear the same names are told apart."""
    seen: set[str] = set()
    for number, group in enumerate(groups):
        plain = group.layout.plain()
        side = next((word for word in group.layout.words if word.lower().startswith("train")), "")
        others = frozenset().union(*(other.subjects for other in groups if other is not group), frozenset())
        if side and group.subjects & others:
            plain["keys"] = {"subject": f"{{subject}}-{side}", **group.layout.keys}
        if by_view and group.layout.names_view:
            plain["captures"] = "each"
        if unused and not number:
            plain["exclude"] = list(unused)
        if any(" " in path for path in group.paths):
            plain["quote_names"] = True
        if any(_leads_out(root, path) for path in group.paths[:TRIES]):
            plain["links"] = True
        if str(plain) not in seen or not number:
            seen.add(str(plain))
            yield plain


def _unused(tree: Folder) -> list[str]:
    """What lies among sequences and is none: gait energy images."""
    found = {match[0] for one in tree.below() for name in one.files if (match := _ENERGY.search(name))}
    return sorted(f"*{ending}" for ending in found)


def _leads_out(root: Path, path: str) -> bool:
    """Whether a folder, or the first file in it, is a link to somewhere outside of the root."""
    place = root / path
    inside = sorted(os.listdir(place))[:1] if place.is_dir() else []
    whole = os.path.realpath(root) + os.sep
    return not all(os.path.realpath(one).startswith(whole) for one in (place, *(place / name for name in inside)))


def _partition(root: Path, tree: Folder) -> tuple[bool, str]:
    for name in tree.files:
        if name.lower().endswith(".json"):
            try:
                return bool(read_partition(root / name).probe), name
            except MeshgaitError:
                continue
    return False, ""
