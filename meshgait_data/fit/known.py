"""What is known before a walk is looked at: priors, correspondences, and how each kind of observation is taken."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from meshgait_data.body.joint_sets import SkinPoints
from meshgait_data.body.model import Body
from meshgait_data.body.placement import PlacedMarkers
from meshgait_data.fit.adopt import GivenSettings
from meshgait_data.fit.from_markers import MarkerSettings
from meshgait_data.fit.from_masks import MaskOptions
from meshgait_data.fit.keypoints_seen import KeypointOptions
from meshgait_data.fit.priors import GaitPrior, PosePrior
from meshgait_data.fit.scene import Correspondence
from meshgait_data.manifest_fit import Thresholds


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """Everything that a fit needs beside the observations and the body."""

    pose: PosePrior
    gait: GaitPrior | None = None
    """Single views and masks need one."""
    maps: Mapping[str, Correspondence] = field(default_factory=dict)
    """For each joint set that occurs, how its joints follow from the body."""
    placements: Mapping[str, PlacedMarkers] = field(default_factory=dict)
    """For each set of surface markers that occurs, where its markers sit on the body."""
    markers: MarkerSettings = field(default_factory=MarkerSettings)
    keypoints: KeypointOptions = field(default_factory=KeypointOptions)
    masks: MaskOptions = field(default_factory=MaskOptions)
    given: GivenSettings = field(default_factory=GivenSettings)
    source: Body | None = None
    """The body that given SMPL parameters are of, where its file is at hand."""
    skin: SkinPoints | None = None
    """Rules for places on the skin, needed to bring parameters from one body to another."""
    thresholds: Thresholds = field(default_factory=Thresholds)
    """Of verdicts."""
    repair: bool = False
    """Whether to put right what checks of the observations find wrong and can mend: unit, axes, exchanged sides."""
