"""``mgdata priors info``: say what priors ship, or what one knows; draw it."""

from pathlib import Path

import click

from ...options import body_option, json_option
from .printing import print_list, print_priors

FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.argument("name", metavar="[NAME|FILE]", required=False)
@click.option("--picture", type=FILE, metavar="FILE.png", help="Draw joint angles over the gait cycle.")
@click.option("--bodies", type=FILE, metavar="FILE.png", help="Draw a body over the gait cycle, in several styles.")
@body_option
@json_option
def info(name: str | None, picture: Path | None, bodies: Path | None, body: str | None, as_json: bool) -> None:
    r"""Say what a prior was learned from and how well it knows strangers. Without a name: the priors that ship.

    The body is only needed for the picture of bodies.

    \b
    Examples:
      mgdata priors info
      mgdata priors info walk --picture cycle.png
      mgdata priors info my-walk.npz --bodies bodies.png --json
    """
    from meshgait_data.errors import UsageError
    from meshgait_data.pipeline.prior_files import prior_path, read_priors, shipped_priors

    if name is None:
        if picture is not None or bodies is not None:
            raise UsageError(
                "a picture of which priors?", hint="name one, e.g. 'mgdata priors info walk --picture FILE'"
            )
        print_list([read_priors(path) for path in shipped_priors().values()], as_json)
        return
    path = prior_path(name)
    found = read_priors(path)
    if (picture is not None or bodies is not None) and found.gait is None:
        raise UsageError(f"priors {found.name!r} have no gait cycle to draw", hint="draw others, e.g. 'walk'")
    if picture is not None and found.gait is not None:
        from meshgait_data.view.priors import plot_cycle

        plot_cycle(found.gait, picture)
        click.echo(f"picture: {picture}", err=True)
    if bodies is not None and found.gait is not None:
        from meshgait_data.atomic import write_bytes
        from meshgait_data.body.files import load_body
        from meshgait_data.view.priors import draw_cycle

        write_bytes(bodies, draw_cycle(load_body(body), found.gait))
        click.echo(f"picture: {bodies}", err=True)
    print_priors(found, path, as_json)
