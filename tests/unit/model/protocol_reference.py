"""The published protocols, each written out plainly and on its own: lists, loops and a stable sort.

Nothing here is shared with what it checks. Sequences are dicts with ``who``, ``subject``, ``condition``, ``view`` and
``strips`` (lists of numbers), in any order.
"""

import math


def distance(a, b, metric):
    known = a.setdefault(metric, {})
    if id(b) not in known:
        known[id(b)] = far(a, b, metric)
    return known[id(b)]


def far(a, b, metric):
    total = 0.0
    for x, y in zip(a["strips"], b["strips"], strict=True):
        if metric == "euclidean":
            total += math.sqrt(sum((p - q) ** 2 for p, q in zip(x, y, strict=True)))
        else:
            dot = sum(p * q for p, q in zip(x, y, strict=True))
            total += 1 - dot / (math.sqrt(sum(p * p for p in x)) * math.sqrt(sum(q * q for q in y)))
    return total / len(a["strips"])


def by_key(sequences):
    return sorted(sequences, key=lambda one: (one["subject"], one["condition"], one["view"]))


def sorted_gallery(probe, gallery, metric, ties="stable"):
    """Whether each is the probe's person, nearest first; of equals the first by key, or the lucky or unlucky one."""
    told = []
    for place, one in enumerate(by_key(gallery)):
        match = one["who"] == probe["who"]
        first = {"stable": place, "lucky": not match, "unlucky": match}[ties]
        told.append((distance(probe, one, metric), first, match))
    told.sort(key=lambda item: (item[0], item[1]))
    return [match for _, _, match in told]


def rounded(percent, decimals):
    if decimals is None:
        return percent
    return round(percent * 10**decimals) / 10**decimals


def mean(values):
    there = [value for value in values if value is not None]
    return math.fsum(there) / len(there) if there else None


def some(sequences, test):
    return [one for one in sequences if test(one["condition"])]


def view_table(probes, gallery, k, camera, rule):
    """Cells, rows without and means without and with the identical view; ``rule``: metric, invalid, decimals, ties."""
    views = sorted({camera(one) for one in probes + gallery})
    cells = []
    for a in views:
        line = []
        for b in views:
            asked = [one for one in probes if camera(one) == a]
            there = [one for one in gallery if camera(one) == b]
            known = {one["who"] for one in there}
            if rule["invalid"] == "skip":
                asked = [one for one in asked if one["who"] in known]
            if not asked or not there:
                line.append(None)
                continue
            hits = 0
            for probe in asked:
                if any(sorted_gallery(probe, there, rule["metric"], rule["ties"])[:k]):
                    hits += 1
            line.append(rounded(hits * 100 / len(asked), rule["decimals"]))
        cells.append(line)
    rows = [mean([cell for b, cell in enumerate(line) if b != a]) for a, line in enumerate(cells)]
    return {
        "views": views,
        "cells": cells,
        "rows": rows,
        "mean": mean(rows),
        "with_identical": mean([mean(line) for line in cells]),
    }


def one_gallery(probes, gallery, ranks, rule, same_camera=None):
    """Rank-k, mAP and mINP against the whole gallery, without same person and camera where a camera is told."""
    hits, precisions, penalties, asked = {k: 0 for k in ranks}, [], [], 0
    for probe in by_key(probes):
        there = gallery
        if same_camera is not None:
            there = [one for one in gallery if one["who"] != probe["who"] or same_camera(one) != same_camera(probe)]
        order = sorted_gallery(probe, there, rule["metric"], rule["ties"])
        if not any(order):
            asked += rule["invalid"] == "wrong"
            continue
        asked += 1
        for k in ranks:
            hits[k] += any(order[:k])
        seen, precision, last = 0, 0.0, 0
        for place, match in enumerate(order, 1):
            if match:
                seen += 1
                precision += seen / place
                last = place
        precisions.append(precision / seen)
        penalties.append(seen / last)
    found = {f"rank{k}": rounded(hits[k] * 100 / asked, rule["decimals"]) if asked else None for k in ranks}
    for name, values in (("map", precisions), ("minp", penalties)):
        found[name] = rounded(math.fsum(values) / len(values) * 100, rule["decimals"]) if values else None
    return found


def per_view(probes, gallery, ranks, rule):
    """The gallery of all views: each probe view by itself, then their mean."""
    views = sorted({one["view"] for one in probes + gallery})
    parts = []
    for view in views:
        asked = [one for one in probes if one["view"] == view]
        parts.append(one_gallery(asked, gallery, ranks, rule, same_camera=lambda one: one["view"]))
    names = parts[0]
    return {
        name: {"mean": mean([part[name] for part in parts]), "rows": [part[name] for part in parts]} for name in names
    }


