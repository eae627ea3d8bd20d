"""``mgdata body measure``: lengths, girths and mass of a body, and the body that has them."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ...options import body_option, json_option

if TYPE_CHECKING:
    from meshgait_data.body.measure import Measurements
    from meshgait_data.body.model import Body
    from meshgait_data.types import FloatArray

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@body_option
@click.option("--betas", metavar="B0,B1,...", help="Shape in standard deviations; those left out are zero.")
@click.option("--fit", type=_FILE, metavar="FILE", help="Shape of a fit, e.g. WORK/fits/07/01.npz.")
@click.option("--height", type=float, metavar="M", help="Find the most probable body of this height in metres ...")
@click.option("--mass", type=float, metavar="KG", help="... of this mass in kilograms ...")
@click.option("--bmi", type=float, metavar="X", help="... of this body mass index in kg/m² ...")
@click.option("--want", multiple=True, metavar="NAME=X", help="... with this measurement, e.g. waist_girth=0.9.")
@click.option("--num-betas", default=10, show_default=True, help="Shape components that the search may use.")
@click.option("--most-sd", default=5.0, show_default=True, help="Longest betas that the search may give.")
@click.option("--out", type=_FILE, metavar="FILE", help="Write the betas (.npz) or the mesh in its rest pose (.obj).")
@click.option("--picture", type=_FILE, metavar="FILE", help="Write a PNG of where the measurements are taken.")
@json_option
def measure(
    body: str | None,
    betas: str | None,
    fit: Path | None,
    num_betas: int,
    most_sd: float,
    out: Path | None,
    picture: Path | None,
    as_json: bool,
    **wanted: Any,
) -> None:
    r"""Measure a body in its rest pose, or find the most probable body that has given measurements.

    Prints a table with units; docs/bodies.md says how each is taken and how good it is.

    \b
    Examples:
      mgdata body measure
      mgdata body measure --betas "1.0,-0.5"
      mgdata body measure --height 1.75 --mass 80 --out me.npz
      mgdata body measure --height 1.8 --want waist_girth=0.95 --picture me.png
      mgdata body measure --fit WORK/fits/07/01.npz --json
    """
    from meshgait_data.body.files import load_body
    from meshgait_data.body.measure import measure as measure_body

    asked = _asked(**wanted)
    if sum((betas is not None, fit is not None, bool(asked))) > 1:
        raise click.UsageError("give a shape by --betas, by --fit or by measurements: one of the three")
    model = load_body(body)
    shape = _shape(model, betas, fit, asked, num_betas, most_sd)
    measured = measure_body(model, shape)
    if out is not None:
        _write(out, model, shape)
    if picture is not None:
        from meshgait_data.atomic import write_bytes
        from meshgait_data.view.bodies import measure_picture

        write_bytes(picture, measure_picture(model, shape, measured))
        click.echo(f"wrote {picture}", err=True)
    _print(model, shape, measured, as_json)


def _asked(*, height: float | None, mass: float | None, bmi: float | None, want: tuple[str, ...]) -> dict[str, float]:
    named = {"height": height, "mass": mass, "bmi": bmi}
    asked = {name: value for name, value in named.items() if value is not None}
    for text in want:
        name, _, value = text.partition("=")
        try:
            asked[name] = float(value)
        except ValueError:
            raise click.UsageError(f"--want {text}: expected NAME=NUMBER, e.g. waist_girth=0.9") from None
    return asked


def _shape(
    model: "Body", betas: str | None, fit: Path | None, asked: dict[str, float], num_betas: int, most_sd: float
) -> "FloatArray":
    import numpy as np

    from meshgait_data.body.measure_inverse import shape_of
    from meshgait_data.errors import InvalidData
    from meshgait_data.fits import read_fit

    if asked:
        return shape_of(model, asked, num_betas=num_betas, most_sd=most_sd)
    if fit is not None:
        read = read_fit(fit)
        if read.body_sha256 != model.sha256:
            raise InvalidData(
                f"fitted with another body ({read.body_name!r}) than {model.name!r}",
                where=str(fit),
                hint="name the body that it was fitted with: --body FILE",
            )
        return read.params.betas.astype(np.float64)
    try:
        return np.array([float(number) for number in betas.split(",")] if betas else [], np.float64)
    except ValueError:
        raise click.UsageError(f"--betas {betas}: expected numbers between commas, e.g. '1.0,-0.5'") from None


def _write(path: Path, model: "Body", shape: "FloatArray") -> None:
    import numpy as np

    from meshgait_data.atomic import write_npz, write_text

    if path.suffix == ".npz":
        named = {"body_name": np.array(model.name), "body_sha256": np.array(model.sha256)}
        write_npz(path, {"betas": shape.astype(np.float32), "gender": np.array("neutral")} | named)
    elif path.suffix == ".obj":
        vertices = model.v_template + model.shapedirs[..., : len(shape)] @ shape
        lines = [f"v {x:.6f} {y:.6f} {z:.6f}\n" for x, y, z in vertices.tolist()]
        lines += [f"f {a} {b} {c}\n" for a, b, c in (model.faces + 1).tolist()]
        write_text(path, f"# {model.name}, rest pose, metres, y up; licence: {model.licence}\n" + "".join(lines))
    else:
        raise click.UsageError(f"--out {path}: the name must end in .npz or .obj")
    click.echo(f"wrote {path}", err=True)


def _print(model: "Body", shape: "FloatArray", measured: "Measurements", as_json: bool) -> None:
    from meshgait_data.body.measure_ways import QUANTITIES

    betas = [round(float(value), 4) for value in shape]
    values = {name: round(float(value), 5) for name, value in measured.values.items()}
    if as_json:
        units = {name: QUANTITIES[name].unit for name in values}
        facts = {"body": model.name, "body_sha256": model.sha256, "betas": betas}
        click.echo(json.dumps(facts | {"measurements": values, "units": units, "missing": measured.missing}))
        return
    click.echo(f"body   {model.name}")
    click.echo(f"betas  {', '.join(f'{value:g}' for value in betas) or 'all zero: the mean shape'}")
    for name in QUANTITIES:
        value = (
            f"{values[name]:9.3f} {QUANTITIES[name].unit}" if name in values else f"        –  {measured.missing[name]}"
        )
        click.echo(f"{name:<24}{value}")
