"""The ``fit:`` of a manifest: when a frame is flagged or rejected, and settings of the fit that a dataset needs."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Measure:
    """One thing that is measured of every fitted frame, and what is too much of it."""

    unit: str
    meaning: str
    flag: float | None = None
    """A frame beyond it is flagged; None: only one that stands out of its own walk is."""
    reject: float | None = None
    """A frame beyond it is rejected; None: never for this alone."""
    floor: float | None = None
    """A frame stands out only by at least this much; None: it never stands out, only ``flag`` and ``reject`` hold."""
    low_is_bad: bool = False


MEASURES: Mapping[str, Measure] = {
    "joints": Measure("m", "mean distance to the observed 3D joints", 0.05, 0.10, floor=0.002),
    "worst_joint": Measure("m", "largest distance to an observed 3D joint", 0.15, None, floor=0.006),
    "markers": Measure("m", "mean distance to the observed markers", 0.03, 0.06, floor=0.002),
    "worst_marker": Measure("m", "largest distance to an observed marker", 0.10, None, floor=0.006),
    "keypoints": Measure("px", "mean distance to the observed 2D keypoints", None, None, floor=1.0),
    "worst_keypoint": Measure("px", "largest distance to an observed 2D keypoint", None, None, floor=3.0),
    "contour": Measure("px", "mean distance between the outlines of mask and body", None, None, floor=0.5),
    "mask_iou": Measure("", "overlap of mask and body: intersection over union", 0.80, 0.60, 0.03, low_is_bad=True),
    "params": Measure("m", "mean distance to the joints of the given SMPL parameters", 0.05, 0.10, floor=0.005),
    "bones": Measure("", "difference of a limb bone from its partner, as observed, share of its length", 0.15),
    "unseen": Measure("", "share of the points that nothing saw", 0.10, 0.75),
    "limits": Measure("rad", "how far joints bend beyond their limits", 0.12),
    "skating": Measure("m/s", "speed of the foot that should stand", None, None, floor=0.20),
    "slip": Measure("m", "how far the body slid over the ground, unevenly, since the start", None, None, floor=0.03),
    "jump": Measure("m/s2", "largest acceleration of a joint", None, None, floor=100.0),
    "shape": Measure("sd", "strangeness of the shape: its largest component", 4.0, 6.0),
}
"""What verdicts judge by, by name. A term of one view is named ``keypoints:cam01`` and judged as ``keypoints``.
``flag`` and ``floor`` were chosen with ``benchmarks/fit_verdicts.py``."""


def measure_of(name: str) -> Measure:
    """How a named error is judged; one that is not known is kept and not judged."""
    base = name.split(":")[0]
    return MEASURES.get(base, Measure("", ""))


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What makes a frame flagged or rejected. A frame also is flagged where it stands out of its own walk."""

    flag: dict[str, float] = field(default_factory=dict)
    """Measure to the value beyond which frames are flagged, instead of the default."""
    reject: dict[str, float] = field(default_factory=dict)
    """Measure to the value beyond which frames are rejected, instead of the default."""
    stand_out_sd: float = 6.0
    """A frame stands out this many robust standard deviations beyond the walk's quiet frames,"""
    stand_out_share: float = 0.35
    """and by this share of their value, and by the measure's floor."""
    ignore: tuple[str, ...] = ()
    """Measures that are not judged: ``skating`` and ``slip`` on treadmills."""
    one_view: Literal["note", "flag"] = "note"
    """Whether frames that a single view saw are flagged for it: their depth is the prior's guess."""

    def __post_init__(self) -> None:
        for field_name in ("flag", "reject", "ignore"):
            for name in getattr(self, field_name):
                if name.split(":")[0] not in MEASURES:
                    near = difflib.get_close_matches(name, MEASURES, n=1)
                    more = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(MEASURES)}"
                    raise ValueError(f"{field_name}: unknown measure {name!r}; {more}")
        if self.stand_out_sd <= 0 or self.stand_out_share < 0:
            raise ValueError("stand_out_sd must be positive and stand_out_share not negative")

    def limits(self, name: str) -> tuple[float | None, float | None]:
        """Values beyond which a frame is flagged and rejected for a measure."""
        base, default = name.split(":")[0], measure_of(name)
        flag = self.flag.get(name, self.flag.get(base, default.flag))
        return flag, self.reject.get(name, self.reject.get(base, default.reject))


@dataclass(frozen=True, slots=True)
class FitSection:
    """What a manifest says about the fits of its walks."""

    thresholds: Thresholds = field(default_factory=Thresholds)
    settings: dict[str, Any] = field(default_factory=dict)
    """Fields of the fit's settings that this dataset wants otherwise, see ``docs/fitting.md``; so are the next ones."""
    markers: dict[str, Any] = field(default_factory=dict)
    """How markers are weighed."""
    keypoints: dict[str, Any] = field(default_factory=dict)
    """How keypoints are taken."""
    masks: dict[str, Any] = field(default_factory=dict)
    """How masks are taken."""
    given: dict[str, Any] = field(default_factory=dict)
    """How existing SMPL parameters are used: ``mode: keep`` or ``refine``, and how far they are trusted."""
    given_body: str = ""
    """Name or path of the body that they are of, where its file is at hand."""
    priors: str = "walk"
    """Priors that ship (``walk``, ``general``), or a file that ``mgdata priors learn`` wrote."""
    repair: bool = False
    """Whether wrong units, axes and exchanged sides that were recognised are put right instead of refused."""
