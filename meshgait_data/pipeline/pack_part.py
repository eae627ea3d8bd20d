"""One job of packing: the sequences of a part, made one after the other and streamed into it."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

from meshgait_data.findings import Finding, Severity, to_jsonl
from meshgait_data.pipeline.pack_observed import Packed
from meshgait_data.pipeline.pack_plan import CapturePlan, PartPlan
from meshgait_data.pipeline.pack_sequences import Maker, open_capture
from meshgait_data.pipeline.pack_settings import Ingredients, told
from meshgait_data.pipeline.runner import Outcome, guarded
from meshgait_data.shards.dataset import PartEntry
from meshgait_data.shards.schema import ArraySpec, specs_of
from meshgait_data.shards.writing import remove_part, write_part
from meshgait_data.types import SequenceData

STAGE = "pack"


@dataclass(frozen=True, slots=True)
class PartResult:
    """What became of the captures of a part."""

    entry: PartEntry | None
    """None where nothing of it could be packed: then there is no part."""
    outcomes: tuple[Outcome, ...]
    """One a capture, and one more for each view that failed alone; without values."""


def pack_part(plan: PartPlan, shared: Ingredients) -> PartResult:
    """Write one part; what lay there before is replaced.

    Captures and views that fail are outcomes and left out; where all of them fail, nothing is written.
    """
    stream = _Stream(plan, shared)
    sequences = iter(stream)
    first = next(sequences, None)
    if plan.path.exists():
        remove_part(plan.path)
    if first is None:
        return PartResult(None, tuple(stream.outcomes))
    entry = write_part(
        plan.path,
        chain([first], sequences),
        manifest=shared.manifest,
        provenance=stream.provenance,
        format=shared.settings.format,
    )
    return PartResult(entry, tuple(stream.outcomes))


@dataclass(slots=True, eq=False)
class _Stream:
    """The sequences of a part as they are made, and what is to be said of them when they have been taken."""

    plan: PartPlan
    shared: Ingredients
    outcomes: list[Outcome] = field(default_factory=list)
    captures: dict[str, str] = field(default_factory=dict)
    """Key of each capture that is in the part to its fingerprint; empty for one to be made again next time."""
    failures: list[Outcome] = field(default_factory=list)
    """Views of these captures."""
    findings: list[Finding] = field(default_factory=list)
    specs: dict[str, ArraySpec] = field(default_factory=dict)

    def __iter__(self) -> Iterator[SequenceData]:
        for capture in self.plan.captures:
            opened = guarded(open_capture, str(capture.key), (capture, self.shared))
            self.outcomes.append(replace(opened, value=None))
            if opened.status == "done":
                yield from self._views(capture, opened.value)

    def _views(self, capture: CapturePlan, makers: list[tuple[Any, Maker]]) -> Iterator[SequenceData]:
        failures = []
        for key, make in makers:
            made = guarded(self._checked, str(key), (make,))
            if made.status == "failed":
                failures.append(made)
                continue
            packed: Packed = made.value
            self.findings += packed.findings
            yield packed.sequence
        self.outcomes += failures
        if len(failures) < len(makers):
            # What failed for a reason that nobody foresaw may succeed next time.
            self.captures[str(capture.key)] = "" if any(one.trace for one in failures) else capture.fingerprint
            self.failures += failures
            self.findings += [failure_finding(failure) for failure in failures]

    def _checked(self, make: Maker) -> Packed:
        """Made, and of the same form as those before it, so that one bad sequence does not spoil the part."""
        packed = make()
        self.specs = specs_of(packed.sequence, self.specs)
        return packed

    def provenance(self) -> dict[str, Any]:
        """What the part tells of where it comes from; call it when all sequences were taken."""
        return {
            "captures": self.captures,
            "failures": [{"key": one.key, "error": one.error, "hint": one.hint} for one in self.failures],
            "findings": to_jsonl(set(self.findings)).splitlines(),
            **told(self.shared),
        }


def failure_finding(failure: Outcome) -> Finding:
    """A capture or view that is not in the dataset."""
    return Finding(Severity.ERROR, "MG-PACK-007", failure.key, f"not packed: {failure.error}", failure.hint)
