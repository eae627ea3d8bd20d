"""Protocols: agreement with the plainly written reference, and time and memory of a large evaluation."""

import resource
import sys
import time
from pathlib import Path

import numpy as np
from common import Figures, main

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "unit" / "model"))
from protocol_cases import PUBLISHED, mismatches, protocols

from meshgait_data.manifest_protocol import Protocol, Select
from meshgait_data.types import SequenceKey
from meshgait_model.protocols.figures import plain_scores
from meshgait_model.protocols.scoring import Embedded, score

CASES = 400
"""Random test sets for each protocol."""
PEOPLE, PROBES, GALLERY, STRIPS, SIZE = 5_000, 5_000, 25_000, 16, 256
SMALLER = 5
"""Times that the quick form has fewer probes, and a smaller gallery; its seconds are multiplied by both."""


def measure(quick: bool) -> Figures:
    """Compare with the reference, then score a test set of the size of the largest datasets."""
    cases = 15 if quick else CASES
    wrong = 0
    for published in PUBLISHED.values():
        protocol = protocols(published)
        wrong += sum(bool(mismatches(published, protocol, seed)) for seed in range(10_000, 10_000 + cases))
    return {"protocol_cases": float(cases * len(PUBLISHED)), "protocol_mismatches": float(wrong), **_large(quick)}


def _large(quick: bool) -> Figures:
    smaller = SMALLER if quick else 1
    probes, gallery = PROBES // smaller, GALLERY // smaller
    rng = np.random.default_rng(0)
    values = rng.standard_normal((probes + gallery, STRIPS, SIZE), dtype=np.float32)
    roles = ["p"] * probes + ["g"] * gallery
    people = rng.integers(0, PEOPLE, probes + gallery)
    keys = tuple(
        SequenceKey("x", f"{who:05d}", role, f"{number:06d}")
        for number, (who, role) in enumerate(zip(people, roles, strict=True))
    )
    embedded = Embedded(values, keys, tuple(key.subject for key in keys), {})
    protocol = Protocol(
        kind="retrieval", gallery=Select(conditions=("g",)), probe=Select(conditions=("p",)), ranks=(1, 5, 10)
    )
    # Compiles the kernels.
    small = slice(probes - 2, probes + 2)
    score(Embedded(values[small], keys[small], embedded.identities[small], {}), protocol)
    before, wall, cpu = _peak_mib(), time.perf_counter(), time.process_time()
    plain_scores([score(embedded, protocol)])
    name = f"score_{PROBES}x{GALLERY}x{STRIPS}"
    return {
        f"{name}_wall_s": (time.perf_counter() - wall) * smaller**2,
        f"{name}_cpu_s": (time.process_time() - cpu) * smaller**2,
        "score_added_peak_mib": _peak_mib() - before,
    }


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main("datasets_protocols", measure, "published protocols against a plain reference; a large evaluation")
