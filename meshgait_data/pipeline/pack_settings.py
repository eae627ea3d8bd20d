"""How a work folder is packed: the settings, checked, and what all parts of a dataset share."""

import hashlib
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import cv2

from meshgait_data import __version__
from meshgait_data.body.model import Body
from meshgait_data.conventions import SMPL_SET
from meshgait_data.errors import UsageError
from meshgait_data.manifest import Manifest
from meshgait_data.manifest_source import Silhouettes
from meshgait_data.render.channels import CHANNELS
from meshgait_data.render.look import Look
from meshgait_data.shards.dataset import Format
from meshgait_data.shards.schema import BY_NAME
from meshgait_data.strict import to_plain
from meshgait_data.types import MarkerSet

if TYPE_CHECKING:
    from meshgait_data.body.joints import JointRegressor

KEYPOINTS = "keypoints"
"""Name under which 2D keypoints of the source ride along."""


@dataclass(frozen=True, slots=True)
class PackSettings:
    """How a work folder is packed."""

    body: str | None = None
    """Name or path of the body that the fits were made with."""
    markers: str | None = None
    """Name or path of the virtual markers; by default those that ship with the body."""
    joint_set: str = SMPL_SET
    """Name of the joint set of the labels."""
    format: Format = "zarr"
    """Container of the parts."""
    size: int | None = None
    """Side of the aligned silhouettes; by default the manifest's."""
    with_128: bool = False
    """Also the silhouettes in 128 x 128 pixels, in the same frame."""
    one_bit: bool = False
    """Silhouettes of 1 bit a pixel: grey pixels on the edges become black or white."""
    rendered: bool = False
    """Also the fitted body through the windows of the silhouettes."""
    also: tuple[str, ...] = ()
    """What rides along: ``keypoints`` of the source, ``depth``, ``parts`` or ``layers`` of the fitted body, and further
    pickles of an OpenGait tree by the names of their files."""
    rig: str | None = None
    """Name or path of a rig: walks are then seen by its cameras, even where the source has masks."""
    look: Look = field(default_factory=Look)
    """Alignment and degradations."""
    alignment: str = ""
    """Alignment of observed masks where it is asked for; by default the manifest's, or that of the look."""
    labelled_only: bool = False
    """Leave out captures that have silhouettes but no fit."""
    part_sequences: int = 256
    """Sequences of a part at most: one job, one folder or file. A capture is never split."""
    part_captures: int | None = None
    """Captures of a part at most."""
    select: str = ""
    """Parts of the keys, e.g. ``subject=07|08,view=090``; all by default."""
    existing: Literal["refresh", "overwrite"] = "refresh"
    """Keep parts that follow from the same input, or write all again."""
    jobs: int = 1
    progress: bool = True

    def resolved(self, manifest: Manifest) -> "PackSettings":
        """With the alignment that is meant in the look; raises UsageError where there is none of that name."""
        block = manifest.source.silhouettes if self.rig is None else None
        name = self.alignment or (block.alignment if block else "") or self.look.alignment
        return replace(self, look=replace(self.look, alignment=name))

    def whole_look(self) -> Look:
        """The look with what else is wanted of the pictures."""
        channels = tuple(name for name in CHANNELS if name in self.also)
        return replace(self.look, channels=channels, fine=self.with_128, rendered=self.rendered)


@dataclass(frozen=True, slots=True, eq=False)
class Ingredients:
    """What all parts of a dataset share."""

    work: Path
    root: Path
    """Folder of the source."""
    manifest: Manifest
    """Of the dataset."""
    scene: Manifest
    """The same with the cameras and the size of silhouettes that are wanted."""
    body: Body
    markers: MarkerSet
    joints: "JointRegressor | None"
    """The joint set of the labels; None: the body's own 24."""
    settings: PackSettings

    @property
    def observed(self) -> Silhouettes | None:
        """Where the masks of the source lie; None where silhouettes are rendered."""
        return self.manifest.source.silhouettes if self.settings.rig is None else None

    @property
    def aligned(self) -> bool:
        """Whether the source's silhouettes are aligned already, in the tree of OpenGait."""
        block = self.observed
        return block is not None and (block.format == "opengait" or block.path.lower().endswith(".pkl"))

    @property
    def pickles(self) -> tuple[str, ...]:
        """Names of what rides along from further pickles of an OpenGait tree."""
        return tuple(name for name in self.settings.also if name not in (KEYPOINTS, *CHANNELS)) if self.aligned else ()


