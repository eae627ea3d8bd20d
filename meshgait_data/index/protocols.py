"""Comparison of split and protocols with the sequences on disk: who is missing, who is too much, who is never found."""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress

import numpy as np

from meshgait_data.errors import InvalidData
from meshgait_data.findings import Finding, Severity
from meshgait_data.index.people import People
from meshgait_data.index.rows import IndexRow
from meshgait_data.manifest import Manifest, Protocol
from meshgait_data.manifest_protocol import named_walks
from meshgait_data.manifest_roles import Roles, roles
from meshgait_data.types import BoolArray


def check_manifest(
    manifest: Manifest, rows: Sequence[IndexRow], subjects: set[str], people: People
) -> Iterator[Finding]:
    """Findings about people and sequences that the manifest names and the folder lacks, or the other way round.

    Parameters
    ----------
    manifest
        With its partition file read.
    rows
        Usable sequences.
    subjects
        Everybody on disk.
    people
        Of the manifest.
    """
    identities = {people.identity(subject) for subject in subjects}
    named = {
        "split: train": people.train - identities,
        "split: test": people.test - identities,
        "same_person": {subject for group in manifest.same_person for subject in group} - subjects,
    }
    for place, missing in named.items():
        if missing:
            message = f"{len(missing)} named here without a capture on disk: {listed(missing)}"
            hint = "add their files, or take them out of the manifest"
            yield Finding(Severity.WARNING, "MG-INDEX-007", f"{manifest.name}: {place}", message, hint)
    unused = {subject for subject in subjects if people.side(subject) == "unused"}
    if unused:
        message = f"{len(unused)} subjects on neither side of the split: {listed(unused)}"
        yield Finding(Severity.INFO, "MG-INDEX-012", f"{manifest.name}: split", message)
    tested = [row for row in rows if row.side == "test"]
    hidden = _hidden(manifest, tested)
    for where, protocol in _protocols(manifest):
        yield from _check_protocol(where, protocol, manifest, rows, hidden)
    yield from _seen_again(manifest, rows)


def _seen_again(manifest: Manifest, rows: Sequence[IndexRow]) -> Iterator[Finding]:
    """Walks that one camera saw several times, where views are of cameras by a rule of the protocol."""
    if not manifest.protocol.camera:
        return
    camera, views = re.compile(manifest.protocol.camera), dict[tuple[str, str], list[str]]()
    for row in rows:
        found = camera.search(row.view)
        name = found.group(1 if camera.groups else 0) if found else row.view
        views.setdefault((f"{row.subject}/{row.condition}", name), []).append(row.view)
    again = {f"{walk} ({', '.join(sorted(own))})" for (walk, _), own in views.items() if len(own) > 1}
    if again:
        message = f"{len(again)} times one camera saw a person several times in one condition: {listed(again)}"
        hint = "nothing to do: each of them is a sequence of its own, and protocols count all of them"
        yield Finding(Severity.INFO, "MG-INDEX-027", f"{manifest.name}: protocol: camera", message, hint)


def _protocols(manifest: Manifest) -> Iterator[tuple[str, Protocol]]:
    if manifest.protocol.gallery and manifest.protocol not in manifest.protocols.values():
        yield f"{manifest.name}: protocol", manifest.protocol
    for name, protocol in manifest.protocols.items():
        yield f"{manifest.name}: protocols: {name}", protocol


def _hidden(manifest: Manifest, tested: Sequence[IndexRow]) -> set[str]:
    """Identities that stand for people whom only a server knows: probes of a submission that nobody enrols."""
    names: set[str] = set()
    for _, protocol in _protocols(manifest):
        if protocol.kind == "submission":
            with suppress(InvalidData):
                for who in _roles_of(protocol, manifest, tested).values():
                    probes, gallery = (set(_people(tested, chosen)) for chosen in (who.probe, who.gallery))
                    names |= probes - gallery
    return names


def _people(tested: Sequence[IndexRow], chosen: BoolArray) -> list[str]:
    return [tested[place].identity for place in np.flatnonzero(chosen).tolist()]


def _roles_of(protocol: Protocol, manifest: Manifest, tested: Sequence[IndexRow]) -> dict[str, Roles]:
    keys, identities = [row.key for row in tested], [row.identity for row in tested]
    lists = {"PROBE_SET": manifest.split.probe, "GALLERY_SET": manifest.split.gallery}
    return roles(protocol, keys, identities, lists=lists)


