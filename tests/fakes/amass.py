"""AMASS in miniature: one npz a take of an SMPL-H or SMPL-X body whose z points up, by corpus and person."""

from pathlib import Path

import numpy as np

from fakes.plan import Fake, Planted
from fakes.walkers import fake_body, walk_params
from meshgait_data.body.model import rest_joints
from meshgait_data.rotations import exp, log
from meshgait_data.types import BodyParams, FloatArray

FRAMES, RATE = 200, 120
TAKES = {
    "CMU/07/07_01_poses": (0, 0),
    "CMU/07/07_02_poses": (0, 1),
    "CMU/16/16_15_poses": (2, 0),
    "CMU/16/16_16_poses": (2, 1),
    "CMU/35/35_01_poses": (3, 0),
    "CMU/35/35_02_poses": (3, 1),
    "KIT/3/walking_slow01_poses": (4, 0),
}
"""File to the person and which of their walks."""
_Y_TO_Z = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])


def make(out: Path) -> Fake:
    """Write ``{corpus}/{person}/{take}_poses.npz`` and what else lies in the archives."""
    truth = {}
    for name, (person, take) in TAKES.items():
        params = walk_params(person, take, frames=FRAMES, fps=RATE)
        _write(out / f"{name}.npz", params, 100.0 if name.startswith("KIT") else float(RATE))
        corpus, subject, file = name.split("/")
        truth[f"{corpus}-{subject}/{file}"] = params
    params = walk_params(3, 1, frames=FRAMES, fps=RATE)
    _write_parts(out / "CMU" / "35" / "35_05_stageii.npz", params)
    truth["CMU-35/35_05_stageii"] = params
    for subject in ("07", "16", "35"):
        np.savez(out / "CMU" / subject / "shape.npz", betas=np.zeros(16), gender="neutral")
    truth["spaces"] = walk_params(3, 2, frames=FRAMES, fps=RATE)
    _write(out / "CMU" / "35" / "Walk B10 - turn left_poses.npz", truth["spaces"], RATE)
    _write(out / "CMU" / "35" / "35_03_poses.npz", params, None)
    whole = (out / "CMU" / "07" / "07_02_poses.npz").read_bytes()
    (out / "CMU" / "07" / "07_03_poses.npz").write_bytes(whole[: len(whole) // 2])
    (out / "LICENSE.txt").write_text("Terms of the archive.\n")
    return Fake("amass", out, PLANTED, {}, truth)


PLANTED = (
    Planted("half a file", "MG-INDEX-001", "CMU/07/07_03_poses.npz", "not a readable npz"),
    Planted("no frame rate", "MG-INDEX-001", "amass/CMU-35/35_03_poses", "says its frame rate"),
)


def z_up(params: BodyParams) -> tuple[FloatArray, FloatArray]:
    """(F, 3) turn of the root and (F, 3) translation of a body in a world whose z points up."""
    template, directions = rest_joints(fake_body())
    pelvis = (template + directions[..., : len(params.betas)] @ params.betas)[0]
    root = log(_Y_TO_Z @ exp(params.global_orient.astype(np.float64)))
    return np.asarray(root), np.asarray((params.transl + pelvis) @ _Y_TO_Z.T - pelvis)


def _write(path: Path, params: BodyParams, rate: float | None) -> None:
    """The first releases: one array of poses with the hands' 90 numbers."""
    path.parent.mkdir(parents=True, exist_ok=True)
    root, trans = z_up(params)
    poses = np.concatenate([root, params.body_pose[:, :63], np.zeros((len(params), 90))], axis=1)
    betas = np.pad(params.betas, (0, 16 - len(params.betas)))
    more = {"dmpls": np.zeros((len(params), 8))} | ({} if rate is None else {"mocap_framerate": np.array(rate)})
    np.savez(path, poses=poses, trans=trans, betas=betas, gender=np.array("male"), **more)


def _write_parts(path: Path, params: BodyParams) -> None:
    """The releases of SMPL-X: poses in parts."""
    root, trans = z_up(params)
    parts = {"root_orient": root, "pose_body": params.body_pose[:, :63], "pose_hand": np.zeros((len(params), 90))}
    parts |= {"pose_jaw": np.zeros((len(params), 3)), "pose_eye": np.zeros((len(params), 6))}
    betas = np.pad(params.betas, (0, 16 - len(params.betas)))
    gender, rate = np.array("neutral"), np.array(float(RATE))
    np.savez(path, trans=trans, betas=betas, gender=gender, mocap_frame_rate=rate, **parts)
