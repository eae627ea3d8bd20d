"""Invented people of random shape who walk real CMU walks, filmed by any cameras: what every fake dataset is made of.

Masks, keypoints, 3D joints and body parameters of a film come from one posed body and one camera, so they agree in 3D.
Everything is the same for the same arguments on every machine.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from importlib.resources import files
from pathlib import Path

import numpy as np

from meshgait_data.body.files import load_body
from meshgait_data.body.free_walks import Walk, joint_rotations
from meshgait_data.body.joint_files import load_regressor
from meshgait_data.body.joints import regress
from meshgait_data.body.model import Body, BodyOutput, forward, move, rest_joints
from meshgait_data.conventions import SMPL_JOINTS
from meshgait_data.fit.priors.walks import leg_length
from meshgait_data.manifest import load_rig
from meshgait_data.render.cameras import project, to_camera
from meshgait_data.render.raster import silhouettes
from meshgait_data.render.rigs import ring_cameras
from meshgait_data.rotations import log
from meshgait_data.sources.files import read_motion, read_skeleton
from meshgait_data.sources.kinematics import pose
from meshgait_data.types import BodyParams, ByteArray, Camera, FloatArray, IntArray, Keypoints

TAKES = (
    ("35_01", "35_02", "35_05", "35_07"),
    ("07_01", "07_02", "07_03", "07_06"),
    ("16_15", "16_16", "16_31", "16_32"),
    ("39_01", "39_02", "39_03", "39_04"),
    ("08_01", "08_02", "08_03", "08_04"),
    ("02_01", "02_02"),
)
"""CMU takes of straight walks by walker: person n of a fake walks as walker n, take after take, round and round."""

_FOLDER = Path(str(files("meshgait_data"))) / "assets" / "cmu_walk" / "asfamc"
_CMU_FPS = 120
_BAG_M = 0.16
_COAT_M = 0.035


@dataclass(frozen=True)
class View:
    """What one camera saw of a walk; everything over F frames, in that camera's frame or its pixels."""

    body: Body
    posed: BodyOutput
    """In the world frame."""
    camera: Camera
    params: BodyParams
    """The body in the frame of the camera: x right, y down, z forward, metres."""
    solid: tuple[FloatArray, IntArray]
    """Vertices (F, V, 3) in the world and triangles of everything that casts the silhouette."""

    def __len__(self) -> int:
        return len(self.posed.vertices)

    @property
    def name(self) -> str:
        """Name of the view."""
        return self.camera.name

    @property
    def masks(self) -> ByteArray:
        """(F, H, W) 0 or 255, of the whole picture."""
        return np.unpackbits(self._bits, axis=-1, count=self.camera.size[0]) * np.uint8(255)

    @cached_property
    def _bits(self) -> ByteArray:
        """What is kept of the masks: films of a whole dataset are held at one time."""
        return np.packbits(silhouettes(*self.solid, self.camera) > 0, axis=-1)

    @cached_property
    def boxes(self) -> IntArray:
        """(F, 4) left, top, right, bottom of each mask, right and bottom exclusive."""
        found = []
        for mask in self.masks:
            rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
            found.append((columns[0], rows[0], columns[-1] + 1, rows[-1] + 1))
        return np.array(found)

    def crop(self, frame: int, margin: int = 8) -> tuple[ByteArray, tuple[int, int]]:
        """A person's crop of one mask, and the pixel (x, y) of the whole picture that its corner is."""
        left, top, right, bottom = self.boxes[frame].tolist()
        left, top = max(0, left - margin), max(0, top - margin)
        return self.masks[frame, top : bottom + margin, left : right + margin], (left, top)

    def joints(self, joint_set: str = "smpl24") -> FloatArray:
        """(F, P, 3) metres, frame of the camera."""
        return to_camera(self.camera, self._in_world(joint_set))

    def keypoints(self, joint_set: str = "coco17", *, noise_px: float = 0.0, seed: int = 0) -> Keypoints:
        """2D keypoints as a good detector gives them, in pixels of the whole picture."""
        pixels, _ = project(self.camera, self._in_world(joint_set))
        pixels = pixels + noise_px * np.random.default_rng(seed).normal(size=pixels.shape)
        confidence = np.full(pixels.shape[:2], 0.9)
        names = load_regressor(self.body, joint_set).names
        return Keypoints(self.name, pixels, confidence, names, joint_set, self.camera.size)

    def _in_world(self, joint_set: str) -> FloatArray:
        return regress(load_regressor(self.body, joint_set), self.posed).astype(np.float64)


@dataclass(frozen=True)
class Film:
    """One walk of one person, seen by the cameras of a rig at the same moments."""

    body: Body
    params: BodyParams
    """World frame (y up, the lowest point at 0, metres)."""
    fps: float
    posed: BodyOutput
    views: dict[str, View]

    def __len__(self) -> int:
        return len(self.params)


@lru_cache
def fake_body() -> Body:
    """The free body: that of all fakes."""
    return load_body("free")


def betas_of(person: int, seed: int = 0) -> FloatArray:
    """(10,) shape of a person, standard normal, cut at two deviations so that everybody is a likely adult."""
    rng = np.random.default_rng([seed, person])
    return rng.normal(size=10).clip(-2, 2).astype(np.float32)


