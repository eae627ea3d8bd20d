"""What a fake says of itself, planted defects and expected frames, and how its pictures and pickles are written."""

import io
import pickle
import pickletools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import BuiltinFunctionType, FunctionType
from typing import Any, ClassVar

import cv2

from fakes.published import pretreated
from meshgait_data.types import ByteArray

Images = dict[int, ByteArray]
"""Number of the frame to its picture."""
Spoil = Callable[[Images], Images]
"""What a defect makes of the pictures of one view; none are left of a view that is missing."""


@dataclass(frozen=True, slots=True)
class Planted:
    """One defect that a fake was made with."""

    kind: str
    """In a few words."""
    finding: str
    """Identifier that it must be found with."""
    where: str
    """Text that the finding's ``where`` or message holds: a path below the root, or a key."""
    says: str = ""
    """Text that the message must hold."""


@dataclass(frozen=True)
class Fake:
    """A dataset on disk, and what is to come of it."""

    manifest: str
    """Name of the manifest that it is to be read with."""
    root: Path
    planted: tuple[Planted, ...] = ()
    silhouettes: Mapping[str, Mapping[int, ByteArray]] = field(default_factory=dict)
    """``subject/condition/view`` to frame id to the aligned silhouette (64, 64) that must arrive in the shards."""
    truth: Mapping[str, Any] = field(default_factory=dict)
    """``subject/condition/view`` to the :class:`fakes.walkers.View` it was made of, whose frame n is file n."""


def write_picture(path: Path, image: ByteArray) -> None:
    """Write an 8-bit grey PNG, quickly."""
    path.parent.mkdir(parents=True, exist_ok=True)
    done, data = cv2.imencode(".png", image, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    if not done:
        raise ValueError(f"{path}: no picture")
    path.write_bytes(data.tobytes())


def without(*frames: int) -> Spoil:
    """Pictures that are missing."""
    return lambda images: {frame: image for frame, image in images.items() if frame not in frames}


def only(*frames: int) -> Spoil:
    """All pictures but these are missing."""
    return lambda images: {frame: image for frame, image in images.items() if frame in frames}


def with_other(pictures: Images) -> Spoil:
    """Other pictures in the place of some."""
    return lambda images: images | pictures


def missing(images: Images) -> Images:
    """The whole view is missing."""
    return {}


def surviving(images: Images, size: int = 64) -> Images:
    """Frame id to its aligned silhouette, of the frames that the published pretreatment keeps."""
    found = ((frame, pretreated(mask, size)) for frame, mask in images.items())
    return {frame: aligned for frame, aligned in found if aligned is not None}


def write_pickle(path: Path, value: Any, *, protocol: int = 4, numpy: int = 1) -> None:
    """Write a pickle as Python and numpy of some age did: protocols 2 to 5, arrays of numpy 1 or 2."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickled(value, protocol=protocol, numpy=numpy))


def pickled(value: Any, *, protocol: int = 4, numpy: int = 1) -> bytes:
    """Bytes of a pickle, see :func:`write_pickle`."""
    stream = io.BytesIO()
    _Pickler(stream, protocol, "numpy.core" if numpy == 1 else "numpy._core").dump(value)
    return pickletools.optimize(stream.getvalue())


class _Pickler(pickle._Pickler):  # type: ignore[misc,name-defined]  # the one in Python, whose globals can be renamed
    """Pickles with the name that numpy's core package had in a version."""

    def __init__(self, stream: io.BytesIO, protocol: int, core: str) -> None:
        super().__init__(stream, protocol)
        self._core = core

    def save_global(self, thing: Any, name: str | None = None) -> None:
        module = getattr(thing, "__module__", "") or ""
        if not module.startswith("numpy._core"):
            super().save_global(thing, name)
            return
        renamed = module.replace("numpy._core", self._core)
        if self.proto >= 4:
            self.save(renamed)
            self.save(thing.__qualname__)
            self.write(pickle.STACK_GLOBAL)
        else:
            self.write(pickle.GLOBAL + f"{renamed}\n{thing.__qualname__}\n".encode())
        self.memoize(thing)

    dispatch: ClassVar[dict[type, Any]] = {
        **pickle._Pickler.dispatch,  # type: ignore[attr-defined]  # not in the stubs
        BuiltinFunctionType: save_global,
        FunctionType: save_global,
    }
