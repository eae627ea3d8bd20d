"""``mgtrain compare``: runs side by side."""

from pathlib import Path

import click


@click.command("compare")
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path, file_okay=False))
@click.option("--out", type=click.Path(path_type=Path), help="Folder for comparison.md and curves.png.")
def compare(runs: tuple[Path, ...], out: Path | None) -> None:
    r"""Print what the run folders RUNS reached on test people, and draw their loss curves.

    \b
    Examples:
      mgtrain compare runs/demo runs/demo_without_3d --out report/
    """
    from meshgait_data.atomic import write_text
    from meshgait_model.comparison import comparison, read_run

    found = [read_run(run) for run in runs]
    table = comparison(found)
    click.echo(table, nl=False)
    if out is not None:
        from meshgait_data.view.curves import plot_curves

        parts = ("triplet", "cross_entropy", "joints", "markers", "confidence", "mesh", "normals", "edges", "loss")
        write_text(out / "comparison.md", table)
        plot_curves({run.name: run.losses for run in found}, out / "curves.png", names=parts)
        click.echo(f"curves     {out / 'curves.png'}")
