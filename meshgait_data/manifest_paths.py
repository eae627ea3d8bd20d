"""Where the files of one walk lie: path templates of a manifest, filled in as far as a key tells."""

import glob
import itertools
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from meshgait_data.manifest_layout import Layout
from meshgait_data.templates import compiled_template, template_names, template_parts
from meshgait_data.types import CaptureKey, SequenceKey

FOLDER = "folder"
"""Name in braces that stands for the pattern of the layout."""
_ANY = "any_text_"
"""Start of the names that ``*`` becomes."""


@dataclass(frozen=True, slots=True)
class Paths:
    """The paths of one template that belong to one key.

    What the key does not tell, such as the view where the key is a walk's, may be any text that the layout allows.
    """

    layout: Layout
    key: SequenceKey | CaptureKey
    template: str
    """Over parts of the layout alone."""
    parts: Mapping[str, str]
    """Parts that the key tells."""

    @property
    def exact(self) -> str | None:
        """The path below the root where the key tells all of it."""
        return self.template.format(**self.parts) if template_names(self.template) <= set(self.parts) else None

    @property
    def glob(self) -> str:
        """Pattern of file names, for :mod:`glob`, that all of the paths match."""
        texts = []
        for literal, name in template_parts(self.template):
            texts.append(glob.escape(literal))
            if name:
                texts.append(glob.escape(self.parts[name]) if name in self.parts else "*")
        return "".join(texts)

    def view(self, path: str) -> str | None:
        """View that a path below the root is of: empty where it tells none, None where it is not one of these paths."""
        told = self._told(path)
        return None if told is None else self._view_of(told)

    def _view_of(self, told: Mapping[str, str]) -> str | None:
        """View that the parts of one of these paths make, those of the key included."""
        parts, template = {**self.parts, **told}, self.layout.words["view"]
        if not template_names(template) <= set(parts):
            return ""
        view = self.layout.word("view", parts)
        if isinstance(self.key, SequenceKey):
            return view if view == self.key.view else None
        of_walk = SequenceKey(self.key.dataset, self.key.subject, self.key.condition, view)
        return view if self.layout.capture(of_walk) == self.key else None

    def _told(self, path: str) -> dict[str, str] | None:
        """Parts that a path tells beyond those of the key; None where it is not one of these paths."""
        # The common case, without an expression of its own for every key.
        if path == self.exact:
            return {}
        fixed = {name: re.escape(text) for name, text in self.parts.items()}
        free = {name: "[^/]*" for name in template_names(self.template) if name.startswith(_ANY)}
        match = compiled_template(self.template, {**self.layout.patterns, **free, **fixed}).fullmatch(path)
        return None if match is None else match.groupdict()

    def find(self, root: Path) -> list[tuple[str, Path]]:
        """(view, path) of each that is on disk below a root, sorted."""
        exact = self.exact
        if exact is not None:
            path = root / exact
            view = self._view_of({}) if os.path.exists(path) else None
            return [] if view is None else [(view, path)]
        found = [Path(path) for path in glob.iglob(str(Path(glob.escape(str(root))) / self.glob))]
        views = [(self.view(path.relative_to(root).as_posix()), path) for path in found]
        return sorted((view, path) for view, path in views if view is not None)


def over_parts(template: str, layout: Layout) -> str:
    """A template in which ``{folder}``, words of the key that are no parts, and ``*`` are replaced by what they are.

    >>> over_parts("{folder}/smpl.npz", Layout("{subject}/{condition}/{view}"))
    '{subject}/{condition}/{view}/smpl.npz'
    """
    return _over_parts(template, layout.pattern, tuple(layout.words.items()))


# The same for every sequence of a dataset.
@lru_cache(maxsize=1024)
def _over_parts(template: str, pattern: str, words: tuple[tuple[str, str], ...]) -> str:
    in_path = template_names(pattern)
    made = {word: text for word, text in words if word not in in_path}
    made[FOLDER] = pattern
    text = ""
    for literal, name in template_parts(template):
        text += literal.replace("{", "{{").replace("}", "}}")
        if name:
            text += made.get(name, f"{{{name}}}")
    stars = itertools.count()
    return re.sub(r"\*", lambda _: f"{{{_ANY}{next(stars)}}}", text)