def whole_view(one):
    return one["view"]


def casia_b(test, rule):
    gallery = some(test, lambda c: c in ("nm-01", "nm-02", "nm-03", "nm-04"))
    return {
        name: {1: view_table(some(test, lambda c, p=probe: c in p), gallery, 1, whole_view, rule)}
        for name, probe in {"NM": ("nm-05", "nm-06"), "BG": ("bg-01", "bg-02"), "CL": ("cl-01", "cl-02")}.items()
    }


def casia_b_cross_view(test, rule):
    gallery = some(test, lambda c: c in ("nm-02", "bg-02", "cl-02"))
    return {
        name: per_view(some(test, lambda c, p=probe: c == p), gallery, [1], rule)
        for name, probe in {"NM": "nm-01", "BG": "bg-01", "CL": "cl-01"}.items()
    }


def oumvlp(test, rule):
    gallery, probes = some(test, lambda c: c == "01"), some(test, lambda c: c == "00")
    return {"NM": {1: view_table(probes, gallery, 1, whole_view, rule)}}


def sustech1k(test, rule):
    parts = {
        "Normal": ["01-nm"],
        "Bag": ["bg"],
        "Clothing": ["cl"],
        "Carrying": ["cr"],
        "Umbrella": ["ub"],
        "Uniform": ["uf"],
        "Occlusion": ["oc"],
        "Night": ["nt"],
        "Overall": ["01", "02", "03", "04"],
    }
    gallery = some(test, lambda c: "00-nm" in c)
    found = {}
    for name, texts in parts.items():
        probes = some(test, lambda c, t=texts: any(text in c for text in t))
        found[name] = {k: view_table(probes, gallery, k, whole_view, rule) for k in (1, 5)}
    return found


CCPG = {
    "CL": (("U0_D0_BG", "U0_D0"), ("U1_D1", "U2_D2", "U3_D3")),
    "UP": (("U3_D3",), ("U0_D3",)),
    "DN": (("U1_D0",), ("U1_D1",)),
    "BG": (("U0_D0_BG",), ("U0_D0",)),
}


def first_word(one):
    return one["view"].split("_")[0]


def ccpg_gait(test, rule):
    found = {}
    for name, (probe, enrolled) in CCPG.items():
        probes, gallery = some(test, lambda c, p=probe: c in p), some(test, lambda c, e=enrolled: c in e)
        found[name] = {1: view_table(probes, gallery, 1, first_word, rule)}
    return found


def ccpg_reid(test, rule):
    found = {}
    for name, (probe, enrolled) in CCPG.items():
        probes, gallery = some(test, lambda c, p=probe: c in p), some(test, lambda c, e=enrolled: c in e)
        found[name] = one_gallery(probes, gallery, [1], rule, same_camera=first_word)
    return found


def gait3d(test, rule, probe_set):
    probes, gallery = [], []
    for one in test:
        name = one["subject"] + "-" + one["condition"] + "-" + one["view"]
        (probes if name in probe_set else gallery).append(one)
    return {"": one_gallery(probes, gallery, [1, 5, 10], rule)}


def grew(test, rule):
    return {"": one_gallery(some(test, lambda c: c == "02"), some(test, lambda c: c == "01"), [1, 5, 10, 20], rule)}


def grew_csv(test, columns, distractors=False, unique=False, metric="euclidean"):
    gallery, probes = by_key(some(test, lambda c: c in ("01", "02"))), some(test, lambda c: c == "03")
    strangers = by_key(one for one in test if one["subject"] == "distractor")
    lines = ["videoId," + ",".join("rank" + str(k + 1) for k in range(columns))]
    lines[0] += ",rank1_distractor" if distractors else ""
    for probe in sorted(probes, key=lambda one: one["view"]):
        order = sorted(range(len(gallery)), key=lambda g: (distance(probe, gallery[g], metric), g))
        people = [int(gallery[g]["who"]) for g in order]
        if unique:
            people = [who for place, who in enumerate(people) if who not in people[:place]]
        line = [probe["view"], *map(str, people[:columns])]
        if distractors:
            _, number = min((distance(probe, one, metric), g) for g, one in enumerate(gallery + strangers))
            line.append(str(int(gallery[number]["who"])) if number < len(gallery) else "0")
        lines.append(",".join(line))
    return "\n".join(lines) + "\n"
