"""Names of files that tell a time and not a number: how it is written, and how many frames there are in a second."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from meshgait_data.sources.clock import nanoseconds
from meshgait_data.sources.frames import FileNames

NAMES = {
    "decimal": re.compile(r"(?P<head>\D*?)(?P<frame>[1-9]\d{8,9}\.\d{1,9})(?P<tail>\.\D*)"),
    "digits": re.compile(r"(?P<head>\D*?)(?P<frame>[1-9]\d{12,18})(?P<tail>\D*)"),
}
"""Way of writing a time to the expression of names with one: seconds since 1970 with a fraction, or their
milliseconds to nanoseconds. Numbers of frames have fewer digits, or zeros in front (twelve in all, of OpenPose)."""
_ENOUGH = 0.9
"""Share of the names of a folder that must tell a time."""
_ROUND = 0.02
"""Share by which a rate may be off a whole number that is meant."""


@dataclass(frozen=True, slots=True)
class Moments:
    """Times that the names in a folder tell."""

    written: str
    """See :class:`~meshgait_data.manifest_source.Times`."""
    names: FileNames
    """Frames in the order of their times."""
    fps: float
    """Of the usual step from one to the next; 0 where there is none."""


def moments_in(listed: Sequence[str]) -> Moments | None:
    """Times of the names in a folder; None where they tell none."""
    for written, expression in NAMES.items():
        found = {name: nanoseconds(match["frame"]) for name in listed if (match := expression.fullmatch(name))}
        if found and len(found) >= _ENOUGH * len(listed):
            ordered = sorted(found, key=found.__getitem__)
            frames = {name: frame for frame, name in enumerate(ordered)}
            return Moments(written, FileNames(expression, numbers=frames), _fps(list(found.values())))
    return None


def _fps(times: Sequence[int]) -> float:
    steps = np.diff(np.unique(times))
    if not len(steps):
        return 0.0
    rate = 1e9 / float(np.median(steps))
    return float(round(rate)) if abs(rate - round(rate)) <= _ROUND * rate else round(rate, 2)
