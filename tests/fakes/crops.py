"""What estimators write of a person's crop: 2D poses in its pixels, ROMP's files, rows of 85 numbers, texts a frame."""

import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fakes.plan import pickled
from fakes.walkers import View
from meshgait_data.types import ByteArray, FloatArray, IntArray

_HANDS = slice(66, 72)
"""Numbers of the pose that ROMP leaves at zero."""


@dataclass(frozen=True)
class Crops:
    """A view cut to the person, frame by frame, each crop of a size of its own; as Gait3D and GREW were made."""

    view: View
    margins: IntArray
    """(F,) pixels of background left around the person."""

    def __len__(self) -> int:
        return len(self.view)

    @classmethod
    def of(cls, view: View, seed: int) -> "Crops":
        """Crops with margins that change from frame to frame."""
        return cls(view, np.random.default_rng(seed).integers(2, 9, len(view)))

    @cached_property
    def pictures(self) -> list[ByteArray]:
        """F masks, each 0 or 255."""
        return [self._cut(frame)[0] for frame in range(len(self))]

    def size(self, frame: int) -> tuple[int, int]:
        """Width and height of a crop."""
        height, width = self.pictures[frame].shape
        return width, height

    def _cut(self, frame: int) -> tuple[ByteArray, tuple[int, int]]:
        return self.view.crop(frame, int(self.margins[frame]))

    def keypoints(self, frame: int, joint_set: str = "coco17") -> FloatArray:
        """(P, 3) x, y in pixels of the crop, and confidence."""
        seen = self._keypoints(joint_set)
        return np.column_stack([seen.points[frame] - self._cut(frame)[1], seen.confidence[frame]])

    def _keypoints(self, joint_set: str) -> Any:
        return _cached_keypoints(self.view, joint_set)

    @cached_property
    def thetas(self) -> FloatArray:
        """(F, 85) as ROMP has them: camera s, tx, ty of the crop padded to a square, pose, shape."""
        params = self.view.params
        pose = np.concatenate([params.global_orient, params.body_pose], axis=1)
        pose[:, _HANDS] = 0
        betas = np.broadcast_to(params.betas[:10], (len(self), 10))
        return np.concatenate([self._cameras(), pose, betas], axis=1)

    @cached_property
    def joints(self) -> FloatArray:
        """(F, 24, 3) metres: the body's joints without its translation, axes of the camera."""
        return np.asarray(self.view.joints("smpl24") - self.view.params.transl[:, None])

    def _cameras(self) -> FloatArray:
        """(F, 3) the weak-perspective camera that puts the joints where they are seen, by least squares."""
        pixels = _cached_keypoints(self.view, "smpl24").points
        found = []
        for frame, joints in enumerate(self.joints):
            points = pixels[frame] - self._cut(frame)[1]
            centre, middle = joints[:, :2].mean(0), points.mean(0)
            offset = joints[:, :2] - centre
            scale = float((offset * (points - middle)).sum() / (offset**2).sum())
            shift = middle - scale * centre
            size = np.array(self.size(frame))
            side = size.max()
            found.append([2 * scale / side, *(2 * (shift + (side - size) / 2) / side - 1)])
        return np.array(found)


_KEYPOINTS: dict[tuple[int, str], Any] = {}


def _cached_keypoints(view: View, joint_set: str) -> Any:
    key = id(view), joint_set
    if key not in _KEYPOINTS or _KEYPOINTS[key][0] is not view:
        _KEYPOINTS[key] = view, view.keypoints(joint_set)
    return _KEYPOINTS[key][1]


def write_pose_text(path: Path, header: tuple[int, int], points: FloatArray) -> None:
    """One line: two numbers, then those of each point, all apart by commas."""
    path.parent.mkdir(parents=True, exist_ok=True)
    numbers = [*map(str, header), *(f"{value:.6g}" for value in points.ravel())]
    path.write_text(",".join(numbers), encoding="ascii")


def romp_person(theta: FloatArray, joints: FloatArray) -> dict[str, NDArray[Any]]:
    """A person as ROMP 1.0 wrote them, in half precision; without the mesh and what follows from it."""
    entries = {
        "cam": theta[:3],
        "cam_trans": 2 * np.array([theta[1], theta[2], 1]) / theta[0],
        "poses": theta[3:75],
        "betas": theta[75:],
        "j3d_smpl24": joints,
        "center_conf": np.array([0.8]),
    }
    return {name: np.asarray(values, np.float16) for name, values in entries.items()}


def romp_people(theta: FloatArray, joints: FloatArray) -> dict[str, NDArray[Any]]:
    """A frame with one person as simple_romp writes it: new names, an axis of people in front, single precision."""
    more = np.zeros((47, 3))
    entries = {
        "cam": theta[:3],
        "global_orient": theta[3:6],
        "body_pose": theta[6:75],
        "smpl_betas": theta[75:],
        "smpl_thetas": theta[3:75],
        "center_preds": np.array([256.0, 256.0]),
        "center_confs": np.array(0.8),
        "cam_trans": 2 * np.array([theta[1], theta[2], 1]) / theta[0],
        "joints": np.concatenate([joints, more]),
    }
    return {name: np.asarray(values, np.float32)[None] for name, values in entries.items()}


def write_romp(path: Path, people: Sequence[Mapping[str, Any]] | Mapping[str, Any]) -> None:
    """Write one frame's npz: a list of people (1.0, numpy 1) or one dictionary (simple_romp).

    A list of nobody is no array of objects in numpy, but one of numbers.
    """
    if isinstance(people, Mapping):
        results = np.full((), None, object)
        results[()] = dict(people)
    else:
        results = np.full(len(people), None, object) if people else np.zeros(0)
        for number, person in enumerate(people):
            results[number] = dict(person)
    write_objects(path, results=results)


def write_objects(path: Path, **arrays: NDArray[Any]) -> None:
    """Write an npz whose arrays may hold objects, as numpy 1 pickles them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in arrays.items():
            stream = io.BytesIO()
            if array.dtype.hasobject:
                header = np.lib.format.header_data_from_array_1_0(array)
                np.lib.format.write_array_header_1_0(stream, header)
                stream.write(pickled(array, protocol=3))
            else:
                np.lib.format.write_array(stream, array)
            archive.writestr(f"{name}.npy", stream.getvalue())


def another(theta: FloatArray) -> FloatArray:
    """Somebody else in the same crop: smaller, to the side, turned away."""
    other = theta.copy()
    other[:3] = 0.4 * theta[0], 0.8, -0.2
    other[4] += 1.5
    return other


def with_margins(crops: Crops, margins: IntArray) -> Crops:
    """The same view cut otherwise."""
    return replace(crops, margins=margins)
