"""``mgdata manifest schema``: the JSON Schema of manifests, for editors."""

from pathlib import Path

import click


@click.command()
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="File to write; by default stdout.")
def schema(out: Path | None) -> None:
    r"""Print the JSON Schema of manifests (draft 2020-12), made from the types that read them.

    Editors that know YAML complete and check a manifest whose first line names the schema:
    ``# yaml-language-server: $schema=manifest.schema.json``

    \b
    Examples:
      mgdata manifest schema > manifest.schema.json
      mgdata manifest schema --out manifest.schema.json
    """
    from meshgait_data.atomic import write_text
    from meshgait_data.manifest_schema import schema_text

    if out is None:
        click.echo(schema_text(), nl=False)
    else:
        write_text(out, schema_text())
