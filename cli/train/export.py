"""``mgtrain export``: write a trained network for recognition elsewhere."""

from pathlib import Path

import click

from meshgait_data.errors import UsageError


@click.command()
@click.argument("run", type=click.Path(path_type=Path, file_okay=False))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder that is made.")
@click.option(
    "--format", "formats", default="safetensors", show_default=True, metavar="LIST", help="Of safetensors,onnx,torch."
)
@click.option("--checkpoint", type=click.Path(path_type=Path), help="By default RUN/checkpoint.pt.")
@click.option("--shards", type=click.Path(path_type=Path), help="Packed dataset; by default the one of the run.")
def export(run: Path, out: Path, formats: str, checkpoint: Path | None, shards: Path | None) -> None:
    r"""Write what recognition needs of the network of the run folder RUN: weights and how to feed them.

    Neither body model nor labels nor shards are needed to use it: meshgait_model.inference.load_exported(OUT) reads
    model.json and model.safetensors. The format onnx (extra 'onnx') adds model.onnx, torch adds model.pt2: graphs for
    any number of clips and frames that need nothing of this package. What was written is checked against the network.

    \b
    Examples:
      mgtrain export runs/demo --out exported/
      mgtrain export runs/demo --out exported/ --format onnx,torch
      mgtrain export runs/demo --out best/ --checkpoint runs/demo/checkpoint_best.pt
    """
    from meshgait_data.shards.reader import open_shards
    from meshgait_model.checkpoint import LATEST, load_checkpoint
    from meshgait_model.export import export
    from meshgait_model.exported import FILES

    wanted = [name.strip() for name in formats.split(",") if name.strip()]
    unknown = [name for name in wanted if name not in FILES]
    if unknown:
        raise UsageError(f"no format {unknown[0]!r}", hint=f"choose among {', '.join(FILES)}")
    state = load_checkpoint(checkpoint or run / LATEST)
    packed = open_shards(shards or state.config.data.shards)
    report = export(state, packed, out, [kind for kind in FILES if kind in wanted])
    about = report.about
    click.echo(f"network   {report.weights / 1e6:.2f} M weights; {report.left_out / 1e6:.2f} M are for training only")
    click.echo(f"input     uint8 (batch, frames, {about.aligned_size}, {about.aligned_size}), grey 0..255")
    click.echo(f"output    float32 (batch, {about.parts}, {about.network.embedding})")
    for name, size in report.files.items():
        same = f", differs by {report.differences[name]:.1e}" if name in report.differences else ""
        click.echo(f"file      {out / name}  {size / 2**20:.2f} MiB{same}")
