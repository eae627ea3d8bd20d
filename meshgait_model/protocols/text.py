"""Tables of a protocol for people, as papers print them: in per cent, a row for each group of probes."""

from collections.abc import Iterator, Sequence

import numpy as np

from meshgait_data.types import FloatArray
from meshgait_model.metrics import LUCKY, UNLUCKY
from meshgait_model.protocols.figures import Treatment, treatments
from meshgait_model.protocols.scoring import GroupScores, ProtocolScores
from meshgait_model.protocols.tables import gallery_chance, gallery_table, pair_chance, pair_table

_MOST_COLUMNS = 16
_WAYS = {"wrong": "invalid probes count as wrong", "skip": "invalid probes left out"}


def table(scores: ProtocolScores) -> str:
    """The published table, and below it what one should know about it."""
    protocol = scores.protocol
    name = f"{protocol.title} ({scores.name})" if protocol.title else scores.name
    blocks = [f"{name}: {protocol.kind}, {protocol.metric}"]
    for way in treatments(protocol):
        if protocol.invalid_probes == "both":
            blocks.append(f"{_WAYS[way]}:")
        for group_rows in _tables(scores, way):
            blocks.append(_aligned(group_rows))
    if protocol.kind == "view_pairs":
        blocks.append(_precision(scores))
    return "\n".join([*blocks, *notes(scores)])


def _tables(scores: ProtocolScores, way: Treatment) -> Iterator[list[list[str]]]:
    if scores.protocol.kind == "view_pairs":
        yield from (_pairs(scores, row, way) for row in range(len(scores.protocol.ranks)))
    elif scores.protocol.kind == "cross_view_gallery":
        yield from (_by_view(scores, row, way) for row in range(len(scores.protocol.ranks) + 1))
    else:
        yield _pooled(scores, way)


def _pairs(scores: ProtocolScores, row: int, way: Treatment) -> list[list[str]]:
    """One rank: rows are groups, columns are probe views."""
    protocol, wrong = scores.protocol, way == "wrong"
    views = _views(scores)
    head = [f"Rank-{protocol.ranks[row]} %", *views, "mean", "chance", "probes"]
    lines = [head + ["incl. identical"] * protocol.with_identical_view]
    for group in scores.groups:
        assert group.pairs is not None
        found = pair_table(group.pairs, protocol, wrong=wrong)
        chance = pair_chance(group.pairs, protocol, wrong=wrong)[row]
        cells = _percents([*_at(views, group.pairs.cameras, found.rows[row]), found.means[row], chance])
        more = _percents([found.with_identical[row]]) if protocol.with_identical_view else []
        lines.append([group.name or "all", *cells, str(group.pairs.probes.sum()), *more])
    return lines


def _by_view(scores: ProtocolScores, row: int, way: Treatment) -> list[list[str]]:
    """One rank, or mAP: rows are groups, columns are probe views."""
    protocol, wrong = scores.protocol, way == "wrong"
    views = _views(scores)
    ranks = [f"Rank-{k} %" for k in protocol.ranks]
    lines = [[[*ranks, "mAP %"][row], *views, "mean", "chance", "probes"]]
    for group in scores.groups:
        found, chance = (make(group.probes, protocol, wrong=wrong) for make in (gallery_table, gallery_chance))
        by_view = [*found.ranks_by_camera, found.map_by_camera][row]
        means = [[*one.ranks, one.map][row] for one in (found, chance)]
        cells = _percents([*_at(views, group.probes.cameras, by_view), *means])
        lines.append([group.name or "all", *cells, str(len(group.probes.camera))])
    return lines


def _pooled(scores: ProtocolScores, way: Treatment) -> list[list[str]]:
    """Rows are groups, columns are ranks, mAP and mINP."""
    protocol, wrong = scores.protocol, way == "wrong"
    lines = [["", *(f"Rank-{k} %" for k in protocol.ranks), "mAP %", "mINP %", "probes", "gallery", "people"]]
    for group in scores.groups:
        sizes = [str(len(group.probes.camera)), str(group.gallery), str(group.people)]
        found, chance = (make(group.probes, protocol, wrong=wrong) for make in (gallery_table, gallery_chance))
        lines.append([group.name or "all", *_percents([*found.ranks, found.map, found.minp]), *sizes])
        lines.append(["  chance", *_percents([*chance.ranks, chance.map]), "", "", "", ""])
    return lines


