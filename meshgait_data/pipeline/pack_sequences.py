"""From a capture to its sequences: observed masks where the source has some, else the fit seen by virtual cameras."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meshgait_data.body.model import forward
from meshgait_data.errors import InvalidData, SourceError
from meshgait_data.findings import Finding, Severity
from meshgait_data.fits import fit_path, read_fit
from meshgait_data.pipeline.pack_leaves import further_pickles, squared
from meshgait_data.pipeline.pack_observed import Fitted, ObservedView, Packed, observed_sequence
from meshgait_data.pipeline.pack_plan import CapturePlan, mask_paths
from meshgait_data.pipeline.pack_quality import fit_error_mm
from meshgait_data.pipeline.pack_riding import Riding, at_rows
from meshgait_data.pipeline.pack_settings import KEYPOINTS, Ingredients
from meshgait_data.render.align import keeps_empty
from meshgait_data.render.labelling import check_body
from meshgait_data.render.sequence import dressed_in, drop_findings, pose_capture, render_sequence
from meshgait_data.shards.schema import pack_bits
from meshgait_data.sources import observe
from meshgait_data.sources.reading import read_pickled_array
from meshgait_data.types import BoolArray, Camera, Fit, Keypoints, Masks, Observations, SequenceKey

Maker = Callable[[], Packed]
"""Makes one sequence; raises MeshgaitError where it cannot be made."""


def open_capture(plan: CapturePlan, shared: Ingredients) -> list[tuple[SequenceKey, Maker]]:
    """The wanted views of a capture, none of them made yet.

    Raises
    ------
    InvalidData
        Where the files or the fit cannot be read, or do not belong together.
    UsageError
        Where there is no fit, and nothing else to pack.
    """
    makers = _observed(plan, shared) if shared.observed is not None else _rendered(plan, shared)
    return [(key, partial(_finished, make, shared)) for key, make in makers]


def _finished(make: Maker, shared: Ingredients) -> Packed:
    """A sequence in the form in which it is packed."""
    packed = make()
    return _in_bits(packed) if shared.settings.one_bit else packed


def _in_bits(packed: Packed) -> Packed:
    """With silhouettes of 1 bit a pixel; frames of which nothing remains are dropped."""
    sequence, findings = packed.sequence, packed.findings
    arrays: dict[str, NDArray[Any]] = dict(sequence.arrays)
    levels = arrays.pop("silhouettes")
    bits = pack_bits(levels)
    # What was empty before is said to be, and stays.
    left = bits.any(axis=(1, 2)) | ~levels.any(axis=(1, 2))
    lost = tuple(int(i) for i in arrays["frame_ids"][~left])
    if lost:
        what = f"{len(lost)} of {len(sequence)} frames have no pixel that is body in 1 bit: {lost[0]} to {lost[-1]}"
        findings = (*findings, Finding(Severity.WARNING, "MG-PACK-005", str(sequence.key), what))
    arrays = {name: array[left] for name, array in {"silhouettes_1bit": bits, **arrays}.items()}
    return Packed(replace(sequence, arrays=arrays, dropped=tuple(sorted(sequence.dropped + lost))), findings)


def _fit(plan: CapturePlan, shared: Ingredients) -> Fit:
    fit = read_fit(fit_path(shared.work, plan.key))
    if fit.provenance.get("source_sha256", plan.row.sha256) != plan.row.sha256:
        hint = f"run 'mgdata fit-smpl {shared.work}' again"
        raise InvalidData("the fit is not of the files that the index lists", where=str(plan.key), hint=hint)
    return fit


def _rendered(plan: CapturePlan, shared: Ingredients) -> list[tuple[SequenceKey, Maker]]:
    fit = _fit(plan, shared)
    posed, cameras = pose_capture(shared.body, fit, shared.scene.cameras)
    dressed = dressed_in(shared.body, fit, posed)
    by_name = {camera.name: camera for camera in cameras}
    error = fit_error_mm(fit, posed.joints[:, 0])

    def make(camera: Camera) -> Packed:
        sequence = render_sequence(
            shared.body,
            shared.markers,
            fit,
            camera,
            identity=shared.manifest.identity(plan.key.subject),
            size=shared.scene.aligned_size,
            posed=posed,
            dressed=dressed,
            joints=shared.joints,
            look=shared.settings.whole_look(),
        )
        more: dict[str, NDArray[Any]] = {"valid": np.ones(len(sequence), np.uint8)}
        if error is not None:
            more["fit_error"] = error[np.searchsorted(fit.frame_ids, sequence.arrays["frame_ids"])]
        findings = tuple(drop_findings(sequence, fit))
        return Packed(replace(sequence, arrays={**sequence.arrays, **more}), findings)

    return [(plan.key.sequence(view), partial(make, by_name[view])) for view in plan.views]


def _observed(plan: CapturePlan, shared: Ingredients) -> list[tuple[SequenceKey, Maker]]:
    seen = observe(shared.manifest, shared.root, plan.key)
    if seen.source_sha256 != plan.row.sha256:
        # Brings torch along.
        from meshgait_data.pipeline.fit_inputs import changed_hint

        raise changed_hint(shared.work, shared.root, plan.key)
    fitted = None
    if plan.fitted:
        fit = _fit(plan, shared)
        check_body(shared.body, fit.body_sha256, f"fit of {fit.key}")
        fitted = Fitted(fit, forward(shared.body, fit.params))
    cameras = {**seen.cameras, **(fitted.fit.cameras if fitted else {})}
    also = Riding.of(shared.manifest, shared.root, plan.key)
    walk = _Walk(plan, shared, seen, cameras, mask_paths(shared, plan.key), also)
    return [(plan.key.sequence(view), partial(walk.make, view, fitted)) for view in plan.views]


@dataclass(frozen=True, slots=True, eq=False)
class _Walk:
    """What was observed of a capture."""

    plan: CapturePlan
    shared: Ingredients
    seen: Observations
    cameras: Mapping[str, Camera]
    paths: Mapping[str, Path]
    """Masks by view."""
    riding: "Riding"

    def make(self, view: str, fitted: Fitted | None) -> Packed:
        """One view."""
        view_of = self._aligned if self.shared.aligned else self._masks
        found, missing = view_of(view)
        packed = observed_sequence(found, fitted, self.shared)
        findings = [Finding(Severity.WARNING, "MG-PACK-006", str(found.key), what) for what in missing]
        return Packed(packed.sequence, (*packed.findings, *findings))

    def _masks_of(self, view: str) -> Masks:
        found = next((masks for masks in self.seen.masks if masks.view == view), None)
        if found is None:
            raise SourceError("its masks cannot be used", where=str(self.plan.key.sequence(view)), hint="see the index")
        return found

    def _masks(self, view: str) -> tuple[ObservedView, list[str]]:
        masks = self._masks_of(view)
        also, missing = self._keypoints(view)
        missing += self.riding.add(also, masks, self.seen.frame_ids, self.plan.kinds[view])
        key, fps = self.plan.key.sequence(view), self.seen.fps
        camera = self.cameras.get(view)
        # A picture may show a body that is nowhere half white.
        seen = masks.seen if masks.grey is None else np.asarray(masks.grey.any(axis=(1, 2)))
        if keeps_empty(self.shared.settings.whole_look().alignment):
            seen = _there(masks)
        ids = self.seen.frame_ids
        found = ObservedView(key, fps, ids, masks.images, seen, False, camera, also, masks.grey, masks.sizes)
        return found, missing

    def _aligned(self, view: str) -> tuple[ObservedView, list[str]]:
        """Of OpenGait's tree, to the last grey value, which masks for a fit have no use for."""
        shared, key = self.shared, self.plan.key.sequence(view)
        masks = self._masks_of(view)
        images = squared(masks.images if masks.grey is None else masks.grey, str(key))
        # Observations say it.
        assert masks.rows is not None
        also, missing = self._keypoints(view)
        missing += self.riding.add(also, masks, self.seen.frame_ids, self.plan.kinds[view])
        leaf = further_pickles(self.paths[view], key)
        for name in shared.pickles:
            array = read_pickled_array(leaf[name]) if name in leaf else np.zeros(0)
            if array.ndim < 1 or len(array) != masks.file_frames:
                count = len(array) if array.ndim else 0
                has = f"has {count} frames, the silhouettes {masks.file_frames}" if name in leaf else "is not there"
                missing.append(f"{name} {has}: left out")
                continue
            also[name] = at_rows(array, masks.rows)
        camera = self.cameras.get(view)
        return ObservedView(key, self.seen.fps, self.seen.frame_ids, images, _there(masks), True, camera, also), missing

    def _keypoints(self, view: str) -> tuple[dict[str, NDArray[Any]], list[str]]:
        if KEYPOINTS not in self.shared.settings.also:
            return {}, []
        found = next((keypoints for keypoints in self.seen.keypoints if keypoints.view == view), None)
        if found is None:
            return {}, ["no keypoints of this view"]
        return {KEYPOINTS: keypoint_rows(found)}, []


def _there(masks: Masks) -> BoolArray:
    """(F,) whether the files have a picture of the frame, whatever it shows."""
    # Observations say it.
    assert masks.rows is not None
    return np.asarray(masks.rows >= 0)


def keypoint_rows(keypoints: Keypoints) -> NDArray[np.float32]:
    """(F, P, 3) x and y in pixels of the image, and score; zeros where a point was not seen."""
    rows = np.concatenate([keypoints.points, keypoints.confidence[..., None]], axis=-1)
    seen = np.isfinite(rows).all(axis=-1, keepdims=True) & (rows[..., 2:] > 0)
    return np.where(seen, rows, 0).astype(np.float32)
