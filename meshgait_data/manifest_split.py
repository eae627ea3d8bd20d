"""The ``split:`` of a manifest: whom to train on and whom to test on, as ids, ranges, or a partition file."""

import re
from dataclasses import dataclass, field
from typing import Literal

_RANGE = re.compile(
    r"(?P<head>[^\d]*)(?P<first>\d+)(?P<tail>[^\d]*)\.\.(?P=head)(?P<last>\d+)(?P=tail)(?:/(?P<step>\d+))?"
)


@dataclass(frozen=True, slots=True)
class Partition:
    """A file that lists who is on which side, in OpenGait's form.

    Its keys are TRAIN_SET, TEST_SET and, where there are, PROBE_SET and GALLERY_SET.
    """

    path: str
    """Below the root, or anywhere."""
    source: str = ""
    """Where one gets it."""
    content_sha256: str = ""
    """Hash over its content, see :attr:`meshgait_data.manifest_partition.PartitionFile.sha256`; empty: any."""
    counts: dict[Literal["train", "test", "probe", "gallery"], int] = field(default_factory=dict)
    """How many names each of its lists has."""


@dataclass(frozen=True, slots=True)
class Split:
    """Identities to train on and to test on; they never overlap.

    ``001..074`` stands for all numbers between, with the digits of the first; ``00001..10305/2`` for every second one;
    text before and after the number stays: ``00001train..20000train``.
    """

    train: tuple[str, ...] = ()
    test: tuple[str, ...] = ()
    partition: Partition | None = None
    """File that gives both sides, in place of lists."""
    probe: tuple[str, ...] = ()
    """Sequences, as ``subject-condition-view``, that the partition file names as probes."""
    gallery: tuple[str, ...] = ()
    """Sequences that it names as enrolled; empty: not said."""
    origin: str = ""
    """File and hash that the lists were taken from."""

    def __post_init__(self) -> None:
        for side in ("train", "test"):
            object.__setattr__(self, side, expanded(getattr(self, side)))
        if self.partition is not None and (self.train or self.test or self.probe or self.gallery):
            raise ValueError("give lists of identities or a partition file, not both")
        both = sorted(set(self.train) & set(self.test))
        if both:
            listed = f"{both[:5]} and {len(both) - 5} more" if len(both) > 5 else f"{both}"
            raise ValueError(f"identities {listed} are both in train and in test")


def expanded(ids: tuple[str, ...]) -> tuple[str, ...]:
    """Ids with ranges written out, each once, in their order.

    >>> expanded(("7", "01..05/2"))
    ('7', '01', '03', '05')
    """
    found: dict[str, None] = {}
    for text in ids:
        match = _RANGE.fullmatch(text)
        if match is None:
            found[text] = None
            continue
        first, last, step = int(match["first"]), int(match["last"]), int(match["step"] or 1)
        if last < first or step < 1:
            raise ValueError(f"{text!r} is no range: first..last or first..last/step")
        width = len(match["first"])
        found |= {f"{match['head']}{number:0{width}d}{match['tail']}": None for number in range(first, last + 1, step)}
    return tuple(found)
