"""Datasets: time to index a large one, hostile files, and protocols against plain references."""

import importlib

from common import Figures, main
from datasets_index import index_figures

OTHERS = ("datasets_hostile", "datasets_protocols")
"""Modules beside this one, each with a ``measure`` of its own."""


def measure(quick: bool) -> Figures:
    """All figures of the topic."""
    figures = index_figures(quick)
    for name in OTHERS:
        figures |= importlib.import_module(name).measure(quick)
    return figures


ABOUT = (
    "Datasets: index of 100,000 sequences with 3 files each, hostile files, protocols\n"
    "(--quick: seconds of 1,000 sequences and of a 25th of the evaluation, multiplied; memory of these; fewer files)"
)

if __name__ == "__main__":
    main("datasets", measure, ABOUT)
