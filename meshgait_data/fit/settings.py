"""Settings of the fit: every weight with its unit and why it has that value."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FitSettings:
    """Weights and stopping rules of :func:`meshgait_data.fit.fit_captures`."""

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

    def __post_init__(self) -> None:
        lengths = ("noise_m", "least_noise_m", "map_error_m", "own_error_m", "huber")
        for name in (*lengths, "limit_sd_deg", "max_iterations", "min_frames", "num_betas"):
            if getattr(self, name) is not None and not getattr(self, name) > 0:
                raise ValueError(f"{name}={getattr(self, name)} must be positive")
