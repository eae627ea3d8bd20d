"""Clothes and bags over a posed body: what is drawn in its place, while labels stay those of the body beneath.

Clothes push the skin out along its normals; things are meshes that follow the joints by linear blend skinning, like
the skin itself.
"""

from dataclasses import dataclass

import numpy as np

from meshgait_data.body.model import Body, BodyOutput, chain, local_rotations, rest_joints
from meshgait_data.compiled import compiled
from meshgait_data.render.raster import silhouettes
from meshgait_data.types import BodyParams, ByteArray, Camera, FloatArray, IntArray, Worn


@dataclass(frozen=True, slots=True, eq=False)
class Dressed:
    """What somebody wears at F frames of a walk."""

    skin: FloatArray | None
    """(F, V, 3) metres, world frame: the body in its clothes; None where it is bare."""
    things: FloatArray
    """(F, N, 3) metres, world frame."""
    faces: IntArray
    """(M, 3) triangles of the things."""

    def take(self, frames: IntArray) -> "Dressed":
        """The same at some of its frames."""
        return Dressed(None if self.skin is None else self.skin[frames], self.things[frames], self.faces)

    def surfaces(self) -> tuple[FloatArray, ...]:
        """Vertices (F, N, 3) of each that there is."""
        skin = () if self.skin is None else (self.skin,)
        return (*skin, self.things) if self.things.shape[1] else skin

    def over(self, bare: ByteArray, body_faces: IntArray, camera: Camera) -> ByteArray:
        """(F, H, W) silhouettes with what is worn over those of the bare body."""
        masks = bare
        if self.skin is not None:
            # Where limbs touch the body their clothes may turn inside out: then they leave skin uncovered.
            masks = np.maximum(masks, silhouettes(self.skin, body_faces, camera))
        if len(self.faces):
            # Whoever made things need not have closed them.
            masks = np.maximum(masks, silhouettes(self.things, self.faces, camera, closed=False))
        return masks


def dress(body: Body, params: BodyParams, posed: BodyOutput, worn: Worn) -> Dressed:
    """Put clothes and things on a posed body.

    Parameters
    ----------
    body, params, posed
        The body, its F frames, and all vertices and joints of these.
    worn
        In the rest pose of the shape of ``params``.
    """
    skin = None
    if worn.thickness.any():
        amount = (body.weights @ worn.thickness).astype(posed.vertices.dtype)
        skin = np.empty_like(posed.vertices)
        _push_out(posed.vertices, body.faces, amount, skin)
    return Dressed(skin, _things(body, params, worn), worn.faces)


def _things(body: Body, params: BodyParams, worn: Worn) -> FloatArray:
    """(F, N, 3) float32 of the mesh."""
    template, directions = rest_joints(body)
    rest = template + directions[..., : len(params.betas)] @ params.betas
    world, _ = chain(body.parents, local_rotations(params), rest)
    # A vertex x that follows joint j goes to R (x - rest) + place.
    turn = world[..., :3]
    shift = world[..., 3] - np.einsum("fjab,jb->fja", turn, rest)
    turns = np.einsum("nj,fjab->fnab", worn.weights, turn)
    shifts = np.einsum("nj,fja->fna", worn.weights, shift)
    placed = np.einsum("fnab,nb->fna", turns, worn.vertices) + shifts + params.transl[:, None]
    return np.asarray(placed, np.float32)


@compiled
def _push_out(vertices: FloatArray, faces: IntArray, amount: FloatArray, out: FloatArray) -> None:
    """Move vertices (F, V, 3) along their normals by metres (V,)."""
    for frame in range(vertices.shape[0]):
        skin, moved = vertices[frame], out[frame]
        moved[:] = 0
        for face in range(faces.shape[0]):
            a, b, c = faces[face, 0], faces[face, 1], faces[face, 2]
            x1, y1, z1 = skin[b, 0] - skin[a, 0], skin[b, 1] - skin[a, 1], skin[b, 2] - skin[a, 2]
            x2, y2, z2 = skin[c, 0] - skin[a, 0], skin[c, 1] - skin[a, 1], skin[c, 2] - skin[a, 2]
            nx, ny, nz = y1 * z2 - z1 * y2, z1 * x2 - x1 * z2, x1 * y2 - y1 * x2
            for vertex in (a, b, c):
                moved[vertex, 0] += nx
                moved[vertex, 1] += ny
                moved[vertex, 2] += nz
        for vertex in range(skin.shape[0]):
            nx, ny, nz = moved[vertex, 0], moved[vertex, 1], moved[vertex, 2]
            length = max(np.sqrt(nx * nx + ny * ny + nz * nz), 1e-20)
            scale = amount[vertex] / length
            moved[vertex, 0] = skin[vertex, 0] + scale * nx
            moved[vertex, 1] = skin[vertex, 1] + scale * ny
            moved[vertex, 2] = skin[vertex, 2] + scale * nz
