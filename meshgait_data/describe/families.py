"""Families of a tree: sets of paths that are alike, each path one sequence's files of one or several kinds."""

import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from meshgait_data.describe.names_alike import in_parts
from meshgait_data.describe.tree import Folder, kind_of_file

_DIGITS = re.compile(r"\d+")
SIDES = re.compile(r"(?i)train|test|gallery|probe|query|^val|distract")
"""Names of folders that hold another side of a split, not another person."""
_KINDS = re.compile(
    r"(?i)silh|(?:^|[^a-z])sils?(?:[^a-z]|$)|mask|pose|keyp|kpt|smpl|mesh|pars|rgb|depth|lidar|pcd|flow|imag|joint"
    r"|mocap|video|frame|-pkl"
)
"""Names of folders that hold another kind."""
_NO_FRAMES = re.compile(r"(?i)(^|[^a-z])(gei|flow)\.[a-z]+$")
_ALONE = frozenset({"c3d", "bvh", "amc"})
"""Kinds of files that hold one walk each."""
_A_FILE_A_FRAME = frozenset({"picture", "text", "json", "arrays"})
_FEW = 3
"""Files of a folder that are too few to be frames, unless they are pictures."""
_MOST_KINDS = 24
"""Files of one folder that can be one kind each."""


@dataclass(frozen=True, slots=True)
class Level:
    """One place of the paths of a family."""

    names: tuple[str, ...]
    """Different names, sorted."""
    fixed: bool
    """Whether the name is the same everywhere, and names nobody."""


@dataclass(frozen=True, slots=True)
class Family:
    """Folders, or files, that are alike."""

    levels: tuple[Level, ...]
    """Of the folders above the files."""
    folders: tuple[Folder, ...]
    """As far as they were looked at."""
    kind: str
    """Of files, by their endings."""
    way: str
    """``frames``: a folder with one file a frame; ``leaf``: one file a kind; ``walks``: a file for each walk."""

    def paths(self) -> Iterator[str]:
        """Folders, or files of ``walks``, below the root."""
        for folder in self.folders:
            if self.way != "walks":
                yield folder.path
                continue
            yield from (f"{folder.path}/{name}".lstrip("/") for name in files_of(folder, self.kind))


def files_of(folder: Folder, kind: str) -> list[str]:
    """Files of one kind in a folder, without pictures that are no frames."""
    return [name for name in folder.files if kind_of_file(name) == kind and not _NO_FRAMES.search(name)]


def families(root: Folder) -> list[Family]:
    """All families of a tree, in the order of their paths."""
    return list(_explore([root], ()))


def _explore(folders: Sequence[Folder], levels: tuple[Level, ...]) -> Iterator[Family]:
    inner = _groups(folders)
    below = {kind for _, group in inner for folder in group for _, kind in folder.holds()}
    for kind in sorted({kind_of_file(name) for folder in folders for name in folder.files}):
        # A picture or a list beside the folders of sequences is about them, not one of them.
        if kind == "asf" or (kind in below and kind not in _ALONE):
            continue
        with_it = tuple(folder for folder in folders if files_of(folder, kind))
        if with_it:
            yield Family(levels, with_it, kind, _way(with_it, kind))
    for sampled, group in inner:
        names = _all_alike(folders, sampled)
        fixed = len(names) == 1 and (not _DIGITS.search(names[0]) or bool(_role(names[0])))
        yield from _explore(group, (*levels, Level(names, fixed)))


def _all_alike(folders: Sequence[Folder], sampled: Sequence[str]) -> tuple[str, ...]:
    """Names, those included that were not looked into."""
    sorts = {_DIGITS.sub("#", name) for name in sampled}
    found = {name for folder in folders for name in folder.names if _DIGITS.sub("#", name) in sorts}
    return tuple(sorted(found | set(sampled)))


def _role(name: str) -> str:
    return _DIGITS.sub("#", name) if SIDES.search(name) or _KINDS.search(name) else ""


def _groups(folders: Sequence[Folder]) -> list[tuple[tuple[str, ...], list[Folder]]]:
    """Folders inside of folders that are alike, put together where they hold the same kinds at the same depths."""
    by_name: dict[str, list[Folder]] = {}
    for folder in folders:
        for name, inner in folder.folders.items():
            by_name.setdefault(name, []).append(inner)
    held = {name: frozenset().union(*(one.holds() for one in group)) for name, group in by_name.items()}
    groups: list[tuple[str, frozenset[tuple[int, str]], list[str]]] = []
    for name in sorted(by_name, key=lambda name: (bool(_role(name)), -len(held[name]), name)):
        # Beside folders of people, one called probe is as much of a person as they are.
        roles = {"", _role(name)} if SIDES.search(name) and not _KINDS.search(name) else {_role(name)}
        home = next((g for g in groups if g[0] in roles and _alike(held[name], g[1])), None)
        if home is not None:
            home[2].append(name)
        elif held[name]:
            groups.append((_role(name), held[name], [name]))
    found = [(tuple(sorted(names)), [one for name in names for one in by_name[name]]) for _, _, names in groups]
    return sorted(found, key=lambda group: group[0])


def _alike(one: frozenset[tuple[int, str]], other: frozenset[tuple[int, str]]) -> bool:
    return len(one & other) >= 0.5 * len(one | other) or one <= other


def _way(folders: Sequence[Folder], kind: str) -> str:
    """How files of a kind lie in their folders."""
    if kind in _ALONE:
        return "walks"
    if kind == "picture":
        return "frames"
    counted = [files_of(folder, kind) for folder in folders]
    numbered = Counter(_DIGITS.sub("#", name) for names in counted for name in names)
    most = sum(count for _, count in numbered.most_common(2))
    typical = sorted(map(len, counted))[len(counted) // 2]
    if kind in _A_FILE_A_FRAME and typical > _FEW and most >= 0.8 * sum(map(len, counted)):
        return "frames"
    return "leaf" if typical <= _MOST_KINDS and _same_names(folders, counted) else "walks"


def _same_names(folders: Sequence[Folder], counted: Sequence[Sequence[str]]) -> bool:
    """Whether the files of all folders have the same names, but for what the names of the folders say."""
    sets = [set(leaf_names(folder, names)) for folder, names in zip(folders, counted, strict=True)]
    found = Counter(name for names in sets for name in names)
    if len(sets) == 1:
        return len(counted[0]) == 1 or "{" in "".join(sets[0])
    return sum(count for count in found.values() if count > len(sets) / 2) >= 0.6 * sum(map(len, sets))


def leaf_names(folder: Folder, names: Sequence[str]) -> list[str]:
    """Names of files with the names of the folders above in braces, by their places: ``sils-{2}.pkl``."""
    above = [(str(place), name) for place, name in enumerate(folder.path.split("/")) if name]
    return [in_parts(name, above) for name in names]


def common_ending(names: Sequence[str]) -> tuple[str, ...]:
    """What the names of files end in after their own part, e.g. ``_poses.npz``; the most frequent first."""
    found = Counter(_ending(name) for name in names)
    return tuple(ending for ending, _ in found.most_common())


def _ending(name: str) -> str:
    stem, ending = os.path.splitext(name)
    words = re.search(r"_(poses|stageii|stagei|smpl|params|keypoints|joints|markers)$", stem)
    return (words[0] if words else "") + ending