def _check_protocol(
    where: str, protocol: Protocol, manifest: Manifest, rows: Sequence[IndexRow], hidden: set[str]
) -> Iterator[Finding]:
    tested = [row for row in rows if row.side == "test"]
    try:
        found = _roles_of(protocol, manifest, tested)
    except InvalidData as error:
        yield Finding(Severity.WARNING, "MG-INDEX-009", where, error.what, error.hint)
        return
    for name, who in found.items():
        place = f"{where}: {name}" if name else where
        yield from _check_names(place, protocol, who, rows)
        # Who is enrolled decides who the rest is; probes that are named may be of anybody.
        rest = protocol.roles()[name][1] == "rest"
        asked = {row.identity for row in tested} if rest else set(_people(tested, who.probe))
        yield from _check_roles(place, protocol, who, tested, asked - hidden)


def _check_roles(
    where: str, protocol: Protocol, who: Roles, tested: Sequence[IndexRow], asked: set[str]
) -> Iterator[Finding]:
    gallery = [tested[place] for place in np.flatnonzero(who.gallery).tolist()]
    probes = [tested[place] for place in np.flatnonzero(who.probe).tolist()]
    enrolled = {row.identity for row in gallery}
    strangers = asked - enrolled
    if strangers and protocol.kind != "submission":
        message = f"{len(strangers)} test people without a gallery walk are never recognised: {listed(strangers)}"
        hint = "name one walk of each in the gallery, or add their files"
        yield Finding(Severity.WARNING, "MG-INDEX-014", f"{where}: gallery", message, hint)
    if protocol.expected_probes and len(probes) != protocol.expected_probes:
        message = f"{len(probes)} probes, where the protocol has {protocol.expected_probes}"
        hint = "scores are not those of the full protocol"
        yield Finding(Severity.WARNING, "MG-INDEX-009", f"{where}: probe", message, hint)
    if protocol.kind == "view_pairs":
        yield from _invalid_probes(where, gallery, probes, {row.view for row in tested})


def _check_names(where: str, protocol: Protocol, who: Roles, rows: Sequence[IndexRow]) -> Iterator[Finding]:
    outside = {f"{row.subject}/{row.condition}" for row in rows if row.side != "test"}
    for role in ("gallery", "probe"):
        walks = set(named_walks(getattr(protocol, role)))
        missing = (walks & set(who.missing_walks)) - outside
        if missing:
            message = f"{len(missing)} walks named here cannot be used or are not on disk: {listed(missing)}"
            hint = "add or repair their files, or name other walks; scores are not those of the full protocol"
            yield Finding(Severity.WARNING, "MG-INDEX-009", f"{where}: {role}", message, hint)
        if walks & outside:
            message = f"{len(walks & outside)} walks named here are of people outside the test side: "
            text = message + listed(walks & outside)
            yield Finding(
                Severity.WARNING, "MG-INDEX-013", f"{where}: {role}", text, "score on split: test people only"
            )
    if who.unmatched:
        message = f"nothing on the test side fits: {'; '.join(who.unmatched[:5])}"
        yield Finding(Severity.WARNING, "MG-INDEX-009", where, message, "scores are not those of the full protocol")


def _invalid_probes(
    where: str, gallery: Sequence[IndexRow], probes: Sequence[IndexRow], views: set[str]
) -> Iterator[Finding]:
    """Probes that a pair of views can never recognise: their people are enrolled, but not in that gallery view."""
    enrolled: dict[str, set[str]] = {}
    for row in gallery:
        enrolled.setdefault(row.identity, set()).add(row.view)
    lacking = {row.identity: views - enrolled.get(row.identity, views) for row in probes}
    pairs = [(row, view) for row in probes for view in lacking[row.identity] if view != row.view]
    if pairs:
        people = {row.identity for row, _ in pairs}
        message = (
            f"{len(pairs)} pairs of a probe and a gallery view cannot match: {len(people)} people lack gallery views"
        )
        hint = "tables that count invalid probes as wrong differ from those that leave them out: both are printed"
        where = f"{where}: gallery"
        yield Finding(Severity.INFO, "MG-INDEX-025", where, f"{message}, e.g. {listed(people)}", hint)


def listed(names: Iterable[str], most: int = 8) -> str:
    """The first names and how many more there are."""
    ordered = sorted(names)
    return ", ".join(ordered[:most]) + (f" and {len(ordered) - most} more" if len(ordered) > most else "")
