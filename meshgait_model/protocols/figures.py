"""Figures of a protocol for ``metrics.json``: everything in per cent, and the whole numbers that it was made of."""

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from meshgait_data.manifest_protocol import Protocol, in_words
from meshgait_model.metrics import LUCKY, UNLUCKY
from meshgait_model.protocols.scoring import GroupScores, ProtocolScores
from meshgait_model.protocols.tables import GalleryTable, gallery_chance, gallery_table, pair_chance, pair_table

Treatment = Literal["wrong", "skip"]
"""What a probe counts whose person is not in the gallery."""


def treatments(protocol: Protocol) -> tuple[Treatment, ...]:
    """What is reported of invalid probes."""
    return ("wrong", "skip") if protocol.invalid_probes == "both" else (protocol.invalid_probes,)


def plain_scores(scores: Sequence[ProtocolScores]) -> dict[str, Any]:
    """Figures of several protocols for ``metrics.json``, headed by the few of the first one."""
    head: dict[str, Any] = {}
    if scores:
        head = {"protocol": scores[0].name} | headline(scores[0])
        head |= {"people": max(group.people for group in scores[0].groups), "probes": scores[0].probes}
    return head | {"protocols": {one.name: to_plain(one) for one in scores}}


def to_plain(scores: ProtocolScores) -> dict[str, Any]:
    """Everything that was scored; docs/protocols.md explains the keys. None stands where there is nothing to score."""
    protocol = scores.protocol
    return {
        "title": protocol.title,
        "source": protocol.source,
        "kind": protocol.kind,
        "metric": protocol.metric,
        "exclude_identical_view": protocol.exclude_identical_view,
        "round_cells": protocol.round_cells,
        "unit": "percent",
        "probes": scores.probes,
        "expected_probes": protocol.expected_probes or None,
        "groups": {group.name or "all": _group(group, protocol) for group in scores.groups},
    }


def _group(group: GroupScores, protocol: Protocol) -> dict[str, Any]:
    gallery, probe = protocol.roles()[group.name]
    plain: dict[str, Any] = {
        "gallery": in_words(gallery),
        "probe": in_words(probe),
        "people": group.people,
        "gallery_sequences": group.gallery,
        "probes": len(group.probes.camera),
        "probes_without_match": int((group.probes.matches == 0).sum()),
        "unmatched": list(group.unmatched),
    }
    if group.pairs is None:
        return plain | {way: _gallery(group, protocol, way) for way in treatments(protocol)}
    pairs, pooled = group.pairs, _gallery(group, protocol, "skip")
    plain |= {
        "views": list(pairs.cameras),
        "probes_by_view": pairs.probes.tolist(),
        "gallery_by_view": pairs.gallery.tolist(),
        "valid_probes": pairs.valid.tolist(),
        "hits": {f"rank{k}": pairs.hits[0, row].tolist() for row, k in enumerate(pairs.ranks)},
    }
    plain |= {way: _pairs(group, protocol, way) for way in treatments(protocol)}
    return plain | {"pooled": {name: pooled[name] for name in ("map", "minp")}}


def _pairs(group: GroupScores, protocol: Protocol, way: Treatment) -> dict[str, Any]:
    assert group.pairs is not None
    wrong = way == "wrong"
    table = pair_table(group.pairs, protocol, wrong=wrong)
    exact = pair_table(group.pairs, protocol, wrong=wrong, rounded=False)
    bounds = [pair_table(group.pairs, protocol, wrong=wrong, order=order).means for order in (UNLUCKY, LUCKY)]
    chance = pair_chance(group.pairs, protocol, wrong=wrong)
    return {
        f"rank{k}": {
            "mean": _number(table.means[row]),
            "mean_unrounded": _number(exact.means[row]),
            "chance": _number(chance[row]),
            "ties": [_number(bound[row]) for bound in bounds],
            "mean_with_identical_view": _number(table.with_identical[row]),
            "mean_with_identical_view_unrounded": _number(exact.with_identical[row]),
            "by_probe_view": [_number(value) for value in table.rows[row]],
            "cells": [[_number(value) for value in line] for line in table.cells[row]],
        }
        for row, k in enumerate(group.pairs.ranks)
    }


def _gallery(group: GroupScores, protocol: Protocol, way: Treatment) -> dict[str, Any]:
    wrong = way == "wrong"
    tables = [
        gallery_table(group.probes, protocol, wrong=wrong),
        gallery_table(group.probes, protocol, wrong=wrong, rounded=False),
        gallery_chance(group.probes, protocol, wrong=wrong),
        *(gallery_table(group.probes, protocol, wrong=wrong, order=order) for order in (UNLUCKY, LUCKY)),
    ]
    values = [_named(table, protocol) for table in tables]
    by_view = _named_by_camera(tables[0], protocol)
    plain = {
        name: {
            "mean": values[0][name],
            "mean_unrounded": values[1][name],
            "chance": values[2][name],
            "ties": [values[3][name], values[4][name]],
        }
        | ({"by_probe_view": by_view[name]} if by_view[name] else {})
        for name in values[0]
    }
    return plain | ({"views": list(group.probes.cameras)} if any(by_view.values()) else {})


def _named(table: GalleryTable, protocol: Protocol) -> dict[str, float | None]:
    ranks = {f"rank{k}": _number(value) for k, value in zip(protocol.ranks, table.ranks, strict=True)}
    return ranks | {"map": _number(table.map), "minp": _number(table.minp)}


def _named_by_camera(table: GalleryTable, protocol: Protocol) -> dict[str, list[float | None]]:
    rows = [*table.ranks_by_camera, table.map_by_camera, table.minp_by_camera]
    names = [*(f"rank{k}" for k in protocol.ranks), "map", "minp"]
    return {name: [_number(value) for value in row] for name, row in zip(names, rows, strict=True)}


def _number(value: float | np.floating[Any]) -> float | None:
    return None if math.isnan(value) else float(value)


def headline(scores: ProtocolScores) -> dict[str, float | None]:
    """The few figures by which runs are compared, as shares 0..1: means over groups, of the first way that is reported.

    Names are ``rank1``, ``rank1_chance``, ``map``, ``map_chance``, ...; see ``docs/protocols.md``.
    """
    way = treatments(scores.protocol)[0]
    groups = [_group(group, scores.protocol) for group in scores.groups]
    found: dict[str, float | None] = {}
    for name in [*(f"rank{k}" for k in scores.protocol.ranks), "map"]:
        parts = [group["pooled" if name not in group[way] else way][name] for group in groups]
        for key, field in ((name, "mean"), (f"{name}_chance", "chance")):
            values = [part[field] / 100 for part in parts if part[field] is not None]
            found[key] = math.fsum(values) / len(values) if values else None
    return found
