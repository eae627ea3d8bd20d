"""``mgdata markers learn``: learn virtual markers for a body."""

import re
import sys
from pathlib import Path
from typing import Any

import click

from meshgait_data.errors import UsageError

from ...options import FOLDER, body_option, json_option
from .info import PICTURE
from .printing import print_set, print_sets

MOST = 512
"""Markers; more than that is a mesh."""


def _counts(_context: click.Context, _option: click.Parameter, text: str) -> tuple[int, ...]:
    """Numbers of markers, ``64`` or ``16,32,64,96``."""
    if not re.fullmatch(r"\d+(,\d+)*", text):
        raise click.BadParameter(f"{text!r} is not a number of markers, nor several with commas between them")
    counts = tuple(int(part) for part in text.split(","))
    if min(counts) < 4 or max(counts) > MOST:
        raise click.BadParameter(f"{text} is outside 4 to {MOST}")
    return counts


@click.command()
@body_option
@click.option(
    "-k", "--k", "counts", default="64", show_default=True, callback=_counts, metavar="K[,K...]",
    help="Number of markers; several with --out-dir.",
)  # fmt: skip
@click.option("--meshes", type=click.IntRange(2), default=150, show_default=True,
              help="Walking poses to learn from, and a third as many wide ones.")  # fmt: skip
@click.option("--seed", type=int, default=0, show_default=True, help="Of poses, shapes and the order of the search.")
@click.option("--fits", type=FOLDER, metavar="WORK", help="Take the poses of these fits, not the walks that ship.")
@click.option("--out", type=PICTURE, metavar="FILE", help="The set: FILE.npz.")
@click.option("--out-dir", type=FOLDER, metavar="DIR", help="Write DIR/<body>-<K>.npz for each K.")
@click.option("--picture", type=PICTURE, metavar="FILE.png", help="Draw the markers on the body: front, side, back.")
@click.option("--overwrite", is_flag=True, help="Replace sets that are there.")
@json_option
def learn(
    counts: tuple[int, ...], out: Path | None, out_dir: Path | None, overwrite: bool, as_json: bool, **options: Any
) -> None:
    r"""Learn virtual markers for any body and write them to FILE.

    The body takes the poses of the CMU walks that ship, and wider ones, in random shapes; markers are learned on the
    people of the train side of the split, and the errors that are printed are those on people of the test side.
    Takes about a minute. The same body, options and seed give the same file.

    \b
    Examples:
      mgdata markers learn --out free-48.npz -k 48
      mgdata markers learn --body SMPL_NEUTRAL.pkl --out smpl-64.npz --picture smpl-64.png
      mgdata markers learn -k 16,32,64,96 --out-dir markers/
    """
    from meshgait_data.body.files import load_body
    from meshgait_data.body.marker_files import read_markers

    body = load_body(options["body"])
    targets = _targets(counts, out, out_dir, body.name)
    for path in targets.values():
        if path.exists() and not overwrite:
            hint = "choose another --out, or replace it with --overwrite"
            raise UsageError("is there already", where=str(path), hint=hint)
    for count, path in targets.items():
        _learn_one(body, count, path, options)
    sets = [read_markers(path) for path in targets.values()]
    if options["picture"] is not None:
        from meshgait_data.atomic import write_bytes
        from meshgait_data.view.marker_pictures import draw_markers

        write_bytes(options["picture"], draw_markers(body, sets))
        click.echo(f"picture: {options['picture']}", err=True)
    if out is not None:
        print_set(sets[0], out, as_json)
    else:
        print_sets(sets, as_json)


def _targets(counts: tuple[int, ...], out: Path | None, out_dir: Path | None, body: str) -> dict[int, Path]:
    if (out is None) == (out_dir is None):
        raise UsageError("say where the markers go", hint="give either --out FILE.npz or --out-dir DIR")
    if out is not None:
        if len(counts) > 1:
            raise UsageError("several sets do not fit into one file", where=str(out), hint="give --out-dir DIR instead")
        return {counts[0]: out}
    assert out_dir is not None
    return {count: out_dir / f"{body}-{count}.npz" for count in counts}


def _learn_one(body: Any, count: int, path: Path, options: dict[str, Any]) -> None:
    from meshgait_data.body.marker_files import save_markers
    from meshgait_data.body.markers import MarkerSettings
    from meshgait_data.pipeline.markers import learn as learn_set

    settings = MarkerSettings(count=count, seed=options["seed"])
    found = learn_set(
        body, settings, name=path.stem, meshes=options["meshes"], fits=options["fits"], progress=_show_progress
    )
    save_markers(path, found)


def _show_progress(step: str, share: float) -> None:
    """A counter on a terminal, one line a step in a log file; on stderr."""
    if sys.stderr.isatty():
        click.echo(f"\r{step} {100 * share:3.0f} %", err=True, nl=share >= 1)
    elif share >= 1:
        click.echo(step, err=True)
