"""What all benchmarks share: the command line, CPU timing, and the form of the result.

Contract: ``benchmarks/<topic>.py [--quick]`` prints a table for people and, as its very last line, one JSON object of
figures. The full run also appends that object with date and machine to ``benchmarks/results/<topic>.jsonl``.
"""

import argparse
import datetime
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"

Figures = dict[str, float]


def cpu_seconds(function: Callable[[], Any], repeat: int) -> float:
    """Median CPU seconds (all threads of this process) of ``repeat`` calls after one that is not counted."""
    function()
    times = []
    for _ in range(repeat):
        start = time.process_time()
        function()
        times.append(time.process_time() - start)
    return statistics.median(times)


def machine() -> str:
    """A line about the machine that figures belong to."""
    return f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"


def main(topic: str, measure: Callable[[bool], Figures], about: str) -> None:
    """Parse the command line, measure, print, and record a full run.

    Parameters
    ----------
    topic
        Name of the result file.
    measure
        Takes ``quick`` and gives the figures by name.
    about
        One line for ``--help`` and the head of the table.
    """
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--quick", action="store_true", help="fewer repetitions, under a minute, nothing recorded")
    quick = parser.parse_args().quick
    figures = {name: float(f"{value:.4g}") for name, value in measure(quick).items()}
    width = max(map(len, figures))
    print(f"{about}\n{machine()}")
    for name, value in figures.items():
        print(f"  {name:<{width}}  {value:>12g}")
    if not quick:
        RESULTS.mkdir(exist_ok=True)
        record = {"date": datetime.date.today().isoformat(), "machine": machine(), **figures}
        with (RESULTS / f"{topic}.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
    print(json.dumps(figures))
