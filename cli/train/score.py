"""``mgtrain score``: score embeddings again, by any protocol, without the network."""

import json
from pathlib import Path

import click


@click.command("score")
@click.argument("embeddings", type=click.Path(path_type=Path))
@click.option("--protocol", metavar="NAME|all", default="all", show_default=True, help="Protocol of the dataset.")
@click.option("--manifest", metavar="NAME|FILE", help="Take protocols from this manifest; by default the dataset's.")
@click.option(
    "--submission",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE.csv",
    help="Write the file that the dataset's server scores (GREW).",
)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write the figures here, as JSON.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
def score(
    embeddings: Path, protocol: str, manifest: str | None, submission: Path | None, out: Path | None, as_json: bool
) -> None:
    r"""Score EMBEDDINGS, a file that 'mgtrain eval' wrote (or a run folder that holds one).

    \b
    Examples:
      mgtrain score runs/demo
      mgtrain score runs/grew/embeddings.npz --protocol server --submission submission.csv
      mgtrain score runs/own --manifest own.yaml --json
    """
    from meshgait_data.atomic import write_text
    from meshgait_data.manifest import load_manifest
    from meshgait_data.manifest_protocol import by_name
    from meshgait_model.protocols.choice import choose
    from meshgait_model.protocols.figures import plain_scores
    from meshgait_model.protocols.files import EMBEDDINGS, read_embeddings
    from meshgait_model.protocols.scoring import score
    from meshgait_model.protocols.submission import submission as written
    from meshgait_model.protocols.text import table

    embedded, protocols = read_embeddings(embeddings / EMBEDDINGS if embeddings.is_dir() else embeddings)
    if manifest is not None:
        described = load_manifest(manifest)
        protocols = by_name(described.protocol, described.protocols)
    choice = choose(protocols, protocol, submission=submission is not None)
    scores = [score(embedded, one, name) for name, one in choice.scored.items()]
    if submission is not None and choice.submission is not None:
        name, rules = choice.submission
        write_text(submission, written(embedded, rules, name))
        click.echo(f"wrote {submission}", err=True)
    figures = json.dumps(plain_scores(scores), indent=1)
    if out is not None:
        write_text(out, figures + "\n")
    if as_json:
        click.echo(figures)
    elif scores:
        click.echo("\n\n".join(table(one) for one in scores))
