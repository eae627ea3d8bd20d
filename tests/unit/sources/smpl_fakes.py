"""Files of somebody else's SMPL parameters, written by each layout's own definition from parameters that are known."""

import json
import pickle
from dataclasses import dataclass
from pathlib import Path

import joblib
import numpy as np

from meshgait_data.body.model import Body, forward, local_rotations, move, rest_joints
from meshgait_data.types import BodyParams

SIZE = (320, 480)
"""Width and height of the images."""
Z_UP = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
"""From y up to z up."""
UPSIDE_DOWN = np.diag([1.0, -1.0, -1.0])
"""From y up to an OpenCV camera's axes."""


@dataclass(frozen=True)
class Walk:
    """A walk of a body whose hands are straight, as all estimators have it."""

    body: Body
    world: BodyParams
    """y up."""

    @property
    def camera(self) -> BodyParams:
        """In the frame of a camera 20 m away."""
        return move(self.body, self.world, UPSIDE_DOWN, np.array([0.0, 1.0, 20.0]))

    @property
    def weak(self) -> np.ndarray:
        """(F, 3) s, tx, ty: another one for each frame."""
        phase = np.linspace(0, 3, len(self.world))
        return np.stack([0.7 + 0.1 * np.sin(phase), 0.1 * np.cos(phase), -0.05 * phase], 1)

    @property
    def pose72(self) -> np.ndarray:
        """(F, 72) in the camera's axes."""
        return np.concatenate([self.camera.global_orient, self.camera.body_pose], 1)

    def weak_pixels(self, weak: np.ndarray) -> np.ndarray:
        """(F, 24, 2) joints through ``s x + t`` in the padded square, then to pixels of the image."""
        still = BodyParams(self.world.betas, self.camera.global_orient, self.camera.body_pose, np.zeros((len(weak), 3)))
        flat = forward(self.body, still).joints[..., :2]
        side = max(SIZE)
        return (weak[:, None, :1] * flat + weak[:, None, 1:] + 1) * side / 2 - (side - np.array(SIZE)) / 2

    @property
    def hmr(self) -> np.ndarray:
        """(F, 3) the same camera as HMR writes it: s (x + t)."""
        return np.column_stack([self.weak[:, :1], self.weak[:, 1:] / self.weak[:, :1]])


def _betas(walk: Walk) -> np.ndarray:
    return np.tile(walk.world.betas[:10], (len(walk.world), 1))


def gait3d_pickle(folder: Path, walk: Walk) -> Path:
    rows = np.concatenate([walk.weak, walk.pose72, _betas(walk)], 1).astype(np.float32)
    path = folder / "seq0.pkl"
    path.write_bytes(pickle.dumps(rows))
    return path


def theta_npz(folder: Path, walk: Walk) -> Path:
    path = folder / "out.npz"
    np.savez(path, theta=np.concatenate([walk.hmr, walk.pose72, _betas(walk)], 1))
    return path


def _romp_person(walk: Walk, frame: int) -> dict[str, np.ndarray]:
    joints = forward(walk.body, walk.camera.take([frame])).joints[0]
    person = {"cam": walk.weak[frame], "poses": walk.pose72[frame], "betas": walk.world.betas[:10]}
    named = person | {"j3d_smpl24": joints, "verts": np.zeros((7, 3))}
    return {name: values.astype(np.float32) for name, values in named.items()}


def romp_old(folder: Path, walk: Walk) -> Path:
    for frame in range(len(walk.world)):
        # numpy pickles a list of dictionaries as an array of objects.
        np.savez(folder / f"human_crop_f{frame + 17:05d}.npz", results=[_romp_person(walk, frame)])
    return folder


def _romp_new_frame(walk: Walk, frame: int) -> dict[str, np.ndarray]:
    named = {"cam": walk.weak, "smpl_thetas": walk.pose72, "smpl_betas": _betas(walk), "cam_trans": walk.camera.transl}
    return {name: values[frame : frame + 1].astype(np.float32) for name, values in named.items()}


def romp_new(folder: Path, walk: Walk) -> Path:
    for frame in range(len(walk.world)):
        np.savez(folder / f"{frame:08d}.npz", results=_romp_new_frame(walk, frame))
    return folder


def romp_video(folder: Path, walk: Walk) -> Path:
    frames = {f"{frame:08d}.jpg": _romp_new_frame(walk, frame) for frame in range(len(walk.world))}
    path = folder / "video_results.npz"
    np.savez(path, results=frames, sequence_results={1: {"frame_id": [0]}})
    return path


