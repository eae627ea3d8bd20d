"""``mgtrain eval``: score a trained network on test people."""

import json
from pathlib import Path

import click


@click.command("eval")
@click.argument("run", type=click.Path(path_type=Path, file_okay=False))
@click.option("--shards", type=click.Path(path_type=Path), help="Packed dataset; by default the one of the run.")
@click.option("--checkpoint", type=click.Path(path_type=Path), help="By default RUN/checkpoint.pt.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
def evaluate(run: Path, shards: Path | None, checkpoint: Path | None, as_json: bool) -> None:
    r"""Score the network of the run folder RUN on the test side of the shards, by their protocol.

    Recognition is Rank-k for each pair of a probe view and a gallery view, averaged over gallery views without the
    identical one. Networks with a 3D branch also report label errors in mm, aligned at the pelvis. The figures go to
    RUN/metrics.json too.

    \b
    Examples:
      mgtrain eval runs/demo
      mgtrain eval runs/demo --shards other_shards/ --json
    """
    from meshgait_data.atomic import write_text
    from meshgait_data.shards.reader import open_shards
    from meshgait_model.checkpoint import LATEST, METRICS, load_checkpoint
    from meshgait_model.evaluate import evaluate
    from meshgait_model.report import table

    from .progress import Progress

    path = checkpoint or run / LATEST
    state = load_checkpoint(path)
    packed = open_shards(shards or state.config.data.shards)
    with Progress(sum(record.side == "test" for record in packed.sequences), "sequences") as progress:
        result = evaluate(state, path, packed, progress.show)
    figures = json.dumps(result.to_plain(), indent=1)
    write_text(run / METRICS, figures + "\n")
    click.echo(figures if as_json else table(result))
