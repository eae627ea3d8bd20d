"""``mgdata markers info``: say what sets of virtual markers ship, or what one set is; draw it."""

from pathlib import Path

import click

from ...options import body_option, json_option
from .printing import print_set, print_sets

PICTURE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.argument("file", metavar="[NAME|FILE]", required=False)
@body_option
@click.option(
    "--picture",
    type=PICTURE,
    metavar="FILE.png",
    help="Draw the markers on the body, or, without a name, the error by number of markers.",
)
@json_option
def info(file: str | None, body: str | None, picture: Path | None, as_json: bool) -> None:
    r"""Say what a set of virtual markers is: names, vertices, pairs, errors. Without a name: the sets that ship.

    The body is only needed for the picture of a set.

    \b
    Examples:
      mgdata markers info --picture curves.png
      mgdata markers info free-64
      mgdata markers info free-64 --picture markers.png
      mgdata markers info smpl-64.npz --body SMPL_NEUTRAL.pkl --picture markers.png
    """
    from meshgait_data.body.marker_files import marker_path, read_markers, shipped_sets

    if file is None:
        sets = [read_markers(path) for path in shipped_sets().values()]
        if picture is not None:
            from meshgait_data.view.marker_pictures import plot_error_curves

            plot_error_curves(sets, picture)
            click.echo(f"picture: {picture}", err=True)
        print_sets(sets, as_json)
        return
    path = marker_path(file)
    found = read_markers(path)
    if picture is not None:
        from meshgait_data.atomic import write_bytes
        from meshgait_data.body.files import load_body
        from meshgait_data.body.marker_files import load_markers
        from meshgait_data.view.marker_pictures import draw_markers

        model = load_body(body)
        write_bytes(picture, draw_markers(model, [load_markers(model, path)]))
        click.echo(f"picture: {picture}", err=True)
    print_set(found, path, as_json)