def oumvlp_mesh(folder: Path, walk: Walk) -> Path:
    joints = forward(walk.body, walk.camera).joints
    for frame in range(len(walk.world)):
        content = {
            "hc3d": joints[frame].tolist(),
            "theta": walk.pose72[frame].tolist(),
            "beta": walk.world.betas[:10].tolist(),
            "cam": walk.hmr[frame].tolist(),
        }
        (folder / f"{frame + 1:04d}.json").write_text(json.dumps(content))
    return folder


def amass(folder: Path, walk: Walk, *, rate_key: str = "mocap_framerate", parts: bool = False) -> Path:
    turned = move(walk.body, walk.world, Z_UP, np.zeros(3))
    path = folder / "07_01_poses.npz"
    frames = len(turned)
    common = {"trans": turned.transl, "betas": walk.world.betas, "gender": np.array("male"), rate_key: np.array(120.0)}
    if parts:
        body = {"root_orient": turned.global_orient, "pose_body": turned.body_pose[:, :63]}
        np.savez(path, **common, **body, pose_jaw=np.zeros((frames, 3)), surface_model_type=np.array("smplx"))
        return path
    poses = np.concatenate([turned.global_orient, turned.body_pose[:, :63], np.full((frames, 90), 0.3)], 1)
    np.savez(path, **common, poses=poses, dmpls=np.zeros((frames, 8)))
    return path


def easymocap(folder: Path, walk: Walk) -> Path:
    turned = move(walk.body, walk.world, Z_UP, np.zeros(3))
    template, directions = rest_joints(walk.body)
    pelvis = template[0] + directions[0, :, : len(turned.betas)] @ turned.betas
    rotations = local_rotations(turned)[:, 0]
    places = turned.transl + pelvis - rotations @ pelvis
    for frame in range(len(turned)):
        person = {
            "id": 0,
            "Rh": [turned.global_orient[frame].tolist()],
            "Th": [places[frame].tolist()],
            "poses": [[0.0, 0.0, 0.0, *turned.body_pose[frame].tolist()]],
            "shapes": [turned.betas.tolist()],
        }
        # Another person comes and goes, and stands first.
        people = [{**person, "id": 3}, person] if frame % 2 else [person]
        (folder / f"{frame:06d}.json").write_text(json.dumps(people))
    return folder


def _matrices(walk: Walk) -> dict[str, np.ndarray]:
    rotations = local_rotations(walk.camera).astype(np.float32)
    return {"global_orient": rotations[:, :1], "body_pose": rotations[:, 1:], "betas": _betas(walk).astype(np.float32)}


def hmr2(folder: Path, walk: Walk) -> Path:
    path = folder / "people.npz"
    np.savez(path, **_matrices(walk), pred_cam_t_full=walk.camera.transl, pred_cam=walk.hmr)
    return path


def phalp(folder: Path, walk: Walk) -> Path:
    matrices, frames = _matrices(walk), {}
    for frame in range(len(walk.world)):
        person = {name: values[frame] for name, values in matrices.items()}
        other = {name: values + 0 for name, values in person.items()}
        people = [other, person] if frame % 3 == 0 else [person]
        width, height = SIZE
        frames[f"outputs/_DEMO/a/img/{frame + 1:06d}.jpg"] = {
            "time": frame,
            "shot": 0,
            "tid": [5, 2] if frame % 3 == 0 else [2],
            "tracked_ids": [5, 2],
            "smpl": people,
            "camera": [np.zeros(3, np.float32), walk.camera.transl[frame]][-len(people) :],
            "size": [[height, width]] * len(people),
            "mask": [{"size": [height, width], "counts": b"abc"}] * len(people),
        }
    path = folder / "demo_a.pkl"
    joblib.dump(frames, path, compress=3)
    return path


def vibe(folder: Path, walk: Walk) -> Path:
    # sx (x + tx) is -1 to 1 over the width, sy (y + ty) over the height.
    width, height = SIZE
    scale = walk.weak[:, 0] * max(SIZE)
    centred = walk.weak[:, 1:] / walk.weak[:, :1]
    person = {
        "pred_cam": walk.hmr,
        "orig_cam": np.stack([scale / width, scale / height, *centred.T], 1),
        "pose": walk.pose72,
        "betas": _betas(walk),
        "frame_ids": np.arange(4, 4 + len(walk.world)),
        "bboxes": np.zeros((len(walk.world), 4)),
    }
    short = {name: values[:2] for name, values in person.items()}
    path = folder / "vibe_output.pkl"
    joblib.dump({1: short, 2: person}, path)
    return path


def smplx_npz(folder: Path, walk: Walk) -> Path:
    path = folder / "smplx.npz"
    np.savez(path, global_orient=walk.world.global_orient, body_pose=walk.world.body_pose[:, :63],
             betas=walk.world.betas[None], transl=walk.world.transl, fps=30.0)  # fmt: skip
    return path
