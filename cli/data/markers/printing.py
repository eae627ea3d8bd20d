"""What the commands about markers print: the table of a set, tables of errors, and JSON of the same."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from meshgait_data.types import MarkerSet

VERSIONS = {
    "convex": "convex",
    "convex_noise10": "convex, markers 10 mm off",
    "signed": "signed",
    "signed_noise10": "signed, markers 10 mm off",
}
POSES = {"walks": "walking", "wide": "wide poses"}


def set_record(found: "MarkerSet", path: Path) -> dict[str, Any]:
    """A set as one JSON object."""
    markers = [
        {"index": index, "name": name, "vertex": int(vertex), "pair": int(pair)}
        for index, (name, vertex, pair) in enumerate(zip(found.names, found.vertex_ids, found.mirror, strict=True))
    ]
    record = {"name": found.name, "path": str(path), "body_sha256": found.body_sha256, "count": len(found)}
    return record | {"markers": markers} | dict(found.provenance)


def print_set(found: "MarkerSet", path: Path, as_json: bool) -> None:
    """Print a set: its body, its markers with names and pairs, how they are spread, its errors."""
    if as_json:
        click.echo(json.dumps(set_record(found, path)))
        return
    provenance = dict(found.provenance)
    middle = sum(int(pair) == index for index, pair in enumerate(found.mirror))
    click.echo(f"markers    {found.name}: {len(found)}, {(len(found) - middle) // 2} pairs and {middle} without a pair")
    click.echo(f"body       {provenance.get('body', 'unknown')} ({found.body_sha256[:12]})")
    click.echo(f"file       {path}")
    _print_spread(provenance.get("spread", {}))
    width = max(map(len, found.names), default=4)
    click.echo(f"\n  no  {'name':{width}}  vertex  pair")
    for index, (name, vertex, pair) in enumerate(zip(found.names, found.vertex_ids, found.mirror, strict=True)):
        click.echo(f"{index:4d}  {name:{width}}  {vertex:6d}  {pair if pair != index else '-':>4}")
    print_errors({found.name: provenance.get("errors_mm", {})})


def _print_spread(spread: Mapping[str, Any]) -> None:
    if spread:
        click.echo(
            f"spread     nearest two {spread['least_distance_mm']:g} mm apart, {spread['midline']} on the mid-line"
        )
        click.echo(f"           {', '.join(f'{part} {count}' for part, count in spread['parts'].items())}")


def print_errors(tables: Mapping[str, Mapping[str, Any]]) -> None:
    """Errors of one set, or of several beside each other, for each range of poses.

    Parameters
    ----------
    tables
        Name of a set to ``errors_mm`` of its provenance.
    """
    from meshgait_data.body.marker_report import COLUMNS

    wide = max(map(len, tables)) + 2 if len(tables) > 1 else 0
    for poses, title in POSES.items():
        if not all(poses in table for table in tables.values()):
            continue
        click.echo(f"\nMesh from markers, error in mm, people not learned from, {title}:\n")
        click.echo(f"{'coefficients':{26 + wide}}" + "".join(f"{column:>10}" for column in COLUMNS))
        for version, words in VERSIONS.items():
            for name, table in tables.items():
                label = f"{words:26}" + (f"{name:{wide}}" if wide else "")
                click.echo(label + _cells(table[poses].get(version, {}), COLUMNS))


def _cells(row: Mapping[str, float], columns: Sequence[str]) -> str:
    return "".join(f"{row.get(column, float('nan')):10.1f}" for column in columns)


def print_sets(sets: Sequence["MarkerSet"], as_json: bool) -> None:
    """One line a set."""
    if as_json:
        keys = ("body", "spread", "errors_mm")
        records = [
            {"name": found.name, "count": len(found)} | {k: found.provenance.get(k) for k in keys} for found in sets
        ]
        click.echo(json.dumps({"sets": records}))
        return
    click.echo("Error in mm of the mesh from markers, mean over vertices, people not learned from:\n")
    heads = ("convex", "signed", "signed, 10 mm off", "convex, wide", "signed, wide")
    click.echo(f"{'set':12}{'markers':>8}  " + "".join(f"{head:>19}" for head in heads))
    for found in sets:
        errors = found.provenance.get("errors_mm", {})
        cells = (
            ("walks", "convex"),
            ("walks", "signed"),
            ("walks", "signed_noise10"),
            ("wide", "convex"),
            ("wide", "signed"),
        )
        figures = [errors.get(poses, {}).get(version, {}).get("mean", float("nan")) for poses, version in cells]
        click.echo(f"{found.name:12}{len(found):8d}  " + "".join(f"{figure:19.1f}" for figure in figures))
    click.echo("\n'mgdata markers info NAME' says more of one.")
