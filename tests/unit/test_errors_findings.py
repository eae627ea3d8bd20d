"""Errors and findings: they keep what, where and the way out, across processes and files; each id is explained."""

import copy
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshgait_data import errors
from meshgait_data.errors import MeshgaitError, SourceError
from meshgait_data.findings import Finding, Severity, from_jsonl, to_jsonl

ROOT = Path(__file__).resolve().parents[2]
TREE = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, MeshgaitError)]
texts = st.text(max_size=20)
findings = st.builds(Finding, st.sampled_from(Severity), texts, texts, texts, texts)


@pytest.mark.parametrize("kind", TREE)
def test_errors_survive_the_way_back_from_a_worker(kind):
    """Copying takes the way of pickling."""
    error = copy.copy(kind("it broke", where="a.amc:7", hint="mend it"))
    assert type(error) is kind
    assert (error.what, error.where, error.hint) == ("it broke", "a.amc:7", "mend it")
    assert str(error) == "a.amc:7: it broke"
    assert str(kind("it broke")) == "it broke"


def test_exit_codes():
    codes = {kind.__name__: kind.exit_code for kind in TREE}
    assert codes["UsageError"] == 2
    assert {codes[name] for name in ("EnvironmentLacks", "BodyNotFound", "MissingExtra")} == {3}
    assert {codes[name] for name in ("InvalidData", "ManifestError", "SourceError", "FitError", "ShardError")} == {4}


def test_builtin_relatives_can_be_caught():
    assert issubclass(SourceError, ValueError)
    assert issubclass(errors.BodyNotFound, FileNotFoundError)
    assert issubclass(errors.MissingExtra, ImportError)


@given(st.lists(findings))
def test_findings_round_trip_and_equal_ones_give_equal_bytes(some):
    text = to_jsonl(some)
    assert from_jsonl(text) == sorted(some)
    assert to_jsonl(reversed(some)) == text
    assert text.count("\n") == len(some)


def test_finding_of_an_error_prefers_the_errors_own_place():
    error = SourceError("cut", where="a.amc:7", hint="again")
    assert Finding.of_error(error, "MG-X-001", "key") == Finding(Severity.ERROR, "MG-X-001", "a.amc:7", "cut", "again")
    assert Finding.of_error(SourceError("cut"), "MG-X-001", "key").where == "key"
    assert str(Finding(Severity.WARNING, "MG-X-001", "key", "odd", "look")) == "warning MG-X-001 key: odd\n  try: look"


def test_every_id_in_the_code_is_explained_once_and_every_explained_one_exists():
    used = {
        id
        for package in ("meshgait_data", "meshgait_model", "cli")
        for path in (ROOT / package).rglob("*.py")
        for id in re.findall(r"\"(MG-[A-Z]+-\d{3})\"", path.read_text(encoding="utf-8"))
    }
    rows = re.findall(
        r"^\| (MG-[A-Z]+-\d{3}) \|", (ROOT / "docs/findings.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert len(rows) == len(set(rows))
    assert used == set(rows)
