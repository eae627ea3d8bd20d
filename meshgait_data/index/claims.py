"""Which sequence a path below the root belongs to: layouts and paths of a manifest, as expressions over paths."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from meshgait_data.manifest import Layout, Manifest
from meshgait_data.manifest_paths import over_parts
from meshgait_data.manifest_source import KINDS, Source
from meshgait_data.sources.pictures import ENDINGS
from meshgait_data.templates import compiled_template, template_names

LAYOUT = ""
"""Kind of the claim of a layout itself."""

ANY = frozenset({"*"})
"""Stands for files of any ending."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Paths of one template, and of everything below where it is a folder."""

    layout: int
    """Number of the layout whose parts it names."""
    kind: str
    """Block of the source, see ``Source.templates``; ``LAYOUT`` for the layout itself."""
    regex: re.Pattern[str]
    """Of the whole path."""
    depth: int
    """Folders above."""
    parts: tuple[str, ...] | None
    """Parts that tell sequences of the layout apart; None where its files make no sequence, or are of several."""
    endings: frozenset[str] = ANY
    """Of the files that are read in a folder of these paths."""
    exclude: tuple[str, ...] = ()
    """Names of files in such a folder that are not read."""

    def reads(self, ending: str) -> bool:
        """Whether it reads files of an ending."""
        return ending in self.endings or "*" in self.endings


@dataclass(frozen=True, slots=True)
class Claims:
    """Everything that a manifest knows about paths."""

    by_depth: dict[int, tuple[Claim, ...]]
    suffixes: frozenset[str]
    """Endings of the files that it names."""

    @classmethod
    def of(cls, manifest: Manifest) -> "Claims":
        """Those of all layouts; earlier layouts come first."""
        claims = [
            claim for number, layout in enumerate(manifest.layouts) for claim in _claims(manifest, number, layout)
        ]
        partition = manifest.split.partition
        if partition is not None:
            claims.append(_of_file(PurePosixPath(partition.path).as_posix()))
        by_depth: dict[int, list[Claim]] = {}
        for claim in claims:
            by_depth.setdefault(claim.depth, []).append(claim)
        return cls({depth: tuple(own) for depth, own in by_depth.items()}, frozenset(_suffixes(manifest)))


def _of_file(path: str) -> Claim:
    """Of one file that is of no sequence."""
    return Claim(0, "partition", re.compile(re.escape(path)), path.count("/"), None)


def _suffixes(manifest: Manifest) -> set[str]:
    named = [layout.pattern for layout in manifest.layouts] + [path for _, path in all_paths(manifest.source)]
    inside = {ending for kind in manifest.source.blocks() for ending in _endings(manifest.source, f"{kind}.path")}
    return ({PurePosixPath(path).suffix.lower() for path in named} | inside) - {"", ".*", *ANY}


def _endings(source: Source, kind: str) -> frozenset[str]:
    """Endings of the files that a block reads in its folders."""
    name, _, what = kind.rpartition(".")
    block = source.blocks().get(name) if what == "path" else None
    if block is None:
        return ANY
    if block.file:
        return frozenset({PurePosixPath(block.file).suffix.lower()})
    if getattr(block, "format", "") == "opengait":
        return frozenset({".pkl"})
    return frozenset(ENDINGS) if name == "silhouettes" else ANY


def all_paths(source: Source) -> Iterator[tuple[str, str]]:
    """Name and template of everything that a source names."""
    yield from source.templates().items()
    skeleton = source.skeleton or (source.mocap.skeleton if source.mocap else "")
    if skeleton:
        yield "skeleton", skeleton


def own_parts(layout: Layout) -> tuple[str, ...]:
    """Names of the parts that tell the sequences of a layout apart, in the order in which records keep them."""
    return tuple(sorted(template_names(layout.pattern)))


def _claims(manifest: Manifest, number: int, layout: Layout) -> Iterator[Claim]:
    own = own_parts(layout)
    for kind, template in ((LAYOUT, layout.pattern), *all_paths(manifest.source)):
        text = over_parts(template, layout)
        names = template_names(text)
        # What is neither a part nor a word of the key stands for any text inside one name.
        free = {name: "[^/]*" for name in names - layout.known_parts}
        regex = compiled_template(text, {**layout.patterns, **free})
        whole = set(own) <= names and (kind == LAYOUT or _tells_sequences(kind))
        block = manifest.source.blocks().get(kind.removesuffix(".path"))
        yield Claim(
            number,
            kind,
            regex,
            text.count("/"),
            own if whole else None,
            _endings(manifest.source, kind),
            block.exclude if block is not None else (),
        )


def _tells_sequences(kind: str) -> bool:
    """Whether files of a block make a sequence; others, such as a calibration, only go with one."""
    block, _, what = kind.partition(".")
    return block in KINDS and what == "path"
