"""``mgdata build``: from a dataset to shards in one go."""

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..console import print_failures
from ..options import (
    FOLDER,
    body_option,
    jobs_option,
    joint_set_option,
    json_option,
    manifest_argument,
    markers_option,
    root_option,
    select_option,
)
from .pack import figures, print_figures
from .pack_options import out_option, pack_options, settings

if TYPE_CHECKING:
    from meshgait_data.pipeline.build import BuildReport


@click.command()
@manifest_argument
@root_option
@out_option
@click.option("--work", type=FOLDER, metavar="WORK", help="Folder of index and fits; default: SHARDS.work.")
@body_option
@markers_option
@joint_set_option
@select_option
@pack_options
@jobs_option
@json_option
def build(manifest: str, root: Path | None, out: Path, work: Path | None, as_json: bool, **options: Any) -> None:
    r"""Index a dataset, fit a body to every walk, label and pack: all stages in one go.

    MANIFEST is the name of a shipped manifest or the path of a YAML file. Run the same line again to continue: fits
    and parts that are up to date are kept. Ends with 1 if some walks failed; they are left out and listed in
    WORK/failures.jsonl and WORK/findings.jsonl.

    \b
    Examples:
      mgdata build cmu_walk --out shards/
      mgdata build my_mocap.yaml --root /data/mocap --out shards/ --jobs 4
      mgdata build my_masks.yaml --root /data/masks --out shards/ --format hdf5 --also keypoints
    """
    from meshgait_data.manifest import load_manifest
    from meshgait_data.pipeline.build import build as run

    report = run(
        load_manifest(manifest),
        out,
        root=root,
        work=work,
        settings=settings(**options),
        announce=lambda line: click.echo(line, err=True),
    )
    _print(report, out, as_json=as_json)
    click.get_current_context().exit(report.exit_code)


def _print(report: "BuildReport", out: Path, *, as_json: bool) -> None:
    print_failures(report.fit.report.failures + report.pack.report.failures, report.work)
    if report.unusable:
        click.echo(f"{report.unusable} errors while indexing: see {report.work / 'findings.jsonl'}", err=True)
    own = {
        "captures": len(report.index.captures()),
        "unusable": report.unusable,
        "fitted": report.fit.report.count("done"),
        "fits_reused": report.fit.report.count("skipped"),
        "fit_failures": len(report.fit.report.failures),
        "residual_mm": None if math.isnan(report.fit.residual_m) else round(1e3 * report.fit.residual_m, 2),
    }
    packed = figures(report.pack, out)
    if as_json:
        click.echo(json.dumps(own | packed))
        return
    click.echo(f"captures   {own['captures']}, {own['unusable']} errors in the index")
    click.echo(f"fits       {own['fitted']} new, {own['fits_reused']} up to date, {own['fit_failures']} failed")
    if own["residual_mm"] is not None:
        click.echo(f"residual   {own['residual_mm']} mm, mean over joints and frames")
    print_figures(packed)
