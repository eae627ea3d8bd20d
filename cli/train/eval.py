"""``mgtrain eval``: score a trained network on test people."""

import json
from pathlib import Path

import click


@click.command("eval")
@click.argument("run", type=click.Path(path_type=Path, file_okay=False))
@click.option("--shards", type=click.Path(path_type=Path), help="Packed dataset; by default the one of the run.")
@click.option("--checkpoint", type=click.Path(path_type=Path), help="By default RUN/checkpoint.pt.")
@click.option("--protocol", metavar="NAME|all", help="Protocol of the dataset; by default its first.")
@click.option(
    "--submission",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE.csv",
    help="Write the file that the dataset's server scores (GREW).",
)
@click.option("--again", is_flag=True, help="Run the network even where its embeddings are there.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
def evaluate(
    run: Path,
    shards: Path | None,
    checkpoint: Path | None,
    protocol: str | None,
    submission: Path | None,
    again: bool,
    as_json: bool,
) -> None:
    r"""Score the network of the run folder RUN on the test side of the shards, by their protocols.

    The table of each protocol is printed as papers print it: e.g. Rank-1 for each pair of a probe view and a gallery
    view, averaged over gallery views without the identical one. Networks with a 3D branch also report label errors in
    mm, aligned at the pelvis. The figures go to RUN/metrics.json, embeddings to RUN/embeddings.npz. Where these are of
    the same checkpoint and shards already, they are scored without running the network.

    \b
    Examples:
      mgtrain eval runs/demo
      mgtrain eval runs/demo --shards other_shards/ --json
      mgtrain eval runs/ccpg --protocol all
      mgtrain eval runs/demo --checkpoint runs/demo/checkpoint_best.pt
      mgtrain eval runs/grew --submission submission.csv
    """
    from meshgait_data.atomic import write_text
    from meshgait_data.shards.reader import open_shards
    from meshgait_model.checkpoint import LATEST, METRICS, load_checkpoint
    from meshgait_model.evaluate import evaluate
    from meshgait_model.protocols.choice import choose
    from meshgait_model.protocols.files import EMBEDDINGS
    from meshgait_model.protocols.submission import submission as written
    from meshgait_model.remembered import origin_of, recall, remember
    from meshgait_model.report import table

    from .progress import Progress

    path = checkpoint or run / LATEST
    state = load_checkpoint(path)
    packed = open_shards(shards or state.config.data.shards)
    choice = choose(packed.protocols, protocol, submission=submission is not None)
    wanted = choice.scored | dict([choice.submission] if choice.submission else [])
    origin = origin_of(path, packed)
    found = None if again else recall(run / EMBEDDINGS, origin)
    if found is not None:
        click.echo(f"scoring {run / EMBEDDINGS}, made of this checkpoint and these shards (--again: anew)", err=True)
        result = found.scored(wanted, path)
    else:
        with Progress(sum(record.side == "test" for record in packed.sequences), "sequences") as progress:
            result = evaluate(state, path, packed, progress.show, wanted)
        remember(run / EMBEDDINGS, result, packed.protocols, origin)
    figures = json.dumps(result.to_plain(), indent=1)
    write_text(run / METRICS, figures + "\n")
    if submission is not None and choice.submission is not None:
        name, rules = choice.submission
        write_text(submission, written(result.embedded, rules, name))
        click.echo(f"wrote {submission}", err=True)
    click.echo(figures if as_json else table(result))
