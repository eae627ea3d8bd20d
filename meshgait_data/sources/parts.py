"""All kinds of observations of one walk: which files they are in, and what each of them holds.

The kinds are the blocks of a manifest's ``source:``. Here their frames become frames of the walk. What is wrong with
one view of one kind costs nothing else.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from meshgait_data.errors import SourceError
from meshgait_data.findings import Finding, Severity
from meshgait_data.manifest import Manifest
from meshgait_data.manifest_source import Files
from meshgait_data.sources.places import Place
from meshgait_data.sources.track import Track
from meshgait_data.types import Camera, CaptureKey, GivenParams, Keypoints, Masks, Points3D, Worn
from meshgait_data.untrusted import below

__all__ = ["Lost", "Parts", "Place", "read_also", "read_parts"]


@dataclass(frozen=True, slots=True)
class Lost:
    """One kind of one view that is there and cannot be used."""

    kind: str
    """Block of the manifest's source."""
    view: str
    """Empty where it is of the whole walk."""
    error: SourceError


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """What the files of one walk hold, kind by kind, in frames of the walk."""

    joints: Track[Points3D] | None = None
    markers: Track[Points3D] | None = None
    static: Points3D | None = None
    keypoints: tuple[Track[Keypoints], ...] = ()
    masks: tuple[Track[Masks], ...] = ()
    given: Track[GivenParams] | None = None
    cameras: Mapping[str, Camera] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    """Of files that tracks do not tell of."""
    worn: Worn | None = None
    hashes: tuple[str, ...] = ()
    """Of files that tracks do not tell of."""
    lost: tuple[Lost, ...] = ()
    """What is there and cannot be used."""

    def tracks(self) -> list[Track[Any]]:
        """All that have frames."""
        single = (self.joints, self.markers, self.given)
        return [*(track for track in single if track is not None), *self.keypoints, *self.masks]

    def sha256(self) -> str:
        """Hash over all files."""
        return hashlib.sha256(" ".join((*(track.sha256 for track in self.tracks()), *self.hashes)).encode()).hexdigest()


def read_parts(manifest: Manifest, root: Path, key: CaptureKey) -> Parts:
    """Read every kind of observation of one walk that is on disk.

    Raises
    ------
    SourceError
        Where nothing is there, nothing of it can be used, or the calibration cannot be read: bodies in a frame of
        their own are not what somebody expects who names one.
    """
    from meshgait_data.sources.part_readers import read_cameras_of, read_kind, read_worn_of

    place, source = Place(manifest, root, key), manifest.source
    found: list[Parts] = []
    lost: list[Lost] = []
    with below(root, links=manifest.layout_of(key).links):
        for name, block in source.kinds().items():
            for view, path in looked_for(place, name, block, lost):
                try:
                    found.append(read_kind(place, name, block, view, path))
                except SourceError as error:
                    lost.append(Lost(name, view, error))
        if not any(part.tracks() for part in found):
            if lost:
                raise lost[0].error
            paths = ", ".join(block.path for block in source.kinds().values())
            hint = f"the manifest's source names: {paths}"
            raise SourceError(f"no observations of {key}", where=str(root), hint=hint)
        more = Parts(lost=tuple(lost), findings=_of_one_view(key, found))
        return _merged([*found, read_cameras_of(place, source), read_worn_of(place, source), more])


def _of_one_view(key: CaptureKey, found: Sequence[Parts]) -> tuple[Finding, ...]:
    """Kinds that a walk has once, and that several of its views have."""
    findings = []
    for name in ("given", "joints"):
        tracks = [track for part in found if (track := getattr(part, name)) is not None]
        if len(tracks) > 1:
            views = ", ".join(track.view or "?" for track in tracks[1:])
            message = f"{tracks[0].kind} of {len(tracks)} views of one walk: those of {tracks[0].view!r} are used, "
            message += f"not those of {views}"
            hint = "say layout: captures: each where the views are walks of their own"
            findings.append(Finding(Severity.WARNING, "MG-SOURCE-023", str(key), message, hint))
    return tuple(findings)


def looked_for(place: Place, name: str, block: Files, lost: list[Lost]) -> list[tuple[str, Path]]:
    """View and path of what a block names that is there; where that cannot be told it is noted in ``lost``."""
    try:
        return place.files(block)
    except SourceError as error:
        lost.append(Lost(name, "", error))
        return []


def _merged(found: Sequence[Parts]) -> Parts:
    values: dict[str, Any] = {}
    for part in found:
        for name in ("joints", "markers", "static", "given", "worn"):
            if getattr(part, name) is not None:
                values.setdefault(name, getattr(part, name))
        values["cameras"] = {**values.get("cameras", {}), **part.cameras}
        for name in ("keypoints", "masks", "findings", "hashes", "lost"):
            values[name] = (*values.get(name, ()), *getattr(part, name))
    return Parts(**values)


def read_also(manifest: Manifest, root: Path, key: CaptureKey) -> tuple[list[Track[NDArray[Any]]], list[Lost]]:
    """Modalities that ride along, the blocks of ``also:`` of the walk's clock, and those that cannot be used.

    Returns
    -------
    tracks
        Arrays, frames first, each with its block as ``kind``, e.g. ``also.depth``, and its view.
    lost
        What cannot be read as one array.
    """
    from meshgait_data.sources.part_readers import read_riding

    place = Place(manifest, root, key)
    tracks: list[Track[NDArray[Any]]] = []
    lost: list[Lost] = []
    with below(root, links=manifest.layout_of(key).links):
        for name, block in manifest.source.also.items():
            if block.clock:
                continue
            kind = f"also.{name}"
            for view, path in looked_for(place, kind, block, lost):
                try:
                    tracks.append(read_riding(place, kind, block, view, path))
                except SourceError as error:
                    lost.append(Lost(kind, view, error))
    return tracks, lost
