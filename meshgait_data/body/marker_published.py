"""Published virtual markers on a user's own body: coefficients where they leave vertices out, and signed ones.

Shape letters: N meshes, V vertices, W vertices that the published matrix has, K markers.
"""

import numpy as np

from meshgait_data.body.marker_names import marker_names
from meshgait_data.body.marker_published_files import Published
from meshgait_data.body.marker_solvers import affine_coefficients, convex_coefficients
from meshgait_data.body.markers import MarkerSettings, trajectories
from meshgait_data.body.model import Body
from meshgait_data.errors import InvalidData
from meshgait_data.types import FloatArray, IntArray, MarkerSet

_WRONG_LIST = 3.0
"""Published rows may be this many times farther off than the best convex ones on the user's body: they were made for
other poses. Rows that belong to other vertices are farther off."""
_STEPS = 600
"""Steps of the convex solver."""
_TRIED = 300
"""Vertices that this is tried on."""


def published_set(
    body: Body, published: Published, kept: IntArray, meshes: FloatArray, *, name: str, settings: MarkerSettings
) -> MarkerSet:
    """A set with the published markers and convex coefficients.

    Rows of vertices that the published matrix lacks are refitted on meshes of the body, and so are all signed
    coefficients, which were never published.

    Parameters
    ----------
    body
        The body whose vertices ``kept`` counts: SMPL for the published files.
    published
        What the files hold.
    kept
        (W,) vertices of the body that the rows belong to, in rising order.
    meshes
        (N, V, 3) posed bodies, as for learning.
    name
        Name of the set.
    settings
        Number of convex coefficients of a refitted vertex, and noise that the signed ones are made for.

    Raises
    ------
    InvalidData
        Where the list of vertices has another length than the matrix, or plainly belongs to something else.
    """
    if len(kept) != len(published.coefficients) or kept.max() >= body.num_vertices:
        raise InvalidData(
            f"the list keeps {len(kept)} of the {body.num_vertices} vertices of body {body.name!r}, "
            f"but the published matrix has {len(published.coefficients)}",
            hint="the list and the body must be those that the markers were published for: SMPL without its head",
        )
    points = trajectories(meshes, body.mirror).astype(np.float64)
    ids = kept[published.places]
    _check_list(points, published, kept)
    convex = np.zeros((body.num_vertices, len(ids)))
    convex[kept] = published.coefficients
    markers, rest = points[ids], np.setdiff1d(np.arange(body.num_vertices), kept)
    if len(rest):
        convex[rest] = convex_coefficients(points[rest], markers, iterations=_STEPS)
    signed = affine_coefficients(points, markers, settings.noise_mm / 1e3)
    return MarkerSet(
        name=name,
        body_sha256=body.sha256,
        vertex_ids=ids,
        mirror=published.mirror,
        convex=convex.astype(np.float32),
        signed=signed.astype(np.float32),
        names=marker_names(body, ids),
        provenance={"body": body.name, "published_vertices": len(kept), "refitted_vertices": len(rest)},
    )


def _check_list(points: FloatArray, published: Published, kept: IntArray) -> None:
    """Refuse a list of vertices with which the published rows make no sense."""
    tried = np.unique(np.linspace(0, len(kept) - 1, _TRIED).astype(int))
    there, markers = points[kept[tried]], points[kept[published.places]]
    best = convex_coefficients(there, markers, iterations=_STEPS)
    off, least = (_rms_mm(there - rows @ markers) for rows in (published.coefficients[tried], best))
    if off > _WRONG_LIST * least + 5.0:
        raise InvalidData(
            f"with this list of vertices the published markers miss the mesh by {off:.0f} mm, "
            f"where {least:.0f} mm are possible",
            hint="the list belongs to another body or another cut: use the one that was published with the markers",
        )


def _rms_mm(differences: FloatArray) -> float:
    return 1e3 * float(np.sqrt(np.mean(np.sum(differences**2, axis=1))))
