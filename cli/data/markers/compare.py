"""``mgdata markers compare``: two sets of virtual markers of one body beside each other."""

import json
from pathlib import Path

import click

from ...options import body_option, json_option
from .info import PICTURE
from .printing import print_errors


@click.command()
@click.argument("first", metavar="A")
@click.argument("second", metavar="B")
@body_option
@click.option("--picture", type=PICTURE, metavar="FILE.png", help="Draw the error of each vertex on the body.")
@json_option
def compare(first: str, second: str, body: str | None, picture: Path | None, as_json: bool) -> None:
    r"""Compare two sets of one body: errors by region, on the same meshes of people that ship for testing.

    A and B are names of sets that ship, or files. The picture shows the mean error of each vertex over walks,
    convex and signed, of both sets on one scale.

    \b
    Examples:
      mgdata markers compare free-32 free-64
      mgdata markers compare free-64 my-64.npz --picture errors.png
      mgdata markers compare smpl-64.npz published-64.npz --body SMPL_NEUTRAL.pkl
    """
    from meshgait_data.body.files import load_body
    from meshgait_data.body.marker_files import load_markers
    from meshgait_data.body.marker_report import errors_mm, judge
    from meshgait_data.pipeline.markers import held_out

    model = load_body(body)
    sets = [load_markers(model, name) for name in (first, second)]
    names = [found.name for found in sets]
    if names[0] == names[1]:
        names = [first, second]
    test = held_out(model)
    judged = {name: judge(model, found, test) for name, found in zip(names, sets, strict=True)}
    if picture is not None:
        from meshgait_data.atomic import write_bytes
        from meshgait_data.view.marker_pictures import draw_errors

        maps = [
            (f"{name} {'signed' if signed else 'convex'}", errors_mm(found, test.walks, signed=signed).mean(axis=0))
            for name, found in zip(names, sets, strict=True)
            for signed in (False, True)
        ]
        write_bytes(picture, draw_errors(model, maps))
        click.echo(f"picture: {picture}", err=True)
    if as_json:
        click.echo(json.dumps(judged))
        return
    for name, found in judged.items():
        spread = found["spread"]
        click.echo(
            f"{name}: {sum(spread['parts'].values())} markers, nearest two {spread['least_distance_mm']:g} mm apart, "
            f"{spread['midline']} on the mid-line"
        )
    print_errors({name: found["errors_mm"] for name, found in judged.items()})
