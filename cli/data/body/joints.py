"""``mgdata body joints``: the joint sets by name, where their joints lie on a body, and pictures of them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ...options import body_option, json_option

if TYPE_CHECKING:
    from meshgait_data.body.joints import JointRegressor, JointSet
    from meshgait_data.body.model import Body

FILE = click.Path(dir_okay=False, path_type=Path)
FOLDER = click.Path(file_okay=False, path_type=Path)


@click.command()
@click.argument("joint_set", metavar="[SET]", required=False)
@body_option
@click.option("--regressor", type=FILE, help="A published regressor of SET for this body; read without executing it.")
@click.option("--picture", type=FILE, help="Write a PNG: SET on the body, T-pose and walking.")
@click.option("--build", type=FOLDER, metavar="DIR", help="Write the regressors that ship, from their definitions.")
@click.option("--keypoints", is_flag=True, help="With --build: take Anny's keypoints anew (needs the package anny).")
@json_option
def joints(
    joint_set: str | None,
    body: str | None,
    regressor: Path | None,
    picture: Path | None,
    build: Path | None,
    keypoints: bool,
    as_json: bool,
) -> None:
    r"""List the joint sets, or say where the joints of SET lie on a body.

    SET is a name of the list or the path of a .yaml like those in manifests/joint_sets. On the free bodies every set
    ships; on another body a set is found by its definition, with stand-ins that the table names, or by --regressor:
    J_regressor_h36m.npy and the like (.npy, .npz, text), or a .yaml of joint names and their vertices.

    \b
    Examples:
      mgdata body joints
      mgdata body joints coco17 --picture coco17.png
      mgdata body joints h36m17 --body ~/models/SMPL_NEUTRAL.pkl --regressor J_regressor_h36m_correct.npy
      mgdata body joints --build meshgait_data/assets/joints
    """
    if build is not None:
        _build(build, keypoints)
        return
    if joint_set is None and (regressor or picture):
        raise click.UsageError("--regressor and --picture need a SET, e.g. coco17")
    from meshgait_data.body.files import load_body

    model = load_body(body)
    if joint_set is None:
        _list(model, as_json)
        return
    _show(model, joint_set, regressor, picture, as_json)


def _build(folder: Path, keypoints: bool) -> None:
    from meshgait_data.pipeline.joint_sets import build_joint_files, build_keypoints

    if keypoints:
        click.echo(f"wrote {build_keypoints(folder)}", err=True)
    for path in build_joint_files(folder):
        click.echo(f"wrote {path}", err=True)


def _list(body: "Body", as_json: bool) -> None:
    from meshgait_data.body.joint_files import joint_set_names, load_joint_set, load_regressor
    from meshgait_data.errors import MeshgaitError

    rows: list[dict[str, Any]] = []
    for name in joint_set_names():
        known = load_joint_set(name)
        try:
            found = load_regressor(body, name)
            how = ", ".join(dict.fromkeys(word for words in found.how for word in words.split(", ")))
            how = f"approximate: {how}" if found.approximate else how
        except MeshgaitError:
            how = "needs --regressor FILE"
        rows.append({"name": name, "title": known.title, "joints": len(known), "how": how, "origin": known.origin})
    if as_json:
        click.echo(json.dumps({"body": body.name, "sets": rows}))
        return
    click.echo(f"on body {body.name}:")
    for row in rows:
        click.echo(f"{row['name']:<14}{row['joints']:>3}  {row['title']:<32}{row['how']}")


def _show(body: "Body", name: str, path: Path | None, picture: Path | None, as_json: bool) -> None:
    from meshgait_data.body.joint_files import load_joint_set, load_regressor, read_errors
    from meshgait_data.body.joints import rest_points

    known = load_joint_set(name)
    found = load_regressor(body, name, path)
    errors = read_errors(body).get(known.name, {}) if path is None else {}
    if picture is not None:
        from meshgait_data.atomic import write_bytes
        from meshgait_data.pipeline.joint_sets import walking_step
        from meshgait_data.view.joint_sets import joint_set_picture

        write_bytes(picture, joint_set_picture(body, known, found, walking_step(body)))
        click.echo(f"wrote {picture}", err=True)
    rows = _rows(known, found, rest_points(body, found).tolist(), errors)
    if as_json:
        facts = {"set": known.name, "title": known.title, "origin": found.origin, "body": body.name}
        click.echo(json.dumps({**facts, "approximate": found.approximate, "joints": rows}))
        return
    click.echo(f"{known.title} on body {body.name}" + (" (approximate)" if found.approximate else ""))
    click.echo(found.origin)
    click.echo(
        f"{'':>3} {'name':<31}{'published':<20}{'parent':<25}{'moves with':<16}{'at rest (m)':<23}mm   how: what"
    )
    for row in rows:
        place = "{:6.3f} {:6.3f} {:6.3f}".format(*row["rest_m"])
        loose = f"{row['errors_mm']['rigid']:5.1f}" if "rigid" in row["errors_mm"] else "    -"
        click.echo(
            f"{row['index']:>3} {row['name']:<31}{row['published']:<20}{row['parent']:<25}{row['moves_with']:<16}"
            f"{place} {loose}  {row['how']}: {row['what']}"
        )
    if errors:
        click.echo("mm: how far the point moves against the joint that it moves with, rms over walking poses")


def _rows(
    known: "JointSet",
    found: "JointRegressor",
    rest: Sequence[Sequence[float]],
    errors: Mapping[str, Sequence[float]],
) -> list[dict[str, Any]]:
    return [
        {
            "index": index,
            "name": joint.name,
            "published": joint.original,
            "parent": joint.parent,
            "moves_with": joint.moves_with,
            "rest_m": [round(value, 4) for value in rest[index]],
            "errors_mm": {kind: values[index] for kind, values in errors.items()},
            "how": found.how[index],
            "what": joint.what,
        }
        for index, joint in enumerate(known.joints)
    ]
