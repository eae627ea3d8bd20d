"""Pictures of a run: the best, the median and the worst of its walks on one sheet."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from meshgait_data.atomic import write_bytes
from meshgait_data.fit.judging import matched, point_errors
from meshgait_data.fits import fit_path, read_fit
from meshgait_data.pipeline.fit import FitReport, FitStageSettings, Plan, plan_fits
from meshgait_data.pipeline.fit_aligned import as_shown
from meshgait_data.pipeline.fit_batch import FitSummary, prepared, shared_body
from meshgait_data.pipeline.fit_known import known_for
from meshgait_data.types import CaptureKey
from meshgait_data.view.fit_pictures import Shown, fit_sheet

NAME = "fits.png"


def draw_run(work: Path, settings: FitStageSettings, result: FitReport, folder: Path) -> Path | None:
    """Draw ``fits.png`` in a folder and give its path; None where there is no fit."""
    chosen = chosen_walks(result)
    if not chosen:
        return None
    plan = plan_fits(work, replace(settings, existing="skip"))
    path = folder / NAME
    write_bytes(path, sheet(plan, chosen))
    return path


def chosen_walks(result: FitReport) -> list[tuple[str, FitSummary]]:
    """Best, median and worst of the fits that are there, each once."""
    ranked = result.ranked()
    places = {"best": len(ranked) - 1, "median": len(ranked) // 2, "worst": 0}
    found: dict[str, tuple[str, FitSummary]] = {}
    for name, place in places.items():
        if ranked:
            found.setdefault(ranked[place].key, (name, ranked[place]))
    return list(found.values())


def sheet(plan: Plan, chosen: Sequence[tuple[str, FitSummary]]) -> bytes:
    """PNG of some walks of a plan."""
    context = plan.context
    body = shared_body(context.body, context.body_sha256)
    tasks = {task.key: task for task in plan.captures}
    shown = []
    for name, summary in chosen:
        key = CaptureKey.parse(summary.key)
        fit = read_fit(fit_path(context.work, key))
        ready = prepared(context, tasks[key], body)
        seen = matched(as_shown(ready.seen, ready.aside, context.manifest), fit)
        maps = known_for(body, context.manifest, [seen]).maps
        shown.append(Shown(f"{name}: {key}", fit, seen, point_errors(body, fit, seen, maps)))
    count = f"{len(plan.captures)} walks"
    return fit_sheet(body, shown, f"{context.manifest.name}: fits of {count}; the last picture is the worst frame")
