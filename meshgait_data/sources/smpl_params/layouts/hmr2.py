"""4D-Humans / HMR2.0 (Goel et al., ICCV 2023) as arrays: rotation matrices and a camera translation.

``pred_smpl_params`` (or its entries alone): ``global_orient`` (F, 1, 3, 3), ``body_pose`` (F, 23, 3, 3), ``betas``;
``pred_cam_t_full`` is the translation for the whole image at focal length 5000/256 of its longer side;
``pred_cam_t`` and ``pred_cam`` belong to the crop and place nobody in the image.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from meshgait_data.errors import SourceError
from meshgait_data.sources.smpl_params.entries import Part, axis_angle, describe, frame_ids, numbers, shaped
from meshgait_data.sources.smpl_params.layouts.base import Layout
from meshgait_data.sources.smpl_params.records import Raw, ReadOptions
from meshgait_data.types import FloatArray

FOCAL_BY_SIDE = 5000.0 / 256.0
"""EXTRA.FOCAL_LENGTH by MODEL.IMAGE_SIZE."""


def _params(data: Any) -> Mapping[str, Any]:
    if not isinstance(data, Mapping):
        return {}
    inner = data.get("pred_smpl_params")
    return {**data, **inner} if isinstance(inner, Mapping) else data


def claims(data: Any) -> bool:
    """``global_orient`` and ``body_pose`` as matrices."""
    params = _params(data)
    return "global_orient" in params and "body_pose" in params and np.shape(params["body_pose"])[-2:] == (3, 3)


def read(parts: Sequence[Part], options: ReadOptions) -> Raw:
    """One file with all frames, or one a frame."""
    frames = [_params(part.data) for part in parts]

    def joined(key: str, *shape: int) -> FloatArray:
        pairs = zip(frames, parts, strict=True)
        return np.concatenate([shaped(frame, key, part.path, *shape) for frame, part in pairs])

    where = parts[0].path
    root = axis_angle(joined("global_orient", -1, 1, 3, 3), 1, where)
    body = axis_angle(joined("body_pose", -1, 23, 3, 3), 23, where)
    betas = joined("betas", -1, numbers(frames[0], "betas", where).shape[-1])
    if not len(root) == len(body) == len(betas):
        hint = f"found {describe(parts[0].data)}"
        raise SourceError("root, body and betas have different numbers of frames", where=where, hint=hint)
    ids = frame_ids(parts) if len(parts) == len(root) and len(parts) > 1 else np.arange(len(root))
    if "pred_cam_t_full" in frames[0]:
        transl = joined("pred_cam_t_full", -1, 3)
        return Raw("smpl", root, body, betas, ids, transl=transl, focal_by_side=FOCAL_BY_SIDE)
    if "pred_cam" in frames[0]:
        camera = joined("pred_cam", -1, 3)
        weak = np.column_stack([camera[:, 0], camera[:, :1] * camera[:, 1:]])
        note = "pred_cam belongs to each crop: the image is taken to be the crop"
        return Raw("smpl", root, body, betas, ids, weak=weak, notes=(note,))
    if "pred_cam_t" in frames[0]:
        note = "pred_cam_t belongs to each crop: the image is taken to be the crop"
        transl = joined("pred_cam_t", -1, 3)
        return Raw("smpl", root, body, betas, ids, transl=transl, focal_by_side=FOCAL_BY_SIDE, notes=(note,))
    return Raw("smpl", root, body, betas, ids, notes=("the file has no camera",))


LAYOUT = Layout("hmr2", "global_orient and body_pose (F, 23, 3, 3) as matrices, betas, pred_cam_t_full", claims, read)
