"""The runner: failures are outcomes, order is kept, and the failure file says what failed last."""

import json

import pytest

from meshgait_data.errors import SourceError, UsageError
from meshgait_data.pipeline.runner import Skipped, record_failures, run_jobs, selected
from meshgait_data.types import CaptureKey, SequenceKey


def work_on(number):
    if number == 2:
        raise SourceError("no third foot", where="walk.amc:3", hint="count again")
    if number == 3:
        return 1 / 0
    return Skipped(number) if number == 4 else number * 10


def run(numbers, workers=1):
    return run_jobs("stage", work_on, [(f"key-{n}", (n,)) for n in numbers], workers=workers, progress=False)


@pytest.mark.parametrize("workers", [1, 2])
def test_failures_never_stop_the_run_and_order_is_kept(workers):
    report = run([0, 2, 3, 4, 5], workers)
    assert [outcome.status for outcome in report.outcomes] == ["done", "failed", "failed", "skipped", "done"]
    assert [outcome.value for outcome in report.outcomes] == [0, None, None, 4, 50]
    assert report.exit_code == 1
    known, bug = report.failures
    assert (known.error, known.hint, known.trace) == ("walk.amc:3: no third foot", "count again", "")
    assert "ZeroDivisionError" in bug.error
    assert "work_on" in bug.trace


def test_failure_file_holds_the_last_run_of_each_stage(tmp_path):
    record_failures(tmp_path, run([2, 3]))
    records = [json.loads(line) for line in (tmp_path / "failures.jsonl").read_text().splitlines()]
    assert [(r["stage"], r["key"]) for r in records] == [("stage", "key-2"), ("stage", "key-3")]
    record_failures(tmp_path, run([2]))
    assert len((tmp_path / "failures.jsonl").read_text().splitlines()) == 1
    record_failures(tmp_path, run([5]))
    assert not (tmp_path / "failures.jsonl").exists()


def test_selection_by_parts():
    capture, sequence = CaptureKey("d", "07", "01"), SequenceKey("d", "07", "01", "090")
    assert selected(capture, "")
    assert selected(capture, "subject=07|08")
    assert selected(sequence, "subject=07, view=090")
    assert not selected(capture, "subject=08")
    assert not selected(sequence, "subject=07,view=000|180")
    assert selected(capture, "view=090"), "a capture has all views"
    with pytest.raises(UsageError, match="cannot select"):
        selected(capture, "sbject=07")
