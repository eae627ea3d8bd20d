"""What the commands about priors print."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from meshgait_data.pipeline.prior_files import Priors


def record(found: "Priors") -> dict[str, Any]:
    """Priors as one JSON object."""
    about: dict[str, Any] = {"name": found.name, "gait": None}
    if found.gait is not None:
        leg = 0.85
        cadence, speed = found.gait.cadence(leg_m=leg), found.gait.speed(leg_m=leg)
        about["gait"] = {
            "harmonics": found.gait.harmonics,
            "styles": found.gait.size,
            "memory_s": round(found.gait.memory_s, 3),
            "leg_m": leg,
            "strides_per_s": round(float(cadence), 3),
            "speed_m_s": round(float(speed), 3),
        }
    return about | dict(found.provenance)


def print_list(priors: Sequence["Priors"], as_json: bool) -> None:
    """One line each."""
    records = [record(found) for found in priors]
    if as_json:
        click.echo(json.dumps({"priors": records}))
        return
    click.echo(f"{'name':12}{'people':>8}{'walks':>8}{'frames':>8}   gait cycle")
    for found in records:
        gait = found["gait"]
        words = f"{gait['harmonics']} harmonics, {gait['styles']} styles" if gait else "none"
        counts = "".join(f"{count:8d}" for count in (len(found["people"]), found["walks"], found["frames"]))
        click.echo(f"{found['name']:12}{counts}   {words}")
    click.echo("\n'mgdata priors info NAME' says more of one.")


def print_priors(found: "Priors", path: Path, as_json: bool) -> None:
    """What they were learned from, and figures of people left out."""
    about = record(found) | {"path": str(path)}
    if as_json:
        click.echo(json.dumps(about))
        return
    click.echo(f"priors     {found.name}")
    click.echo(f"file       {path} ({path.stat().st_size / 1000:.0f} kB)")
    click.echo(f"data       {about['data']}: {about['walks']} walks of {len(about['people'])} people")
    if about["excluded"]:
        click.echo(f"left out   {', '.join(about['excluded'])}")
    click.echo(f"licence    {about['licence']}")
    click.echo(f"           {about['acknowledgement']}" if about["acknowledgement"] else "")
    if about["gait"]:
        _print_gait(about)


def _print_gait(about: dict[str, Any]) -> None:
    gait = about["gait"]
    click.echo(f"gait       {gait['harmonics']} harmonics, {gait['styles']} styles")
    click.echo(
        f"           {gait['strides_per_s']:.2f} strides/s and {gait['speed_m_s']:.2f} m/s with legs of "
        f"{gait['leg_m']:g} m; deviations last {gait['memory_s']:.2f} s"
    )
    click.echo(f"           heel strikes within {about['heel_strike_spread_deg']:g} degrees of phase 0 and 180")
    nats = about["held_out_pose_nats"]
    click.echo(f"pose       {nats['full']:.1f} nats for people left out; without correlations {nats['diagonal']:.1f}")
    if about["held_out"]:
        click.echo("\nNearest walk of a prior without that person, root mean square over people:\n")
        click.echo(f"{'harmonics':>10}{'styles':>8}{'joints mm':>12}{'aligned mm':>12}{'degrees':>10}")
        for row in about["held_out"]:
            figures = f"{row['joints_mm']:12.1f}{row['aligned_mm']:12.1f}{row['degrees']:10.2f}"
            click.echo(f"{row['harmonics']:10.0f}{row['styles']:8.0f}{figures}")
