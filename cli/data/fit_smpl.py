"""``mgdata fit-smpl``: walks to bodies."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..console import print_failures
from ..options import FOLDER, body_option, jobs_option, json_option, select_option

if TYPE_CHECKING:
    from meshgait_data.pipeline.fit import FitReport, FitStageSettings


@click.command("fit-smpl")
@click.argument("work", type=FOLDER)
@body_option
@select_option
@click.option(
    "--num-betas",
    type=click.IntRange(min=1),
    metavar="N",
    help="Shape components to estimate; default: the body's first 10.",
)
@click.option(
    "--masks",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="Refine to masks in DIR/<subject>/<condition>/<view>.npz, as 'mgdata render' writes them.",
)
@click.option(
    "--existing",
    type=click.Choice(["refresh", "skip", "overwrite", "error"]),
    default="refresh",
    show_default=True,
    help="Fits that are there: redo what changed, keep all, redo all, or refuse.",
)
@click.option("-n", "--dry-run", is_flag=True, help="Say what would be fitted, and write nothing.")
@jobs_option
@json_option
def fit_smpl(work: Path, dry_run: bool, as_json: bool, **settings: Any) -> None:
    r"""Fit a body to every walk of WORK: one shape a walk, one pose a frame.

    Writes WORK/fits/<subject>/<condition>.npz with residuals and a verdict for each frame. Run the same line again to
    continue after an interruption. Ends with 1 if some walks could not be fitted; they are listed in
    WORK/failures.jsonl.

    \b
    Examples:
      mgdata fit-smpl work/
      mgdata fit-smpl work/ --body ~/models/smpl/SMPL_NEUTRAL.npz --jobs 4
      mgdata fit-smpl work/ --body ~/models/smplx/ --num-betas 20
      mgdata fit-smpl work/ --select 'subject=07,condition=01' --existing overwrite
      mgdata fit-smpl work/ --masks masks/ --select subject=07
    """
    from meshgait_data.pipeline.fit import FitStageSettings, fit_work

    stage = FitStageSettings(**settings)
    if dry_run:
        _print_plan(work, stage, as_json)
        return
    result = fit_work(work, stage)
    print_failures(result.report.failures, work)
    _print_summary(result, work, as_json)
    click.get_current_context().exit(result.report.exit_code)


def _print_plan(work: Path, settings: "FitStageSettings", as_json: bool) -> None:
    from meshgait_data.pipeline.fit import plan_fits

    plan = plan_fits(work, settings)
    if as_json:
        click.echo(json.dumps({"todo": [str(key) for key in plan.todo], "captures": len(plan.captures)}))
        return
    for key in plan.todo:
        click.echo(f"would fit {key}")
    click.echo(f"captures   {len(plan.todo)} to fit, {len(plan.captures) - len(plan.todo)} up to date")


def _print_summary(result: "FitReport", work: Path, as_json: bool) -> None:
    report = result.report
    counts = {name: report.count(status) for name, status in (("fitted", "done"), ("kept", "skipped"))}
    worst = {fit.key: round(1e3 * fit.residual_m, 1) for fit in result.worst()}
    pace = result.fitted_frames / max(report.seconds, 1e-9)
    frames = sum(fit.frames for fit in result.fits)
    flagged, rejected = sum(fit.flagged for fit in result.fits), sum(fit.rejected for fit in result.fits)
    failed = len(report.failures)
    if as_json:
        figures = {
            **counts,
            "failed": failed,
            "frames": frames,
            "flagged": flagged,
            "rejected": rejected,
            "unconverged": sum(not fit.converged for fit in result.fits),
            "residual_mm": round(1e3 * result.residual_m, 2) if result.fits else None,
            "worst_mm": worst,
            "seconds": round(report.seconds, 1),
        }
        click.echo(json.dumps(figures))
        return
    click.echo(f"captures   {counts['fitted']} fitted, {counts['kept']} up to date, {failed} failed")
    click.echo(
        f"frames     {frames} ({flagged} flagged, {rejected} rejected); {report.seconds:.1f} s, {pace:.0f} a second"
    )
    click.echo(f"residual   {1e3 * result.residual_m:.1f} mm, mean over joints and frames")
    click.echo("worst      " + ", ".join(f"{key} {value} mm" for key, value in worst.items()))
    click.echo(f"next       mgdata pack {work} --out shards/")
