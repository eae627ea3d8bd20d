"""``mgdata convert``: packed data in another container, of an older version, or as a tree of OpenGait."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from meshgait_data.findings import Finding, Severity, to_jsonl

from ..options import FOLDER, jobs_option, json_option

if TYPE_CHECKING:
    from meshgait_data.pipeline.convert import ConvertReport

MOST_SHOWN = 10
"""Findings that are printed; all are in ``findings.jsonl``."""


@click.command()
@click.argument("source", metavar="SRC")
@click.argument("out", type=FOLDER, metavar="DST")
@click.option(
    "--format",
    type=click.Choice(["zarr", "hdf5", "opengait"]),
    default="zarr",
    show_default=True,
    help="What DST is to be.",
)
@click.option(
    "--fields",
    default="",
    metavar="LIST",
    help="To a tree: modalities beside the silhouettes and the ids of frames, e.g. joints,smpl.",
)
@click.option(
    "--manifest",
    default="",
    metavar="NAME|YAML",
    help="From a tree: licence, split and protocol; default: dataset.yaml in the tree.",
)
@click.option(
    "--partition",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="JSON",
    help="From a tree: OpenGait's JSON of people to train and test on.",
)
@click.option(
    "--silhouettes",
    default="",
    metavar="MODALITY",
    help="From a tree: which files are the silhouettes, where that is not clear.",
)
@jobs_option
@json_option
def convert(source: str, out: Path, fields: str, as_json: bool, **settings: Any) -> None:
    r"""Convert a packed dataset or a tree of OpenGait.

    Zarr and HDF5 hold the same: converting there and back gives the same bytes. Datasets of older versions become
    current ones. A tree <subject>/<condition>/<view>/*.pkl (OpenGait's label/type/view) holds silhouettes and
    whatever has a value a frame; what was left out is said. Pickles are read without running them. Run the same line
    again to continue after an interruption. Ends with 1 if sequences or files could not be used.

    \b
    Examples:
      mgdata convert shards/ shards_hdf5/ --format hdf5
      mgdata convert old_shards/ shards/
      mgdata convert shards/ tree/ --format opengait --fields joints,smpl
      mgdata convert CASIA-B-pkl/ shards/ --manifest casia_b.yaml --partition CASIA-B.json
    """
    from meshgait_data.pipeline.convert import ConvertSettings
    from meshgait_data.pipeline.convert import convert as run

    finish(run(source, out, ConvertSettings(fields=names(fields), progress=not as_json, **settings)), out, as_json)


def names(listed: str) -> tuple[str, ...]:
    """``joints, smpl`` as names."""
    return tuple(name.strip() for name in listed.split(",") if name.strip())


def finish(report: "ConvertReport", out: Path, as_json: bool) -> None:
    """Tell what was done, and end with the exit code that says whether all of it could be used."""
    if as_json:
        listed = [json.loads(line) for line in to_jsonl(report.findings).splitlines()]
        click.echo(json.dumps(figures(report, out) | {"findings": listed}))
    else:
        print_findings(report.findings, out)
        print_figures(report, out)
    click.get_current_context().exit(report.exit_code)


def figures(report: "ConvertReport", out: Path) -> dict[str, Any]:
    """What ``--json`` prints beside the findings."""
    return {
        "source": report.source,
        "out": str(out),
        "format": report.format,
        "sequences": report.sequences,
        "frames": report.frames,
        "written": report.written,
        "reused": report.reused,
        "fields": list(report.fields),
        "left_out": list(report.left_out),
        "seconds": round(report.seconds, 1),
    }


def print_findings(findings: Sequence[Finding], out: Path) -> None:
    """Errors and warnings on stderr, the gravest first."""
    serious = sorted((f for f in findings if f.severity > Severity.INFO), key=lambda f: (-f.severity, f))
    for finding in serious[:MOST_SHOWN]:
        click.secho(str(finding), fg="red" if finding.severity == Severity.ERROR else "yellow", err=True)
    if len(serious) > MOST_SHOWN:
        click.echo(f"… and {len(serious) - MOST_SHOWN} more; all are in {out / 'findings.jsonl'}", err=True)


def print_figures(report: "ConvertReport", out: Path) -> None:
    """What was done, what a tree could not be given, and the next command."""
    what = "sequences" if report.format == "opengait" else "parts"
    click.echo(f"source     {report.source}")
    click.echo(f"sequences  {report.sequences} with {report.frames} frames; {', '.join(report.fields)}")
    click.echo(f"{what:10} {report.written} written, {report.reused} there already, in {report.seconds:.1f} s")
    if report.format == "opengait":
        if report.one_bit:
            click.echo("silhouettes were stored in 1 bit: 0 and 255, without grey edges")
        if report.left_out:
            click.echo(f"left out   {', '.join(report.left_out)} (name them with --fields)")
        click.echo("a tree cannot hold cameras, ids of dropped frames, and a frame rate for each sequence")
        click.echo(f"tree       {out}")
        click.echo(f"next       torchrun opengait/main.py --cfgs {out.resolve() / 'opengait.yaml'} --phase train")
    else:
        click.echo(f"shards     {out} (card.md says what they are)")
        click.echo(f"next       mgdata verify {out} --deep")
