"""Findings: what was noticed about data, as records that index, fit, pack and verify all speak."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, fields
from enum import IntEnum
from operator import attrgetter

from meshgait_data.errors import MeshgaitError


class Severity(IntEnum):
    """How much a finding matters."""

    INFO = 10
    """Worth knowing."""
    WARNING = 20
    """Used, but look at it."""
    ERROR = 30
    """Could not be used."""


@dataclass(frozen=True, order=True, slots=True)
class Finding:
    """One thing that was noticed."""

    severity: Severity
    id: str
    """Stable identifier such as ``MG-INDEX-002``; ``docs/findings.md`` explains each."""
    where: str
    """File, line or sequence key."""
    message: str
    """What was found."""
    hint: str = ""
    """The way out."""

    @classmethod
    def of_error(cls, error: MeshgaitError, id: str, where: str) -> "Finding":
        """Record an error of one file or capture without stopping the run."""
        return cls(Severity.ERROR, id, error.where or where, error.what, error.hint)

    def __str__(self) -> str:
        text = f"{self.severity.name.lower()} {self.id} {self.where}: {self.message}"
        return f"{text}\n  try: {self.hint}" if self.hint else text


_FIELDS = tuple(field.name for field in fields(Finding))
_ENCODER = json.JSONEncoder()


def to_jsonl(findings: Iterable[Finding]) -> str:
    """One JSON object a line, sorted, so that equal findings give equal bytes."""
    return "".join(_ENCODER.encode(_plain(finding)) + "\n" for finding in in_order(findings))


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """Findings in the order that they have as values; the same as ``sorted``, for very many of them."""
    return sorted(findings, key=attrgetter(*_FIELDS))


def _plain(finding: Finding) -> dict[str, str]:
    return {
        "severity": finding.severity.name,
        "id": finding.id,
        "where": finding.where,
        "message": finding.message,
        "hint": finding.hint,
    }


def from_jsonl(text: str) -> list[Finding]:
    """Read what :func:`to_jsonl` wrote."""
    records = [json.loads(line) for line in text.splitlines() if line.strip()]
    return [Finding(**{**record, "severity": Severity[record["severity"]]}) for record in records]
