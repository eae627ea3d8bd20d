"""``mgdata body info``: say which body model is used, where it was found and what it is, in words and as a picture."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ...options import json_option

if TYPE_CHECKING:
    from meshgait_data.body.files import Found
    from meshgait_data.body.model import Body

_EFFECTS = 10
"""Shape components whose effect is said."""


@click.command()
@click.option("--body", "named", metavar="FILE", help="'free', a .npz or .pkl file, or a folder; see below.")
@click.option("--picture", type=click.Path(dir_okay=False, path_type=Path), help="Write a PNG of it: sides, shapes.")
@json_option
def info(named: str | None, picture: Path | None, as_json: bool) -> None:
    r"""Say which body model is used, where it was found and what it is.

    Searched: --body, then the environment variable MESHGAIT_BODY, then the free body. Files in SMPL's schema may be
    .npz or .pkl (read without chumpy, and without executing anything in them).

    \b
    Examples:
      mgdata body info
      mgdata body info --picture body.png
      mgdata body info --body ~/models --json
    """
    from meshgait_data.body.files import find_body, load_body

    found = find_body(named)
    model = load_body(found.path)
    facts = _facts(found, model)
    if picture is not None:
        from meshgait_data.atomic import write_bytes
        from meshgait_data.view.bodies import info_picture

        write_bytes(picture, info_picture(model))
        click.echo(f"wrote {picture}", err=True)
    effects = _effects(model)
    if as_json:
        click.echo(json.dumps(facts | {"per_sd": effects}))
        return
    for name, value in facts.items():
        click.echo(f"{name:<27}{ {True: 'yes', False: 'no'}.get(value, value) if isinstance(value, bool) else value }")
    if effects:
        click.echo(f"{'change per +1 SD':<27}" + "".join(f"{name:>16}" for name in effects[0]))
    for axis, effect in enumerate(effects):
        click.echo(f"{f'beta {axis}':<27}" + "".join(f"{value:+16.1f}" for value in effect.values()))


def _facts(found: "Found", model: "Body") -> dict[str, str | int | float | bool]:
    import numpy as np

    from meshgait_data.body.measure import measure

    mean = measure(model, names=["height", "mass"])
    ends = measure(model, np.array([[-2.0], [2.0]]), ["height"])["height"]
    return {
        "name": found.name,
        "file": str(found.path),
        "found by": found.origin,
        "vertices": model.num_vertices,
        "faces": len(model.faces),
        "joints": len(model.parents),
        "shape components": model.num_betas,
        "height (m)": round(float(mean["height"]), 3),
        "height at beta0 -2, +2 (m)": f"{ends[0]:.3f}, {ends[1]:.3f}",
        "mass (kg)": mean.missing.get("mass") or round(float(mean["mass"]), 1),
        "symmetric": model.mirror is not None,
        "named vertices": len(model.vertex_ids),
        "sha256": model.sha256,
        "licence": model.licence,
    }


def _effects(model: "Body") -> list[dict[str, float]]:
    """What one standard deviation of each of the first shape components changes."""
    import numpy as np

    from meshgait_data.body.measure import measure

    units = np.eye(min(_EFFECTS, model.num_betas))
    up, down = (measure(model, sign * units, ["height", "mass", "waist_girth"]) for sign in (1, -1))
    scales = {"height": ("height_mm", 1000), "mass": ("mass_kg", 1), "waist_girth": ("waist_girth_mm", 1000)}
    return [
        {
            label: round(scale * float(up[name][axis] - down[name][axis]) / 2, 1) + 0.0  # no -0.0
            for name, (label, scale) in scales.items()
            if name in up.values and name in down.values
        }
        for axis in range(len(units))
    ]
