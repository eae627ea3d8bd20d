"""``mgdata markers``: learn virtual markers for a body, or say what a set is."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from meshgait_data.errors import UsageError

from ..console import CONTEXT, LazyGroup
from ..options import FOLDER, body_option, json_option

if TYPE_CHECKING:
    from meshgait_data.types import MarkerSet

COMMANDS = {"learn": ".data.markers:learn", "info": ".data.markers:info"}

TITLES = {
    "convex": "convex",
    "convex_noise10": "convex, markers 10 mm off",
    "signed": "signed",
    "signed_noise10": "signed, markers 10 mm off",
}
COLUMNS = ("mean", "p95", "torso_legs", "arms_hands", "head")


@click.group(cls=LazyGroup, lazy=COMMANDS, context_settings=CONTEXT)
def markers() -> None:
    r"""Virtual markers: vertices of a body that all others follow from (Ma et al., CVPR 2023).

    \b
    Examples:
      mgdata markers info
      mgdata markers learn work/ --body ~/models/smpl/SMPL_NEUTRAL.pkl --out smpl-64.npz
    """


@click.command()
@click.argument("work", type=FOLDER, required=False)
@body_option
@click.option("-k", "--count", type=click.IntRange(4, 512), default=64, show_default=True, help="Number of markers.")
@click.option("--meshes", type=click.IntRange(2), default=150, show_default=True, help="Meshes to learn from.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of frames, shapes and the order of the search.")
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), required=True, metavar="FILE", help="The set: FILE.npz."
)
@click.option("--overwrite", is_flag=True, help="Replace FILE if it is there.")
@json_option
def learn(work: Path | None, out: Path, overwrite: bool, as_json: bool, **options: Any) -> None:
    r"""Learn virtual markers from the fits in WORK and write them to FILE.

    The body takes the fitted poses of the train side of the split with random shapes; the errors that are printed
    are those on people of the test side. Takes about a minute. The same input and seed give the same file.

    \b
    Examples:
      mgdata markers learn work/ --out free-64.npz
      mgdata markers learn work/ --body SMPL_NEUTRAL.pkl -k 96 --out smpl-96.npz
    """
    from meshgait_data.body.files import load_body
    from meshgait_data.body.marker_files import read_markers, save_markers
    from meshgait_data.body.markers import MarkerSettings
    from meshgait_data.pipeline.markers import HOW_TO_FIT, learn_from_work

    if work is None:
        raise UsageError("markers are learned from fitted walks, and no work folder was named", hint=HOW_TO_FIT)
    if out.exists() and not overwrite:
        raise UsageError(
            "is there already", where=str(out), hint="choose another --out, or replace it with --overwrite"
        )
    settings = MarkerSettings(count=options["count"], seed=options["seed"])
    body = load_body(options["body"])
    found = learn_from_work(work, body, settings, name=out.stem, meshes=options["meshes"], progress=_show_progress)
    save_markers(out, found)
    _print(read_markers(out), out, as_json)


@click.command()
@click.argument("file", metavar="[NAME|FILE]", required=False)
@json_option
def info(file: str | None, as_json: bool) -> None:
    r"""Say what a set of virtual markers is: its body, its pairs, its errors. Default: the set that ships.

    \b
    Examples:
      mgdata markers info
      mgdata markers info smpl-64.npz --json
    """
    from meshgait_data.body.marker_files import FREE, marker_path, read_markers

    path = marker_path(file or FREE)
    _print(read_markers(path), path, as_json)


def _print(found: "MarkerSet", path: Path, as_json: bool) -> None:
    left = [index for index, other in enumerate(found.mirror) if index < other]
    middle = [index for index, other in enumerate(found.mirror) if index == other]
    pairs = [[int(found.vertex_ids[i]), int(found.vertex_ids[found.mirror[i]])] for i in left]
    midline = [int(found.vertex_ids[i]) for i in middle]
    provenance = dict(found.provenance)
    if as_json:
        record = {"name": found.name, "path": str(path), "body_sha256": found.body_sha256, "markers": len(found)}
        click.echo(json.dumps(record | {"pairs": pairs, "midline": midline} | provenance))
        return
    click.echo(f"markers    {found.name}: {len(found)}, {len(pairs)} pairs and {len(midline)} on the mid-line")
    click.echo(f"body       {provenance.get('body', 'unknown')} ({found.body_sha256[:12]})")
    click.echo(f"pairs      {'  '.join(f'{a}/{b}' for a, b in pairs)}")
    click.echo(f"mid-line   {'  '.join(map(str, midline))}")
    click.echo(f"file       {path}")
    _print_errors(provenance.get("errors_mm", {}))


def _print_errors(table: dict[str, dict[str, float]]) -> None:
    if not table:
        return
    click.echo("\nMesh from markers, error in mm, people not learned from:\n")
    click.echo(f"{'coefficients':26}" + "".join(f"{column:>12}" for column in COLUMNS))
    for version, row in table.items():
        click.echo(
            f"{TITLES.get(version, version):26}"
            + "".join(f"{row.get(column, float('nan')):12.1f}" for column in COLUMNS)
        )


def _show_progress(step: str, share: float) -> None:
    """A counter on a terminal, one line a step in a log file; on stderr."""
    if sys.stderr.isatty():
        click.echo(f"\r{step} {100 * share:3.0f} %", err=True, nl=share >= 1)
    elif share >= 1:
        click.echo(step, err=True)
