"""One view of a walk as a camera saw it: its silhouettes aligned, and labels of the fit through the same windows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meshgait_data.body.model import BodyOutput
from meshgait_data.conventions import REJECTED, SMPL_SET
from meshgait_data.errors import InvalidData
from meshgait_data.findings import Finding, Severity
from meshgait_data.pipeline.pack_quality import UNKNOWN, fit_error_mm
from meshgait_data.pipeline.pack_settings import Ingredients
from meshgait_data.render.align import FATES
from meshgait_data.render.channels import channels
from meshgait_data.render.depth import depth_maps
from meshgait_data.render.labelling import make_labels
from meshgait_data.render.raster import extents, silhouettes
from meshgait_data.render.sequence import NEAREST_M, label_fields
from meshgait_data.types import BoolArray, ByteArray, Camera, Fit, FloatArray, IntArray, SequenceData, SequenceKey

_CHUNK = 64
"""Frames whose full images are in memory at one time."""

_IDENTITY = np.array([[1, 0, 0], [0, 1, 0]], np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class ObservedView:
    """What a source has of one view; everything over F frames."""

    key: SequenceKey
    fps: float
    frame_ids: IntArray
    """(F,)"""
    images: ByteArray
    """(F, H, W) masks; silhouettes that are aligned already may be grey."""
    seen: BoolArray
    """(F,) whether there is a mask of this frame; where the published form keeps empty ones they count."""
    aligned: bool
    camera: Camera | None
    """None where nobody knows it."""
    also: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    """Name to an array (F, ...) that rides along."""
    grey: ByteArray | None = None
    """(F, H, W) levels of the pictures, which alignments go by; None where the masks are all there is."""
    sizes: IntArray | None = None
    """(F, 2) width and height of each picture, where they do not fill the images."""


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """The fit of a walk, posed once for all its views."""

    fit: Fit
    posed: BodyOutput


@dataclass(frozen=True, slots=True, eq=False)
class Packed:
    """A sequence that is ready, and what is to be said of it."""

    sequence: SequenceData
    findings: tuple[Finding, ...]


def observed_sequence(view: ObservedView, fitted: Fitted | None, shared: Ingredients) -> Packed:
    """Align the masks of a view, and label them where there is a fit and a camera.

    Frames that show no mask, or one that cannot be aligned, are dropped from every field together. Frames whose fit
    was rejected, or that have none, stay with ``valid`` 0: their labels are those of the rejected fit, or of the
    nearest frame with a fit that can be shown. So do frames with an empty silhouette that the view counts as seen.

    Raises
    ------
    InvalidData
        Where no frame is left.
    """
    scene = _Scene.of(view, fitted, shared)
    rows = np.flatnonzero(view.seen)
    fates = np.zeros(len(view.frame_ids), np.uint8)
    every = (_chunk(view, rows[start : start + _CHUNK], scene, fates) for start in range(0, len(rows), _CHUNK))
    chunks = [chunk for chunk in every if len(chunk["frame_ids"])]
    if not chunks:
        what = f"none of {len(view.frame_ids)} frames has a silhouette that can be used"
        worst = f": they {FATES[int(np.bincount(fates[rows]).argmax())]}" if len(rows) else ": they are empty"
        raise InvalidData(what + worst, where=str(view.key), hint="look at the masks")
    arrays = {name: np.concatenate([chunk[name] for chunk in chunks]) for name in chunks[0]}
    kept = np.searchsorted(view.frame_ids, arrays["frame_ids"])
    arrays |= {name: values[kept] for name, values in view.also.items()}
    shown = np.asarray(arrays["silhouettes"].any(axis=(1, 2)))
    if not shown.all():
        arrays["valid"] = (shown & (arrays.get("valid", shown) != 0)).astype(np.uint8)
    if view.aligned and "joints" not in arrays:
        # Where it lay in a picture is not known, and there is nothing else that needs it.
        del arrays["windows"]
    sequence = SequenceData(
        key=view.key,
        identity=shared.manifest.identity(view.key.subject),
        fps=view.fps,
        camera=view.camera,
        betas=np.zeros(0, np.float32) if fitted is None else fitted.fit.params.betas.astype(np.float32),
        arrays=arrays,
        dropped=tuple(int(i) for i in np.setdiff1d(view.frame_ids, arrays["frame_ids"])),
        joint_set=SMPL_SET if shared.joints is None else shared.joints.joint_set,
    )
    findings = [*_drop_findings(view, fates), *_empty(sequence), *scene.findings(sequence)]
    return Packed(sequence, tuple(findings))


def _chunk(view: ObservedView, rows: IntArray, scene: "_Scene", fates: ByteArray) -> dict[str, NDArray[Any]]:
    """Fields of some frames of a view; what became of them is noted in the fates (F,) of all."""
    masks, shared = view.images[rows], scene.shared
    if view.aligned:
        windows = np.broadcast_to(_IDENTITY, (len(rows), 2, 3)).copy()
        found: dict[str, NDArray[Any]] = {"silhouettes": masks, "windows": windows}
    else:
        look = shared.settings.whole_look()
        # Degradations are of masks without levels between black and white.
        levels = masks if view.grey is None or look.degradations else view.grey[rows]
        sizes = None if view.sizes is None else view.sizes[rows]
        found, fates[rows] = look.fields(levels, view.key, rows, shared.scene.aligned_size, sizes=sizes)
    kept = fates[rows] == 0
    found["frame_ids"] = view.frame_ids[rows[kept]].astype(np.int32)
    return found | scene.fields(rows[kept], masks[kept], found["windows"]) if kept.any() else found


@dataclass(frozen=True, slots=True, eq=False)
class _Scene:
    """The fitted body in front of the camera of a view, at the frames of the view; ``problem`` where it is not."""

    shared: Ingredients
    key: SequenceKey
    problem: str = ""
    """Why there are no labels; empty where there are."""
    fitted: Fitted | None = None
    camera: Camera | None = None
    """None where it is not known, or shows nothing of the body."""
    at: IntArray = field(default_factory=lambda: np.zeros(0, np.int64))
    """(F,) frame of the fit that stands for each frame of the view."""
    own: BoolArray = field(default_factory=lambda: np.zeros(0, bool))
    """(F,) whether that is the frame itself."""
    verdict: ByteArray = field(default_factory=lambda: np.zeros(0, np.uint8))
    """(F,) of the frame itself; rejected where it has no fit."""
    error: FloatArray | None = None
    """(F,) millimetres."""

    @classmethod
    def of(cls, view: ObservedView, fitted: Fitted | None, shared: Ingredients) -> "_Scene":
        camera = view.camera
        if fitted is None:
            return cls(shared, view.key, "the walk has no fit")
        if camera is None:
            return cls(shared, view.key, "its camera is not known", fitted=fitted)
        height, width = view.images.shape[1:]
        if camera.size != (width, height):
            sizes = (
                f"its camera is of pictures of {camera.size[0]} x {camera.size[1]}, its masks have {width} x {height}"
            )
            return cls(shared, view.key, sizes, fitted=fitted)
        fit, posed = fitted.fit, fitted.posed
        reach = extents(posed.vertices, camera)
        shown = np.isfinite(reach).all(axis=1) & (reach[:, 4] >= NEAREST_M)
        if not shown.any():
            return cls(shared, view.key, "the fitted body is not in front of the camera in any frame", fitted=fitted)
        at, own = _stand_ins(view.frame_ids, fit, shown)
        place = np.searchsorted(fit.frame_ids, view.frame_ids).clip(0, len(fit.frame_ids) - 1)
        there = fit.frame_ids[place] == view.frame_ids
        error = fit_error_mm(fit, posed.joints[:, 0])
        return cls(
            shared,
            view.key,
            "" if camera.plain else "its camera has a lens, or no perspective, which labels cannot say",
            fitted,
            camera,
            at,
            own,
            verdict=np.where(there, fit.verdict[place], REJECTED).astype(np.uint8),
            error=None if error is None else np.where(there, error[place], UNKNOWN).astype(np.float32),
        )

    def fields(self, rows: IntArray, masks: ByteArray, windows: FloatArray) -> dict[str, NDArray[Any]]:
        """Everything that follows from the fit, at some frames of the view."""
        if self.fitted is None or self.camera is None:
            return {}
        # Brings torch along, which only labelled masks need.
        from meshgait_data.fit.mask_check import iou

        shared, at, body = self.shared, self.at[rows], self.shared.body
        part = BodyOutput(self.fitted.posed.vertices[at], self.fitted.posed.joints[at])
        depth = None if self.problem else depth_maps(part.vertices, body.faces, self.camera)
        drawn = depth.masks() if depth else silhouettes(part.vertices, body.faces, self.camera)
        overlap = np.where(self.own[rows], np.nan_to_num(iou(drawn, masks)), 0)
        found: dict[str, NDArray[Any]] = {"verdict": self.verdict[rows], "mask_iou": overlap.astype(np.float32)}
        if self.error is not None:
            found["fit_error"] = self.error[rows]
        look, size = shared.settings.whole_look(), masks.shape[1] if shared.aligned else shared.scene.aligned_size
        if look.rendered:
            found["rendered_silhouettes"] = look.through(drawn, windows, size)
        if depth:
            found["valid"] = (self.own[rows] & (self.verdict[rows] != REJECTED)).astype(np.uint8)
            found |= channels(look.channels, body, part.vertices, self.camera, depth, windows, size=size)
            params, joints = self.fitted.fit.params.take(at), shared.joints
            labels = make_labels(
                body, shared.markers, params, self.camera, windows, joints=joints, posed=part, depth=depth
            )
            found |= label_fields(labels)
        return found

    def findings(self, sequence: SequenceData) -> list[Finding]:
        """What is to be said of the labels."""
        where = str(self.key if self.fitted else self.key.walk)
        if self.problem:
            hint = "fit the walk, calibrate the camera, or undistort the pictures first"
            return [Finding(Severity.WARNING, "MG-PACK-003", where, f"packed without labels: {self.problem}", hint)]
        doubtful = int(((sequence.arrays["valid"] == 0) & sequence.arrays["silhouettes"].any(axis=(1, 2))).sum())
        if not doubtful:
            return []
        what = f"{doubtful} of {len(sequence)} frames have no fit that may be used: they are packed with valid = 0"
        return [Finding(Severity.WARNING, "MG-PACK-004", where, what, "look at the fit with 'mgdata show'")]


def _stand_ins(frame_ids: IntArray, fit: Fit, shown: BoolArray) -> tuple[IntArray, BoolArray]:
    """For each frame (F,) the frame of the fit to show, one of those that can be shown; and whether it is its own."""
    good = shown & (fit.verdict != REJECTED)
    places = np.flatnonzero(good if good.any() else shown)
    near = np.searchsorted(fit.frame_ids[places], frame_ids)
    before, after = places[(near - 1).clip(0)], places[near.clip(0, len(places) - 1)]
    closer = np.abs(fit.frame_ids[before] - frame_ids) <= np.abs(fit.frame_ids[after] - frame_ids)
    place = np.searchsorted(fit.frame_ids, frame_ids).clip(0, len(fit.frame_ids) - 1)
    own = (fit.frame_ids[place] == frame_ids) & shown[place]
    return np.where(own, place, np.where(closer, before, after)), own


def _drop_findings(view: ObservedView, fates: ByteArray) -> list[Finding]:
    lost = [(Severity.INFO, "MG-PACK-001", "show nobody in this view", view.frame_ids[~view.seen])]
    lost += [
        (Severity.WARNING, "MG-PACK-002", FATES[fate], view.frame_ids[fates == fate]) for fate in range(1, len(FATES))
    ]
    return [
        Finding(severity, id, str(view.key), f"{len(ids)} of {len(fates)} frames {why}: {_span(ids)}")
        for severity, id, why, ids in lost
        if len(ids)
    ]


def _empty(sequence: SequenceData) -> list[Finding]:
    ids = sequence.arrays["frame_ids"][~sequence.arrays["silhouettes"].any(axis=(1, 2))]
    if not len(ids):
        return []
    what = f"{len(ids)} of {len(sequence)} silhouettes are empty, which the published form keeps: they are packed with "
    return [Finding(Severity.WARNING, "MG-PACK-009", str(sequence.key), f"{what}valid = 0: {_span(ids)}")]


def _span(ids: IntArray) -> str:
    return str(ids[0]) if len(ids) == 1 else f"{ids[0]} to {ids[-1]}"
