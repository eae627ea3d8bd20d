"""Camera rigs of manifests: rings of cameras around a walk, and what single views have otherwise."""

from dataclasses import dataclass, field

from meshgait_data.types import CameraModel


@dataclass(frozen=True, slots=True)
class ViewChange:
    """What one view of a ring has otherwise than the ring."""

    distance_m: float | None = None
    """From the middle of the circle."""
    height_m: float | None = None
    """Above the lowest point of the walk."""
    target_m: float | None = None
    """Height of the point that it looks at."""
    focal_px: float | None = None
    """Focal length."""
    roll_deg: float = 0.0
    """Turn about the optical axis; positive turns the image against the clock."""


@dataclass(frozen=True, slots=True)
class RandomViews:
    """Ranges that every view of every capture draws from, evenly; by capture, view and seed, so always the same."""

    seed: int = 0
    azimuth_deg: tuple[float, float] = (0.0, 0.0)
    """Added to the azimuth of the view."""
    roll_deg: tuple[float, float] = (0.0, 0.0)
    """Added to the roll of the view."""
    distance_m: tuple[float, float] | None = None
    """Instead of the ring's, like the following ones."""
    height_m: tuple[float, float] | None = None
    focal_px: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        for name in ("azimuth_deg", "roll_deg", "distance_m", "height_m", "focal_px"):
            low, high = getattr(self, name) or (0.0, 0.0)
            if low > high or (name in ("distance_m", "focal_px") and low < 0):
                raise ValueError(f"{name} from {low} to {high} is not a range")


@dataclass(frozen=True, slots=True)
class CameraRing:
    """Virtual cameras on a circle around the middle of the walk, for captures that no camera saw.

    Azimuth 0 looks at the walker's front, 90 at the left side, 180 at the back. The cameras stand still while the
    walker passes, so the angle between walker and camera drifts, as in the datasets.
    """

    azimuths_deg: dict[str, float]
    """View name to azimuth from the walking direction."""
    distance_m: float
    """Radius of the circle."""
    height_m: float
    """Height of the cameras above the lowest point of the walk."""
    target_m: float
    """Height of the point that they look at."""
    focal_px: float
    """Focal length. Weak-perspective and orthographic cameras get the scale that this lens has at the target."""
    image_size: tuple[int, int]
    """Width and height in pixels."""
    model: CameraModel = "perspective"
    distortion: tuple[float, ...] = ()
    """Coefficients of the lens in OpenCV's order; labels need a camera without."""
    views: dict[str, ViewChange] = field(default_factory=dict)
    """Views that differ from the ring, by name."""
    random: RandomViews | None = None

    def __post_init__(self) -> None:
        unknown = sorted(set(self.views) - set(self.azimuths_deg))
        if unknown:
            raise ValueError(f"views {unknown} have no azimuth in azimuths_deg")
        if min(self.distance_m, self.focal_px, *self.image_size) <= 0:
            raise ValueError("distance_m, focal_px and image_size must be positive")


@dataclass(frozen=True, slots=True)
class Rig:
    """A layout of cameras that any walk can be seen by."""

    title: str
    origin: str
    """Whose layout it is and which of its numbers are published."""
    cameras: CameraRing
