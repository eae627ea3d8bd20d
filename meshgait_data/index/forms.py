"""Types and shapes of arrays that ride along: a dataset has one of each, and sequences that differ lose the array."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from meshgait_data.findings import Finding, Severity
from meshgait_data.index.protocols import listed
from meshgait_data.index.rows import IndexRow
from meshgait_data.types import SequenceKey

_HINT = "make these files again as the others are; all other kinds of these sequences stay"


@dataclass(slots=True)
class Forms:
    """Types and shapes of frames, by kind."""

    by_kind: dict[str, dict[str, list[SequenceKey]]] = field(default_factory=dict)
    """Kind to form to the sequences that have it."""

    def add(self, key: SequenceKey, forms: Iterable[tuple[str, str]]) -> None:
        """Note kinds and forms of a sequence."""
        for kind, form in forms:
            self.by_kind.setdefault(kind, {}).setdefault(form, []).append(key)

    def others(self) -> Iterator[tuple[str, str, str, list[SequenceKey]]]:
        """Kind, usual form, another form, and the sequences that have that one."""
        for kind, forms in sorted(self.by_kind.items()):
            usual = max(sorted(forms), key=lambda form, own=forms: len(own[form]))  # type: ignore[misc]  # bound now
            yield from ((kind, usual, form, sorted(keys)) for form, keys in sorted(forms.items()) if form != usual)

    def findings(self, dataset: str) -> list[Finding]:
        """MG-RIDING-004: one for each kind and form that is not the usual one."""
        found = []
        for kind, usual, form, keys in self.others():
            count = sum(map(len, self.by_kind[kind].values()))
            what = f"{kind} is {form} a frame in {len(keys)} of {count} sequences, and {usual} in most: left out of "
            found.append(Finding(Severity.WARNING, "MG-RIDING-004", dataset, what + listed(map(str, keys)), _HINT))
        return found

    def settled(self, rows: Iterable[IndexRow]) -> list[IndexRow]:
        """The rows without kinds that have another form than usual."""
        unlike: dict[SequenceKey, set[str]] = {}
        for kind, _, _, keys in self.others():
            for key in keys:
                unlike.setdefault(key, set()).add(kind)
        return [without(row, unlike[row.key]) if unlike and row.key in unlike else row for row in rows]

    def lost(self) -> set[tuple[str, str]]:
        """Sequence, and kind that it loses."""
        return {(str(key), kind) for kind, _, _, keys in self.others() for key in keys}


def without(row: IndexRow, kinds: set[str]) -> IndexRow:
    """A row without some kinds."""
    kept = [(kind, count) for kind, count in zip(row.kinds, row.kind_frames, strict=True) if kind not in kinds]
    return replace(row, kinds=tuple(kind for kind, _ in kept), kind_frames=tuple(count for _, count in kept))
