"""Read a tree of OpenGait: its leaves, what their files are called, and the sequences in them; nothing of it is run."""

import json
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np
from numpy.typing import NDArray

from meshgait_data.errors import MeshgaitError, ShardError, SourceError, UsageError
from meshgait_data.export.opengait import BESIDE, BETAS, LEFTOVER, STATE, TreeFacts
from meshgait_data.findings import Finding, Severity
from meshgait_data.shards.schema import BY_NAME, ArraySpec, spec_of, specs_of
from meshgait_data.sources.reading import read_pickled_array
from meshgait_data.types import ByteArray, SequenceData, SequenceKey

KNOWN_SILHOUETTES = ("silhouettes", "aligned_sils", "camera_sils_aligned", "sils", "sil", "silhouettes_128")
"""Names that the published trees give to aligned silhouettes, the likeliest first."""

_OURS = re.compile(r"\d+_([a-z][a-z0-9_]*)")
_TRIED = 64
"""Leaves that are looked at to learn type and shape of a modality."""
_CUT = 44 / 64
"""Width to height of silhouettes that were stored as networks read them, without ten columns at either side."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """One sequence of a tree: its key, its folder, and the file of each modality."""

    key: SequenceKey
    folder: Path
    files: Mapping[str, str]
    """Name of the modality to name of the file."""

    def fingerprint(self) -> str:
        """What it holds: names, sizes and checksums of its files."""
        lines = []
        for name, file in sorted(self.files.items()):
            try:
                data = (self.folder / file).read_bytes()
                content = f"{len(data)} {google_crc32c.value(data)}"
            except OSError:
                # It becomes a finding when it is read for good.
                content = "unreadable"
            lines.append(f"{self.key} {name} {content}")
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Tree:
    """What lies in the folder of a tree."""

    root: Path
    leaves: tuple[Leaf, ...]
    """By key."""
    findings: tuple[Finding, ...]
    ours: bool
    """Whether ``mgdata`` wrote it, so that its names are those of the schema."""

    @property
    def modalities(self) -> Counter[str]:
        """Name of each modality to the number of leaves that have it."""
        return Counter(name for leaf in self.leaves for name in leaf.files)


@dataclass(frozen=True, slots=True)
class Reading:
    """How the leaves of a tree become sequences."""

    facts: TreeFacts
    silhouettes: str
    """Modality that is the silhouettes."""
    names: Mapping[str, str]
    """Modality to the name of its field."""
    expected: Mapping[str, ArraySpec] = field(default_factory=dict)
    """Arrays that all sequences agree with."""


def scan(root: Path, dataset: str) -> Tree:
    """List a tree; no array is read.

    Parameters
    ----------
    root
        Folder that holds the subjects.
    dataset
        First word of the keys.

    Raises
    ------
    UsageError
        Where there is no such folder, no sequence in it, or ``mgdata`` has not finished writing it.
    """
    if not root.is_dir():
        raise UsageError("there is no such folder", where=str(root), hint="give the folder that holds the subjects")
    ours = _is_ours(root)
    findings: list[Finding] = []
    strays: list[str] = []
    leaves: list[Leaf] = []
    for folder, files in _walk(root, strays, findings):
        try:
            key = SequenceKey(dataset, *folder.relative_to(root).parts)
            leaves.append(Leaf(key, folder, _modalities(key, files, ours=ours)))
        except ValueError as error:
            hint = "rename it: names are one word without spaces, and one file of a leaf is one modality"
            findings.append(Finding(Severity.ERROR, "MG-TREE-001", str(folder), str(error), hint))
    if not leaves and not findings:
        hint = "give the folder that holds <subject>/<condition>/<view>/*.pkl"
        raise UsageError("no sequence in OpenGait's layout lies here", where=str(root), hint=hint)
    findings += _strays(root, strays)
    return Tree(root, tuple(sorted(leaves, key=lambda leaf: leaf.key)), tuple(findings), ours)


def _is_ours(root: Path) -> bool:
    try:
        complete = json.loads((root / STATE).read_text(encoding="utf-8"))["complete"]
    except FileNotFoundError:
        return False
    except (OSError, ValueError, KeyError, TypeError):
        complete = False
    if complete is not True:
        hint = "run the 'mgdata convert' that began it again: it goes on where it stopped"
        raise UsageError("this tree is not complete", where=str(root), hint=hint)
    return True


def _walk(root: Path, strays: list[str], findings: list[Finding]) -> Iterator[tuple[Path, list[str]]]:
    """Folders three levels down with their pickles; what has no place in the layout is added to ``strays``."""
    stack = [(root, 0)]
    while stack:
        folder, depth = stack.pop()
        pickles = []
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            what = f"the folder cannot be listed: {error.strerror}"
            findings.append(Finding(Severity.ERROR, "MG-TREE-001", str(folder), what, "check its permissions"))
            continue
        for entry in entries:
            if entry.is_dir() and depth < 3 and not LEFTOVER.fullmatch(entry.name):
                stack.append((Path(entry.path), depth + 1))
            elif entry.is_file() and depth == 3 and entry.name.endswith(".pkl"):
                pickles.append(entry.name)
            elif depth or entry.name not in BESIDE:
                strays.append(os.path.relpath(entry.path, root))
        if depth == 3 and pickles:
            yield folder, pickles
        elif depth == 3:
            strays.append(os.path.relpath(folder, root))


def _strays(root: Path, strays: Sequence[str]) -> list[Finding]:
    if not strays:
        return []
    what = f"{len(strays)} files or folders have no place in the layout, the first: {min(strays)}"
    return [Finding(Severity.WARNING, "MG-TREE-004", str(root), what, "move them out if they are sequences")]


def _modalities(key: SequenceKey, files: Sequence[str], *, ours: bool) -> dict[str, str]:
    found: dict[str, str] = {}
    for file in files:
        name = modality(file.removesuffix(".pkl"), key, ours=ours)
        if name in found:
            raise ValueError(f"{found[name]} and {file} are both {name or 'silhouettes'}")
        found[name] = file
    return found


def modality(stem: str, key: SequenceKey, *, ours: bool = False) -> str:
    """Name of a modality, the same in all leaves: a file's name without the view and the number in front.

    >>> key = SequenceKey.parse("set/001/nm-01/000")
    >>> [modality(stem, key) for stem in ("000", "000-aligned-sils", "06-000-Camera-Sils_aligned")]
    ['', 'aligned_sils', 'camera_sils_aligned']
    """
    match = _OURS.fullmatch(stem) if ours else None
    if match:
        return match[1]
    words = [word for word in re.split(r"[^A-Za-z0-9]+", re.sub(_delimited(key.view), "-", stem, count=1)) if word]
    if len(words) > 1 and words[0].isdigit():
        words = words[1:]
    name = "_".join(words).lower()
    return f"m_{name}" if name[:1].isdigit() else name


def _delimited(word: str) -> str:
    return rf"(?<![A-Za-z0-9]){re.escape(word)}(?![A-Za-z0-9])"


def plan(tree: Tree, facts: TreeFacts, silhouettes: str = "") -> Reading:
    """Say which modality is the silhouettes, what the others are called in shards, and what their arrays are.

    Parameters
    ----------
    silhouettes
        Name of the modality that is the silhouettes; by default the one that is called so.

    Raises
    ------
    UsageError
        Where none or several could be the silhouettes.
    """
    found = tree.modalities
    chosen = _silhouettes(found, silhouettes, str(tree.root))
    names = {name: _field(name, chosen, ours=tree.ours) for name in found}
    return Reading(facts, chosen, names, _expected(tree, names))


def _silhouettes(found: Counter[str], given: str, where: str) -> str:
    named = [name for name in ("", *KNOWN_SILHOUETTES) if name in found]
    candidates = [given] if given else named or list(found)
    if candidates[0] in found and (given or named or len(found) == 1):
        return candidates[0]
    hint = f"say it with --silhouettes, one of: {', '.join(sorted(found))}"
    raise UsageError("which modality is the silhouettes?", where=where, hint=hint)


def _field(name: str, silhouettes: str, *, ours: bool) -> str:
    if name == silhouettes:
        return "silhouettes"
    # Fields of the table mean something exact, which a file of the same name from elsewhere does not, nor do our pixels
    # of 64 x 64 windows beside silhouettes of 128 x 128.
    other_pixels = silhouettes != "silhouettes" and name in BY_NAME and "px" in BY_NAME[name].unit
    return f"{name}_given" if name in BY_NAME and (not ours or other_pixels) else name


def _expected(tree: Tree, names: Mapping[str, str]) -> dict[str, ArraySpec]:
    """Type and shape of each field: those of the first leaf whose file can be read."""
    specs: dict[str, ArraySpec] = {}
    for name, target in names.items():
        for leaf in islice((leaf for leaf in tree.leaves if name in leaf.files), _TRIED):
            try:
                array = _read(leaf, name)
                if target == "silhouettes":
                    array, _ = _as_silhouettes(array)
                if target != BETAS or not tree.ours:
                    specs[target] = spec_of(target, array, where=str(leaf.key), description=_describe(leaf, name))
                break
            except MeshgaitError:
                # Said when the leaf is read for good.
                continue
    return specs


def _describe(leaf: Leaf, name: str) -> str:
    return f"Rides along from the OpenGait tree, where its files are called like {leaf.files[name]}."


def _read(leaf: Leaf, name: str) -> NDArray[Any]:
    path = leaf.folder / leaf.files[name]
    array = read_pickled_array(path)
    if array.ndim < 1 or not array.size:
        raise SourceError(f"holds no frames, its shape is {array.shape}", where=str(path))
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _as_silhouettes(array: NDArray[Any]) -> tuple[ByteArray, str]:
    """Silhouettes (F, S, S) of 0 to 255, and what had to be done to them; raises ShardError where they are none."""
    if array.ndim != 3 or array.dtype not in (np.dtype(np.uint8), np.dtype(bool)):
        raise ShardError(f"silhouettes are {array.dtype} {array.shape}, expected uint8 (F, S, S)")
    done = []
    images: ByteArray = array.astype(np.uint8, copy=False)
    if images.max() == 1:
        images = images * np.uint8(255)
        done.append("values 0 and 1 became 0 and 255")
    _, height, width = images.shape
    if width == height * _CUT:
        side = (height - width) // 2
        images = np.pad(images, ((0, 0), (0, 0), (side, side)))
        done.append(f"{side} empty columns were added at either side")
        width = height
    if height != width:
        raise ShardError(f"silhouettes are {height} x {width}, expected as many rows as columns")
    return images, "; ".join(done)


def read_leaf(leaf: Leaf, reading: Reading) -> tuple[SequenceData | None, list[Finding]]:
    """Read one sequence.

    Returns
    -------
    The sequence, or None where its silhouettes cannot be used, and what was noticed. Another modality that cannot be
    used is left out of this sequence.
    """
    findings: list[Finding] = []
    try:
        arrays = _silhouettes_of(leaf, reading, findings)
    except MeshgaitError as error:
        return None, [_lost(error, "MG-TREE-001", leaf)]
    frames = len(arrays["silhouettes"])
    betas = np.zeros(0, np.float32)
    for name in sorted(set(leaf.files) - {reading.silhouettes}):
        target = reading.names[name]
        try:
            array = _read(leaf, name)
            if len(array) != frames:
                hint = "OpenGait refuses such leaves; write the file again from the frames of the silhouettes"
                raise ShardError(f"{len(array)} frames beside {frames} of the silhouettes", hint=hint)
            if target == BETAS and BETAS not in reading.expected:
                betas = _one_shape(array)
                continue
            _compare(target, array, reading.expected)
            arrays[target] = array
        except MeshgaitError as error:
            findings.append(_lost(error, "MG-TREE-002", leaf, leaf.files[name]))
    return _finished(leaf, reading, arrays, betas, findings)


def _silhouettes_of(leaf: Leaf, reading: Reading, findings: list[Finding]) -> dict[str, NDArray[Any]]:
    if reading.silhouettes not in leaf.files:
        raise ShardError(f"has no silhouettes, only {', '.join(leaf.files.values())}")
    images, done = _as_silhouettes(_read(leaf, reading.silhouettes))
    _compare("silhouettes", images, reading.expected)
    if done:
        findings.append(Finding(Severity.INFO, "MG-TREE-005", str(leaf.key), done))
    return {"silhouettes": images}


def _compare(name: str, array: NDArray[Any], expected: Mapping[str, ArraySpec]) -> None:
    spec = expected.get(name) or spec_of(name, array, where="")
    if name not in expected:
        raise ShardError(f"of type {spec.dtype} and shape {spec.shape}, but the first {_TRIED} files were of no use")
    if (array.dtype.name, array.shape[1:]) != (spec.dtype, spec.shape):
        what = f"a frame is {array.dtype} {array.shape[1:]}, elsewhere in the tree {spec.dtype} {spec.shape}"
        raise ShardError(what, hint="a field has one type and shape in a dataset")


def _one_shape(array: NDArray[Any]) -> NDArray[Any]:
    if array.ndim != 2 or (array != array[0]).any():
        raise ShardError(f"betas {array.shape} differ from frame to frame, and a sequence has one shape")
    return array[0].astype(np.float32)


def _finished(
    leaf: Leaf,
    reading: Reading,
    arrays: dict[str, NDArray[Any]],
    betas: NDArray[Any],
    findings: list[Finding],
) -> tuple[SequenceData | None, list[Finding]]:
    """Number the frames, mark those without a person, and check all of it."""
    facts, count = reading.facts, len(arrays["silhouettes"])
    arrays.setdefault("frame_ids", np.arange(count, dtype=np.int32))
    seen = arrays["silhouettes"].reshape(count, -1).any(axis=1)
    if not seen.all():
        arrays["valid"] = (seen & (arrays.get("valid", seen) != 0)).astype(np.uint8)
        what = f"{count - int(seen.sum())} of {count} silhouettes are empty; these frames are kept, with valid = 0"
        findings.append(Finding(Severity.WARNING, "MG-TREE-003", str(leaf.key), what))
    sequence = SequenceData(
        leaf.key, facts.identity(leaf.key.subject), facts.fps, None, betas, arrays, (), facts.joint_set.name
    )
    try:
        specs_of(sequence, reading.expected)
    except ShardError as error:
        return None, [*findings, _lost(error, "MG-TREE-001", leaf)]
    return sequence, findings


def _lost(error: MeshgaitError, id: str, leaf: Leaf, file: str = "") -> Finding:
    where = f"{leaf.key} {file}".rstrip()
    return Finding(Severity.ERROR, id, where, error.what, error.hint)