def _precision(scores: ProtocolScores) -> str:
    """What the table of pairs of views does not show."""
    told = []
    for group in scores.groups:
        found, chance = (make(group.probes, scores.protocol, wrong=False) for make in (gallery_table, gallery_chance))
        (mean,), (guess,) = _percents([found.map]), _percents([chance.map])
        told.append(f"{group.name} {mean} (chance {guess})".strip())
    people = max(group.people for group in scores.groups)
    return f"mAP % over the whole gallery: {', '.join(told)}; {people} people enrolled"


def notes(scores: ProtocolScores) -> list[str]:
    """What is missing, what is left out, and whether the order of equal distances matters."""
    found: list[str] = []
    expected = scores.protocol.expected_probes
    if expected and scores.probes != expected:
        found.append(f"{scores.probes} probes of {expected}: this is not the full protocol")
    for group in scores.groups:
        found += [f"{group.name}: {text}".removeprefix(": ") for text in _notes(group, scores)]
    return found


def _notes(group: GroupScores, scores: ProtocolScores) -> Iterator[str]:
    if group.unmatched:
        yield f"no test sequence fits {'; '.join(group.unmatched)}"
    if not len(group.probes.camera) or not group.gallery:
        yield f"{len(group.probes.camera)} probes, {group.gallery} gallery sequences: nothing to score"
        return
    pairs = group.pairs
    if pairs is None:
        if lost := int((group.probes.matches == 0).sum()):
            yield f"{lost} probes have no match in the gallery"
    else:
        used = ~np.eye(len(pairs.cameras), dtype=np.bool_) | (not scores.protocol.exclude_identical_view)
        if not used.any():
            yield "one view only, and identical views are left out: nothing to score"
        asked = np.where(pairs.gallery > 0, pairs.probes[:, None] - pairs.valid, 0)[used].sum()
        if asked:
            yield f"{asked} pairs of a probe and a gallery view lack the person (invalid probes)"
        if empty := int(((pairs.gallery == 0) | (pairs.probes[:, None] == 0))[used].sum()):
            yield f"{empty} of {used.sum()} pairs of views are empty and left out of means"
    yield from _ties(group, scores)


def _ties(group: GroupScores, scores: ProtocolScores) -> Iterator[str]:
    """Equal distances whose order changes the figures."""
    protocol = scores.protocol
    for way in treatments(protocol):
        bounds = []
        for order in (UNLUCKY, LUCKY):
            if group.pairs is not None:
                bounds.append(pair_table(group.pairs, protocol, wrong=way == "wrong", order=order).means)
            else:
                bounds.append(gallery_table(group.probes, protocol, wrong=way == "wrong", order=order).ranks)
        for k, low, high in zip(protocol.ranks, *bounds, strict=True):
            if high - low >= 0.005:
                told = f"Rank-{k} is from {low:.2f} to {high:.2f} %"
                yield f"equal distances: {told}, depending on their order; shown is the gallery's own"


def _views(scores: ProtocolScores) -> list[str]:
    """Columns: views that have probes; none where there are too many to print."""
    views = sorted(
        {c for group in scores.groups for c in np.array(group.probes.cameras)[np.unique(group.probes.camera)]}
    )
    return [str(view) for view in views] if len(views) <= _MOST_COLUMNS else []


def _at(views: Sequence[str], cameras: Sequence[str], values: FloatArray) -> list[float]:
    known = dict(zip(cameras, values.tolist(), strict=True))
    return [known.get(view, float("nan")) for view in views]


def _percents(values: Sequence[float]) -> list[str]:
    return ["-" if np.isnan(value) else f"{value:.2f}" for value in values]


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    widths[0] = max(widths[0], 10)
    lines = ((row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))) for row in rows)
    return "\n".join("  ".join(cells).rstrip() for cells in lines)
