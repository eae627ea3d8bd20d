"""``mgtrain run``: train a network on shards."""

from pathlib import Path

import click


@click.command()
@click.argument("experiment")
@click.option("--shards", type=click.Path(path_type=Path), help="Packed dataset; by default the one in the YAML.")
@click.option("--out", "out", required=True, type=click.Path(path_type=Path), help="Run folder, new or to be resumed.")
@click.option("-o", "--override", "overrides", multiple=True, metavar="KEY=VALUE", help="Change one value of the YAML.")
@click.option("-n", "--dry-run", is_flag=True, help="Print the resolved YAML and stop.")
def run(experiment: str, shards: Path | None, out: Path, overrides: tuple[str, ...], dry_run: bool) -> None:
    r"""Train the network of EXPERIMENT, the name of a shipped setting or the path of a YAML file.

    The resolved setting is written to OUT/config.yaml, losses go to OUT/metrics.jsonl and OUT/tensorboard.
    The same command again resumes from the last checkpoint, or says that the run is complete.

    \b
    Examples:
      mgtrain run demo --shards shards/ --out runs/demo
      mgtrain run demo --shards shards/ --out runs/slow -o optim.lr=1e-4 -o run.steps=1000
      mgtrain run runs/demo/config.yaml --out runs/again
    """
    from meshgait_data.errors import UsageError
    from meshgait_data.manifest import dump_yaml
    from meshgait_model.config.experiment import load_config

    if shards is not None:
        overrides = (*overrides, f"data.shards={shards.resolve()}")
    config = load_config(experiment, overrides)
    if dry_run:
        click.echo(dump_yaml(config), nl=False)
        return
    if not config.data.shards:
        raise UsageError(
            "no shards to train on", hint="give --shards DIR; 'mgdata build cmu_walk --out DIR' makes some"
        )

    from meshgait_data.shards.reader import open_shards
    from meshgait_model.trainer import Trainer

    from .progress import Progress

    trainer = Trainer(config, open_shards(config.data.shards))
    with Progress(config.run.steps, "steps") as progress:
        summary = trainer.train(out, progress.show)
    click.echo(f"run       {out}")
    click.echo(f"data      {summary.people} people, {summary.sequences} sequences, {summary.cache}")
    click.echo(
        f"network   {summary.parameters / 1e6:.2f} M weights, 3D branch {'on' if config.network.branch_3d else 'off'}"
    )
    resumed = f", resumed at {summary.resumed_at}" if summary.resumed_at else ""
    click.echo(f"steps     {summary.steps}{resumed}, {summary.seconds:.0f} s on {trainer.device}")
    if summary.losses:
        click.echo("loss      " + ", ".join(f"{name} {value:.4g}" for name, value in summary.losses.items()))
    click.echo(f"next      mgtrain eval {out}")
