"""What a mesh gives besides its mask: depth, part of the body and hidden layers, in the window of the silhouette.

Shape letters: F frames, V vertices, T triangles, S side of the window, h and w of the box that the body is drawn in.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meshgait_data.body.model import Body
from meshgait_data.compiled import compiled
from meshgait_data.errors import UsageError
from meshgait_data.render.align import inverse
from meshgait_data.render.depth import DepthMaps
from meshgait_data.render.raster import checked_mesh, image_points
from meshgait_data.types import ByteArray, Camera, FloatArray, IntArray

CHANNELS = ("depth", "parts", "layers")
"""``depth``: uint16 millimetres along the optical axis; ``parts``: uint8, 1 + number of the joint of the body's tree
that the skin seen there mostly moves with (24 of SMPL); ``layers``: uint8 surfaces of the body that face the camera
behind the nearest one: how often the body hides itself there. 0 where there is nothing."""


def check_channels(names: Sequence[str]) -> None:
    """Raise UsageError on a name that is not one of :data:`CHANNELS`."""
    for name in names:
        if name not in CHANNELS:
            raise UsageError(f"no channel is called {name!r}", hint=f"choose from: {', '.join(CHANNELS)}")


def channels(
    names: Sequence[str],
    body: Body,
    vertices: FloatArray,
    camera: Camera,
    depth: DepthMaps,
    windows: FloatArray,
    *,
    size: int,
) -> dict[str, NDArray[np.unsignedinteger[Any]]]:
    """Maps of a posed body, sampled in the windows of its silhouettes.

    Parameters
    ----------
    names
        Of the channels.
    body
        Gives faces and parts.
    vertices
        (F, V, 3) metres, world frame.
    camera
        That the depth was drawn for.
    depth
        Of the same frames.
    windows
        (F, 2, 3) image pixels to pixels of the silhouettes.
    size
        Side S of the window.

    Returns
    -------
    Name to (F, S, S). A value is that of the image pixel nearest to where the window's pixel lies in the image, never
    a mixture of two.

    Raises
    ------
    UsageError
        On a name that does not exist.
    """
    check_channels(names)
    columns, rows = nearest_pixels(windows, size)
    shape = (len(windows), size, size)
    metres, face = depth.at(columns, rows)
    there = face >= 0
    found: dict[str, NDArray[np.unsignedinteger[Any]]] = {}
    for name in names:
        if name == "depth":
            values = np.where(there, metres, 0) * 1000
            found[name] = values.round().clip(0, 65535).astype(np.uint16).reshape(shape)
        elif name == "parts":
            part = 1 + body.weights[body.faces].sum(axis=1).argmax(axis=1)
            found[name] = np.where(there, part[face], 0).astype(np.uint8).reshape(shape)
        else:
            found[name] = _sample(layer_maps(vertices, body.faces, camera, depth), depth, columns, rows).reshape(shape)
    return found


def nearest_pixels(windows: FloatArray, size: int) -> tuple[IntArray, IntArray]:
    """Columns and rows (F, S * S) of the image pixels nearest to the pixels of windows (F, 2, 3), row by row."""
    back = inverse(windows)
    v, u = np.mgrid[:size, :size].reshape(2, 1, -1)
    x, y = (back[:, i, :1] * u + back[:, i, 1:2] * v + back[:, i, 2:] for i in (0, 1))
    return np.round(x).astype(np.int64), np.round(y).astype(np.int64)


def layer_maps(vertices: FloatArray, faces: IntArray, camera: Camera, depth: DepthMaps) -> ByteArray:
    """(F, h, w) surfaces behind the nearest one that face the camera, in the boxes of the depth maps.

    Of a closed mesh: where an arm is in front of the trunk it is 1. A pixel centre on an edge belongs to one of the
    two triangles, by the rule of graphics hardware (top and left edges).
    """
    points, triangles = checked_mesh(vertices, faces)
    drawn = image_points(points, camera)
    drawn[:, :, :2] -= depth.corner[:, None]
    counts = np.zeros(depth.depth.shape, np.uint8)
    _count(drawn, triangles, counts)
    return counts - (counts > 0)


def _sample(boxes: ByteArray, depth: DepthMaps, columns: IntArray, rows: IntArray) -> ByteArray:
    """Values (F, P) of maps (F, h, w) in boxes at pixels (F, P); 0 outside."""
    x, y = columns - depth.corner[:, :1], rows - depth.corner[:, 1:]
    height, width = boxes.shape[1:]
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    frames = np.arange(len(boxes))[:, None]
    return np.where(inside, boxes[frames, y.clip(0, height - 1), x.clip(0, width - 1)], 0).astype(np.uint8)


@compiled
def _count(drawn_FV3: FloatArray, faces_T3: IntArray, counts_Fhw: ByteArray) -> None:
    """Add one at every pixel centre for every triangle that faces the camera."""
    for f in range(drawn_FV3.shape[0]):
        for t in range(faces_T3.shape[0]):
            # Corners that run with the clock in the image, where y points down, make the area positive.
            a, c, b = faces_T3[t, 0], faces_T3[t, 1], faces_T3[t, 2]
            ax, ay = drawn_FV3[f, a, 0], drawn_FV3[f, a, 1]
            bx, by = drawn_FV3[f, b, 0], drawn_FV3[f, b, 1]
            cx, cy = drawn_FV3[f, c, 0], drawn_FV3[f, c, 1]
            if not (bx - ax) * (cy - ay) - (by - ay) * (cx - ax) > 0.0:
                continue
            x0 = int(np.ceil(max(0.0, min(ax, bx, cx))))
            x1 = int(np.floor(min(counts_Fhw.shape[2] - 1.0, max(ax, bx, cx))))
            y0 = int(np.ceil(max(0.0, min(ay, by, cy))))
            y1 = int(np.floor(min(counts_Fhw.shape[1] - 1.0, max(ay, by, cy))))
            # An edge that leads right along the top, or up along the left, owns the pixel centres on it.
            own_ab = (by < ay) | ((by == ay) & (bx > ax))
            own_bc = (cy < by) | ((cy == by) & (cx > bx))
            own_ca = (ay < cy) | ((ay == cy) & (ax > cx))
            for y in range(y0, y1 + 1):
                for x in range(x0, x1 + 1):
                    ab = (bx - ax) * (y - ay) - (by - ay) * (x - ax)
                    bc = (cx - bx) * (y - by) - (cy - by) * (x - bx)
                    ca = (ax - cx) * (y - cy) - (ay - cy) * (x - cx)
                    if (
                        ((ab > 0.0) | ((ab == 0.0) & own_ab))
                        & ((bc > 0.0) | ((bc == 0.0) & own_bc))
                        & ((ca > 0.0) | ((ca == 0.0) & own_ca))
                    ) and counts_Fhw[f, y, x] < 255:
                        counts_Fhw[f, y, x] += 1
