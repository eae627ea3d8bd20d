"""``mgdata fit-smpl``: walks to bodies."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..console import print_failures
from ..options import FOLDER, body_option, jobs_option, json_option, select_option
from .fit_report import print_explanation, print_summary

if TYPE_CHECKING:
    from meshgait_data.pipeline.fit import FitReport, FitStageSettings


@click.command("fit-smpl")
@click.argument("work", type=FOLDER)
@body_option
@select_option
@click.option(
    "--use",
    default="",
    metavar="KINDS",
    help="Observations that take part, of joints,markers,keypoints,masks,params; default: all that are there.",
)
@click.option(
    "--num-betas",
    type=click.IntRange(min=1),
    metavar="N",
    help="Shape components to estimate; default: the body's first 10, or 30 from surface markers.",
)
@click.option(
    "--masks",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="Fit to masks in DIR/<subject>/<condition>/<view>.npz too, as 'mgdata render' writes them.",
)
@click.option(
    "--device",
    type=click.Choice(["cpu", "cuda"]),
    default="cpu",
    show_default=True,
    help="Where to compute.",
)
@click.option(
    "--existing",
    type=click.Choice(["refresh", "skip", "overwrite", "error"]),
    default="refresh",
    show_default=True,
    help="Fits that are there: redo what changed, keep all, redo all, or refuse.",
)
@click.option("-n", "--dry-run", is_flag=True, help="Say what would be fitted, and write nothing.")
@click.option("--explain", metavar="KEY", help="Tell what the fit of one walk is made of, e.g. 07/01; fit it first.")
@click.option(
    "--pictures",
    type=FOLDER,
    metavar="DIR",
    help="Folder for pictures of the best, median and worst walks of the run; default: WORK/pictures.",
)
@click.option("--no-pictures", is_flag=True, help="Draw nothing.")
@jobs_option
@json_option
def fit_smpl(
    work: Path,
    dry_run: bool,
    explain: str | None,
    pictures: Path | None,
    no_pictures: bool,
    as_json: bool,
    **settings: Any,
) -> None:
    r"""Fit a body to every walk of WORK: one shape a walk, one pose a frame, from all that was observed of it.

    Writes WORK/fits/<subject>/<condition>.npz with cameras, residuals and a verdict for each frame. Run the same line
    again to continue after an interruption. Ends with 1 if some walks could not be fitted; they are listed in
    WORK/failures.jsonl.

    \b
    Examples:
      mgdata fit-smpl work/
      mgdata fit-smpl work/ --body ~/models/smpl/SMPL_NEUTRAL.npz --jobs 4
      mgdata fit-smpl work/ --body ~/models/smplx/ --num-betas 20
      mgdata fit-smpl work/ --select 'subject=07,condition=01' --existing overwrite
      mgdata fit-smpl work/ --use keypoints,masks --device cuda
      mgdata fit-smpl work/ --masks masks/ --select subject=07
      mgdata fit-smpl work/ --explain 07/01
    """
    from meshgait_data.pipeline.fit import FitStageSettings, fit_work

    stage = FitStageSettings(**settings)
    if dry_run:
        _print_plan(work, stage, as_json)
        return
    if explain is not None:
        _explain(work, explain, stage, as_json)
        return
    result = fit_work(work, stage)
    print_failures(result.report.failures, work)
    drawn = None if no_pictures or not result.fitted_frames else _draw(work, stage, result, pictures)
    print_summary(result, work, drawn, as_json)
    click.get_current_context().exit(result.report.exit_code)


def _draw(work: Path, stage: "FitStageSettings", result: "FitReport", folder: Path | None) -> Path | None:
    from meshgait_data.pipeline.fit_pictures import draw_run

    return draw_run(work, stage, result, folder or work / "pictures")


def _print_plan(work: Path, settings: "FitStageSettings", as_json: bool) -> None:
    from meshgait_data.pipeline.fit import plan_fits

    plan = plan_fits(work, settings)
    if as_json:
        click.echo(json.dumps({"todo": [str(task.key) for task in plan.todo], "captures": len(plan.captures)}))
        return
    for task in plan.todo:
        click.echo(f"would fit {task.key}")
    click.echo(f"captures   {len(plan.todo)} to fit, {len(plan.captures) - len(plan.todo)} up to date")


def _explain(work: Path, text: str, settings: "FitStageSettings", as_json: bool) -> None:
    from dataclasses import replace

    from meshgait_data.pipeline.explain import explain, explain_key
    from meshgait_data.pipeline.fit import fit_work

    key = explain_key(work, text)
    select = f"subject={key.subject},condition={key.condition}"
    result = fit_work(work, replace(settings, select=select, progress=False))
    print_failures(result.report.failures, work)
    if result.report.failures:
        click.get_current_context().exit(result.report.exit_code)
    found = explain(work, key)
    if as_json:
        click.echo(json.dumps(asdict(found)))
        return
    print_explanation(found)
