"""Random test sets of each dataset, small and full of trouble; and their comparison with the plain reference."""

import random
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import protocol_reference as reference

from meshgait_data.manifest import load_manifest
from meshgait_data.manifest_protocol import Protocol
from meshgait_data.types import SequenceKey
from meshgait_model.protocols.figures import plain_scores
from meshgait_model.protocols.scoring import Embedded, score

CASIA_B = [f"{kind}-{n:02d}" for kind, count in (("nm", 6), ("bg", 2), ("cl", 2)) for n in range(1, count + 1)]
SUSTECH = ["00-nm", "01-nm", "01-bg", "02-cl", "01-cr", "03-ub-nt", "04-uf", "01-oc", "02-nt", "00-bg", "02-bg-cl"]
CCPG = ["U0_D0", "U0_D0_BG", "U1_D1", "U2_D2", "U3_D3", "U0_D3", "U1_D0"]


@dataclass(frozen=True)
class Published:
    """A protocol of a shipped manifest, and what its test sets look like."""

    manifest: str
    name: str
    plain: Any
    """The reference."""
    conditions: list[str]
    views: list[str]
    kept: float = 0.85
    """Share of sequences that are there."""
    listed: bool = False
    """Whether the partition file names the probes."""


PUBLISHED = {
    "casia_b": Published("casia_b", "gait", reference.casia_b, CASIA_B, ["000", "018", "090"], 0.6),
    "casia_b_cross_view": Published(
        "casia_b", "cross_view", reference.casia_b_cross_view, CASIA_B, ["000", "018", "090"], 0.6
    ),
    "oumvlp": Published("oumvlp", "gait", reference.oumvlp, ["00", "01"], ["000", "015", "030", "180", "270"], 0.6),
    "gait3d": Published(
        "gait3d", "gait", reference.gait3d, ["camid0_videoid1", "camid3_videoid1"], ["seq0", "seq1"], 0.8, True
    ),
    "grew": Published("grew", "local", reference.grew, ["01", "02", "03"], ["aB3dEf9h", "zZ3dEf9h", "0B3dEf9h"], 0.5),
    "ccpg": Published("ccpg", "gait", reference.ccpg_gait, CCPG, ["01_0", "01_1", "02_0", "10_0"]),
    "ccpg_reid": Published("ccpg", "reid", reference.ccpg_reid, CCPG, ["01_0", "01_1", "02_0", "10_0"]),
    "sustech1k": Published("sustech1k", "gait", reference.sustech1k, SUSTECH, ["000", "090-near", "180-far"]),
}


def protocols(published: Published) -> Protocol:
    return load_manifest(published.manifest).protocols[published.name]


def sequences(rng: random.Random, published: Published) -> list[dict[str, Any]]:
    """A random test set: ties, people who lack views or conditions, one view only, equal embeddings."""
    views = rng.sample(published.views, rng.randint(1, min(3, len(published.views))))
    people = rng.randint(1, 5)
    strips, numbers, whole = rng.randint(1, 3), rng.randint(1, 3), rng.random() < 0.6
    made: list[dict[str, Any]] = []
    for subject in range(1, people + 1):
        lost = rng.sample(published.conditions, rng.randint(0, 2)) if rng.random() < 0.4 else []
        for condition in published.conditions:
            for view in views:
                if condition in lost or rng.random() > published.kept:
                    continue
                strip = [[_number(rng, whole) for _ in range(numbers)] for _ in range(strips)]
                if made and rng.random() < 0.1:
                    strip = rng.choice(made)["strips"]
                name = f"{subject:04d}"
                # Subjects 1 and 5 are one person.
                who = "0001" if subject == 5 else name
                made.append({"who": who, "subject": name, "condition": condition, "view": view, "strips": strip})
    rng.shuffle(made)
    return made


def _number(rng: random.Random, whole: bool) -> float:
    return float(rng.randint(1, 3)) if whole else float(np.float32(rng.gauss(0, 1)))


def embedded(made: list[dict[str, Any]], lists: dict[str, tuple[str, ...]] | None = None) -> Embedded:
    keys = tuple(SequenceKey("fake", one["subject"], one["condition"], one["view"]) for one in made)
    values = np.array([one["strips"] for one in made], np.float32)
    return Embedded(values, keys, tuple(one["who"] for one in made), lists or {})


def mismatches(published: Published, protocol: Protocol, seed: int) -> list[str]:
    """Differences between evaluator and reference in one random case; none where nothing can be scored."""
    rng = random.Random(seed)
    made = sequences(rng, published)
    lists, more = {}, ()
    if published.listed:
        named = ["-".join((one["subject"], one["condition"], one["view"])) for one in made]
        chosen = rng.sample(named, min(len(named), rng.randint(1, 4)))
        # One that is not on disk.
        lists, more = {"PROBE_SET": (*chosen, "9999-camid1_videoid1-seq0")}, (set(chosen),)
    cosine = rng.random() < 0.3 and not any(float(x).is_integer() for one in made for s in one["strips"] for x in s)
    protocol = replace(protocol, metric="cosine" if cosine else "euclidean")
    if not _can_be_scored(protocol, made, lists):
        return []
    found = plain_scores([score(embedded(made, lists), protocol, "x")])["protocols"]["x"]["groups"]
    ways = ("wrong", "skip") if protocol.invalid_probes == "both" else (protocol.invalid_probes,)
    wrong: list[str] = []
    for way in ways:
        cut = protocol.round_cells
        for ties, decimals in (("stable", cut), ("stable", None), ("unlucky", cut), ("lucky", cut)):
            rule = {"metric": protocol.metric, "invalid": way, "ties": ties, "decimals": decimals}
            for name, plain in published.plain(made, rule, *more).items():
                for told in _differences(plain, found[name or "all"][way], ties, decimals is None):
                    wrong.append(f"seed {seed}, {name} {way} {ties} {decimals}: {told}")
    return wrong


def _can_be_scored(protocol: Protocol, made: list[dict[str, Any]], lists: dict[str, tuple[str, ...]]) -> bool:
    """Whether any group has somebody on both sides; what happens otherwise has tests of its own."""
    from meshgait_data.manifest_roles import roles

    if not made:
        return False
    sides = roles(protocol, embedded(made).keys, [one["who"] for one in made], lists=lists)
    return any(side.gallery.any() and side.probe.any() for side in sides.values())


def _differences(plain: dict[Any, Any], ours: dict[str, Any], ties: str, unrounded: bool) -> list[str]:
    pairs: list[tuple[str, Any, Any]] = []
    for name, expected in plain.items():
        mine = ours[name if isinstance(name, str) else f"rank{name}"]
        expected = expected if isinstance(expected, dict) else {"mean": expected}
        if ties != "stable":
            pairs.append((f"{name} {ties}", expected["mean"], mine["ties"][ties == "lucky"]))
            continue
        mean = "mean_unrounded" if unrounded else "mean"
        pairs.append((f"{name} {mean}", expected["mean"], mine[mean]))
        if "with_identical" in expected:
            with_identical = "mean_with_identical_view" + "_unrounded" * unrounded
            pairs.append((f"{name} {with_identical}", expected["with_identical"], mine[with_identical]))
        if "rows" in expected and not unrounded:
            pairs.append((f"{name} rows", expected["rows"], mine["by_probe_view"]))
        if "cells" in expected and not unrounded:
            pairs.append((f"{name} cells", expected["cells"], mine["cells"]))
    return [f"{what}: {theirs} is not {own}" for what, theirs, own in pairs if theirs != own]
