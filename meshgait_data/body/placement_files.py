"""Marker placements by name or path: YAML to values."""

from meshgait_data.body.joint_files import load_skin_points
from meshgait_data.body.model import Body
from meshgait_data.body.placement import PlacedMarkers, Placement, place_markers
from meshgait_data.strict import build
from meshgait_data.yaml_files import read_yaml, shipped_names

_FOLDER = "marker_placements"


def placement_names() -> tuple[str, ...]:
    """Names of the placements that ship."""
    return tuple(shipped_names(_FOLDER))


def load_placement(name_or_path: str) -> Placement:
    """Read a placement by its shipped name (``plug_in_gait``) or by path.

    Raises
    ------
    UsageError
        Where there is neither.
    ManifestError
        Where the YAML is not a placement.
    """
    data, where = read_yaml(name_or_path, _FOLDER)
    return build(Placement, data, where)


def load_markers(body: Body, name_or_path: str) -> PlacedMarkers:
    """The markers of a placement on a body; raises like :func:`load_placement` and :func:`place_markers`."""
    return place_markers(body, load_placement(name_or_path), load_skin_points())
