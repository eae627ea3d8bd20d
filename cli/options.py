"""Options that commands share: one name, one meaning, one help text."""

from pathlib import Path

import click

FOLDER = click.Path(file_okay=False, path_type=Path)

manifest_argument = click.argument("manifest")
"""``MANIFEST``: name of a shipped manifest, or path of a YAML file."""

root_option = click.option(
    "--root",
    type=FOLDER,
    metavar="DIR",
    help="Folder of the dataset; by default the one that the manifest names.",
)

work_option = click.option(
    "--work",
    type=FOLDER,
    required=True,
    metavar="WORK",
    help="Work folder: index, fits and findings of this dataset.",
)

jobs_option = click.option(
    "-j",
    "--jobs",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Processes that work at the same time.",
)

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")

body_option = click.option(
    "--body", metavar="NAME|PATH", help="Body model: SMPL's file or another; default: the free body."
)

markers_option = click.option(
    "--markers", metavar="NAME|PATH", help="Virtual markers; default: those that ship with the body or are in WORK."
)

joint_set_option = click.option(
    "--joint-set", default="smpl24", show_default=True, metavar="NAME", help="Joint set of the labels."
)

select_option = click.option(
    "--select", default="", metavar="PARTS", help="Only these keys, e.g. 'subject=07|08,view=090'."
)
