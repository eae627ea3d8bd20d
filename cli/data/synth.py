"""``mgdata synth``: a source of synthetic walkers."""

import json
from pathlib import Path
from typing import Any

import click

from ..options import FOLDER, body_option, jobs_option, json_option


@click.command()
@click.option("--out", type=FOLDER, required=True, metavar="DIR", help="Folder to make; it must not be there yet.")
@click.option("--identities", type=click.IntRange(1, 99999), default=100, show_default=True, help="How many people.")
@click.option("--train", type=click.IntRange(min=0), help="How many of them to train on, the first; default: 2/3.")
@click.option(
    "--walks",
    default="nm=4,bg=2,cl=2",
    show_default=True,
    metavar="KINDS",
    help="Walks of each person: normal (nm), with a bag (bg), in thick clothes (cl).",
)
@click.option("--frames", type=click.IntRange(2, 100000), default=60, show_default=True, help="Of each walk.")
@click.option("--fps", type=click.FloatRange(1, 1000), default=30.0, show_default=True, help="Frames per second.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Everything follows from it.")
@click.option("--rig", default="casia_b", show_default=True, metavar="NAME|PATH", help="Cameras, e.g. in_the_wild.")
@click.option("--jitter/--no-jitter", default=True, show_default=True, help="Cameras a little off the rig's places.")
@click.option("--name", default="synth", show_default=True, metavar="NAME", help="Dataset: first word of every key.")
@body_option
@jobs_option
@json_option
def synth(out: Path, walks: str, frames: int, fps: float, seed: int, as_json: bool, **options: Any) -> None:
    r"""Make people who do not exist, and let them walk.

    Shapes are drawn from the body, styles of walking from the gait space that was learned from real people; each
    person keeps their own. DIR gets one file of SMPL parameters a walk and a manifest, so that all other commands
    take it like any dataset. Person and walk are functions of the seed and their numbers: more people later leave
    these as they are.

    \b
    Examples:
      mgdata synth --out walkers/ --identities 200 --seed 1
      mgdata synth --out walkers/ --identities 90 --train 60 --walks nm=4 --frames 40 --rig in_the_wild
      mgdata build walkers/manifest.yaml --root walkers/ --out shards/ --jobs 2
    """
    from meshgait_data.pipeline.synth import SynthSettings, parse_walks, synthesize
    from meshgait_data.synth.values import Population

    population = Population(seed=seed, frames=frames, fps=fps)
    report = synthesize(out, SynthSettings(walks=parse_walks(walks), population=population, **options))
    if as_json:
        figures = {"manifest": str(report.manifest), "identities": report.identities, "walks": report.walks}
        click.echo(json.dumps({**figures, "frames": report.frames, "seconds": round(report.seconds, 2)}))
        return
    click.echo(f"people     {report.identities}")
    click.echo(f"walks      {report.walks}, {report.frames} frames, in {report.seconds:.1f} s")
    click.echo(f"next       mgdata build {report.manifest} --root {out} --out SHARDS")