@lru_cache(maxsize=256)
def film(
    person: int,
    take: int = 0,
    *,
    rig: str = "casia_b",
    views: tuple[str, ...] = (),
    frames: int = 16,
    fps: float = 25.0,
    wears: str = "",
    seed: int = 0,
) -> Film:
    """Film one walk.

    Parameters
    ----------
    person
        Who: a random shape, and one of six captured walkers.
    take
        Which of this person's walks; later ones start elsewhere in the step.
    rig
        Cameras: a name in ``manifests/rigs``. Random rigs draw by person and take.
    views
        Which cameras; all by default.
    frames, fps
        Length of the film, at least 12, so that it tells where the walk leads. Poses are those captured nearest in
        time, at 120 a second.
    wears
        ``bag`` or ``coat``, which the silhouettes show and the body knows nothing of.
    """
    body, cameras = fake_body(), load_rig(rig).cameras
    params = walk_params(person, take, frames=frames, fps=fps, seed=seed)
    posed = forward(body, params)
    ring = replace(cameras, azimuths_deg={name: cameras.azimuths_deg[name] for name in views or cameras.azimuths_deg})
    ring = replace(ring, views={name: change for name, change in ring.views.items() if name in ring.azimuths_deg})
    found = ring_cameras(ring, posed.joints[:, 0], float(posed.vertices[..., 1].min()), capture=f"{person}/{take}")
    solid = _solid(body, posed, wears)
    seen = {
        camera.name: View(body, posed, camera, move(body, params, camera.rotation, camera.translation), solid)
        for camera in found
    }
    return Film(body, params, fps, posed, seen)


def walk_params(person: int, take: int, *, frames: int, fps: float, seed: int = 0) -> BodyParams:
    """Poses of a captured walk on an invented body, from the middle of the take, feet on the ground."""
    takes = TAKES[person % len(TAKES)]
    walk, roots, leg = _captured(takes[take % len(takes)])
    every = _CMU_FPS / fps
    span = int(np.ceil(every * (frames - 1))) + 1
    spare = len(roots) - span
    if spare < 0:
        raise ValueError(
            f"{frames} frames at {fps:g} a second: take {walk.name} has only {len(roots) / _CMU_FPS:.1f} s"
        )
    # Takes of one captured walk differ by where in the step they begin.
    first = min(spare, max(0, spare // 2 + 29 * (take // len(takes)) - 11 * person))
    ids = first + np.round(every * np.arange(frames)).astype(int)
    body, betas = fake_body(), betas_of(person, seed)
    template, directions = rest_joints(body)
    rest = template + directions[..., : len(betas)] @ betas
    angles = log(joint_rotations(replace(walk, rotations=walk.rotations[ids]), rest))
    # Longer legs walk further with the same angles.
    transl = roots[ids] * (leg_length(rest) / leg) - rest[0]
    params = BodyParams(
        betas,
        angles[:, 0].astype(np.float32),
        angles[:, 1:].reshape(frames, 69).astype(np.float32),
        transl.astype(np.float32),
    )
    # Who walks always stands on something, also on legs of other proportions than the captured ones.
    lowest = forward(body, params).vertices[..., 1].min(axis=1)
    return replace(params, transl=(transl - lowest[:, None] * [0, 1, 0]).astype(np.float32))


@lru_cache
def _captured(name: str) -> tuple[Walk, FloatArray, float]:
    """A take, the path of its root in metres, and the length of its walker's leg."""
    subject = name.partition("_")[0]
    skeleton = read_skeleton(_FOLDER / subject / f"{subject}.asf")
    posed = pose(skeleton, read_motion(_FOLDER / subject / f"{name}.amc", skeleton))
    bones = {bone.name: bone for bone in skeleton.bones}
    walk = Walk(name, posed.names, posed.rotations, {name: bone.direction for name, bone in bones.items()})
    return walk, posed.joints[:, 0], bones["lfemur"].length + bones["ltibia"].length


def _solid(body: Body, posed: BodyOutput, wears: str) -> tuple[FloatArray, IntArray]:
    if wears == "bag":
        ball, triangles = _ball()
        hand = posed.joints[:, SMPL_JOINTS.index("right_hand")] - np.array([0, _BAG_M, 0])
        vertices = np.concatenate([posed.vertices, hand[:, None] + _BAG_M * ball], axis=1)
        return vertices, np.concatenate([body.faces, triangles + body.num_vertices])
    if wears == "coat":
        # What moves with hips and trunk stands off the body; limbs and head do not.
        trunk = body.weights[:, [0, 1, 2, 3, 6, 9, 13, 14]].sum(1)
        middle = posed.joints[:, [0]] * [1, 0, 1]
        away = posed.vertices * [1, 0, 1] - middle
        length = np.linalg.norm(away, axis=-1, keepdims=True).clip(1e-3)
        return posed.vertices + _COAT_M * trunk[:, None] * away / length, body.faces
    if wears:
        raise ValueError(f"wears={wears!r} is neither bag nor coat")
    return posed.vertices, body.faces


def _ball() -> tuple[FloatArray, IntArray]:
    """An octahedron cut twice: vertices on the unit sphere, triangles counter-clockwise from outside."""
    points = [np.array(axis, float) for axis in ((1, 0, 0), (0, 1, 0), (0, 0, 1), (-1, 0, 0), (0, -1, 0), (0, 0, -1))]
    faces: Sequence[tuple[int, int, int]]
    faces = [(0, 1, 2), (1, 3, 2), (3, 4, 2), (4, 0, 2), (1, 0, 5), (3, 1, 5), (4, 3, 5), (0, 4, 5)]
    for _ in range(2):
        finer = []
        for a, b, c in faces:
            middles = []
            for one, other in ((a, b), (b, c), (c, a)):
                middle = points[one] + points[other]
                points.append(middle / np.linalg.norm(middle))
                middles.append(len(points) - 1)
            ab, bc, ca = middles
            finer += [(a, ab, ca), (b, bc, ab), (c, ca, bc), (ab, bc, ca)]
        faces = finer
    return np.array(points), np.array(faces)
