"""Run one function over many captures: worker processes, progress, and failures that never stop the run."""

import json
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from joblib import Parallel, delayed
from tqdm import tqdm

from meshgait_data.atomic import write_text
from meshgait_data.errors import SOME_FAILED, MeshgaitError, UsageError
from meshgait_data.types import CaptureKey, SequenceKey

Existing = Literal["refresh", "skip", "overwrite", "error"]
"""What to do with results that are there: redo what changed, keep all, redo all, or refuse."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one job."""

    key: str
    status: Literal["done", "skipped", "failed"]
    value: Any = None
    """What the function returned: small, since it travels between processes."""
    error: str = ""
    hint: str = ""
    trace: str = ""
    """Traceback of an unforeseen error; empty for a known one."""


@dataclass(frozen=True, slots=True)
class Report:
    """What became of all jobs of a stage."""

    stage: str
    outcomes: tuple[Outcome, ...]
    """In the order of the jobs."""
    seconds: float

    def count(self, status: str) -> int:
        """Number of jobs that ended so."""
        return sum(outcome.status == status for outcome in self.outcomes)

    @property
    def failures(self) -> tuple[Outcome, ...]:
        """Jobs that failed."""
        return tuple(outcome for outcome in self.outcomes if outcome.status == "failed")

    @property
    def exit_code(self) -> int:
        """0, or 1 where some failed."""
        return SOME_FAILED if self.failures else 0


@dataclass(frozen=True, slots=True)
class Skipped:
    """Returned by a job that found its result already there."""

    value: Any = None


def run_jobs(
    stage: str,
    function: Callable[..., Any],
    jobs: Sequence[tuple[str, tuple[Any, ...]]],
    *,
    workers: int = 1,
    progress: bool = True,
) -> Report:
    """Call ``function(*arguments)`` for each ``(key, arguments)``.

    Parameters
    ----------
    stage
        Name on the progress bar and in failure records.
    function
        A module-level function (it travels to worker processes); returns a small value or :class:`Skipped`.
    jobs
        Keys and arguments.
    workers
        Worker processes; 1 stays in this process.
    progress
        Whether to show a bar on stderr.

    Returns
    -------
    The report. Errors of a job are outcomes, never exceptions; KeyboardInterrupt passes.
    """
    start = time.perf_counter()
    pool = Parallel(n_jobs=max(1, min(workers, len(jobs))), return_as="generator_unordered", batch_size=1)
    calls = (delayed(guarded)(function, key, arguments) for key, arguments in jobs)
    found: dict[str, Outcome] = {}
    counts = {"done": 0, "skipped": 0, "failed": 0}
    # A log file gets a line every half minute, a terminal a moving bar.
    pause = 0.1 if sys.stderr.isatty() else 30.0
    with tqdm(total=len(jobs), desc=stage, disable=not progress, unit="job", mininterval=pause) as bar:
        for outcome in pool(calls):
            found[outcome.key] = outcome
            counts[outcome.status] += 1
            bar.set_postfix(counts, refresh=False)
            bar.update()
    return Report(stage, tuple(found[key] for key, _ in jobs), time.perf_counter() - start)


def guarded(function: Callable[..., Any], key: str, arguments: tuple[Any, ...]) -> Outcome:
    """Call a function; what became of it, never an exception but KeyboardInterrupt."""
    try:
        value = function(*arguments)
    except MeshgaitError as error:
        return Outcome(key, "failed", error=str(error), hint=error.hint)
    except Exception as error:  # One bad capture must not stop the others; the traceback is kept.
        hint = "this is a bug in meshgait: please report it with the traceback in failures.jsonl"
        return Outcome(key, "failed", error=f"{type(error).__name__}: {error}", hint=hint, trace=traceback.format_exc())
    if isinstance(value, Skipped):
        return Outcome(key, "skipped", value.value)
    return Outcome(key, "done", value)


def record_failures(work: Path, report: Report) -> None:
    """Put this stage's failures in ``WORK/failures.jsonl``, in place of those of its last run."""
    path = work / "failures.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    kept = [line for line in lines if json.loads(line)["stage"] != report.stage]
    fresh = [json.dumps({"stage": report.stage, **_without_value(outcome)}) for outcome in report.failures]
    if kept or fresh:
        write_text(path, "\n".join(kept + fresh) + "\n")
    else:
        path.unlink(missing_ok=True)


def _without_value(outcome: Outcome) -> dict[str, Any]:
    return {name: value for name, value in asdict(outcome).items() if name not in ("value", "status")}


def selected(key: CaptureKey | SequenceKey, select: str) -> bool:
    """Whether a key matches ``subject=07,condition=01|02``: parts by name, alternatives with ``|``.

    Raises
    ------
    UsageError
        On a part that keys do not have.
    """
    for clause in filter(None, (part.strip() for part in select.split(","))):
        name, _, values = clause.partition("=")
        if name not in ("dataset", "subject", "condition", "view") or not values:
            raise UsageError(
                f"cannot select by {clause!r}",
                hint="use subject=, condition=, view=, e.g. --select 'subject=07|08,view=090'",
            )
        if hasattr(key, name) and getattr(key, name) not in values.split("|"):
            return False
    return True