def check_settings(shared: Ingredients) -> None:
    """Refuse settings that contradict each other or the source, before anything is read.

    Raises
    ------
    UsageError
        With the way out.
    """
    settings, size = shared.settings, shared.scene.aligned_size
    if settings.with_128 and size != 64:
        raise UsageError(f"silhouettes of {size} pixels cannot come with 128", hint="leave out --size or --with-128")
    if settings.one_bit and size % 8:
        raise UsageError(f"1-bit silhouettes of {size} pixels: not a multiple of 8", hint="e.g. --size 64")
    _check_also(shared)
    look = settings.look
    changed = {
        "--size": settings.size is not None,
        "--with-128": settings.with_128,
        "--alignment": bool(settings.alignment),
        "--degrade": bool(look.degradations),
    }
    asked = [option for option, there in changed.items() if there]
    if shared.aligned and asked:
        what = f"{asked[0]}: the source's silhouettes are aligned already and are packed as they are"
        raise UsageError(what, where=shared.manifest.name, hint="leave the option out")


def _check_also(shared: Ingredients) -> None:
    taken = sorted(set(shared.manifest.source.also) & {*BY_NAME, *CHANNELS, KEYPOINTS}) if shared.observed else []
    if taken:
        what = f"source: also: {taken[0]}: shards mean something exact by this name"
        raise UsageError(what, where=shared.manifest.name, hint="give it another name in the manifest")
    for name in shared.settings.also:
        if name in BY_NAME:
            raise UsageError(f"--also {name}: that is a field of the schema", hint="it is packed where it can be made")
        if name == KEYPOINTS and shared.manifest.source.keypoints2d is None:
            what = "--also keypoints: the source has no 2D keypoints"
            raise UsageError(what, where=shared.manifest.name, hint="name them as source: keypoints2d in the manifest")
        if name == KEYPOINTS and shared.observed is None:
            what = "--also keypoints: silhouettes are rendered by cameras that no keypoints were seen with"
            raise UsageError(what, where=shared.manifest.name, hint="leave keypoints out")
        if name not in (KEYPOINTS, *CHANNELS) and not shared.aligned:
            known = ", ".join((KEYPOINTS, *CHANNELS))
            raise UsageError(f"--also {name}: no such thing", hint=f"choose from {known}")


def versions() -> dict[str, str]:
    """Package versions that packed data depend on."""
    packages = {name: version(name) for name in ("numpy", "numcodecs", "zarr", "h5py")}
    # Whichever of its distributions is installed.
    return {"meshgait": __version__, **packages, "opencv": cv2.__version__}


def told(shared: Ingredients) -> dict[str, Any]:
    """What the provenance of a part tells of how it was made."""
    settings = shared.settings
    return {
        "manifest_sha256": shared.manifest.sha256(),
        "versions": versions(),
        "settings": {
            "silhouettes": "rendered" if shared.observed is None else "observed",
            "size": shared.scene.aligned_size,
            "one_bit": settings.one_bit,
            "look": to_plain(settings.whole_look()),
            "also": list(settings.also),
            "rig": "" if settings.rig is None else Path(settings.rig).name,
        },
        "body": {"name": shared.body.name, "sha256": shared.body.sha256},
        "markers": {"name": shared.markers.name, "sha256": markers_sha256(shared.markers)},
        "joints": joints_told(shared.joints),
    }


def markers_sha256(markers: MarkerSet) -> str:
    """Hash over what labels follow from: which vertices the markers are."""
    return hashlib.sha256(markers.vertex_ids.astype("<i8").tobytes()).hexdigest()


def joints_told(joints: "JointRegressor | None") -> dict[str, str]:
    """Name of the joint set and hash over what its joints follow from."""
    if joints is None:
        return {"name": SMPL_SET, "sha256": ""}
    entries = joints.matrix.tocoo()
    parts = entries.row.astype("<i8"), entries.col.astype("<i8"), entries.data.astype("<f8")
    return {
        "name": joints.joint_set,
        "sha256": hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest(),
    }
