"""``mgdata body``: say which body model is used and what it is, or build the free one from its source."""

import json
from pathlib import Path

import click

from ..options import json_option


@click.group()
def body() -> None:
    r"""Body models: the free one that ships with meshgait, or your own SMPL file.

    \b
    Examples:
      mgdata body info
      mgdata body info --body ~/models/smpl/SMPL_NEUTRAL.pkl
      mgdata body build free.npz
    """


@body.command()
@click.option("--body", "named", metavar="FILE", help="'free', a .npz or .pkl file, or a folder; see below.")
@json_option
def info(named: str | None, as_json: bool) -> None:
    r"""Say which body model is used, where it was found and what it is.

    Searched: --body, then the environment variable MESHGAIT_BODY, then the free body. Files in SMPL's schema may be
    .npz or .pkl (read without chumpy, and without executing anything in them).

    \b
    Examples:
      mgdata body info
      mgdata body info --body ~/models --json
    """
    from meshgait_data.body.files import find_body, load_body
    from meshgait_data.body.free_shape import stature

    found = find_body(named)
    model = load_body(found.path)
    facts: dict[str, str | int | float | bool] = {
        "name": found.name,
        "file": str(found.path),
        "found by": found.origin,
        "vertices": model.num_vertices,
        "faces": len(model.faces),
        "joints": len(model.parents),
        "shape components": model.num_betas,
        "height (m)": round(float(stature(model.v_template)), 3),
        "height at beta0 -2, +2 (m)": "{:.3f}, {:.3f}".format(
            *(float(stature(model.v_template + sd * model.shapedirs[..., 0])) for sd in (-2, 2))
        ),
        "symmetric": model.mirror is not None,
        "named vertices": len(model.vertex_ids),
        "sha256": model.sha256,
        "licence": model.licence,
    }
    if as_json:
        click.echo(json.dumps(facts))
        return
    for name, value in facts.items():
        click.echo(f"{name:<27}{ {True: 'yes', False: 'no'}.get(value, value) if isinstance(value, bool) else value }")


@body.command()
@click.argument("out", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--seed", default=0, show_default=True, help="Of the sampled bodies.")
@click.option("--adults", default=700, show_default=True, help="Sampled adults of each of the two kinds.")
@click.option("--held-out", default=150, show_default=True, help="Bodies of each kind that errors are measured on.")
def build(out: Path, seed: int, adults: int, held_out: int) -> None:
    r"""Build the free body from its CC0 source and print its measured errors.

    The defaults make the file that ships, byte for byte. Needs the package anny, which takes some minutes to fill
    its cache the first time (ANNY_CACHE_DIR says where, about 1 GB); after that, about a minute.

    \b
    Examples:
      pip install 'meshgait[anny]'
      mgdata body build free.npz
      mgdata body info --body free.npz
    """
    from meshgait_data.atomic import write_npz
    from meshgait_data.body.free import FreeBodySettings
    from meshgait_data.body.free_source import Anny
    from meshgait_data.pipeline.free_body import build_shipped

    settings = FreeBodySettings(seed=seed, adults=adults, held_out=held_out)
    click.echo("loading anny", err=True)
    source = Anny()
    click.echo("distilling", err=True)
    arrays = build_shipped(source, settings)
    write_npz(out, arrays)
    click.echo(json.dumps(json.loads(str(arrays["card"])), indent=2))
    click.echo(f"wrote {out} ({out.stat().st_size / 1e6:.2f} MB)", err=True)
