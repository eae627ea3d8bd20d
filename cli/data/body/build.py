"""``mgdata body build``: build the free body from its source."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from meshgait_data.body.free_levels import Level

_LEVELS: "dict[str, tuple[Level, ...]]" = {
    "standard": ("standard",),
    "lite": ("lite",),
    "full": ("full",),
    "all": ("standard", "lite", "full"),
}


@click.command()
@click.argument("out", type=click.Path(path_type=Path))
@click.option(
    "--detail",
    type=click.Choice(list(_LEVELS)),
    default="standard",
    show_default=True,
    help="6,658 vertices (free), 1,722 (free-lite), the source's 13,348 (free-full), or all three.",
)
@click.option("--seed", default=0, show_default=True, help="Of the sampled bodies.")
@click.option("--adults", default=700, show_default=True, help="Sampled adults of each of the two kinds.")
@click.option("--others", default=350, show_default=True, help="Sampled children, and heavy adults.")
@click.option("--held-out", default=150, show_default=True, help="Bodies of each kind that errors are measured on.")
@click.option("--pictures", type=click.Path(file_okay=False, path_type=Path), help="Folder to draw the body into.")
def build(out: Path, detail: str, seed: int, adults: int, others: int, held_out: int, pictures: Path | None) -> None:
    r"""Build the free body from its CC0 source and print its measured errors.

    OUT is a folder, which gets free.npz, free-lite.npz and free-full.npz (those that --detail names), or the file for
    one of them. Betas and joints mean the same in all three. The defaults make the files that ship, byte for byte.
    Needs the package anny, which takes some minutes to fill its cache the first time (ANNY_CACHE_DIR says where, about
    1 GB); after that, about three minutes.

    \b
    Examples:
      pip install 'meshgait[anny]'
      mgdata body build free.npz
      mgdata body build --detail all bodies/
      mgdata body build --detail all bodies/ --pictures bodies/
    """
    from meshgait_data.atomic import write_bytes, write_npz
    from meshgait_data.body.free import FreeBodySettings
    from meshgait_data.body.free_source import Anny
    from meshgait_data.pipeline.free_body import build_shipped, draw_built

    files = _files(out, _LEVELS[detail])
    settings = FreeBodySettings(seed=seed, adults=adults, others=others, held_out=held_out)
    click.echo("loading anny", err=True)
    source = Anny()
    click.echo("distilling", err=True)
    built = build_shipped(source, settings, list(files))
    for level, path in files.items():
        write_npz(path, built[level])
        click.echo(f"wrote {path} ({path.stat().st_size / 1e6:.2f} MB)", err=True)
    if pictures:
        for name, png in draw_built(built).items():
            write_bytes(pictures / name, png)
    cards = {level: json.loads(str(arrays["card"])) for level, arrays in built.items()}
    click.echo(json.dumps(next(iter(cards.values())) if len(cards) == 1 else cards, indent=2))


def _files(out: Path, levels: "tuple[Level, ...]") -> "dict[Level, Path]":
    """Where each level is written: ``out`` itself, or its name in the folder ``out``."""
    from meshgait_data.body.free_levels import NAMES

    if out.suffix == ".npz" and not out.is_dir():
        if len(levels) > 1:
            raise click.BadParameter(f"{out} is one file, but --detail all makes three: name a folder")
        return {levels[0]: out}
    return {level: out / f"{NAMES[level]}.npz" for level in levels}
