"""Settings of the fit: every weight with its unit and why it has that value."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class JointPrior:
    """Gaussian prior on the rotation of one joint of the left side or the middle; the right side is its mirror image.

    The axes are those of the rest pose: x along the stretched left arm, y along trunk and legs, z forward.
    """

    joint: str
    """SMPL joint; ``left_*`` stands for both sides."""
    mean_deg: tuple[float, float, float]
    """Rotation vector of the mean pose, degrees."""
    sd_deg: tuple[float, float, float]
    """Standard deviation of the rotation vector from the mean, degrees."""
    limit: str = ""
    """``x+``: the angle about x is never negative; ``y-``: the angle about y is never positive (hinges)."""


POSE_PRIOR = (
    JointPrior("left_hip", (0, 0, 0), (35, 10, 12)),
    # A knee is a hinge about x that only bends backwards: side bend and twist would trade against the hip's twist.
    JointPrior("left_knee", (20, 0, 0), (35, 4, 3), limit="x+"),
    JointPrior("left_ankle", (0, 0, 0), (20, 8, 8)),
    JointPrior("left_foot", (0, 0, 0), (15, 2, 2)),
    JointPrior("spine1", (0, 0, 0), (8, 6, 6)),
    JointPrior("spine2", (0, 0, 0), (8, 6, 6)),
    JointPrior("spine3", (0, 0, 0), (8, 6, 6)),
    JointPrior("neck", (0, 0, 0), (12, 6, 10)),
    # Nothing but the line of the neck is seen of the head: its turn follows the trunk.
    JointPrior("head", (0, 0, 0), (12, 6, 8)),
    JointPrior("left_collar", (0, 0, 0), (3, 6, 6)),
    # Mean: the arm hangs. From the T-pose with palms down this turns the palm to the thigh without any twist.
    JointPrior("left_shoulder", (0, 0, -70), (20, 30, 25)),
    # An elbow is a hinge about y that only bends forwards; x is the turn of the forearm.
    JointPrior("left_elbow", (0, -25, 0), (20, 35, 4), limit="y-"),
    JointPrior("left_wrist", (0, 0, 0), (10, 12, 12)),
    JointPrior("left_hand", (0, 0, 0), (3, 3, 3)),
)
"""Walking people. Chosen by hand and looked at on the shipped walks, not learned: wide where joints observe the angle,
narrow where they cannot (twist about a bone, feet, hands, collars), so that what is not seen looks natural."""


@dataclass(frozen=True, slots=True)
class FitSettings:
    """Weights and stopping rules of :func:`meshgait_data.fit.fit_joints`."""

    num_betas: int | None = None
    """Shape components to estimate, the first of the body's; all where it has fewer. None: 10, or 30 where surface
    markers show the shape."""
    noise_m: float = 0.01
    """Metres: noise of one coordinate of a 3D point where a capture is too short to measure it (see ``noise.py``)."""
    least_noise_m: float = 0.0003
    """Metres: 3D points are never trusted more than that."""
    huber: float = 3.0
    """Standard deviations beyond which an observed point pulls no harder (Huber)."""
    map_error_m: float = 0.01
    """Metres: how far one person's joints lie from where the joint map puts them. This error is the same in all
    frames, so more frames are not more evidence against the mean shape."""
    own_error_m: float = 0.0002
    """Metres: the same where the joints are the body's own (joint set ``smpl24``)."""
    limit_sd_deg: float = 3.0
    """Degrees: softness of the stops of knees and elbows."""
    max_iterations: int = 30
    step_tolerance: float = 1e-3
    """Radians and decimetres: the solver has converged where no unknown moved more in an accepted step."""
    cost_tolerance: float = 1e-4
    """Or where an accepted step lowered the cost by less than this share."""
    min_frames: int = 1
    """Frames with enough observations that a capture needs."""
    min_seen: float = 0.25
    """Share of the mapped joints (by weight) that a frame needs."""
    contact: bool = False
    """Whether a second round holds still what rests on the ground (see ``contact.py``): feet slide a quarter as far,
    and observed joints are met 4 % worse."""
    prior: tuple[JointPrior, ...] = field(default=POSE_PRIOR)

    def __post_init__(self) -> None:
        lengths = ("noise_m", "least_noise_m", "map_error_m", "own_error_m", "huber")
        for name in (*lengths, "limit_sd_deg", "max_iterations", "min_frames", "num_betas"):
            if getattr(self, name) is not None and not getattr(self, name) > 0:
                raise ValueError(f"{name}={getattr(self, name)} must be positive")
