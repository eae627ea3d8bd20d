"""``mgdata body compare``: how far two bodies are apart, as a table and as a heat map on the mesh."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ...options import json_option

if TYPE_CHECKING:
    from meshgait_data.body.compare import Comparison, Distances
    from meshgait_data.body.measure import Measurements
    from meshgait_data.body.model import Body


@click.command()
@click.argument("a")
@click.argument("b")
@click.option("--shapes", default=4, show_default=True, type=click.IntRange(min=1), help="Sampled body shapes.")
@click.option(
    "--every", default=240, show_default=True, type=click.IntRange(min=1), help="Take each n-th frame of walks."
)
@click.option("--seed", default=0, show_default=True, help="Of the sampled shapes.")
@click.option("--align/--as-is", default=True, show_default=True, help="Put pelvis on pelvis first.")
@click.option("--picture", type=click.Path(dir_okay=False, path_type=Path), help="Write a PNG: heat map on both.")
@json_option
def compare(
    a: str, b: str, shapes: int, every: int, seed: int, align: bool, picture: Path | None, as_json: bool
) -> None:
    r"""Say how far bodies A and B are apart: surface by region, joints, measurements, shape components.

    A and B are 'free' or body files. With equal triangles, distances are between equal vertices; otherwise from the
    vertices of one to the surface of the other, both ways. Poses are those of walks that ship with meshgait; shapes
    vary in the components that both bodies share.

    \b
    Examples:
      mgdata body compare free my_free.npz
      mgdata body compare free ~/models/smpl/SMPL_NEUTRAL.pkl --picture apart.png
      mgdata body compare free my_free.npz --shapes 1 --as-is --json
    """
    from meshgait_data.body.compare import compare as compare_bodies
    from meshgait_data.body.files import load_body
    from meshgait_data.body.measure import measure
    from meshgait_data.pipeline.free_body import TEST, shipped_walks

    bodies = load_body(a), load_body(b)
    found = compare_bodies(*bodies, shipped_walks(TEST, every), shapes=shapes, seed=seed, align=align)
    measured = measure(bodies[0]), measure(bodies[1])
    if picture is not None:
        from meshgait_data.atomic import write_bytes
        from meshgait_data.view.bodies import compare_picture

        write_bytes(picture, compare_picture(*bodies, found))
        click.echo(f"wrote {picture}", err=True)
    if as_json:
        click.echo(json.dumps(_facts(bodies, found, measured)))
        return
    _print_distances(bodies, found)
    _print_rest(found, measured)


def _print_distances(bodies: "tuple[Body, Body]", found: "Comparison") -> None:
    first, second = (f"{side} {body.name!r}" for side, body in zip("AB", bodies, strict=True))
    for name, body in zip("AB", bodies, strict=True):
        click.echo(f"{name}: {body.name}, {body.num_vertices} vertices, {body.num_betas} shape components")
    kind = "between equal vertices" if found.same_mesh else "to the other's surface"
    click.echo(f"distances {kind}, mm; {'pelvis on pelvis' if found.aligned else 'not aligned'}")
    shapes, poses = found.samples
    groups = {"mean shape, rest pose": found.rest}
    if found.walking is not None:
        groups[f"{shapes} shapes, {poses} walking poses"] = found.walking
    for title, (there, back) in groups.items():
        ways = {"": there} if found.same_mesh else {f"{first} to {second}": there, f"{second} to {first}": back}
        for way, distances in ways.items():
            click.echo(f"\n{title}{': ' + way if way else ''}\n{'':<14}{'mean':>8}{'95 %':>8}{'max':>8}")
            for region, spread in distances.regions.items():
                numbers = "".join(f"{1000 * value:8.2f}" for value in (spread.mean, spread.p95, spread.max))
                click.echo(f"{region:<14}{numbers}")


def _print_rest(found: "Comparison", measured: "tuple[Measurements, Measurements]") -> None:
    import numpy as np

    from meshgait_data.body.measure_ways import QUANTITIES
    from meshgait_data.conventions import SMPL_JOINTS

    click.echo(f"\nrest joints, B minus A, mm\n{'':<16}{'x':>8}{'y':>8}{'z':>8}{'length':>9}")
    for name, apart in zip(SMPL_JOINTS, np.round(1000 * found.joints, 1) + 0.0, strict=True):
        click.echo(f"{name:<16}" + "".join(f"{value:8.1f}" for value in apart) + f"{np.linalg.norm(apart):9.1f}")
    click.echo(f"\nmeasurements of the mean shapes\n{'':<24}{'A':>9}{'B':>9}{'B - A':>9}")
    for name, quantity in QUANTITIES.items():
        values = [float(side.values.get(name, np.nan)) for side in measured]
        numbers = "".join(f"{value:9.3f}" for value in values) + f"{values[1] - values[0]:+9.3f} {quantity.unit}"
        reasons = "; ".join(sorted({side.missing[name] for side in measured if name in side.missing}))
        click.echo(
            f"{name:<24}{numbers.replace('+nan', ' nan').replace('nan', '  –')}{'  ' if reasons else ''}{reasons}"
        )
    where = "vertices" if found.same_mesh else "joints"
    click.echo(f"\nshape components that mean the same: the first {found.shared} of {len(found.components)}")
    click.echo(f"move of the {where} per SD, rms mm\n{'beta':<6}{'A':>8}{'B - A':>8}")
    for index, (size, apart_m) in enumerate(found.components):
        click.echo(f"{index:<6}{1000 * size:8.2f}{1000 * apart_m:8.2f}")


def _facts(
    bodies: "tuple[Body, Body]", found: "Comparison", measured: "tuple[Measurements, Measurements]"
) -> dict[str, Any]:
    from meshgait_data.conventions import SMPL_JOINTS

    def millimetres(pair: "tuple[Distances, Distances] | None") -> dict[str, Any] | None:
        if pair is None:
            return None
        return {
            way: {
                region: {"mean": 1000 * spread.mean, "p95": 1000 * spread.p95, "max": 1000 * spread.max}
                for region, spread in side.regions.items()
            }
            for way, side in zip(("a_to_b", "b_to_a"), pair, strict=True)
        }

    return {
        "bodies": [{"name": body.name, "sha256": body.sha256} for body in bodies],
        "same_mesh": found.same_mesh,
        "aligned": found.aligned,
        "shapes": found.samples[0],
        "poses": found.samples[1],
        "rest_mm": millimetres(found.rest),
        "walking_mm": millimetres(found.walking),
        "joints_mm": {name: (1000 * row).tolist() for name, row in zip(SMPL_JOINTS, found.joints, strict=True)},
        "measurements": [{name: float(value) for name, value in side.values.items()} for side in measured],
        "shared_components": found.shared,
        "components_mm": [[1000 * size, 1000 * apart] for size, apart in found.components],
    }
