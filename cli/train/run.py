"""``mgtrain run``: train a network on shards."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from meshgait_model.config.experiment import ExperimentConfig
    from meshgait_model.trainer import Trainer, TrainSummary

_MUCH, _LONG = 0.1, 30.0
"""Share of a run that is too much to wait for batches, and seconds from which on that is worth a word."""


@click.command()
@click.argument("experiment")
@click.option("--shards", type=click.Path(path_type=Path), help="Packed dataset; by default the one in the YAML.")
@click.option("--out", "out", required=True, type=click.Path(path_type=Path), help="Run folder, new or to be resumed.")
@click.option("-o", "--override", "overrides", multiple=True, metavar="KEY=VALUE", help="Change one value of the YAML.")
@click.option("-n", "--dry-run", is_flag=True, help="Print the resolved YAML and what the run will cost, and stop.")
def run(experiment: str, shards: Path | None, out: Path, overrides: tuple[str, ...], dry_run: bool) -> None:
    r"""Train the network of EXPERIMENT, the name of a shipped setting or the path of a YAML file.

    The resolved setting is written to OUT/config.yaml, losses go to OUT/metrics.jsonl and OUT/tensorboard.
    The same command again resumes from the last checkpoint, or says that the run is complete. Ctrl-C and SIGTERM
    end the run after its step, with a checkpoint. Several processes: the same command under torchrun.

    \b
    Examples:
      mgtrain run demo --shards shards/ --out runs/demo
      mgtrain run demo --shards shards/ --out runs/slow -o optim.lr=1e-4 -o run.steps=1000
      mgtrain run meshgait_gait3d --shards shards/ --out runs/g --dry-run
      torchrun --nproc-per-node 2 $(which mgtrain) run demo --shards shards/ --out runs/demo
    """
    from meshgait_data.errors import UsageError
    from meshgait_data.manifest import dump_yaml
    from meshgait_model.config.experiment import load_config

    if shards is not None:
        overrides = (*overrides, f"data.shards={shards.resolve()}")
    config = load_config(experiment, overrides)
    if not config.data.shards and not dry_run:
        raise UsageError(
            "no shards to train on", hint="give --shards DIR; 'mgdata build cmu_walk --out DIR' makes some"
        )

    from meshgait_data.shards.reader import open_shards

    packed = open_shards(config.data.shards) if config.data.shards else None
    if dry_run or packed is None:
        from meshgait_model.preview import preview

        # As comments, so that what is printed is a setting again.
        click.echo("".join(f"# {line}\n" for line in preview(config, packed)) + dump_yaml(config), nl=False)
        return

    from meshgait_model.assembly import pick_device
    from meshgait_model.distributed import join_processes, own_device
    from meshgait_model.trainer import Trainer

    from .progress import Progress
    from .stopping import Stopping

    with join_processes(own_device(pick_device(config.run.device))) as processes, Stopping() as stopping:
        trainer = Trainer(config, packed, processes)
        with Progress(config.run.steps, "steps", silent=not processes.first) as progress:
            summary = trainer.train(out, progress.show, stopping.asked)
    if processes.first:
        _tell(out, config, trainer, summary)
    if summary.steps < config.run.steps:
        if processes.first:
            click.echo(f"stopped at step {summary.steps}; the same command goes on from there", err=True)
        click.get_current_context().exit(stopping.exit_code)


def _tell(out: Path, config: "ExperimentConfig", trainer: "Trainer", summary: "TrainSummary") -> None:
    """Print what the run came to."""
    click.echo(f"run       {out}")
    click.echo(f"data      {summary.people} people, {summary.sequences} sequences, {summary.cache}")
    click.echo(
        f"network   {summary.parameters / 1e6:.2f} M weights, 3D branch {'on' if config.network.branch_3d else 'off'}"
    )
    if summary.started:
        click.echo(f"start     {summary.started}")
    resumed = f", resumed at {summary.resumed_at}" if summary.resumed_at else ""
    world = trainer.processes.world
    several = f", {world} processes" if world > 1 else ""
    click.echo(f"steps     {summary.steps}{resumed}, {summary.seconds:.0f} s on {trainer.device}{several}")
    if summary.losses:
        click.echo("loss      " + ", ".join(f"{name} {value:.4g}" for name, value in summary.losses.items()))
    if summary.skipped:
        click.echo(f"skipped   {summary.skipped} updates whose gradient was not finite in float16")
    if summary.waited > _MUCH and summary.seconds > _LONG:
        hint = "raise data.workers, or let decoded frames be kept (data.cache)"
        click.secho(f"waiting   {summary.waited:.0%} of the time for batches: {hint}", fg="yellow")
    click.echo(f"next      mgtrain eval {out}")
